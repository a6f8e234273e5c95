"""Scenes as values: where pixels come from, their grid, and which bands are read."""

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import SceneError, redact
from geoseg.grid import Window
from geoseg.raster.remote import is_remote

Resampling = Literal["nearest", "bilinear"]


@dataclass(frozen=True, slots=True)
class Band:
    """A band of a file."""

    dtype: str
    name: str
    """Description or colour, lower case, "" if the file has none."""
    alpha: bool
    """Whether it is tagged as transparency."""
    masked: bool
    """Whether the file has a mask for it that is not the alpha band."""
    category: bool = False
    """Whether its values are classes, because it has a colour table."""


@dataclass(frozen=True, slots=True)
class StackBand:
    """A band of a stack: where its pixels are, and on which grid."""

    path: str = field(repr=False)
    """File of the band."""
    number: int
    """Band of the file, from 1."""
    band: Band
    aliases: tuple[str, ...]
    """Other names of the band, lower case."""
    height: int
    width: int
    transform: tuple[float, float, float, float, float, float]
    crs: str | None
    nodata: float | None
    scale: float
    """Physical value = stored value * scale + offset."""
    offset: float
    size: int | None
    """Size, time of change and version of the file, see `Scene`."""
    modified: int | None
    version: str | None
    virtual: bool
    """Whether the file is a VRT, which may resample its sources as it is read."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Pixels that can be read: where they are, their grid, the bands to read, the nodata value.

    They come from a file, which may be warped onto another grid as it is read, or else from a
    ``stack`` of files, from ``layers`` of other scenes, or from another scene that is ``resized``.
    A scene holds no open file; `open_scene` makes it, and `read_window` reads its pixels.
    """

    path: str = field(repr=False)
    """Anything GDAL opens, or the name of a scene that is not one file; it may hold a credential,
    so it is not shown."""
    height: int
    width: int
    dtype: str
    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients a..f, pixel (col, row) to CRS units."""
    crs: str | None
    """WKT, None if the file has none."""
    bands: tuple[int, ...]
    """Bands to read, from 1, in this order; alpha only if chosen by number."""
    band_names: tuple[str, ...]
    """Description or colour of the ``bands``, lower case, "" if the file has none."""
    nodata: float | None
    """Pixels where all bands have this value are invalid."""
    masked: bool
    """Whether the file has a mask, or an alpha band that is not one of ``bands``."""
    size: int | None
    """Size of a local file (bytes), else None."""
    modified: int | None
    """Time of last change of a local file (ns), else None."""
    version: str | None = None
    """Version of a remote file according to its server, or of the files that GDAL reads with a
    local one, such as the sources of a VRT; None if there are none."""
    file_bands: tuple[Band, ...] = field(default=(), repr=False)
    """All bands of the file or of the stack."""
    virtual: bool = False
    """Whether the file is a VRT, which may resample as it is read."""
    warped: Resampling | None = None
    """How the file or the stack, which has another grid, is warped onto this one as it is read."""
    stack: tuple[StackBand, ...] = field(default=(), repr=False)
    """All bands of a stack; those to read are resampled onto the finest of their grids."""
    physical: bool = False
    """Whether the scale and the offset of the bands of a stack are applied, as float32."""
    layers: tuple["Layer", ...] = ()
    """Scenes that a mosaic consists of, the first on top; or the scene of which this is a part."""
    resized_from: "Scene | None" = None
    """Scene of the same extent, with pixels of another size, from which this one is resampled."""

    @property
    def affine(self) -> Affine:
        """`transform` as an Affine."""
        return Affine(*self.transform)

    @property
    def window(self) -> Window:
        """All pixels of the scene."""
        return Window(0, 0, self.height, self.width)

    @property
    def pixel_size(self) -> float | None:
        """Ground size of a pixel (m) at the centre; None if the CRS is not tied to the earth."""
        if self.crs is None:
            return None
        row, col = self.height / 2, self.width / 2
        corners = [self.affine @ xy for xy in ((col, row), (col + 1, row), (col, row + 1))]
        x, y = np.transpose(corners)
        try:
            to_earth = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
            lon, lat = to_earth.transform(x, y, errcheck=True)
            starts = np.repeat(lon[0], 2), np.repeat(lat[0], 2)
            azimuths, _, sides = Geod(ellps="WGS84").inv(*starts, lon[1:], lat[1:])
        except ProjError:
            return None
        area = abs(sides[0] * sides[1] * math.sin(math.radians(azimuths[1] - azimuths[0])))
        return math.sqrt(area) if math.isfinite(area) else None

    @property
    def unread_alphas(self) -> tuple[int, ...]:
        """Bands of the file that are tagged as transparency (alpha) and not read as data."""
        bands = enumerate(self.file_bands, 1)
        return tuple(n for n, band in bands if band.alpha and n not in self.bands)

    def band_number(self, name: str) -> int | None:
        """Return the number of the only band with a name (lower case); None if there is not one."""
        names = [
            (band.name, *(self.stack[index].aliases if self.stack else ()))
            for index, band in enumerate(self.file_bands)
        ]
        numbers = [number for number, own in enumerate(names, 1) if name and name in own]
        return numbers[0] if len(numbers) == 1 else None

    def with_bands(self, bands: tuple[int | str, ...]) -> "Scene":
        """Return the same scene with other bands to read, by number (from 1) or name, in any order.

        The grid of a stack becomes that of the finest of them; a stack that is warped or part of a
        mosaic keeps its grid.

        Raises:
            SceneError: if there is no such band, if geoseg cannot read its pixels, or if bands of a
                stack have different extents.
        """
        if self.layers:
            scenes = [
                layer.scene.with_bands(bands).resize(layer.scene.height, layer.scene.width)
                for layer in self.layers
            ]
            layers = tuple(
                replace(layer, scene=scene)
                for layer, scene in zip(self.layers, scenes, strict=True)
            )
            mosaic = replace(self, layers=layers, **_bands_of(scenes[0]))
            dtypes = {np.dtype(scene.dtype) for scene in scenes}
            return replace(mosaic, dtype=str(np.result_type(*dtypes)))
        if self.resized_from is not None:
            inner = self.resized_from.with_bands(bands)
            return replace(self, resized_from=inner, **_bands_of(inner))
        numbers = self._numbers_of(bands)
        chosen = [self.file_bands[number - 1] for number in numbers]
        dtype = np.result_type(*{np.dtype(band.dtype) for band in chosen})
        dtype = np.dtype(np.float32) if self.physical else dtype
        if not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
            raise SceneError(
                f"{self.path} has {dtype} pixels, but geoseg reads integers and floats, "
                "convert it with gdal_translate -ot"
            )
        scene = replace(
            self,
            dtype=str(dtype),
            bands=numbers,
            band_names=tuple(band.name for band in chosen),
        )
        scene = replace(scene, masked=chosen[0].masked or bool(scene.unread_alphas))
        return _on_finest_grid(scene) if self.stack else scene

    def _numbers_of(self, bands: tuple[int | str, ...]) -> tuple[int, ...]:
        """Return the numbers of bands that are given by number or name."""
        count = len(self.file_bands)
        numbers = [self.band_number(b.lower()) if isinstance(b, str) else b for b in bands]
        existing = tuple(number for number in numbers if number and 1 <= number <= count)
        if bands and len(existing) == len(bands):
            return existing
        missing = [
            str(band) for band, number in zip(bands, numbers, strict=True) if number not in existing
        ]
        has = "1 band" if count == 1 else f"bands 1 to {count}"
        names = ", ".join(band.name for band in self.file_bands if band.name)
        raise SceneError(
            f"{self.path} has {has}{f' ({names})' if names else ''}, not "
            f"{', '.join(missing) or 'none'}, choose others (bands, --bands)"
        )

    def with_physical_values(self) -> "Scene":
        """Return a stack with the scale and offset of its bands applied, as float32.

        Its values are then reflectance, temperature, height or another physical quantity. Other
        scenes are returned as they are.
        """
        return replace(self, physical=True, dtype="float32") if self.stack else self

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of all files that are read."""
        if self.layers:
            return tuple(path for layer in self.layers for path in layer.scene.files)
        if self.resized_from is not None:
            return self.resized_from.files
        return tuple(band.path for band in self.stack) or (self.path,)

    @property
    def read_stack(self) -> tuple[StackBand, ...]:
        """The bands of a stack that are read."""
        return tuple(self.stack[number - 1] for number in self.bands) if self.stack else ()

    @property
    def finest_band(self) -> StackBand:
        """The first of the bands of a stack that are read with the smallest pixels."""
        return max(self.read_stack, key=lambda band: band.height * band.width)

    @property
    def gdal_resamples(self) -> bool:
        """Whether GDAL may resample the pixels as it reads them."""
        sizes = {(band.height, band.width) for band in self.read_stack}
        virtual = self.virtual or any(band.virtual for band in self.read_stack)
        return virtual or self.warped is not None or len(sizes) > 1

    def crop(self, window: Window) -> "Scene":
        """Return the part of the scene inside of a window."""
        if window == self.window:
            return self
        transform = self.affine @ Affine.translation(window.col, window.row)
        layer = Layer(self, -window.row, -window.col)
        return replace(
            self, height=window.height, width=window.width, transform=tuple(transform)[:6],
            layers=(layer,), stack=(), warped=None, resized_from=None, file_bands=(), virtual=False,
        )  # fmt: skip

    def resize(self, height: int, width: int) -> "Scene":
        """Return the scene with pixels of another size, over the same extent.

        Args:
            height: rows of the result (px).
            width: columns of the result (px).
        """
        if (height, width) == (self.height, self.width):
            return self
        transform = self.affine @ Affine.scale(self.width / width, self.height / height)
        return replace(
            self, height=height, width=width, transform=tuple(transform)[:6], resized_from=self,
            layers=(), stack=(), warped=None, file_bands=(), virtual=False,
        )  # fmt: skip

    def with_pixel_size(self, metres: float) -> "Scene":
        """Return the scene with pixels of a ground size (m), over the same extent.

        The size is the nearest one that divides the extent into whole pixels.

        Raises:
            SceneError: if the size of its pixels is unknown.
        """
        size = self.pixel_size
        if size is None:
            raise SceneError(
                f"{self.path} has no CRS on the earth, so the size of its pixels is unknown, leave "
                "out the resolution (--resolution) or give it its CRS"
            )
        sides = (max(1, round(side * size / metres)) for side in (self.height, self.width))
        return self.resize(*sides)

    @property
    def has_scale(self) -> bool:
        """Whether a band of a stack that is read has a scale or an offset, see `StackBand`."""
        return any((band.scale, band.offset) != (1.0, 0.0) for band in self.read_stack)

    def versions(self) -> dict[str, tuple[int | None, int | None, str | None]]:
        """Size, time of change and version of each file of a file or stack."""
        parts = self.read_stack or (self,)
        return {part.path: (part.size, part.modified, part.version) for part in parts}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: what is read; without logins and queries of a URL."""
        left_out = ("file_bands", "stack", "layers", "resized_from", "physical", "virtual")
        names = (item.name for item in fields(self) if item.name not in left_out)
        values = {name: getattr(self, name) for name in names}
        values["path"] = redact(self.path)
        if self.layers:
            values["layers"] = [
                {**layer.scene.to_dict(), "row": layer.row, "col": layer.col}
                for layer in self.layers
            ]
        elif self.resized_from is not None:
            values["resized_from"] = self.resized_from.to_dict()
        elif self.stack:
            values["physical"] = self.physical
            values["stack"] = [
                {**asdict(band), "path": redact(band.path)} for band in self.read_stack
            ]
        return values

    def determinants(self) -> dict[str, Any]:
        """Plain data that differ if pixels differ: without the paths of files of known version."""
        return _without_known_paths(self.to_dict())


@dataclass(frozen=True, slots=True)
class Layer:
    """A scene in a mosaic, whose pixels have the grid of the mosaic."""

    scene: Scene
    row: int
    """Row of the mosaic where the scene begins (px); negative if it begins before the mosaic."""
    col: int
    """Column of the mosaic where the scene begins (px)."""


def _bands_of(scene: Scene) -> dict[str, Any]:
    """Return the fields that a scene made of this one takes over, because bands decide them."""
    names = ("dtype", "bands", "band_names", "nodata", "masked")
    return {name: getattr(scene, name) for name in names}


def _on_finest_grid(stack: Scene) -> Scene:
    """Return a stack on the grid of the finest of the bands that are read, unless it is warped."""
    finest = stack.finest_band
    for band in stack.read_stack:
        _check_extent(band, finest)
    stack = replace(stack, nodata=stack.read_stack[0].nodata)
    if stack.warped is not None:
        return stack
    return replace(
        stack, height=finest.height, width=finest.width, transform=finest.transform, crs=finest.crs
    )


def _check_extent(band: StackBand, finest: StackBand) -> None:
    """Refuse a band of a stack that does not cover the same ground as the finest one.

    The limit is half a pixel of the coarser grid: bands of one product may differ by as much.
    """
    if (band.crs is None) != (finest.crs is None) or (
        band.crs is not None and CRS.from_user_input(band.crs) != CRS.from_user_input(finest.crs)
    ):
        raise SceneError(
            f"{band.path} has another CRS than {finest.path}, warp it onto that grid first "
            "(gdalwarp -t_srs)"
        )
    a, b, _, d, e, _ = band.transform
    limit = 0.501 * max(math.hypot(a, d), math.hypot(b, e))
    if np.abs(_corners(band) - _corners(finest)).max() > limit:
        raise SceneError(
            f"{band.path} has another extent than {finest.path}, cut it to the same one first "
            "(gdalwarp -te)"
        )


def _corners(band: StackBand) -> NDArray[np.float64]:
    """Return x and y of the first and the last corner of a band."""
    affine = Affine(*band.transform)
    return np.array([affine @ (0, 0), affine @ (band.width, band.height)])


def _without_known_paths(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the paths of files whose version is known, also of those that a scene consists of."""
    inner: dict[str, Any] = {
        name: [_without_known_paths(item) for item in values[name]]
        for name in ("layers", "stack")
        if name in values
    }
    if "resized_from" in values:
        inner["resized_from"] = _without_known_paths(values["resized_from"])
    has_version = values["version"] is not None and is_remote(values["path"])
    known = inner or values["modified"] is not None or has_version
    kept = {name: value for name, value in values.items() if name != "path" or not known}
    return {**kept, **inner}
