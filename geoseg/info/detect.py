"""Detect the kind of a file or folder without reading pixels or weights."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

from geoseg.classification import MANIFEST
from geoseg.errors import SceneError, VectorError
from geoseg.models import is_model_name, is_onnx
from geoseg.raster import (
    find_product,
    is_product_folder,
    is_stac_document,
    open_scene,
    read_metadata,
    read_palette,
)
from geoseg.styles.gdal_pam import read_categories
from geoseg.tiles import METADATA
from geoseg.vectors import is_vector_file, list_layers

Kind = Literal["model", "onnx", "tiles", "parts", "labels", "scene", "product", "vectors"]

_MODEL_SUFFIXES = frozenset({".safetensors", ".onnx", ".pt", ".pth", ".ckpt", ".keras"})
"""Suffixes of model files, and of other models, which `Model.load` refuses with advice."""


def find_kind(path: str | Path) -> Kind:
    """Return the kind of a file or folder.

    Args:
        path: file, folder, a pattern or address of a product (see `find_product`), or anything that
            GDAL opens, or the name of a model.

    Raises:
        SceneError: if the path does not exist, or is of no kind that geoseg knows, or is a product
            that is incomplete.
        VectorError: if a file with the suffix of a vector file cannot be read.
    """
    text, local = str(path), Path(path)
    if is_model_name(text) or local.suffix.lower() in _MODEL_SUFFIXES:
        return "onnx" if is_onnx(text) else "model"
    if (local / MANIFEST).is_file():
        return "parts"
    masks = (*local.glob("masks/"), *local.glob("*/masks/"))  # the second as in the Dubai data set
    if (local / METADATA).is_file() or any((m.parent / "images").is_dir() for m in masks):
        return "tiles"
    if local.is_dir() and not is_product_folder(text):
        try:
            return _raster_kind(text)
        except SceneError as error:
            raise SceneError(
                f"folder {path} is neither a tile set ({METADATA}, or images/ and masks/) nor the "
                f"parts of a run ({MANIFEST}), and as a scene: {error}"
            ) from None
    if not is_vector_file(local) or is_stac_document(text):
        return _raster_kind(text)
    try:
        list_layers(text)
    except VectorError:
        with suppress(SceneError):  # a GeoPackage may hold a raster
            return _raster_kind(text)
        raise
    return "vectors"


def _raster_kind(path: str) -> Kind:
    if find_product(path) is not None:
        return "product"
    scene = open_scene(path)
    if len(scene.bands) != 1 or scene.dtype != "uint8":
        return "scene"
    if read_palette(path) or read_categories(path):
        return "labels"
    by_geoseg = any(tag.startswith("GEOSEG_") for tag in read_metadata(path).tags)
    of_scores = scene.band_names in (("confidence",), ("uncertainty",))
    return "labels" if by_geoseg and not of_scores else "scene"
