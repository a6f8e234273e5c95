"""The report of a finished map: its scene, its model, its settings and its classes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from geoseg.classification.job import Job
from geoseg.errors import redact
from geoseg.polygons import Cleaning
from geoseg.raster import Mosaic, SceneSource, Stack, source_name


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Pixels and area of a class in the map."""

    value: int
    name: str
    color: str
    """#rrggbb."""
    pixels: int
    area_m2: float | None
    """Area (m²), None without a CRS. In degrees and in Mercator it is measured on the ellipsoid."""


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
    config: dict[str, Any]
    """The options that make the map again, as `geoseg classify --config` reads them; without
    credentials."""
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


def replay_config(
    job: Job, source: SceneSource, files: Mapping[str, Path | None], model: str
) -> dict[str, Any]:
    """Return the options of `geoseg classify` that make the same bytes again, without credentials.

    What "auto" stood for is given by its value. Options with their default are left out, and those
    that do not change the map, such as the number of workers.

    Args:
        job: the run.
        source: where the pixels of its scene come from.
        files: the outputs by the names of their options; None for one that is not written.
        model: the model as the caller named it.
    """
    settings = job.settings
    changed = {
        field.name: value
        for part in (settings, settings.cleaning)
        for field in fields(part)
        if (value := getattr(part, field.name)) != field.default and not isinstance(value, Cleaning)
    }
    creation_options = changed.pop("creation_options", None) or {}
    resolved = {
        "engine": job.engine_without_version, "device": job.device, "precision": job.precision,
        "batch_size": job.batch_size, "chunk": job.chunk,
    }  # fmt: skip
    return {
        **_source_options(source),
        **{name: redact(str(path)) for name, path in files.items() if path is not None},
        "model": redact(model),
        **{name: redact(v) if isinstance(v, str) else v for name, v in changed.items()},
        **({"co": [f"{name}={value}" for name, value in creation_options.items()]}
           if creation_options else {}),
        **resolved,
    }  # fmt: skip


def _source_options(source: SceneSource) -> dict[str, Any]:
    """Return the arguments and options that name a scene."""
    if isinstance(source, Stack):
        return {"scenes": list(map(redact, source.paths)), "stack": True}
    if isinstance(source, Mosaic):
        scenes = [redact(source_name(scene)) for scene in source.scenes]
        return {"scenes": scenes, "mosaic": True, "order": source.order}
    return {"scenes": [redact(source)]}
