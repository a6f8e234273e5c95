"""The report of a finished map: its scene, its model, its settings and its classes."""

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
    """True area on the ellipsoid (m²), None if the scene has no CRS."""


_JSON_KEYS = {"version": "geoseg", "settings": "options"}
"""Keys of the JSON file that differ from the fields."""


@dataclass(frozen=True, slots=True)
class ClassifyReport:
    """Inputs, settings and classes of a map; its JSON file holds `to_dict`."""

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
    """Wall-clock time of each step (s)."""
    classes: tuple[ClassStatistics, ...] = ()
    nodata_pixels: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        values = {_JSON_KEYS.get(name, name): value for name, value in asdict(self).items()}
        return {**values, "outputs": list(self.outputs), "classes": list(values["classes"])}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ClassifyReport":
        """Read what `to_dict` made.

        Raises:
            LookupError, TypeError: if the data are not those of a report.
        """
        values = {name: data[_JSON_KEYS.get(name, name)] for name in cls.__slots__}
        classes = tuple(ClassStatistics(**statistics) for statistics in values["classes"])
        return cls(**{**values, "outputs": tuple(values["outputs"]), "classes": classes})
