"""Turn polygons into Arrow record batches with the fields of the output."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from affine import Affine

from geoseg.errors import LabelError
from geoseg.geodesy import ellipsoidal_areas, polygon_areas, polygon_perimeters
from geoseg.legend import TOP_SCORE, Legend
from geoseg.polygons.arrays import Floats, Ints, PolygonArrays, close_rings, concat_fields
from geoseg.polygons.clean.smooth import smooth
from geoseg.polygons.pixel_measures import GridMeasures
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
    """A batch of output rows."""

    rows: pa.RecordBatch
    """n rows with the fields of `SCHEMA`."""
    boxes: Floats
    """(n, 4) west, south, east and north bound of each row."""


@dataclass(frozen=True, slots=True)
class FeatureBuilder:
    """Turns polygons in pixels into features with coordinates, names and measures."""

    legend: Legend
    transform: Affine
    """Pixels to coordinates of ``crs``."""
    crs: str | None
    """WKT of the map's CRS; None where it is unknown, and areas and perimeters are null."""
    size: tuple[int, int]
    """Height and width of the map (px)."""
    has_confidence: bool = True
    """Whether the confidence of the polygons is known; if not, it is null."""
    simplified: bool = False
    """Whether outlines were simplified, so that they do not run along pixel sides."""
    smooth: int = 0
    """Rounds of `smooth`, 0 to 3."""
    path: str | None = None
    """Path of the map, for messages; None if it has none yet."""

    def grid_measures(self) -> GridMeasures | None:
        """Measure the grid; None where each polygon is to be measured by its vertices."""
        return None if self.crs is None else GridMeasures.of(self.transform, self.crs, *self.size)

    def features(
        self, polygons: PolygonArrays, measures: GridMeasures | None, lonlat: LonLat | None
    ) -> FeatureBatch:
        """Return one row for each polygon.

        Args:
            polygons: of the map.
            measures: `grid_measures` of this builder.
            lonlat: converts coordinates to longitude and latitude; None for the map's CRS.

        Raises:
            LabelError: if a class of the polygons is not in the legend.
            OutputError: if a polygon is invalid in longitude and latitude.
            ValueError: if their coordinates take more than 2 GiB.
        """
        names = self._class_names(polygons)
        vertices: npt.NDArray[np.number] = polygons.coords
        ring_offsets = polygons.ring_offsets
        if self.smooth:
            vertices, ring_offsets = smooth(
                vertices.astype(np.float64), polygons.fixed, ring_offsets, self.smooth
            )
        if lonlat is None:
            xy, offsets = close_rings(vertices, ring_offsets, self.transform)
            geometry = to_wkb(xy, offsets, polygons.polygon_offsets)
        else:
            xy, offsets = close_rings(
                *lonlat.divide_sides(vertices.astype(np.float64), ring_offsets), self.transform
            )
            xy = lonlat.project(xy)
            geometry = lonlat.to_wkb(xy, offsets, polygons.polygon_offsets)
        area, perimeter, true_area = self._measure(polygons, vertices, ring_offsets, measures)
        all_rows = np.ones(len(polygons), np.bool_)
        no_confidence = None if self.has_confidence else all_rows
        mean_confidence = polygons.confidence_sum / (TOP_SCORE * polygons.pixels)
        columns = [
            geometry,
            pa.array(polygons.values, pa.int32()),
            names,
            _finite(area),
            _finite(perimeter),
            pa.array(polygons.pixels, pa.int64()),
            pa.array(mean_confidence, mask=no_confidence),
            pa.array(polygons.confidence_min / TOP_SCORE, mask=no_confidence),
            _finite(true_area),
        ]
        first = offsets[polygons.polygon_offsets[:-1]]
        boxes = np.column_stack([np.minimum.reduceat(xy, first), np.maximum.reduceat(xy, first)])
        return FeatureBatch(pa.record_batch(columns, schema=SCHEMA), boxes)

    def _class_names(self, polygons: PolygonArrays) -> pa.Array:
        values = np.array(self.legend.values)
        index_of = np.full(256, -1)
        index_of[values] = np.arange(values.size)
        indices = index_of[polygons.values]
        if (indices < 0).any():
            value = int(polygons.values[indices < 0].min())
            label = f"label {value}" if self.path is None else f"label {value} of {self.path}"
            raise LabelError(
                f"{label} is not in the legend ({', '.join(self.legend.names)}), add a class of "
                "this value to it"
            )
        return pa.array(self.legend.names).take(pa.array(indices))

    def _measure(
        self,
        polygons: PolygonArrays,
        vertices: npt.NDArray[np.number],
        ring_offsets: Ints,
        measures: GridMeasures | None,
    ) -> tuple[Floats, Floats, Floats]:
        """Return areas, perimeters and ellipsoidal areas of the outlines as they are written."""
        along_pixels = not (self.simplified or self.smooth)
        if measures is not None and along_pixels:
            area, perimeter, true_area = measures.measure(polygons)
            if not np.isnan(true_area).any():
                return area, perimeter, true_area
        xy, offsets = close_rings(vertices, ring_offsets)
        shapes = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, xy, (offsets, polygons.polygon_offsets)
        )
        if measures is None or not along_pixels:
            area = polygon_areas(shapes, self.transform, self.crs)
            perimeter = polygon_perimeters(shapes, self.transform, self.crs)
        if measures is not None and measures.area_correction is not None:
            true_area = area + measures.corrections(xy, offsets, polygons.polygon_offsets)
        else:
            true_area = ellipsoidal_areas(shapes, self.transform, self.crs)
        return area, perimeter, true_area


def _finite(measures: Floats) -> pa.Array:
    """Return measures as a column, null where they are unknown."""
    return pa.array(measures, pa.float64(), mask=~np.isfinite(measures))


def rebatch(batches: Iterable[PolygonArrays]) -> Iterator[PolygonArrays]:
    """Yield the same polygons in the same order, in batches of a size that suits a file.

    Many small batches are slow, and a WKB column holds 2 GiB at most.
    """
    waiting: list[PolygonArrays] = []
    polygons = vertices = 0
    for batch in batches:
        for piece in _split_large(batch):
            waiting.append(piece)
            polygons += len(piece)
            vertices += piece.coords.shape[0]
            if polygons >= _BATCH_POLYGONS or vertices >= _BATCH_VERTICES:
                yield concat_fields(waiting)
                waiting, polygons, vertices = [], 0, 0
    if waiting:
        yield concat_fields(waiting)


def _split_large(batch: PolygonArrays) -> Iterator[PolygonArrays]:
    """Split a batch where its vertices pass a multiple of the largest number in a batch."""
    if not len(batch):
        return
    vertices = batch.ring_offsets[batch.polygon_offsets[1:]]
    bounds = 1 + np.flatnonzero(np.diff(vertices // _BATCH_VERTICES))
    for first, end in zip([0, *bounds], [*bounds, len(batch)], strict=True):
        yield batch.slice(int(first), int(end))
