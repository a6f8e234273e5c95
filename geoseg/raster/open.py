"""Open a file, a product or a stack as a scene, without reading its pixels."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import rasterio
from rasterio.enums import ColorInterp

from geoseg.errors import GeosegError, SceneError, check_list, count_of
from geoseg.raster.datasets import fingerprint, is_masked, opened
from geoseg.raster.metadata import date_in_tags
from geoseg.raster.products import SUFFIXES, BandFile, find_product, read_folder
from geoseg.raster.read import read_palette
from geoseg.raster.remote import is_remote
from geoseg.raster.scene import Band, Scene, StackBand
from geoseg.raster.warp import same_grid
from geoseg.styles.gdal_pam import read_categories


@dataclass(frozen=True, slots=True)
class Stack:
    """Files and products whose bands, in this order, are those of one scene.

    Coarser bands are resampled onto the finest of the grids of the bands that are read: bilinearly,
    and categories (bands with a colour table) to the nearest pixel.

    Raises:
        SceneError: if there is none.
    """

    paths: tuple[str, ...]

    def __post_init__(self) -> None:
        check_list("paths", self.paths)
        object.__setattr__(self, "paths", tuple(map(str, self.paths)))
        if not self.paths:
            raise SceneError("the stack is empty, give at least one file")

    @property
    def name(self) -> str:
        """Name of the scene: that of the first file, and the number of the others."""
        others = len(self.paths) - 1
        return f"stack of {self.paths[0]}" + (f" and {others} more" if others else "")


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Scenes that overlap or touch, whose map is one; see `mosaic`.

    Raises:
        SceneError: if there is none, or the order is unknown.
    """

    scenes: tuple[str | Stack, ...]
    """Each is anything GDAL opens, a product or a stack."""
    order: Literal["first", "newest"] = "first"
    """What lies on top: the first scene, or the one with the latest date."""

    def __post_init__(self) -> None:
        check_list("scenes", self.scenes)
        scenes = tuple(s if isinstance(s, Stack) else str(s) for s in self.scenes)
        object.__setattr__(self, "scenes", scenes)
        if not self.scenes:
            raise SceneError("the mosaic is empty, give at least one scene")
        if self.order not in ("first", "newest"):
            raise SceneError(f"unknown order {self.order!r}, use first or newest")

    @property
    def name(self) -> str:
        """Name of the scene: that of the first one, and the number of the others."""
        first, others = self.scenes[0], len(self.scenes) - 1
        name = first.name if isinstance(first, Stack) else first
        return f"mosaic of {name}" + (f" and {others} more" if others else "")

    def in_order(self) -> list[str | Stack]:
        """Return the scenes, the one on top first.

        Raises:
            SceneError: if the order is "newest" and a scene has no date.
        """
        if self.order == "first":
            return list(self.scenes)
        return sorted(self.scenes, key=_date, reverse=True)


SceneSource = str | Stack | Mosaic
"""Where the pixels of a scene come from: anything GDAL opens, a product, a stack or a mosaic."""


def as_source(scene: str | Path | Stack | Mosaic) -> SceneSource:
    """Return a path as a text, and a stack or mosaic as it is.

    Raises:
        GeosegError: if it is of another type, such as a list.
    """
    if not isinstance(scene, str | Path | Stack | Mosaic):
        raise GeosegError(
            f"a scene is a path, Stack or Mosaic, not {type(scene).__name__}, give several to "
            "classify_scenes"
        )
    return str(scene) if isinstance(scene, str | Path) else scene


def source_name(source: SceneSource) -> str:
    """Return the name of a source in messages."""
    return source if isinstance(source, str) else source.name


def source_paths(source: SceneSource) -> tuple[str, ...]:
    """Return the paths that the caller gave, before products are searched for their files."""
    if isinstance(source, Mosaic):
        return tuple(path for scene in source.scenes for path in source_paths(scene))
    return source.paths if isinstance(source, Stack) else (source,)


def open_scene(
    source: str | Path | Stack,
    *,
    bands: tuple[int | str, ...] | None = None,
    nodata: float | None = None,
) -> Scene:
    """Describe a scene without reading its pixels.

    Args:
        source: anything GDAL opens, a product (see `find_product`), or a stack of them.
        bands: bands to read, by number (from 1) or name; None for all but transparency (alpha).
        nodata: overrides the nodata value of the files.

    Raises:
        SceneError: if it cannot be opened, or has no pixels that geoseg can read.
    """
    if isinstance(source, Stack):
        return _open_stack(source.name, _stacked_files(source), bands, nodata)
    product = find_product(str(source))
    if product is not None:
        return _open_stack(product.path, product.bands, bands, nodata)
    return _open_file(str(source), bands, nodata)


