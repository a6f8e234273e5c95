"""Labels in vector files: polygons, lines or points with a field for the class."""

from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.grid import Window
from geoseg.legend import NODATA, Legend
from geoseg.raster import Scene

_NAMED = 20
"""Classes that a message lists."""
SUFFIXES = frozenset({".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet", ".gml", ".kml"})


@dataclass(frozen=True, slots=True, eq=False)
class VectorLabels:
    """Geometries burnt onto a scene's grid; a later one covers an earlier."""

    scene: Scene
    legend: Legend
    geometries: NDArray[Any]
    """(n,) shapely geometries in the scene's CRS."""
    extents: NDArray[np.float64]
    """(n, 4) bounds of the geometries: left, bottom, right, top."""
    values: NDArray[np.uint8]
    """(n,) class value of each geometry, 255 for "not labelled"."""

    def near(self, window: Window) -> "VectorLabels":
        """The same labels, with only the geometries that this window may need."""
        cols, rows = (window.col, window.col_end), (window.row, window.row_end)
        x, y = np.transpose([self.scene.affine @ (col, row) for col in cols for row in rows])
        left, bottom, right, top = self.extents.T
        some = (left <= x.max()) & (right >= x.min()) & (bottom <= y.max()) & (top >= y.min())
        return replace(
            self, geometries=self.geometries[some], extents=self.extents[some],
            values=self.values[some],
        )  # fmt: skip

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width) by pixel centre, 255 on ground without a geometry."""
        some = self.near(window)
        transform = self.scene.affine @ self.scene.affine.translation(window.col, window.row)
        if not len(some.values):
            return np.full((window.height, window.width), NODATA, np.uint8)
        burnt: NDArray[np.uint8] = rasterio.features.rasterize(
            zip(some.geometries, some.values.tolist(), strict=True),
            (window.height, window.width),
            fill=NODATA, transform=transform, dtype="uint8",
        )  # fmt: skip
        return burnt


class VectorFile:
    """A vector file that may serve many scenes: read once, and moved once to each of their CRS.

    Args:
        path: anything that GeoPandas reads.
        class_field: field of class names or values.
        legend: the classes; None for those that occur.
        ignore: names or values of classes that mean "not labelled".

    Raises:
        LabelError: if it cannot be read, has no features of a class, or one beside the legend.
    """

    def __init__(
        self, path: str, class_field: str | None, legend: Legend | None, ignore: tuple[str, ...]
    ) -> None:
        everything = _read(path, class_field)
        self._frame = _labelled(path, everything, class_field)
        self.unlabelled = len(everything) - len(self._frame)
        """Features without a class or a place."""
        classes = self._frame[class_field].tolist()
        dropped = {text.strip().casefold() for text in ignore}
        kept = [c for c in classes if _text(c) not in dropped]
        self._legend = legend or _legend_of(path, kept)
        codes = _class_values(path, self._legend, list(dict.fromkeys(kept)))
        self._values = np.array([codes.get(c, NODATA) for c in classes], np.uint8)
        self._placed: tuple[str, NDArray[Any], NDArray[np.float64]] | None = None

    def column(self, name: str) -> list[Any] | None:
        """A field of the features that have a class; None where there is no such field."""
        return self._frame[name].tolist() if name in self._frame else None

    def on(self, scene: Scene) -> VectorLabels:
        """Its labels on the grid of a scene.

        Raises:
            LabelError: if the scene has no CRS.
        """
        if scene.crs is None:
            raise LabelError(f"scene {scene.path} has no CRS, assign it with gdal_edit -a_srs")
        if self._placed is None or self._placed[0] != scene.crs:
            moved = self._frame.geometry.to_crs(scene.crs).to_numpy()
            self._placed = scene.crs, moved, shapely.bounds(moved)
        return VectorLabels(scene, self._legend, *self._placed[1:], self._values)


def _read(path: str, class_field: str | None) -> Any:  # noqa: ANN401 - a GeoDataFrame
    import geopandas

    try:
        if Path(path).suffix.lower() == ".parquet":
            frame = geopandas.read_parquet(path)
        else:
            frame = geopandas.read_file(path, layer=_layer(path))
    except Exception as error:  # noqa: BLE001 - each driver has its own, none is a programming error
        reason = (str(error) or type(error).__name__).splitlines()[0].removeprefix(f"{path}: ")
        raise LabelError(f"cannot read labels {path}: {reason}, check the path") from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise LabelError(f"labels {path} hold no geometries, give a file of polygons")
    fields = [str(c) for c in frame.columns if c != frame.geometry.name]
    if class_field is None or class_field not in fields:
        raise LabelError(f"labels {path} need --class-field, one of: {', '.join(fields)}")
    if frame.crs is None:
        raise LabelError(f"labels {path} have no CRS, assign it with ogr2ogr -a_srs")
    return frame


def _layer(path: str) -> str | None:
    """The first layer with geometries; styles and other tables lie beside it in a GeoPackage."""
    import pyogrio  # with pandas

    layers = pyogrio.list_layers(path).tolist()
    return next((name for name, geometry in layers if geometry is not None), None)


def _labelled(path: str, frame: Any, class_field: str | None) -> Any:  # noqa: ANN401 - GeoDataFrames
    """The features with a class and a place."""
    there = frame.geometry.notna() & ~frame.geometry.is_empty
    named = frame[class_field].notna() & (frame[class_field].astype(str).str.strip() != "")
    frame = frame[named & there]
    if frame.empty:
        raise LabelError(
            f"labels {path} hold no feature with a {class_field}, fill it in or choose "
            "another field with --class-field"
        )
    return frame


def _text(label: Any) -> str:  # noqa: ANN401 - a cell of any type
    """What a class is called by whom it is to be ignored."""
    whole = isinstance(label, Real) and float(label).is_integer()
    return str(int(label) if whole else label).strip().casefold()


def _legend_of(path: str, classes: list[Any]) -> Legend:
    """Numbers are class values; names are numbered in alphabetical order."""
    if not classes:
        raise LabelError(f"all features of labels {path} are of ignored classes, keep one")
    if any(isinstance(c, str) for c in classes):
        return Legend.from_names(sorted({str(c).strip() for c in classes}))
    values = sorted({int(c) for c in classes})
    named = Legend.from_names([str(v) for v in values]).classes
    return Legend(tuple(replace(c, value=v) for v, c in zip(values, named, strict=True)))


def _class_values(path: str, legend: Legend, classes: list[Any]) -> dict[Any, int]:
    """Value of each class by name or value."""
    found = {label: _class_value(legend, label) for label in classes}
    unknown = [label for label, value in found.items() if value is None]
    if not unknown:
        return {label: value for label, value in found.items() if value is not None}
    several = len(unknown) > 1
    raise LabelError(
        f"class{'es' * several} {_listed(unknown)} of labels {path} "
        f"(which have {_listed(classes)}) {'are' if several else 'is'} not in the legend "
        f"({', '.join(legend.names)}), add what is missing there, or give --ignore if it means "
        "not labelled"
    )


def _class_value(legend: Legend, label: Any) -> int | None:  # noqa: ANN401 - a cell of any type
    if isinstance(label, str):
        try:
            return legend.value_of(label)
        except LabelError:
            return None
    return int(label) if label in legend.values else None


def _listed(labels: list[Any]) -> str:
    """The first of them, as Python writes them."""
    more = ", ..." if len(labels) > _NAMED else ""
    return ", ".join(repr(label) for label in labels[:_NAMED]) + more
