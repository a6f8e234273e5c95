"""Rasters read on the pixel grid of another raster."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from geoseg.errors import SceneError, root_message
from geoseg.raster.datasets import GDAL_ERRORS, opened
from geoseg.raster.scene import Scene


def warped_to(raster: Scene, grid: Scene) -> Scene:
    """Return the same raster, warped onto the grid of another one when it is read.

    A pixel of the grid gets the nearest pixel of the raster, so class values stay class values;
    outside the raster, it is not valid.

    Args:
        raster: the raster to read.
        grid: gives size, transform and CRS.

    Raises:
        SceneError: if one CRS cannot be transformed to the other.
    """
    warped = replace(
        raster, height=grid.height, width=grid.width, transform=grid.transform, crs=grid.crs,
        warped=True,
    )  # fmt: skip
    with opened(raster.path) as dataset, as_warped(dataset, warped):
        return warped


def as_warped(
    dataset: rasterio.DatasetReader, scene: Scene
) -> AbstractContextManager[rasterio.DatasetReader]:
    """Return the open file of a scene as a context, on the grid of the scene."""
    if not scene.warped:
        return nullcontext(dataset)
    try:
        warped: AbstractContextManager[rasterio.DatasetReader] = WarpedVRT(
            dataset, crs=scene.crs, transform=scene.affine, height=scene.height,
            width=scene.width, resampling=Resampling.nearest, src_nodata=scene.nodata,
            add_alpha=ColorInterp.alpha not in dataset.colorinterp, warp_mem_limit=64,
        )  # fmt: skip
    except GDAL_ERRORS as error:
        raise SceneError(
            f"cannot warp {scene.path} onto another grid ({root_message(error)}), check its CRS"
        ) from None
    return warped
