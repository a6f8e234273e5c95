"""Describe a model, tile set, run folder, class map, scene, product or vector file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geoseg.classification import ClassifySettings
from geoseg.errors import redact
from geoseg.grid import WindowGrid
from geoseg.info.class_counts import count_labels, count_tiles
from geoseg.info.detect import Kind, find_kind
from geoseg.info.georeference import crs_of, extent_of, georeference, to_json_number
from geoseg.info.onnx import describe_onnx
from geoseg.info.parts import describe_parts
from geoseg.info.vectors import describe_vectors
from geoseg.labels import open_class_raster
from geoseg.models import DEFAULT, find_model, is_bundled, read_window
from geoseg.raster import RasterMetadata, Scene, find_product, open_scene, read_metadata
from geoseg.tiles import open_tiles


@dataclass(frozen=True, slots=True)
class InfoReport:
    """The description of a path."""

    kind: Kind
    """"model", "onnx", "tiles", "parts", "labels", "scene", "product" or "vectors"."""
    data: dict[str, Any]
    """Plain data, fit for JSON; an unknown value is None."""

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and the data, for JSON."""
        return {"kind": self.kind, **self.data}


def describe(path: str | Path) -> InfoReport:
    """Describe a model, tile set, run folder, class map, scene, product or vector file.

    All pixels of a class map are read, chunk by chunk, and all masks of a folder of images and
    masks. Of a scene or product only the metadata is read, and of a tile set that `tile` wrote only
    the index.

    Args:
        path: of the file or folder, a pattern of the bands of a scene, the address of a STAC item,
            or the name of a model, such as "default". A network in an ONNX file is run on a few
            random test windows.

    Raises:
        GeosegError: of the type that fits, if the path is missing, unknown or damaged.
    """
    kind = find_kind(path)
    describers = {
        "model": _describe_model, "onnx": describe_onnx, "tiles": _describe_tiles,
        "parts": describe_parts, "labels": _describe_labels, "scene": _describe_scene,
        "product": _describe_product, "vectors": describe_vectors,
    }  # fmt: skip
    return InfoReport(kind, describers[kind](path))


def _describe_model(path: str | Path) -> dict[str, Any]:
    # Importing torch takes longer than any other report.
    from geoseg.model import Model, layer_table

    model = Model.load(path)
    layers = layer_table(model.spec)
    return {
        **model.to_dict(),
        "bundled": is_bundled(path),
        "bytes": find_model(path).stat().st_size,
        "parameters": sum(layer.parameters for layer in layers),
        "layers": [_with_lists(asdict(layer)) for layer in layers],
    }


def _with_lists(data: dict[str, Any]) -> dict[str, Any]:
    """Replace tuples by lists, as JSON does."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in data.items()}


def _describe_tiles(path: str | Path) -> dict[str, Any]:
    tiles = open_tiles(path)
    return {
        **tiles.to_dict(),
        "own": tiles.written_by_tile,
        "crs": crs_of(tiles.crs),
        "extent": extent_of(tiles.bounds) if tiles.bounds and tiles.crs else None,
        **count_tiles(tiles),
    }


def _describe_labels(path: str | Path) -> dict[str, Any]:
    raster, metadata = open_class_raster(path), read_metadata(path)
    tags = {k: v for k, v in sorted(metadata.tags.items()) if k.startswith("GEOSEG_")}
    return {
        **georeference(raster.scene),
        **_storage(metadata),
        "tags": tags,
        **count_labels(raster.scene, raster.palette, raster.names),
    }


def _describe_scene(path: str | Path) -> dict[str, Any]:
    scene, metadata = open_scene(path), read_metadata(path)
    return {
        **georeference(scene),
        **_storage(metadata),
        "bands": [
            {
                "band": band,
                "name": name,
                "dtype": metadata.dtypes[band - 1],
                "nodata": to_json_number(metadata.nodata[band - 1]),
            }
            for band, name in zip(scene.bands, scene.band_names, strict=True)
        ],
        "alphas": [
            {"band": band, "dtype": metadata.dtypes[band - 1]} for band in scene.unread_alphas
        ],
        "windows": _windows(scene),
    }


def _describe_product(path: str | Path) -> dict[str, Any]:
    product, scene = find_product(str(path)), open_scene(path)
    assert product is not None  # noqa: S101 - `find_kind` has found it
    return {
        **georeference(scene),
        "product": product.kind,
        "date": product.date and product.date.isoformat(timespec="seconds"),
        "bands": [
            {
                "band": number,
                "name": band.band.name,
                "other_names": list(band.aliases),
                "file": redact(band.path),
                "file_band": band.number,
                "height": band.height,
                "width": band.width,
                "pixel_size": scene.with_bands((number,)).pixel_size,
                "dtype": band.band.dtype,
                "scale": band.scale,
                "offset": band.offset,
                "nodata": to_json_number(band.nodata),
            }
            for number, band in enumerate(scene.stack, 1)
        ],
        "windows": _windows(scene),
    }


def _windows(scene: Scene) -> dict[str, int]:
    """Return number, size and overlap (px) of the windows that `classify` uses by default."""
    size, overlap = read_window(DEFAULT), ClassifySettings().overlap
    grid = WindowGrid(scene.height, scene.width, size, size - overlap)
    return {"count": len(grid), "size": size, "overlap": overlap}


def _storage(metadata: RasterMetadata) -> dict[str, Any]:
    return {
        "format": metadata.driver,
        "compression": metadata.compression,
        "block": list(metadata.block),
        "overviews": list(metadata.overviews),
        "mask": metadata.mask,
    }
