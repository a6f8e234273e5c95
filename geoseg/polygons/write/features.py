"""Finished polygons to Arrow record batches with the fields of the output."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from affine import Affine

from geoseg.errors import LabelError
from geoseg.geodesy import ellipsoidal_areas, polygon_areas, polygon_perimeters
from geoseg.legend import Legend
from geoseg.polygons.arrays import Floats, PolygonArrays, close_rings
from geoseg.polygons.clean.smooth import smooth
from geoseg.polygons.pixel_measures import GridMeasures
from geoseg.polygons.trace.components import Ints
from geoseg.polygons.write.lonlat import LonLat
from geoseg.polygons.write.wkb import to_wkb

GEOMETRY = "geometry"
"""Name of the geometry column (WKB)."""

SCHEMA = pa.schema(
    [
        (GEOMETRY, pa.binary()),
        ("class_id", pa.int32()),
        ("class_name", pa.string()),
        ("area_m2", pa.float64()),
        ("perimeter_m", pa.float64()),
        ("pixels", pa.int64()),
        ("mean_confidence", pa.float64()),
        ("min_confidence", pa.float64()),
        ("true_area_m2", pa.float64()),
    ]
)
"""Fields of the output, in order."""

_BATCH_POLYGONS = 1 << 16
_BATCH_VERTICES = 1 << 21


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Rows of the output."""

    rows: pa.RecordBatch
    """With the fields of `SCHEMA`."""
    boxes: Floats
    """(n, 4) west, south, east, north of each row."""


@dataclass(frozen=True, slots=True)
class FeatureBuilder:
    """What turns polygons in pixels into features on the ground."""

    legend: Legend
    transform: Affine
    """Pixels to coordinates of ``crs``."""
    crs: str | None
    """WKT of the map's CRS, None where it is unknown: then areas and perimeters are null."""
    size: tuple[int, int]
    """Height and width of the map (px)."""
    confidence: bool = True
    """Whether the polygons hold confidence; if not, it is null."""
    straight: bool = True
    """Whether outlines still run along the sides of pixels, as they do until simplified."""
    smooth: int = 0
    """Rounds of `smooth`."""

    def ground(self) -> GridMeasures | None:
        """What measures outlines along the sides of pixels; None where each is to be measured."""
        if self.crs is None or not self.straight or self.smooth:
            return None
        return GridMeasures.of(self.transform, self.crs, *self.size)

    def features(
        self, polygons: PolygonArrays, ground: GridMeasures | None, lon_lat: LonLat | None
    ) -> FeatureBatch:
        """One row for each polygon.

        Args:
            polygons: of the map.
            ground: `ground` of this frame.
            lon_lat: converts coordinates to longitude and latitude; None for the map's CRS.

        Raises:
            LabelError: if the legend lacks a class of the polygons.
            OutputError: if a polygon is invalid in longitude and latitude.
            ValueError: if their coordinates take more than 2 GiB.
        """
        names = self._names(polygons)
        vertices: npt.NDArray[np.number] = polygons.coords
        ring_offsets = polygons.ring_offsets
        if self.smooth:
            vertices, ring_offsets = smooth(
                vertices.astype(np.float64), polygons.pinned, ring_offsets, self.smooth
            )
        if lon_lat is None:
            xy, offsets = close_rings(vertices, ring_offsets, self.transform)
            geometry = to_wkb(xy, offsets, polygons.polygon_offsets)
        else:
            xy, offsets = close_rings(
                *lon_lat.divide(vertices.astype(np.float64), ring_offsets), self.transform
            )
            xy = lon_lat.project(xy)
            geometry = lon_lat.geometry(xy, offsets, polygons.polygon_offsets)
        if ground is not None:
            size, length, true_size = ground.measure(polygons)
        else:
            size, length, true_size = self._measured(polygons, vertices, ring_offsets)
        recorded = None if self.confidence else np.ones(len(polygons), np.bool_)
        known = None if self.crs is not None else np.ones(len(polygons), np.bool_)
        mean = polygons.confidence_sum / (255 * polygons.pixels)
        columns = [
            geometry,
            pa.array(polygons.values, pa.int32()),
            names,
            pa.array(size, pa.float64(), mask=known),
            pa.array(length, pa.float64(), mask=known),
            pa.array(polygons.pixels, pa.int64()),
            pa.array(mean, mask=recorded),
            pa.array(polygons.confidence_min / 255, mask=recorded),
            pa.array(true_size, pa.float64(), from_pandas=True),
        ]
        boxes = _boxes(xy, offsets, polygons.polygon_offsets)
        return FeatureBatch(pa.record_batch(columns, schema=SCHEMA), boxes)

    def _names(self, polygons: PolygonArrays) -> pa.Array:
        values = np.array(self.legend.values)
        place = np.full(256, -1)
        place[values] = np.arange(values.size)
        number = place[polygons.values]
        if (number < 0).any():
            value = int(polygons.values[number < 0].min())
            raise LabelError(f"label {value} is not in the legend, add a class of this value")
        return pa.array(self.legend.names).take(pa.array(number))

    def _measured(
        self, polygons: PolygonArrays, vertices: npt.NDArray[np.number], ring_offsets: Ints
    ) -> tuple[Floats, Floats, Floats]:
        """Areas, perimeters and true areas of the outlines as they are drawn."""
        xy, offsets = close_rings(vertices, ring_offsets)
        shapes = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, xy, (offsets, polygons.polygon_offsets)
        )
        where = (shapes, self.transform, self.crs)
        return polygon_areas(*where), polygon_perimeters(*where), ellipsoidal_areas(*where)


def rebatch(batches: Iterable[PolygonArrays]) -> Iterator[PolygonArrays]:
    """The same polygons in the same order, in batches of a size that suits a file.

    Bounded both ways: many small batches are slow, and a WKB column holds 2 GiB at most.
    """
    waiting: list[PolygonArrays] = []
    polygons = vertices = 0
    for batch in batches:
        for part in _split(batch):
            waiting.append(part)
            polygons += len(part)
            vertices += part.coords.shape[0]
            if polygons >= _BATCH_POLYGONS or vertices >= _BATCH_VERTICES:
                yield PolygonArrays.concatenate(waiting)
                waiting, polygons, vertices = [], 0, 0
    if waiting:
        yield PolygonArrays.concatenate(waiting)


def _split(batch: PolygonArrays) -> Iterator[PolygonArrays]:
    """Parts of a batch that begin with each new multiple of the vertices that are enough."""
    if not len(batch):
        return
    vertices = batch.ring_offsets[batch.polygon_offsets[1:]]
    bounds = 1 + np.flatnonzero(np.diff(vertices // _BATCH_VERTICES))
    for first, end in zip([0, *bounds], [*bounds, len(batch)], strict=True):
        yield batch.part(int(first), int(end))


def _boxes(xy: Floats, ring_offsets: Ints, polygon_offsets: Ints) -> Floats:
    """(n, 4) west, south, east, north of polygons of closed rings."""
    first = ring_offsets[polygon_offsets[:-1]]
    low, high = np.minimum.reduceat(xy, first), np.maximum.reduceat(xy, first)
    return np.column_stack([low, high])
