"""The provenance of a report: its files, settings and version."""

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyproj import CRS

from geoseg.evaluation.assessment import Assessment
from geoseg.evaluation.settings import EvaluateSettings
from geoseg.legend import Legend
from geoseg.raster import read_metadata
from geoseg.version import __version__


def provenance_of(assessment: Assessment) -> dict[str, Any]:
    """Return map, reference, changed settings and version, for JSON."""
    tags = read_metadata(assessment.path).tags
    scene = assessment.scene
    return {
        "map": {
            **_file(assessment.path),
            "height": scene.height,
            "width": scene.width,
            "pixel_size_m": scene.pixel_size,
            "crs": CRS.from_user_input(scene.crs).name if scene.crs else None,
            **{k.removeprefix("GEOSEG_").lower(): v for k, v in tags.items() if "GEOSEG_" in k},
        },
        "reference": _file(assessment.reference),
        "settings": _changed_settings(assessment.settings),
        **_version_and_time(),
    }


def provenance_of_files(**files: str | Path | None) -> dict[str, Any]:
    """Return the files by their role, and the version, for JSON."""
    return {
        **{role: _file(path) for role, path in files.items() if path is not None},
        **_version_and_time(),
    }


def _file(path: str | Path) -> dict[str, Any]:
    """Return the path, and of a local file its size and the time of its last change."""
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return {"path": str(path)}
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
    return {"path": str(path), "bytes": stat.st_size, "modified": modified}


def _changed_settings(settings: EvaluateSettings) -> dict[str, Any]:
    """Return the settings that differ from the defaults."""
    defaults = EvaluateSettings()
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {
        name: value.to_dict()
        if isinstance(value, Legend)
        else str(value)
        if isinstance(value, Path)
        else value
        for name, value in values.items()
        if value != getattr(defaults, name)
    }


def _version_and_time() -> dict[str, Any]:
    return {"geoseg": __version__, "made": datetime.now(UTC).isoformat(timespec="seconds")}
