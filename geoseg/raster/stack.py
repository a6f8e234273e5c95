"""Stacks: bands of several files as one scene, which GDAL reads through a VRT in memory."""

import math
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geoseg.raster.remote import gdal_name
from geoseg.raster.scene import Scene, StackBand


def stack_vrt(scene: Scene) -> str:
    """Return the VRT of a stack: the bands to read, on the finest of their grids.

    Coarser bands are resampled bilinearly, and categories to the nearest pixel.
    """
    grid = scene.finest_band
    crs = "" if grid.crs is None else f"<SRS>{escape(grid.crs)}</SRS>"
    transform = ", ".join(map(repr, Affine(*grid.transform).to_gdal()))
    alphas = scene.unread_alphas
    bands = "".join(
        _band_xml(
            band, number, grid, physical=scene.physical,
            source=_vrt_with_mask(scene, alphas[0]) if alphas else gdal_name(band.path),
        )
        for number, band in enumerate(scene.read_stack, 1)
    )  # fmt: skip
    return (
        f'<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">{crs}'
        f"<GeoTransform>{transform}</GeoTransform>{bands}</VRTDataset>"
    )


def as_stack(file: Scene) -> Scene:
    """Return a file as a stack of its bands.

    In the VRT of the stack, an alpha band that is read is no transparency, and pixels that are
    masked or transparent have the nodata value.
    """
    bands = tuple(
        replace(band, alpha=number in file.unread_alphas, masked=file.masked)
        for number, band in enumerate(file.file_bands, 1)
    )
    stack = tuple(
        StackBand(
            path=file.path, number=number, band=band, aliases=(), height=file.height,
            width=file.width, transform=file.transform, crs=file.crs, nodata=file.nodata, scale=1.0,
            offset=0.0, size=file.size, modified=file.modified, version=file.version,
            virtual=file.virtual,
        )
        for number, band in enumerate(bands, 1)
    )  # fmt: skip
    return replace(file, stack=stack, file_bands=bands)


def has_data(scene: Scene, pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (height, width), True where all bands are finite and every file of a stack has data.

    A file has data where one of its bands has another value than its nodata value. In physical
    values, nodata is NaN, so every band must have data.

    Args:
        scene: a stack.
        pixels: (bands, height, width) of its bands to read.
    """
    finite: NDArray[np.bool_] = np.isfinite(pixels).all(axis=0)
    has: dict[str, NDArray[np.bool_]] = {}
    for band, values in zip(scene.read_stack, pixels, strict=True):
        nodata = math.nan if scene.physical else band.nodata
        no_value = nodata is None or math.isnan(nodata)
        differs = np.ones_like(finite) if no_value else values != nodata
        has[band.path] = has[band.path] | differs if band.path in has else differs
    data: NDArray[np.bool_] = np.logical_and.reduce([finite, *has.values()], axis=0)
    return data


def warp_groups(scene: Scene) -> list[list[int]]:
    """Return which bands of a stack may be warped together, as positions among its bands.

    GDAL uses one nodata value and one rule for all bands that it warps together. So single-band
    files with the same nodata value form a group, and each file of several bands is a group.
    """
    bands = scene.read_stack
    paths = [band.path for band in bands]
    groups: dict[tuple[str, str], list[int]] = {}
    for position, band in enumerate(bands):
        alone = band.path if paths.count(band.path) > 1 else ""
        nodata = math.nan if scene.physical else band.nodata
        groups.setdefault((alone, repr(nodata)), []).append(position)
    return list(groups.values())


def bands_at(scene: Scene, positions: list[int]) -> Scene:
    """Return a warped stack with only the bands at these positions."""
    return replace(
        scene,
        bands=tuple(scene.bands[position] for position in positions),
        band_names=tuple(scene.band_names[position] for position in positions),
        nodata=scene.read_stack[positions[0]].nodata,
    )


def _vrt_with_mask(file: Scene, alpha: int) -> str:
    """Return the VRT of a file whose mask is its alpha band, also if it has a nodata value."""
    bands = "".join(
        _plain_band_xml(file.path, number, _gdal_dtype(band.dtype), f' band="{number}"')
        for number, band in enumerate(file.file_bands, 1)
    )
    mask = _plain_band_xml(file.path, alpha, "Byte", "")
    size = f'rasterXSize="{file.stack[0].width}" rasterYSize="{file.stack[0].height}"'
    return f"<VRTDataset {size}>{bands}<MaskBand>{mask}</MaskBand></VRTDataset>"


def _plain_band_xml(path: str, number: int, dtype: str, attribute: str) -> str:
    return (
        f'<VRTRasterBand dataType="{dtype}"{attribute}><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{escape(gdal_name(path))}</SourceFilename>'
        f"<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>"
    )


def _band_xml(band: StackBand, number: int, grid: StackBand, *, physical: bool, source: str) -> str:
    nodata = None if band.nodata is None else repr(band.nodata)
    dtype = "float32" if physical else band.band.dtype
    kind = "SimpleSource" if nodata is None and not physical else "ComplexSource"
    scaled = (
        f"<ScaleOffset>{band.offset!r}</ScaleOffset><ScaleRatio>{band.scale!r}</ScaleRatio>"
        if physical
        else ""
    )
    unread = f"<NODATA>{nodata}</NODATA>" if nodata else ""
    if band.band.masked:  # in place of the nodata value, with which GDAL ignores the mask
        unread = "<UseMaskBand>true</UseMaskBand>"
    return "".join((
        f'<VRTRasterBand dataType="{_gdal_dtype(dtype)}" band="{number}">',
        f"<NoDataValue>{'nan' if physical else nodata}</NoDataValue>" if nodata else "",
        f"<{kind}{_resampling(band, grid)}>",
        f'<SourceFilename relativeToVRT="0">{escape(source)}</SourceFilename>',
        f"<SourceBand>{band.number}</SourceBand>",
        f'<SrcRect xOff="0" yOff="0" xSize="{band.width}" ySize="{band.height}"/>',
        f'<DstRect xOff="0" yOff="0" xSize="{grid.width}" ySize="{grid.height}"/>',
        f"{scaled}{unread}</{kind}></VRTRasterBand>",
    ))  # fmt: skip


def _resampling(band: StackBand, grid: StackBand) -> str:
    if (band.height, band.width) == (grid.height, grid.width) or band.band.category:
        return ""
    return ' resampling="bilinear"'


def _gdal_dtype(dtype: str) -> str:
    """GDAL's name of a NumPy dtype, such as UInt16."""
    return "Byte" if dtype == "uint8" else dtype.capitalize().replace("Ui", "UI")