def open_scores(
    path: str | Path, name: Literal["confidence", "uncertainty"], grid: Scene | None = None
) -> Scene:
    """Open the confidence or the uncertainty of a map: one band of bytes.

    `classify` writes the name as the description of the band; a raster without a description may be
    either.

    Args:
        path: anything GDAL opens.
        name: which of the two it is to be.
        grid: the map, whose grid it is to have; None for any grid.

    Raises:
        SceneError: if it cannot be opened, has another grid, or is the other one, or a class
            raster.
        LabelError: if its class names are damaged.
    """
    scene = open_scene(path)
    other = "confidence" if name == "uncertainty" else "uncertainty"
    is_map = grid is not None and Path(scene.path).resolve() == Path(grid.path).resolve()
    if scene.band_names == (other,):
        problem = f"holds the {other} of a map, not its {name}"
    elif is_map or read_palette(scene.path) or read_categories(scene.path):
        problem = f"holds the classes of a map, not its {name}"
    elif scene.dtype != "uint8" or len(scene.bands) != 1:
        problem = f"has {count_of(len(scene.bands), 'band')} of {scene.dtype}, not one of uint8"
    elif grid is not None and not same_grid(scene, grid):
        problem = f"is not on the grid of {grid.path}"
    else:
        return scene
    raise SceneError(f"{path} {problem}, give the raster that `geoseg classify --{name}` wrote")


def _date(source: str | Stack) -> datetime:
    """Date of a scene; for a stack, the date of its first file."""
    path = source.paths[0] if isinstance(source, Stack) else source
    product = find_product(path)
    date = product.date if product is not None else date_in_tags(path)
    if date is None:
        raise SceneError(
            f"{path} has no date in its tags (ACQUISITIONDATETIME, TIFFTAG_DATETIME), give the "
            "scenes in the order in which they lie, the first on top (order, --order first)"
        )
    return date


def _open_file(path: str, bands: tuple[int | str, ...] | None, nodata: float | None) -> Scene:
    with opened(path) as dataset:
        if not dataset.count and dataset.subdatasets:
            names = dataset.subdatasets
            raise SceneError(
                f"{path} holds {count_of(len(names), 'raster')}, give one of them, such as "
                f"{names[0]}, or several with --stack"
            )
        file_bands = _file_bands(dataset)
        data_bands = tuple(i for i, band in enumerate(file_bands, 1) if not band.alpha)
        if not (bands or data_bands):
            raise SceneError(
                f"{path} has no bands to read but transparency (alpha), give another file, or tag "
                "the band as undefined if it holds data (gdal_translate -colorinterp_1 undefined)"
            )
        _check_geotransform(dataset)
        size, modified, version = fingerprint(path, dataset.files)
        nodata_values = dataset.nodatavals
        scene = Scene(
            path=path,
            height=dataset.height,
            width=dataset.width,
            dtype="",
            transform=tuple(dataset.transform)[:6],
            crs=dataset.crs.to_wkt() if dataset.crs else None,
            bands=(),
            band_names=(),
            nodata=None,
            masked=False,
            size=size,
            modified=modified,
            version=version,
            file_bands=file_bands,
            virtual=dataset.driver == "VRT",
        )
    scene = scene.with_bands(bands or data_bands)
    if nodata is None and _bands_differ_in_nodata(scene, nodata_values):
        files = [
            BandFile(path, band.name or f"band {number}", number)
            for number, band in enumerate(file_bands, 1)
        ]
        return _open_stack(path, files, scene.bands, None)
    return replace(scene, nodata=nodata_values[scene.bands[0] - 1] if nodata is None else nodata)


def _bands_differ_in_nodata(scene: Scene, nodata_values: Sequence[float | None]) -> bool:
    """Whether the bands that are read have several nodata values, and no mask or alpha."""
    if any(band.alpha or band.masked for band in scene.file_bands):
        return False
    values = {nodata_values[number - 1] for number in scene.bands} - {None}
    return len({repr(value) for value in values}) > 1


