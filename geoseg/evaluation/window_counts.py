"""Map and reference compared window by window, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.thumbnails import thumbnail_step
from geoseg.execute import Progress, ProgressCounter, map_threads
from geoseg.geodesy import pixel_areas
from geoseg.grid import Window
from geoseg.labels import LabelSource
from geoseg.legend import NODATA
from geoseg.metrics import (
    VALUES,
    BoundaryCounts,
    class_row_counts,
    count_boundaries,
    count_pairs,
    pair_areas,
)
from geoseg.raster import Scene, read_metadata, read_window

_PIXELS_PER_WINDOW = 1 << 23
"""Approximate size of a window: rows of whole blocks, so that each block is read once."""
_WINDOWS_AT_A_TIME = 64
"""Windows whose counts are in memory at the same time."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonCounts:
    """Counts of a comparison, by default 0; counts of windows add up."""

    pairs: NDArray[np.int64] = field(default_factory=lambda: np.zeros((VALUES, VALUES), np.int64))
    """(256, 256) pixels by value in the map and in the reference, 255 for nodata."""
    area_m2: NDArray[np.float64] = field(default_factory=lambda: np.zeros(VALUES))
    """(256,) m² of each value of the map; NaN without a CRS."""
    boundary: BoundaryCounts = field(default_factory=BoundaryCounts)
    hits_by_confidence: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, VALUES), np.int64)
    )
    """(2, 256) wrong and correct pixels by value of the confidence."""
    pair_area_m2: NDArray[np.float64] = field(default_factory=lambda: np.zeros((VALUES, VALUES)))
    """(256, 256) area of the pixels of each pair (m²); 0 if not measured, NaN without a CRS."""

    def __add__(self, other: "ComparisonCounts") -> "ComparisonCounts":
        return ComparisonCounts(
            self.pairs + other.pairs, self.area_m2 + other.area_m2, self.boundary + other.boundary,
            self.hits_by_confidence + other.hits_by_confidence,
            self.pair_area_m2 + other.pair_area_m2,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class WindowComparison:
    """A map and a reference, and how to compare them."""

    scene: Scene
    """The grid of the map."""
    mapped: LabelSource
    reference: LabelSource | None = None
    """On the same grid; None to count the map alone."""
    confidence: Scene | None = None
    """On the same grid."""
    distance: int = 0
    """Distance to an outline within which boundary IoU counts pixels (px); 0 for none."""
    measures_pairs: bool = False
    """Whether the area of each pair of values is measured."""

    @cached_property
    def row_pixel_areas(self) -> NDArray[np.float64]:
        """(height,) m² of a pixel in each row."""
        rows = np.arange(self.scene.height)
        return pixel_areas(self.scene.affine, self.scene.crs, rows, self.scene.width)

    def windows(self) -> Iterator[Window]:
        """Yield a partition of the map into windows of whole blocks of its file."""
        height, width = (max(1, side) for side in read_metadata(self.scene.path).block)
        cols = self.scene.width
        if height * cols > _PIXELS_PER_WINDOW:
            cols = max(1, _PIXELS_PER_WINDOW // (height * width)) * width
        rows = max(1, _PIXELS_PER_WINDOW // (height * cols)) * height
        for row in range(0, self.scene.height, rows):
            for col in range(0, self.scene.width, cols):
                size = min(rows, self.scene.height - row), min(cols, self.scene.width - col)
                yield Window(row, col, *size)

    def count(
        self, window: Window
    ) -> tuple[ComparisonCounts, NDArray[np.uint8], NDArray[np.uint8]]:
        """Count the pixels of a window.

        Returns:
            The counts, and the values (height, width) of map and reference, 255 for nodata.

        Raises:
            GeosegError: if map or reference cannot be read, or has a class that its legend does
                not name.
        """
        with_halo = window.expanded(self.distance, self.scene.window)
        inside = window.relative_to(with_halo)
        mapped = self.mapped.read(with_halo)
        if self.reference is None:
            reference = np.full(mapped.shape, NODATA, np.uint8)
        else:
            reference = self.reference.read(with_halo)
        boundary = BoundaryCounts()
        if self.distance:
            boundary = count_boundaries(mapped, reference, self.distance, NODATA, inside)
        mapped, reference = mapped[inside], reference[inside]
        pairs = count_pairs(mapped, reference)
        counts = ComparisonCounts(
            pairs, self._area_m2(mapped, pairs, window), boundary,
            self._hits_by_confidence(mapped, reference, window),
        )  # fmt: skip
        if self.measures_pairs:
            areas = pair_areas(mapped, reference, self.row_pixel_areas[window.slices[0]])
            counts = replace(counts, pair_area_m2=areas)
        return counts, mapped, reference

    def _area_m2(
        self, mapped: NDArray[np.uint8], pairs: NDArray[np.int64], window: Window
    ) -> NDArray[np.float64]:
        areas = self.row_pixel_areas[window.slices[0]]
        if (areas == areas[0]).all():
            return np.asarray(pairs.sum(1) * areas[0])
        return np.asarray((class_row_counts(mapped) * areas[:, None]).sum(0))

    def _hits_by_confidence(
        self, mapped: NDArray[np.uint8], reference: NDArray[np.uint8], window: Window
    ) -> NDArray[np.int64]:
        if self.confidence is None:
            return np.zeros((2, VALUES), np.int64)
        pixels, valid = read_window(self.confidence, window)
        labelled = valid & (pixels[0] > 0) & (mapped != NODATA) & (reference != NODATA)
        hits = np.where(labelled, mapped == reference, 2).astype(np.uint8)
        return count_pairs(hits, pixels[0])[:2]


def count_all(
    comparison: WindowComparison, workers: int, progress: Progress | None
) -> tuple[ComparisonCounts, NDArray[np.uint8]]:
    """Count all pixels of a comparison, several windows at a time.

    The result does not depend on the order in which the windows end.

    Returns:
        The counts, and thumbnails (2, rows, cols) of map and reference, 255 for nodata.
    """
    scene, windows, total = comparison.scene, list(comparison.windows()), ComparisonCounts()
    windows_done = ProgressCounter(progress, "windows", len(windows))
    step = thumbnail_step(scene)
    # A side that is shorter than the step has its middle row or column.
    rows, cols = (
        np.arange(min(step, side - 1) // 2, side, step) for side in (scene.height, scene.width)
    )
    thumbnails = np.full((2, len(rows), len(cols)), NODATA, np.uint8)

    def count(index: int) -> ComparisonCounts:
        window = windows[index]
        counts, mapped, reference = comparison.count(window)
        i = slice(*np.searchsorted(rows, (window.row, window.row_end)))
        j = slice(*np.searchsorted(cols, (window.col, window.col_end)))
        pixels = np.ix_(rows[i] - window.row, cols[j] - window.col)
        thumbnails[0, i, j], thumbnails[1, i, j] = mapped[pixels], reference[pixels]
        windows_done.add()
        return counts

    for first in range(0, len(windows), _WINDOWS_AT_A_TIME):
        indices = range(first, min(first + _WINDOWS_AT_A_TIME, len(windows)))
        total = sum(map_threads(count, indices, workers), total)
    return total, thumbnails
