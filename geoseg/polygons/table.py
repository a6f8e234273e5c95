"""Finished polygons to Arrow record batches with the fields of the output."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from affine import Affine
from pyproj import Transformer

from geoseg.errors import LabelError
from geoseg.legend import Legend
from geoseg.polygons.measure import areas, perimeters
from geoseg.polygons.seams import Coverage

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
    ]
)
"""Fields of the output, in order."""

_ENOUGH_POLYGONS = 1 << 16
_ENOUGH_VERTICES = 1 << 22


@dataclass(frozen=True, slots=True)
class Frame:
    """What turns polygons in pixels into features on the ground."""

    legend: Legend
    transform: Affine
    """Pixels to coordinates of ``crs``."""
    crs: str | None
    """WKT of the scene's CRS, None where it is unknown."""
    target: str | None
    """Another CRS for the output's coordinates, or None."""
    confidence: bool
    """Whether confidence was recorded."""

    def place(self, polygons: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """Polygons (n,) from pixels to output coordinates, shells counter-clockwise."""
        t = self.transform
        linear, origin = np.array([[t.a, t.d], [t.b, t.e]]), np.array([t.c, t.f])
        placed = shapely.transform(polygons, lambda xy: xy @ linear + origin)
        if self.target is not None:
            project = Transformer.from_crs(self.crs, self.target, always_xy=True).transform
            placed = shapely.transform(placed, project, interleaved=False)
        return np.asarray(shapely.orient_polygons(placed))

    def features(self, coverage: Coverage) -> pa.RecordBatch:
        """One row for each polygon, with the fields of `SCHEMA`.

        Raises:
            LabelError: if the legend lacks a class of the polygons.
        """
        names = dict(zip(self.legend.values, self.legend.names, strict=True))
        for value in np.unique(coverage.values).tolist():
            if value not in names:
                raise LabelError(f"label {value} is not in the legend, add a class of this value")
        known = None if self.crs is not None else np.ones(len(coverage), np.bool_)
        recorded = None if self.confidence else np.ones(len(coverage), np.bool_)
        size = areas(coverage.polygons, self.transform, self.crs)
        length = perimeters(coverage.polygons, self.transform, self.crs)
        columns = [
            pa.array(shapely.to_wkb(self.place(coverage.polygons)), pa.binary()),
            pa.array(coverage.values, pa.int32()),
            pa.array([names[value] for value in coverage.values.tolist()], pa.string()),
            pa.array(size, pa.float64(), mask=known),
            pa.array(length, pa.float64(), mask=known),
            pa.array(coverage.pixels, pa.int64()),
            pa.array(coverage.confidence_sum / 255 / coverage.pixels, mask=recorded),
        ]
        return pa.record_batch(columns, schema=SCHEMA)


def regroup(batches: Iterable[Coverage]) -> Iterator[Coverage]:
    """The same polygons in the same order, in batches of a size that suits a file.

    Bounded both ways: many small batches are slow, and a WKB column holds 2 GiB at most.
    """
    waiting: list[Coverage] = []
    polygons = vertices = 0
    for batch in batches:
        for part in _split(batch):
            waiting.append(part)
            polygons += len(part)
            vertices += int(shapely.get_num_coordinates(part.polygons).sum())
            if polygons >= _ENOUGH_POLYGONS or vertices >= _ENOUGH_VERTICES:
                yield _together(waiting)
                waiting, polygons, vertices = [], 0, 0
    if waiting:
        yield _together(waiting)


def _split(batch: Coverage) -> Iterator[Coverage]:
    """Parts of a batch that begin with each new multiple of the vertices that are enough."""
    if not len(batch):
        return
    vertices = np.cumsum(shapely.get_num_coordinates(batch.polygons))
    bounds = 1 + np.flatnonzero(np.diff(vertices // _ENOUGH_VERTICES))
    for first, end in zip([0, *bounds], [*bounds, len(batch)], strict=True):
        part = slice(int(first), int(end))
        yield Coverage(
            batch.values[part],
            batch.pixels[part],
            batch.confidence_sum[part],
            batch.polygons[part],
        )


def _together(batches: list[Coverage]) -> Coverage:
    return Coverage(
        np.concatenate([b.values for b in batches]),
        np.concatenate([b.pixels for b in batches]),
        np.concatenate([b.confidence_sum for b in batches]),
        np.concatenate([b.polygons for b in batches]),
    )
