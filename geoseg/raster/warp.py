"""A raster read through another one's pixel grid."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from geoseg.errors import SceneError, root_message
from geoseg.raster.datasets import GDAL_ERRORS, opened

if TYPE_CHECKING:
    from geoseg.raster.scene import Scene


def warped_to(raster: "Scene", grid: "Scene") -> "Scene":
    """The same raster, warped onto the grid of another one as it is read.

    Each pixel of the grid gets the nearest pixel of the raster, so that class values stay class
    values; where the raster has none, the pixel is not valid.

    Args:
        raster: what to read.
        grid: whose size, transform and CRS the pixels are to have.

    Raises:
        SceneError: if there is no way from the one CRS to the other.
    """
    warped = replace(
        raster, height=grid.height, width=grid.width, transform=grid.transform, crs=grid.crs,
        warped=True,
    )  # fmt: skip
    with opened(raster.path) as dataset, as_warped(dataset, warped):
        return warped


@contextmanager
def as_warped(dataset: rasterio.DatasetReader, scene: "Scene") -> Iterator[rasterio.DatasetReader]:
    """The open file of a scene as the scene's grid has it."""
    with _warped(dataset, scene) if scene.warped else nullcontext(dataset) as source:
        yield source


def _warped(dataset: rasterio.DatasetReader, scene: "Scene") -> WarpedVRT:
    try:
        return WarpedVRT(
            dataset, crs=scene.crs, transform=scene.affine, height=scene.height,
            width=scene.width, resampling=Resampling.nearest, src_nodata=scene.nodata,
            add_alpha=ColorInterp.alpha not in dataset.colorinterp, warp_mem_limit=64,
        )  # fmt: skip
    except GDAL_ERRORS as error:
        raise SceneError(
            f"cannot warp {scene.path} onto another grid ({root_message(error)}), check its CRS"
        ) from None
