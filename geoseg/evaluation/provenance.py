"""Where the numbers of a report come from."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from geoseg.errors import GeosegError
from geoseg.evaluation.assessment import Assessment
from geoseg.evaluation.settings import DEFAULTS
from geoseg.legend import Legend
from geoseg.raster import (
    Scene,
    open_scene,
    percentile_stretch,
    read_metadata,
    read_overview,
    rgb_bands,
    warped_to,
)
from geoseg.version import __version__


def provenance_of(subject: Assessment) -> dict[str, Any]:
    """Map, reference, settings and version, as plain data."""
    tags = read_metadata(subject.path).tags
    scene = subject.scene
    return {
        "map": {
            **_file(subject.path),
            "height": scene.height,
            "width": scene.width,
            "pixel_size_m": scene.pixel_size,
            "crs": CRS.from_user_input(scene.crs).name if scene.crs else None,
            **{k.removeprefix("GEOSEG_").lower(): v for k, v in tags.items() if "GEOSEG_" in k},
        },
        "reference": _file(subject.reference),
        "settings": _settings(subject),
        **_now(),
    }


def provenance_of_files(**files: str | Path | None) -> dict[str, Any]:
    """Files by what they are, and the version, as plain data."""
    return {**{what: _file(path) for what, path in files.items() if path is not None}, **_now()}


def thumbnail_of(subject: Assessment) -> NDArray[np.uint8] | None:
    """The scene at reduced size, (rows, cols, 3): the one that was given, or the map's own.

    A scene that the map's report names and that is no longer there is not shown.

    Raises:
        SceneError: if the scene that was given cannot be read.
    """
    given = subject.settings.image
    if given is not None:
        return _image_thumbnail(str(given), subject)
    try:
        report = json.loads(Path(subject.path).with_suffix(".json").read_text())
        return _image_thumbnail(report["scene"]["path"], subject)
    except (OSError, ValueError, LookupError, TypeError, GeosegError):
        return None


def _image_thumbnail(path: str, subject: Assessment) -> NDArray[np.uint8]:
    scene, grid = open_scene(path), subject.scene
    if _map_location(scene) != _map_location(grid) and scene.crs and grid.crs:
        scene = warped_to(scene, grid)
    shown = scene.with_bands(tuple(scene.bands[place - 1] for place in rgb_bands(scene.band_names)))
    pixels, valid = read_overview(shown, -(-max(grid.height, grid.width) // subject.step))
    colors = percentile_stretch(pixels, valid)
    colors[~valid] = 255
    return colors


def _map_location(scene: Scene) -> tuple[object, ...]:
    return scene.height, scene.width, scene.transform, scene.crs


def _file(path: str | Path) -> dict[str, Any]:
    """Name, and of a local file its size and the time of its last change."""
    found: dict[str, Any] = {"path": str(path)}
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return found
    changed = datetime.fromtimestamp(stat.st_mtime, UTC)
    return {**found, "bytes": stat.st_size, "modified": changed.isoformat(timespec="seconds")}


def _settings(subject: Assessment) -> dict[str, Any]:
    """What was not left as it is."""
    given = {f.name: getattr(subject.settings, f.name) for f in fields(subject.settings)}
    return {
        name: value.to_dict() if isinstance(value, Legend) else _text(value)
        for name, value in given.items()
        if value != getattr(DEFAULTS, name)
    }


def _text(value: Any) -> Any:  # noqa: ANN401 - a setting of any type
    return str(value) if isinstance(value, Path) else value


def _now() -> dict[str, Any]:
    return {"geoseg": __version__, "made": datetime.now(UTC).isoformat(timespec="seconds")}
