"""Class rasters and label vectors: the class of each pixel of a scene."""

from geoseg.labels.class_files import ClassFiles
from geoseg.labels.class_raster import ClassRaster, open_class_raster
from geoseg.labels.ignore import IgnoreSpec, class_text
from geoseg.labels.open import LabelFiles, LabelOpener, LabelSource, on_grid
from geoseg.labels.raster_labels import RasterLabels
from geoseg.labels.recode import (
    RecodedLabels,
    open_map,
    open_on_grid,
    open_reference,
    recode_labels,
    recode_table,
    was_warped,
    without_ignored,
)
from geoseg.labels.vector_file import VectorLabelFile

__all__ = [
    "ClassFiles",
    "ClassRaster",
    "IgnoreSpec",
    "LabelFiles",
    "LabelOpener",
    "LabelSource",
    "RasterLabels",
    "RecodedLabels",
    "VectorLabelFile",
    "class_text",
    "on_grid",
    "open_class_raster",
    "open_map",
    "open_on_grid",
    "open_reference",
    "recode_labels",
    "recode_table",
    "was_warped",
    "without_ignored",
]
