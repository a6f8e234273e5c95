"""A map and its reference, read in the class values of one legend."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.grid import Window
from geoseg.labels.class_raster import describe_class_raster, open_class_raster
from geoseg.labels.ignore import IgnoreSpec
from geoseg.labels.open import LabelSource, on_grid
from geoseg.labels.raster_labels import RasterLabels, as_raster_labels
from geoseg.legend import NODATA, LandCoverClass, Legend, class_key
from geoseg.raster import Scene


@dataclass(frozen=True, slots=True, eq=False)
class RecodedLabels:
    """Labels in the values of another legend, matched by name."""

    labels: LabelSource
    legend: Legend
    table: NDArray[np.uint8]
    """(256,) value in ``legend`` of each value of ``labels``."""

    def clipped_to(self, window: Window) -> "RecodedLabels":
        """Return the same labels, with no more than what reading inside this window needs."""
        return replace(self, labels=self.labels.clipped_to(window))

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 where a pixel is not labelled."""
        values: NDArray[np.uint8] = self.table[self.labels.read(window)]
        return values


def open_map(
    path: str, legend: Legend | None, ignore: tuple[str, ...]
) -> tuple[Scene, LabelSource]:
    """Open a class map, with its own classes if ``legend`` is None.

    Args:
        path: of a class raster or a colour mask.
        legend: the classes; None for those of the palette, or else for those with a name.
        ignore: names, values or colours of classes that mean "not labelled".

    Raises:
        LabelError: if it is not a class raster, or has no classes.
        SceneError: if it cannot be opened.
    """
    raster = open_class_raster(path, legend=legend, on_missing="error", color_masks=True)
    labels = as_raster_labels(raster, IgnoreSpec.parse(ignore))
    return raster.scene, recode_labels(labels, labels.legend, path, ignore)


def open_reference(
    path: str, scene: Scene, legend: Legend, own: Legend | None, ignore: tuple[str, ...]
) -> LabelSource:
    """Open a reference raster on the map's grid, in the values of the map's legend.

    Args:
        path: of a class raster or a colour mask.
        scene: the map.
        legend: of the map.
        own: legend of the reference; None for the class names that it stores, or else the map's.
        ignore: names, values or colours of classes of either side that mean "not labelled".

    Raises:
        LabelError: if it is not a class raster, its classes are not the map's, it does not fit the
            map, or a class to be ignored is unknown.
        SceneError: if it cannot be opened.
    """
    labels, spec = open_on_grid(path, scene, legend, own, ignore), IgnoreSpec.parse(ignore)
    spec.check_names({"the map": legend, f"reference {path}": labels.legend})
    return recode_labels(labels, legend, path, ignore)


def open_on_grid(
    path: str, scene: Scene, legend: Legend, own: Legend | None, ignore: tuple[str, ...]
) -> RasterLabels:
    """Open a class raster on the grid of a map, in the values of its own legend.

    Args:
        path: of a class raster or a colour mask.
        scene: the map.
        legend: of the map, which applies if the raster stores no class names.
        own: legend of the raster; None for the class names that it stores.
        ignore: names, values or colours of its classes that mean "not labelled".

    Raises:
        LabelError: if it is not a class raster, or does not fit the map.
        SceneError: if it cannot be opened.
    """
    raster = open_class_raster(path, color_masks=True)
    # A palette without names would make classes that are called by their values.
    own = own if own is not None or raster.names else legend
    raster = describe_class_raster(on_grid(raster.scene, scene), own, "error")
    return as_raster_labels(raster, IgnoreSpec.parse(ignore))


def recode_table(labels: LabelSource) -> NDArray[np.uint8]:
    """Return the value in the common legend (256,) of each value of the labels."""
    if isinstance(labels, RecodedLabels):
        return labels.table
    return np.arange(NODATA + 1, dtype=np.uint8)


def recode_labels(
    labels: LabelSource, legend: Legend, path: str, ignore: tuple[str, ...] = ()
) -> LabelSource:
    """Return labels in the values of a legend, by their class names; what is ignored is 255.

    Args:
        labels: in the values of their own legend.
        legend: the legend of the result.
        path: of the labels, for messages.
        ignore: names, values or colours of classes of either legend that mean "not labelled".

    Raises:
        LabelError: if a class of the labels that is not ignored is not in the legend.
    """
    spec = IgnoreSpec.parse(ignore)
    own, kept = _kept_classes(labels.legend, spec), _kept_classes(legend, spec)
    names = {class_key(name) for name in legend.names}
    unknown = [c.name for c in own if class_key(c.name) not in names]
    if unknown:
        raise LabelError(
            f"reference {path} has the classes {', '.join(labels.legend.names)}, of which "
            f"{', '.join(unknown)} are not among the map's ({', '.join(legend.names)}), give "
            "legends with the same names (--legend, --reference-legend) or ignore these classes "
            "(--ignore)"
        )
    if labels.legend == legend and len(kept) == len(legend):
        return labels
    values = {class_key(c.name): c.value for c in kept}
    table = np.full(NODATA + 1, NODATA, np.uint8)
    for c in own:
        table[c.value] = values.get(class_key(c.name), NODATA)
    return RecodedLabels(labels, legend, table)


def without_ignored(legend: Legend, ignore: tuple[str, ...]) -> Legend:
    """Return the legend of the classes that are not ignored.

    Raises:
        LabelError: if all are ignored.
    """
    kept = _kept_classes(legend, IgnoreSpec.parse(ignore))
    if not kept:
        raise LabelError("all classes are ignored, keep at least one (--ignore)")
    return Legend(kept)


def _kept_classes(legend: Legend, ignore: IgnoreSpec) -> tuple[LandCoverClass, ...]:
    ignored = ignore.values_in(legend)
    return tuple(c for c in legend.classes if c.value not in ignored)


def was_warped(labels: LabelSource) -> bool:
    """Return whether labels of a raster came from another grid."""
    inner = labels.labels if isinstance(labels, RecodedLabels) else labels
    return isinstance(inner, RasterLabels) and inner.raster.warped is not None
