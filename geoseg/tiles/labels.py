"""Where training labels come from: class rasters, colour masks, palettes, or vectors."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import geopandas
import numpy as np
import rasterio.features
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import LabelError
from geoseg.grid import Window
from geoseg.legend import DUBAI, NODATA, LandCover, Legend
from geoseg.raster import Scene, describe, read, read_categories, read_palette

VECTOR_SUFFIXES = frozenset(
    {".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet", ".gml", ".kml"}
)


class Labels(Protocol):
    """Labels on a scene's pixel grid."""

    @property
    def legend(self) -> Legend:
        """The classes that occur in `read`."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 where the ground is not labelled."""


@dataclass(frozen=True, slots=True)
class ValueLabels:
    """A raster whose pixels are class values."""

    raster: Scene
    legend: Legend

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values; what the legend does not name is not labelled."""
        pixels, valid = read(self.raster, window)
        known = np.isin(pixels[0], self.legend.values) & valid
        return np.where(known, pixels[0], NODATA).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class ColorLabels:
    """A mask of colours, three bands or one with a palette."""

    raster: Scene
    legend: Legend
    palette: tuple[tuple[int, str], ...] = ()
    """Value and #rrggbb, for a mask of one band."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values; colours that the legend does not name are not labelled."""
        pixels, valid = read(self.raster, window)
        if self.palette:
            table = np.full(np.iinfo(pixels.dtype).max + 1, NODATA, np.uint8)
            values = {c.color: c.value for c in self.legend.classes}
            for index, color in self.palette:
                table[index] = values.get(color, NODATA)
            return np.where(valid, table[pixels[0]], NODATA).astype(np.uint8)
        code = (pixels[:3].astype(np.uint32) * np.array([[[65536]], [[256]], [[1]]])).sum(0)
        labels = np.full(code.shape, NODATA, np.uint8)
        for c in self.legend.classes:
            labels[valid & (code == int(c.color[1:], 16))] = c.value
        return labels


@dataclass(frozen=True, slots=True, eq=False)
class VectorLabels:
    """Polygons, lines or points burnt onto the scene's grid; a later feature covers an earlier."""

    scene: Scene
    legend: Legend
    geometries: NDArray[Any]
    """Shapely geometries in the scene's CRS."""
    values: NDArray[np.uint8]
    """Class value of each geometry."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values by pixel centre; ground without a feature is not labelled."""
        transform = self.scene.affine @ self.scene.affine.translation(window.col, window.row)
        shapes = zip(self.geometries, self.values.tolist(), strict=True)
        burnt: NDArray[np.uint8] = rasterio.features.rasterize(
            shapes, (window.height, window.width), fill=NODATA, transform=transform, dtype="uint8"
        )
        return burnt


def open_labels(
    path: str | Path, scene: Scene, legend: Legend | None, class_field: str | None
) -> Labels:
    """The labels of a scene from a file of any supported kind.

    Args:
        path: class raster, colour mask or vector file.
        scene: the scene whose grid the labels are wanted on.
        legend: the classes; None to take them from the file, or the lab's for a colour mask.
        class_field: the vector's field of class names or values.

    Raises:
        LabelError: if labels and scene, or labels and legend, do not fit.
        SceneError: if a raster cannot be opened.
    """
    if Path(path).suffix.lower() in VECTOR_SUFFIXES:
        return _open_vector(path, scene, legend, class_field)
    raster = describe(path)
    if (raster.height, raster.width) != (scene.height, scene.width):
        raise LabelError(
            f"labels {path} are {raster.height} x {raster.width} px, scene {scene.path} is "
            f"{scene.height} x {scene.width}, bring them onto one grid (gdalwarp -tr -te)"
        )
    if scene.crs and raster.crs and not _same_place(scene, raster):
        raise LabelError(
            f"labels {path} and scene {scene.path} lie on different grids, "
            "bring them onto one (gdalwarp -t_srs -tr -te)"
        )
    if len(raster.bands) >= 3:
        return ColorLabels(raster, legend or DUBAI)
    return _open_one_band(path, raster, legend)


def _same_place(scene: Scene, raster: Scene) -> bool:
    """Whether the corners of two rasters of one size are less than a tenth of a pixel apart."""
    corners = [(0, 0), (scene.width, 0), (0, scene.height), (scene.width, scene.height)]
    x, y = np.transpose([raster.affine @ corner for corner in corners])
    try:
        if raster.crs != scene.crs:
            to_scene = Transformer.from_crs(raster.crs, scene.crs, always_xy=True)
            x, y = to_scene.transform(x, y, errcheck=True)
    except ProjError:
        return False
    found = [~scene.affine @ xy for xy in zip(x, y, strict=True)]
    return bool(np.abs(np.subtract(found, corners)).max() < 0.1)


def _open_one_band(path: str | Path, raster: Scene, legend: Legend | None) -> Labels:
    palette = read_palette(path)
    if legend is None:
        if not palette:
            raise LabelError(f"labels {path} have no palette, name their classes with --legend")
        lab = {c.color for c in DUBAI.classes}
        if lab & set(palette.values()):
            legend = DUBAI
        else:
            names = read_categories(path)
            legend = Legend(
                tuple(
                    LandCover(v, names.get(v, str(v)), color)
                    for v, color in palette.items()
                    if v < NODATA and v != raster.nodata and color != "#000000"
                )
            )
    colors = {c.color for c in legend.classes}
    if palette and colors & set(palette.values()):
        return ColorLabels(raster, legend, tuple(palette.items()))
    return ValueLabels(raster, legend)


def _open_vector(
    path: str | Path, scene: Scene, legend: Legend | None, class_field: str | None
) -> VectorLabels:
    try:
        frame = (
            geopandas.read_file(path)
            if Path(path).suffix.lower() != ".parquet"
            else (geopandas.read_parquet(path))
        )
    except Exception as error:  # noqa: BLE001 - each driver has its own, none is a programming error
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LabelError(f"cannot read labels {path}: {reason}, check the path") from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise LabelError(f"labels {path} hold no geometries, give a file of polygons")
    fields = [c for c in frame.columns if c != frame.geometry.name]
    if class_field is None or class_field not in fields:
        raise LabelError(f"labels {path} need --class-field, one of: {', '.join(map(str, fields))}")
    if frame.crs is None or scene.crs is None:
        raise LabelError(
            f"labels {path} or scene {scene.path} have no CRS, assign it with "
            "ogr2ogr -a_srs or gdal_edit -a_srs"
        )
    there = frame.geometry.notna() & ~frame.geometry.is_empty
    frame = frame[frame[class_field].notna() & there].to_crs(scene.crs)
    if frame.empty:
        raise LabelError(f"labels {path} hold no feature with a {class_field}")
    classes = frame[class_field].tolist()
    legend = legend or _legend_of(classes)
    values = np.array([_class_value(legend, c) for c in classes], np.uint8)
    return VectorLabels(scene, legend, frame.geometry.to_numpy(), values)


def _legend_of(classes: list[Any]) -> Legend:
    """Numbers are class values; names are numbered in alphabetical order."""
    if any(isinstance(c, str) for c in classes):
        return Legend.from_names(sorted({str(c) for c in classes}))
    values = sorted({int(c) for c in classes})
    named = Legend.from_names([str(v) for v in values]).classes
    return Legend(tuple(replace(c, value=v) for v, c in zip(values, named, strict=True)))


def _class_value(legend: Legend, label: Any) -> int:  # noqa: ANN401 - a cell of any type
    if isinstance(label, str):
        return legend.value_of(label)
    if label not in legend.values:
        raise LabelError(f"class {label} is not in the legend, add it there")
    return int(label)
