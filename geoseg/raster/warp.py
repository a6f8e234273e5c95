"""Rasters read on the pixel grid of another raster."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio import enums
from rasterio.enums import ColorInterp
from rasterio.vrt import WarpedVRT

from geoseg.errors import SceneError, root_message
from geoseg.longitudes import nearest_turn, turn_of
from geoseg.raster.datasets import GDAL_ERRORS, has_own_mask, opened
from geoseg.raster.scene import Resampling, Scene
from geoseg.raster.stack import as_stack, stack_vrt

PixelsAndValid = tuple[NDArray[Any], NDArray[np.bool_]]

_EXACT = 1e-9
"""Largest error of the transformation (px). For GDAL 0 means exact, but rasterio cannot set 0."""

_EVERY_PIXEL = {"SAMPLE_GRID": "YES", "SAMPLE_STEPS": "ALL"}
"""Options with which GDAL transforms each pixel to find those of the file that it needs. A few,
as by default, do not tell where 180 degrees are, and pixels beside it would be missing."""

_SAME_LONGITUDE = 1e-9
"""Longitudes that differ by less are those of one place, but for rounding (turns)."""

_MAX_EXTENT = 1.6e8
"""Largest side of the grid of a scene that is reprojected (CRS units): four times around the earth
in metres. Near a pole, some CRS have coordinates without limit, and the grid has huge pixels."""

_MAX_SHIFT = 0.1
"""Corners of two rasters on the same grid are less than this apart (px)."""


def same_grid(raster: Scene, grid: Scene) -> bool:
    """Whether two rasters have the same size and, to a tenth of a pixel, the same corners.

    Longitudes that differ by 360 degrees are the same. If one of the rasters has no CRS, it is
    taken to have that of the other one.
    """
    if (raster.height, raster.width) != (grid.height, grid.width):
        return False
    corners = [(0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height)]
    x, y = np.transpose([raster.affine @ corner for corner in corners])
    if raster.crs and grid.crs and raster.crs != grid.crs:
        try:
            to_grid = Transformer.from_crs(raster.crs, grid.crs, always_xy=True)
            x, y = to_grid.transform(x, y, errcheck=True)
        except ProjError:
            return False
    at_grid = np.array([grid.affine @ corner for corner in corners])[:, 0]
    x = nearest_turn(x, at_grid, turn_of(grid.crs))
    pixels = [~grid.affine @ xy for xy in zip(x, y, strict=True)]
    return bool(np.abs(np.subtract(pixels, corners)).max() < _MAX_SHIFT)


def warped_to(raster: Scene, grid: Scene, resampling: Resampling = "nearest") -> Scene:
    """Return the same raster, warped onto the grid of another one when it is read.

    Outside the raster, a pixel of the grid is not valid.

    Args:
        raster: the file or stack to read.
        grid: gives size, transform and CRS.
        resampling: "nearest" keeps class values.

    Raises:
        SceneError: if one CRS cannot be transformed to the other, or if the bands of the raster
            have masks of their own, which GDAL does not warp.
    """
    on_grid: dict[str, Any] = {
        "height": grid.height, "width": grid.width, "transform": grid.transform, "crs": grid.crs,
        "warped": resampling,
    }  # fmt: skip
    warped = replace(raster, **on_grid)
    with opened(dataset_name(raster)) as dataset, _as_warped(dataset, warped, 0.0, {}):
        own_masks = any(map(has_own_mask, dataset.mask_flag_enums))
    if own_masks:
        raise SceneError(
            f"each band of {raster.path} has a mask of its own, which would be lost on another "
            "grid, write one mask for all bands first (gdal_translate -mask mask)"
        )
    reads_alpha = any(raster.file_bands[number - 1].alpha for number in raster.bands)
    if reads_alpha or (raster.masked and raster.nodata is not None):
        # GDAL would take the alpha band as transparency, and mix pixels without data into others.
        return replace(as_stack(raster), **on_grid)
    return warped


def reprojected(scene: Scene, crs: str) -> Scene:
    """Return a file or stack in another CRS, warped bilinearly as it is read.

    The grid is the one that GDAL suggests: it covers the whole scene with about as many pixels.

    Args:
        scene: the file or stack.
        crs: what pyproj understands as CRS, such as "EPSG:32640".

    Raises:
        SceneError: if the CRS is unknown or neither geographic nor projected, if the scene has no
            CRS, if it cannot be transformed to the other one, or if it reaches so far beyond the
            area of the other one that its pixels would be huge.
    """
    try:
        target = CRS.from_user_input(crs)
    except CRSError:
        raise SceneError(f"unknown CRS {crs!r}, give a code such as EPSG:32640 (--crs)") from None
    if not (target.is_geographic or target.is_projected):
        raise SceneError(
            f"{crs} is neither a geographic nor a projected CRS, give a code such as EPSG:32640 "
            "(--crs)"
        )
    if scene.crs is None:
        raise SceneError(f"{scene.path} has no CRS, so it cannot be reprojected, leave out --crs")
    if CRS.from_user_input(scene.crs) == target:
        return scene
    wkt = target.to_wkt()
    with opened(dataset_name(scene)) as dataset:
        try:  # inside of `opened`, which would call the file damaged
            with WarpedVRT(dataset, crs=wkt) as suggested:
                grid = replace(
                    scene, height=suggested.height, width=suggested.width,
                    transform=tuple(suggested.transform)[:6], crs=wkt,
                )  # fmt: skip
        except GDAL_ERRORS as error:
            raise SceneError(
                f"cannot warp {scene.path} to {crs} ({root_message(error)}), check both CRS"
            ) from None
    west, north = grid.affine @ (0, 0)
    east, south = grid.affine @ (grid.width, grid.height)
    if max(east - west, north - south) > _MAX_EXTENT:
        raise SceneError(
            f"{scene.path} reaches so far beyond the area of {crs} that its pixels would be huge "
            "there, cut it first (gdal_translate -projwin)"
        )
    return warped_to(scene, grid, "bilinear")


def dataset_name(scene: Scene) -> str:
    """Return what GDAL opens to read a file or stack: a path, or the text of a VRT."""
    return stack_vrt(scene) if scene.stack else scene.path


def read_on_grid(
    dataset: rasterio.DatasetReader,
    scene: Scene,
    read: Callable[[rasterio.DatasetReader], PixelsAndValid],
) -> PixelsAndValid:
    """Return what a function reads of the open file of a scene, warped onto the grid of the scene.

    Args:
        dataset: the file or stack.
        scene: its grid.
        read: returns pixels (bands, height, width) and valid (height, width).
    """
    if scene.warped is None:
        return read(dataset)
    turns = _turns(dataset, scene)
    options = _EVERY_PIXEL if len(turns) > 1 else {}
    with _as_warped(dataset, scene, turns[0], options) as source:
        pixels, valid = read(source)
    for turn in turns[1:]:
        with _as_warped(dataset, scene, turn, options) as source:
            more, more_valid = read(source)
        np.copyto(pixels, more, where=more_valid & ~valid)
        valid |= more_valid
    return pixels, valid


def _turns(dataset: rasterio.DatasetReader, scene: Scene) -> list[float]:
    """Return the shifts of the longitudes of a file with which GDAL finds its pixels.

    PROJ returns longitudes of -180 to 180 degrees, and between two CRS with the same coordinates it
    returns those that it got. GDAL does not look for pixels a turn away: a file from 170 to 190
    degrees is read from there and from -190 to -170 degrees.
    """
    turn = turn_of(dataset.crs.to_wkt() if dataset.crs else None)
    if not turn:
        return [0.0]
    west, east = _x_range(dataset.transform, dataset.height, dataset.width)
    left, right = -turn / 2, turn / 2
    if turn_of(scene.crs):
        grid_west, grid_east = _x_range(scene.affine, scene.height, scene.width)
        left, right = min(left, grid_west), max(right, grid_east)
    limit = _SAME_LONGITUDE * turn
    shifts = (0.0, -turn, turn)
    return [x for x in shifts if west + x < right - limit and east + x > left + limit] or [0.0]


def _x_range(transform: Affine, height: int, width: int) -> tuple[float, float]:
    corners = [transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
    return min(x for x, _ in corners), max(x for x, _ in corners)


def _as_warped(
    dataset: rasterio.DatasetReader, scene: Scene, turn: float, options: Mapping[str, str]
) -> AbstractContextManager[rasterio.DatasetReader]:
    """Return the open file of a warped scene as a context, on the grid of the scene.

    The turn is added to the longitudes of the file. The options are those of a warp of GDAL.
    """
    nodata = math.nan if scene.physical else scene.nodata
    moved = {"src_transform": Affine.translation(turn, 0) @ dataset.transform} if turn else {}
    try:
        warped: AbstractContextManager[rasterio.DatasetReader] = WarpedVRT(
            dataset, crs=scene.crs, transform=scene.affine, height=scene.height,
            width=scene.width, resampling=enums.Resampling[scene.warped], src_nodata=nodata,
            add_alpha=ColorInterp.alpha not in dataset.colorinterp, warp_mem_limit=64,
            tolerance=_EXACT, init_dest_nodata=False, INIT_DEST=_initial_value(nodata),
            UNIFIED_SRC_NODATA=_unified_nodata(scene),
            **moved, **options,
        )  # fmt: skip
    except GDAL_ERRORS as error:
        raise SceneError(
            f"cannot warp {scene.path} onto another grid ({root_message(error)}), check its CRS"
        ) from None
    return warped


def _initial_value(nodata: float | None) -> str:
    """Return what a band has where nothing is warped onto it, although other bands have data there.

    This is the nodata value. GDAL reads no NaN here; infinity is not valid either.
    """
    if nodata is None:
        return "0"
    return repr(float(nodata)) if math.isfinite(nodata) else "1e400"


def _unified_nodata(scene: Scene) -> str:
    """How GDAL combines the nodata values of several bands.

    A pixel of one file has no data if all bands have the nodata value. A pixel of a stack of
    single-band files has no data if one band has it.
    """
    paths = [band.path for band in scene.read_stack]
    return "PARTIAL" if len(paths) > 1 and len(set(paths)) == len(paths) else "YES"
