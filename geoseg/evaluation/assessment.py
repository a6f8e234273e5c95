"""The map under assessment, and what all kinds of reference need of it."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from geoseg.errors import EvaluateError, redact
from geoseg.evaluation.comparison.settings import CompareSettings
from geoseg.evaluation.settings import EvaluateSettings
from geoseg.execute import Progress
from geoseg.labels import LabelSource
from geoseg.legend import TOP_SCORE, Legend
from geoseg.metrics import Reliability
from geoseg.raster import Scene, open_scores, read_metadata
from geoseg.version import __version__

HECTARE_M2 = 1e4
"""m² of a hectare."""
NO_CONFIDENCE_NOTE = (
    "The confidence raster has no value where map and reference were compared, so there is no "
    "calibration"
)


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """A class map, the path of its reference, and how to compare them."""

    path: str
    """Path of the map."""
    scene: Scene
    """The grid of the map."""
    labels: LabelSource
    """The labels of the map."""
    legend: Legend
    """The classes of the matrix: those of the map that are not ignored."""
    reference: str
    """Path of the reference."""
    settings: EvaluateSettings
    workers: int
    """Number of windows that are compared at the same time."""
    progress: Progress | None

    @property
    def title(self) -> str:
        """Title of the report."""
        return Path(redact(self.path)).name

    @property
    def values(self) -> NDArray[np.int64]:
        """(classes,) values of the classes of the matrix."""
        return np.array(self.legend.values)


def open_confidence(assessment: Assessment) -> Scene | None:
    """Open the confidence raster, on the grid of the map; None if the settings name none.

    Raises:
        SceneError: if it is no confidence raster of the map.
    """
    path = assessment.settings.confidence
    return None if path is None else open_scores(path, "confidence", assessment.scene)


def no_overlap_error(assessment: Assessment) -> EvaluateError:
    """Return the error for a map and a reference without a common labelled pixel."""
    return EvaluateError(
        f"map {assessment.path} and reference {assessment.reference} have no labelled pixel in "
        "common, see with `geoseg info` where both lie and which classes they have"
    )


def reliability_of(
    hits_by_confidence: NDArray[np.int64] | NDArray[np.float64],
) -> Reliability | None:
    """Return the reliability of (2, 256) wrong and correct pixels by confidence; None without."""
    if not hits_by_confidence.any():
        return None
    confidence = np.arange(hits_by_confidence.shape[1]) / TOP_SCORE
    return Reliability.of(confidence, hits_by_confidence[1], hits_by_confidence.sum(0))


def provenance_of(assessment: Assessment) -> dict[str, Any]:
    """Return map, reference, changed settings and version, for JSON."""
    tags, scene = read_metadata(assessment.path).tags, assessment.scene
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
        "settings": changed_settings(assessment.settings),
        **_version_and_time(),
    }


def provenance_of_files(**files: str | Path | None) -> dict[str, Any]:
    """Return the files by their role, and the version, for JSON."""
    roles = {role: _file(path) for role, path in files.items() if path is not None}
    return {**roles, **_version_and_time()}


def _file(path: str | Path) -> dict[str, Any]:
    """Return the path, and of a local file its size and the time of its last change."""
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return {"path": redact(str(path))}
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
    return {"path": redact(str(path)), "bytes": stat.st_size, "modified": modified}


def changed_settings(settings: EvaluateSettings | CompareSettings) -> dict[str, Any]:
    """Return the settings that differ from the defaults."""
    changed = dict[str, Any]()
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != field.default:
            value = redact(str(value)) if isinstance(value, str | Path) else value
            changed[field.name] = value.to_dict() if isinstance(value, Legend) else value
    return changed


def _version_and_time() -> dict[str, Any]:
    return {"geoseg": __version__, "made": datetime.now(UTC).isoformat(timespec="seconds")}
