"""The class of the pixels that no polygon covers: ``--background``."""

from typing import Any

import shapely
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.labels.ignore import IgnoreSpec
from geoseg.legend import NODATA, LandCoverClass, Legend, class_key
from geoseg.palette import spare_color


def add_background(
    legend: Legend, background: str | None, ignore: IgnoreSpec
) -> tuple[Legend, int]:
    """Return the legend with the background class, and the value of this class.

    Args:
        legend: the other classes; it may have the background too.
        background: name or value of a class of the legend, or the name of a new class. The new
            class gets the smallest free value, or the value that its name is; None for none.
        ignore: classes that mean "not labelled".

    Returns:
        The legend itself and 255 if there is no background.

    Raises:
        LabelError: if the background has no name, is ignored, or has no free value.
    """
    if background is None:
        return legend, NODATA
    name = background.strip()
    if not name:
        raise LabelError("the background class has no name, give one (--background)")
    known = legend.find(name)
    ignored = known and known.value in ignore.values_in(legend)
    if ignored or class_key(name) in ignore.texts:
        raise LabelError(
            f"class {name!r} is the background and is to be ignored, choose one of the two "
            "(--background, --ignore)"
        )
    if known is not None:
        return legend, known.value
    value = int(name) if name.isdecimal() else _free_value(legend)
    color = spare_color(name, [c.color for c in legend.classes])
    return Legend((*legend.classes, LandCoverClass(value, name, color))), value


def _free_value(legend: Legend) -> int:
    free = sorted(set(range(NODATA)) - set(legend.values))
    if not free:
        raise LabelError(
            f"the legend has {len(legend)} classes and so no value for the background class, "
            "choose one of its classes (--background)"
        )
    return free[0]


def check_not_points(labels: str, geometries: NDArray[Any]) -> None:
    """Refuse points as all that is not background: a point labels one pixel, not an object.

    Args:
        labels: the files, for the message.
        geometries: (n,) shapely geometries of all of them.

    Raises:
        LabelError: if all are points.
    """
    if (shapely.get_dimensions(geometries) == 0).all():
        raise LabelError(
            f"labels {labels} hold points only, so what lies around them is not known to be "
            "background, give polygons or leave --background out"
        )
