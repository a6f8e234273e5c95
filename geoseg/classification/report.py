"""The report of a finished map: where it came from, and its classes."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Pixels and area of a class in the map."""

    value: int
    name: str
    color: str
    """#rrggbb."""
    pixels: int
    area_m2: float | None
    """True area on the ellipsoid (m²), None where the scene has no CRS."""


@dataclass(frozen=True, slots=True)
class ClassifyReport:
    """What was computed from what; the JSON file of a map holds `to_dict`."""

    run: str
    """Identity of the run: hash of all that the outputs depend on."""
    version: str
    """Version of geoseg."""
    python: str
    """Version of Python."""
    scene: dict[str, Any]
    """The `Scene` as plain data, without credentials."""
    model: dict[str, Any]
    """Keys path, hash and bands."""
    settings: dict[str, Any]
    """The `ClassifySettings` as plain data, with the resolved precision."""
    execution: dict[str, Any]
    """The `Execution` as plain data, with workers, scheduler and resolved values."""
    outputs: tuple[str, ...]
    """Names of the files."""
    seconds: dict[str, float]
    """Time of the steps (s)."""
    classes: tuple[ClassStatistics, ...] = ()
    nodata_pixels: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "run": self.run,
            "geoseg": self.version,
            "python": self.python,
            "scene": self.scene,
            "model": self.model,
            "options": self.settings,
            "execution": self.execution,
            "outputs": list(self.outputs),
            "seconds": self.seconds,
            "classes": [asdict(statistics) for statistics in self.classes],
            "nodata_pixels": self.nodata_pixels,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ClassifyReport":
        """Read what `to_dict` made.

        Raises:
            LookupError, TypeError: if the data are not those of a report.
        """
        return cls(
            run=data["run"],
            version=data["geoseg"],
            python=data["python"],
            scene=data["scene"],
            model=data["model"],
            settings=data["options"],
            execution=data["execution"],
            outputs=tuple(data["outputs"]),
            seconds=data["seconds"],
            classes=tuple(ClassStatistics(**statistics) for statistics in data["classes"]),
            nodata_pixels=data["nodata_pixels"],
        )
