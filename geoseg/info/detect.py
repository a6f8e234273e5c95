"""What kind of thing lies at a path, without reading pixels or weights."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

from geoseg.errors import SceneError, VectorError
from geoseg.raster import open_scene, read_categories, read_metadata, read_palette
from geoseg.vectors import is_vector_file, list_layers

Kind = Literal["model", "tiles", "parts", "labels", "scene", "vectors"]

PLAN = "plan.json"
"""What a folder of parts is known by."""

_BUNDLED = "default"
"""The model package's word for its own; to import it from there would load torch for any path."""
_TILE_FOLDERS = "tiles.json"
_MODEL_SUFFIXES = frozenset({".safetensors", ".pt", ".pth", ".ckpt", ".keras"})
"""The model file's own, and those of which loading says in words why they will not do."""


def find_kind(path: str | Path) -> Kind:
    """Tell models, tile sets, part folders, label maps, scenes and vector files apart.

    Args:
        path: file, folder, or anything GDAL opens; "default" is the bundled model.

    Raises:
        SceneError: if there is nothing, or nothing that geoseg knows.
        VectorError: if a file with the suffix of a vector file cannot be read.
    """
    text, local = str(path), Path(path)
    if text == _BUNDLED or local.suffix.lower() in _MODEL_SUFFIXES:
        return "model"
    if (local / PLAN).is_file():
        return "parts"
    if (local / _TILE_FOLDERS).is_file() or _has_masks(local):
        return "tiles"
    if local.is_dir():
        return _folder_kind(text)
    if is_vector_file(local):
        return _vector_kind(text)
    return _raster_kind(text)


def _vector_kind(path: str) -> Kind:
    """Kind of a file that may hold vectors; GeoPackages may hold rasters instead."""
    try:
        list_layers(path)
    except VectorError:
        with suppress(SceneError):
            return _raster_kind(path)
        raise
    return "vectors"


def _has_masks(folder: Path) -> bool:
    """Whether images/ and masks/ lie in a folder, or in a folder of it as in the lab's data."""
    if not folder.is_dir():
        return False
    some = [folder, *(p for p in folder.iterdir() if p.is_dir())]
    return any((p / "images").is_dir() and (p / "masks").is_dir() for p in some)


def _folder_kind(path: str) -> Kind:
    """Kind of a folder that GDAL may know (a few formats are folders)."""
    try:
        return _raster_kind(path)
    except SceneError:
        raise SceneError(
            f"folder {path} is neither a tile set ({_TILE_FOLDERS}, or images/ and masks/) nor a "
            f"folder of parts ({PLAN}), give a file in it"
        ) from None


def _raster_kind(path: str) -> Kind:
    scene = open_scene(path)
    if len(scene.bands) != 1 or scene.dtype != "uint8":
        return "scene"
    if read_palette(path) or read_categories(path):
        return "labels"
    own = any(tag.startswith("GEOSEG_") for tag in read_metadata(path).tags)
    return "labels" if own and scene.band_names != ("confidence",) else "scene"