def _stacked_files(stack: Stack) -> list[BandFile]:
    """Return the bands of all files of a stack, in the order given."""
    named = _names_from_files(stack)
    bands: list[BandFile] = []
    for path in stack.paths:
        product = find_product(path)
        if product is not None:
            bands += product.bands
        elif str(Path(path)) in named:
            bands += named[str(Path(path))]
        else:
            file = _open_file(path, None, None)
            bands += [
                BandFile(path, name or f"band {len(bands) + index}", number)
                for index, (number, name) in enumerate(
                    zip(file.bands, file.band_names, strict=True), 1
                )
            ]
    return bands


def _names_from_files(stack: Stack) -> dict[str, list[BandFile]]:
    """Return the bands of each local file, named as in a folder; {} if they cannot be named so."""
    files = [Path(path) for path in stack.paths if not is_remote(path)]
    if not files or not all(f.suffix.lower() in SUFFIXES and f.is_file() for f in files):
        return {}
    bands: dict[str, list[BandFile]] = {}
    with suppress(SceneError):  # several files with several bands, or two bands with one name
        for band in read_folder(stack.name, files).bands:
            bands.setdefault(band.path, []).append(band)
    return bands


def _open_stack(
    name: str,
    files: Sequence[BandFile],
    bands: tuple[int | str, ...] | None,
    nodata: float | None,
) -> Scene:
    """Describe bands of several files as one scene; see `open_scene`."""
    stack = tuple(_stack_band(file, nodata) for file in files)
    scene = Scene(
        path=name, height=1, width=1, dtype="", transform=stack[0].transform, crs=None, bands=(),
        band_names=(), nodata=None, masked=False, size=None, modified=None, stack=stack,
        file_bands=tuple(band.band for band in stack),
    )  # fmt: skip
    return scene.with_bands(bands or tuple(range(1, len(stack) + 1)))


def _stack_band(file: BandFile, nodata: float | None) -> StackBand:
    with opened(file.path) as dataset:
        if not 1 <= file.number <= dataset.count:
            raise SceneError(f"{file.path} has no band {file.number}, check the file")
        _check_geotransform(dataset)
        index = file.number - 1
        size, modified, version = fingerprint(file.path, dataset.files)
        own = dataset.nodatavals[index] if file.nodata is None else file.nodata
        declared = (file.scale, file.offset) != (1.0, 0.0)
        return StackBand(
            path=file.path,
            number=file.number,
            band=replace(_file_bands(dataset)[index], name=file.name, alpha=False, masked=False),
            aliases=file.aliases,
            height=dataset.height,
            width=dataset.width,
            transform=tuple(dataset.transform)[:6],
            crs=dataset.crs.to_wkt() if dataset.crs else None,
            nodata=own if nodata is None else nodata,
            scale=file.scale if declared else dataset.scales[index],
            offset=file.offset if declared else dataset.offsets[index],
            size=size,
            modified=modified,
            version=version,
            virtual=dataset.driver == "VRT",
        )


def _check_geotransform(dataset: rasterio.DatasetReader) -> None:
    """Refuse pixels without a size or a grid: places and areas would be infinite or wrong."""
    path = dataset.name
    if dataset.transform.is_identity and dataset.gcps[0]:
        raise SceneError(
            f"{path} is placed by ground control points only, which have no pixel grid, "
            f"warp it first: gdalwarp {path} warped.tif"
        )
    determinant = dataset.transform.determinant
    if not (determinant and math.isfinite(determinant + sum(dataset.transform))):
        raise SceneError(
            f"the pixels of {path} have no size or no place on the ground, write a valid "
            "geotransform (gdal_edit -a_ullr)"
        )


def _file_bands(dataset: rasterio.DatasetReader) -> tuple[Band, ...]:
    """Return all bands of a file; each property of the dataset lists all, so it is read once."""
    named = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    try:
        descriptions = dataset.descriptions
    except UnicodeDecodeError:  # rasterio reads UTF-8 only; older files have other encodings
        descriptions = (None,) * dataset.count
    properties = zip(
        dataset.dtypes, descriptions, dataset.colorinterp, dataset.mask_flag_enums, strict=True
    )
    return tuple(
        Band(
            dtype=dtype,
            name=(description or (color.name if color in named else "")).strip().lower(),
            alpha=color == ColorInterp.alpha,
            masked=is_masked(flags),
            category=color == ColorInterp.palette,
        )
        for dtype, description, color, flags in properties
    )
