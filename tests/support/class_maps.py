"""Small class maps for the tests, and their polygons."""

import numpy as np

from geoseg.polygons import PolygonArrays, polygonise_windows
from geoseg.polygons.arrays import concat_fields

SHAPE = (48, 60)
NO_POLYGONS = PolygonArrays(
    *(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)),
    *(np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(1, int), np.zeros(1, int)),
)


def class_labels(block: int = 4) -> np.ndarray:
    """Blocks of five classes with single pixels between them, and a corner without data."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 5, (SHAPE[0] // block + 1, SHAPE[1] // block + 1), dtype=np.uint8)
    labels = np.kron(coarse, np.ones((block, block), np.uint8))[: SHAPE[0], : SHAPE[1]].copy()
    single = rng.random(SHAPE) < 0.05
    labels[single] = rng.integers(0, 5, SHAPE)[single]
    labels[:5, :9] = 255
    return labels


def polygons_of(labels: np.ndarray) -> PolygonArrays:
    """Return the polygons of labels (height, width) uint8; 255 is nodata."""
    batches = polygonise_windows(lambda window: (labels[window.slices], None), *labels.shape)
    return concat_fields([NO_POLYGONS, *batches])
