"""Write GeoParquet 1.1: WKB polygons with a bounding box for each row."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyproj import CRS

from geoseg.polygons.write.features import GEOMETRY, SCHEMA, FeatureBatch

_BOUNDS = ("xmin", "ymin", "xmax", "ymax")
_BBOX = pa.struct([(bound, pa.float64()) for bound in _BOUNDS])


def write_geoparquet(path: Path, batches: Iterable[FeatureBatch], crs: str | None) -> None:
    """Write features, each batch as one row group.

    Raises:
        OSError: if the file cannot be written.
        pyarrow.ArrowException: if Arrow cannot write it.
    """
    extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
    schema = SCHEMA.append(pa.field("bbox", _BBOX))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            extent[:2] = np.minimum(extent[:2], batch.boxes[:, :2].min(axis=0))
            extent[2:] = np.maximum(extent[2:], batch.boxes[:, 2:].max(axis=0))
            bbox = pa.StructArray.from_arrays(list(batch.boxes.T), fields=list(_BBOX))
            writer.write_batch(pa.record_batch([*batch.rows.columns, bbox], schema=schema))
        # The extent is known only now; Parquet keeps its metadata at the end of the file.
        writer.add_key_value_metadata({"geo": json.dumps(_metadata(extent, crs))})


def _metadata(extent: npt.NDArray[np.float64], crs: str | None) -> dict[str, Any]:
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": None if crs is None else CRS.from_user_input(crs).to_json_dict(),
        "orientation": "counterclockwise",
        "edges": "planar",
        "covering": {"bbox": {bound: ["bbox", bound] for bound in _BOUNDS}},
    }
    if np.isfinite(extent).all():
        column["bbox"] = extent.tolist()
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
