"""Labels of a scene from vectors: geometries with class values, burnt onto its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window
from geoseg.legend import NODATA, Legend
from geoseg.raster import Scene
from geoseg.vectors import burn


@dataclass(frozen=True, slots=True, eq=False)
class VectorLabels:
    """Geometries burnt onto a scene's grid, see `burn`."""

    scene: Scene
    legend: Legend
    geometries: NDArray[Any]
    """(n,) shapely geometries in the scene's CRS."""
    extents: NDArray[np.float64]
    """(n, 4) bounds of the geometries: left, bottom, right, top."""
    values: NDArray[np.uint8]
    """(n,) class value of each geometry, 255 for "not labelled"."""
    outside: int = NODATA
    """Class value of pixels that no geometry covers, 255 for "not labelled"."""

    def clipped_to(self, window: Window) -> "VectorLabels":
        """Return the same labels, with only the geometries whose bounds touch a window."""
        cols, rows = (window.col, window.col_end), (window.row, window.row_end)
        x, y = np.transpose([self.scene.affine @ (col, row) for col in cols for row in rows])
        left, bottom, right, top = self.extents.T
        touching = (left <= x.max()) & (right >= x.min()) & (bottom <= y.max()) & (top >= y.min())
        return replace(
            self, geometries=self.geometries[touching], extents=self.extents[touching],
            values=self.values[touching],
        )  # fmt: skip

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), ``outside`` where no geometry covers a pixel."""
        clipped = self.clipped_to(window)
        return burn(clipped.geometries, clipped.values, self.scene, window, self.outside)


def stack(layers: Sequence[VectorLabels]) -> VectorLabels:
    """Return several labels of one scene as one, of which the later ones lie above the others.

    Args:
        layers: at least one; all have the same legend and the same class outside.
    """
    if len(layers) == 1:
        return layers[0]
    return replace(
        layers[0],
        geometries=np.concatenate([layer.geometries for layer in layers]),
        extents=np.concatenate([layer.extents for layer in layers]),
        values=np.concatenate([layer.values for layer in layers]),
    )
