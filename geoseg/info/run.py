"""A path to a report on it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from geoseg.grid import WindowGrid
from geoseg.info.class_counts import count_labels, count_tiles
from geoseg.info.detect import find_kind
from geoseg.info.georeference import crs_of, georeference
from geoseg.info.parts import describe_parts
from geoseg.info.report import Report
from geoseg.info.training import plain_record
from geoseg.info.vectors import describe_vectors
from geoseg.labels import open_class_raster
from geoseg.raster import open_scene, read_metadata, unread_alphas
from geoseg.tiles import open_tiles

_WINDOW = 128
"""Side of the windows that a scene's report counts (px): the bundled model's."""
_OVERLAP = 32
"""Overlap of these windows (px): the default of `geoseg classify`."""


def describe(path: str | Path) -> Report:
    """Find out what a path is, and describe it.

    Label maps are counted through, a block at a time, and so are folders of images and masks; a
    tile set that `tile` wrote has its counts in the index. Of a scene no pixel is read.

    Args:
        path: a model file or "default", a tile set, a folder of parts, a label map, a
            scene or a vector file.

    Raises:
        GeosegError: of the kind that fits, if the path is missing, unknown or damaged.
    """
    kind = find_kind(path)
    describers = {
        "model": _model, "tiles": _tiles, "parts": describe_parts, "labels": _labels,
        "scene": _scene, "vectors": describe_vectors,
    }  # fmt: skip
    return Report(kind, describers[kind](path))


def _model(path: str | Path) -> dict[str, Any]:
    # It loads torch, which takes longer than any other report.
    from geoseg.model import DEFAULT, Model, find_model, layer_table

    model = Model.load(path)
    table = layer_table(model.spec)
    return {
        "path": str(find_model(path)),
        "bundled": str(path) == DEFAULT,
        "hash": model.hash,
        "bytes": find_model(path).stat().st_size,
        "bands": list(model.band_names),
        "dtype": model.dtype,
        "pixel_size": model.pixel_size,
        "pixel_size_range": model.pixel_size_range and list(model.pixel_size_range),
        "unet": {
            k: list(v) if isinstance(v, tuple) else v for k, v in model.spec.to_dict().items()
        },
        **model.legend.to_dict(),
        "temperature": model.temperature,
        "training": plain_record(model.training),
        "parameters": sum(layer.parameters for layer in table),
        "trainable": model.parameters,
        "layers": [
            {**asdict(layer), "shape": list(layer.shape), "inputs": list(layer.inputs)}
            for layer in table
        ],
    }


def _tiles(path: str | Path) -> dict[str, Any]:
    tiles = open_tiles(path)
    edges = ("left", "bottom", "right", "top")
    return {
        **tiles.to_dict(),
        "own": tiles.written_by_tile,
        "crs": crs_of(tiles.crs),
        "extent": dict(zip(edges, tiles.bounds, strict=True))
        if tiles.bounds and tiles.crs
        else None,
        **count_tiles(tiles),
    }


def _labels(path: str | Path) -> dict[str, Any]:
    raster, facts = open_class_raster(path), read_metadata(path)
    return {
        **georeference(raster.scene),
        **_storage(path),
        "tags": {k: v for k, v in sorted(facts.tags.items()) if k.startswith("GEOSEG_")},
        **count_labels(raster.scene, raster.palette, raster.names),
    }


def _scene(path: str | Path) -> dict[str, Any]:
    scene, facts = open_scene(path), read_metadata(path)
    lattice = WindowGrid(scene.height, scene.width, _WINDOW, _WINDOW - _OVERLAP)
    return {
        **georeference(scene),
        **_storage(path),
        "bands": [
            {"band": band, "name": name, "dtype": facts.dtypes[band - 1]}
            for band, name in zip(scene.bands, scene.band_names, strict=True)
        ],
        "alphas": [
            {"band": band, "dtype": facts.dtypes[band - 1]} for band in unread_alphas(scene)
        ],
        "windows": {"count": len(lattice), "size": _WINDOW, "overlap": _OVERLAP},
    }


def _storage(path: str | Path) -> dict[str, Any]:
    facts = read_metadata(path)
    return {
        "format": facts.driver,
        "compression": facts.compression,
        "block": list(facts.block),
        "overviews": list(facts.overviews),
        "mask": facts.mask,
    }
