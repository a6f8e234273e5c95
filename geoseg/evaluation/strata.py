"""A raster of strata: every value is a stratum."""

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, LabelError, count_of
from geoseg.evaluation.points import STRATUM_FIELD, Points
from geoseg.grid import chunks
from geoseg.labels import RasterLabels, open_class_raster
from geoseg.legend import NODATA, LandCoverClass, Legend, class_key
from geoseg.raster import Scene, read_window

_WINDOW_SIZE = 2048
"""Side of the windows in which the raster is read (px)."""
_STRATUM_COLOR = "#000000"
"""A legend needs colours, but strata are not drawn."""


def open_strata(path: str, map_legend: Legend, own_legend: Legend | None) -> RasterLabels:
    """Open a raster of strata by its values; colours do not count.

    Args:
        path: path of a raster with one band of whole numbers from 0 to 254, on its own grid; 255
            and nodata pixels belong to no stratum.
        map_legend: legend of the map under assessment.
        own_legend: names of the strata. None for the names of the raster, else the names of the
            map's classes if the map has all values, else "stratum 7".

    Returns:
        Its labels, on its own grid, with a legend of the values that occur.

    Raises:
        LabelError: if it has several bands, a value outside of 0..254, only nodata, or a value
            that ``own_legend`` does not name.
        SceneError: if it cannot be read.
    """
    raster = open_class_raster(path)
    scene, values = raster.scene, _values(raster.scene)
    names = {c.value: c.name for c in own_legend.classes} if own_legend else dict(raster.names)
    unnamed = [str(v) for v in values if v not in names]
    if own_legend and unnamed:
        raise LabelError(
            f"strata {path} have the value{'s' if len(unnamed) > 1 else ''} {', '.join(unnamed)}, "
            f"which their legend does not name ({', '.join(own_legend.names)}), complete it"
        )
    if not names and set(values) <= set(map_legend.values):
        names = {c.value: c.name for c in map_legend.classes}
    try:
        legend = Legend(
            tuple(LandCoverClass(v, names.get(v, f"stratum {v}"), _STRATUM_COLOR) for v in values)
        )
    except LabelError as error:
        raise LabelError(f"strata {path}: {error}") from None
    return RasterLabels(scene, legend, colors=False)


def check_strata(
    points: Points,
    strata: NDArray[np.uint8],
    legend: Legend,
    path: str,
    ignored: frozenset[int] = frozenset(),
) -> bool:
    """Check that points lie in the strata that they were drawn from, if their file names them.

    Args:
        points: the points.
        strata: (n,) value of the stratum in which each point lies, 255 for none.
        legend: legend of the strata.
        path: path of the raster of strata.
        ignored: values of strata that are left out; their points may lie anywhere.

    Returns:
        Whether the file names the strata; if it names none of them, its field has another meaning.

    Raises:
        EvaluateError: if a point lies in another stratum, or some points name no stratum.
    """
    values = {class_key(c.name): c.value for c in legend.classes}
    names = [class_key(str(name)) for name in points.strata or ()]
    if not any(name in values for name in names):
        return False
    drawn = np.array([values.get(name, NODATA) for name in names])
    unknown = int((drawn == NODATA).sum())
    if unknown:
        raise EvaluateError(
            f"the field {STRATUM_FIELD} of {unknown:,} of {count_of(len(names), 'point')} names no "
            f"stratum of {path}, correct it, or remove the field if the points were drawn from "
            "something else"
        )
    moved = int(((drawn != strata) & ~np.isin(drawn, list(ignored))).sum())
    if moved:
        raise EvaluateError(
            f"{moved:,} of {count_of(len(names), 'point')} do not lie in the stratum of {path} "
            "that their file names, give the map that they were drawn from as the strata "
            "(--strata)"
        )
    return True


def _values(scene: Scene) -> list[int]:
    """Return the values of a raster, ascending, without 255."""
    values = set[int]()
    for window in chunks(scene.height, scene.width, _WINDOW_SIZE):
        pixels, valid = read_window(scene, window)
        window_values = np.unique(pixels[0][valid])
        wrong = np.setdiff1d(window_values, np.arange(NODATA + 1))
        if wrong.size:
            raise LabelError(
                f"strata {scene.path} have the value {wrong[0]:.6g}, but strata are whole numbers "
                "from 0 to 254, renumber them"
            )
        values.update(window_values.astype(int).tolist())
    values.discard(NODATA)
    if not values:
        raise LabelError(f"strata {scene.path} have no pixel with data, check the file")
    return sorted(values)
