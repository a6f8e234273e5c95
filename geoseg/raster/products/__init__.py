"""Products: scenes whose bands lie in several files, as folders, archives and STAC items."""

from pathlib import Path

from geoseg.errors import SceneError
from geoseg.raster.datasets import opened
from geoseg.raster.products.band_file import BandFile, Product
from geoseg.raster.products.folder import SUFFIXES, rasters_in, read_folder
from geoseg.raster.products.landsat import landsat_metadata, read_landsat
from geoseg.raster.products.names import have_other_names, list_bands
from geoseg.raster.products.sentinel2 import METADATA, is_safe, read_safe, safe_in_zip
from geoseg.raster.products.stac_document import is_stac_document, may_be_item, read_document
from geoseg.raster.remote import is_remote

__all__ = [
    "SUFFIXES",
    "BandFile",
    "Product",
    "find_product",
    "have_other_names",
    "is_product_folder",
    "is_stac_document",
    "list_bands",
    "read_folder",
]

_WILDCARDS = frozenset("*?[")


def find_product(path: str) -> Product | None:
    """Return the bands of a product; None if the path is not one, so that GDAL opens it.

    A product is a folder or a zip archive of Sentinel-2 (SAFE), a folder of Landsat Collection 2,
    the metadata file of one of them, any folder of band files, a pattern of file names in a folder
    (``bands/*_10m.tif``), or a STAC item: a JSON file, or an address that ends with .json or with
    .../collections/NAME/items/NAME.

    Band files are opened only if they are in a folder without metadata, or belong to a STAC item
    that does not describe its bands.

    Raises:
        SceneError: if it is a product, but incomplete, damaged or without bands; if the path is
            empty.
        RemoteError: if an address does not answer.
    """
    if not path.strip():  # to Path, it is the working folder
        raise SceneError("the path of a scene is empty, give a file, a folder or an address")
    if is_remote(path):
        return _stac_item(path) if may_be_item(path) else None
    place = Path(path)
    try:
        is_folder, is_file, is_in_folder = place.is_dir(), place.is_file(), place.parent.is_dir()
    except (OSError, ValueError):  # the text of a VRT is not a path
        return None
    if is_folder:
        return _folder(path, place)
    if is_file:
        return _file(path, place)
    if is_in_folder and _WILDCARDS & set(place.name):
        return _pattern(path, place)
    return None


def is_product_folder(path: str | Path) -> bool:
    """Whether a path is a folder of Sentinel-2 or Landsat, by its metadata or the name ``.SAFE``.

    Any other folder of rasters may be one scene, or hold a scene in each file.
    """
    folder = Path(path)
    return folder.is_dir() and (
        folder.suffix.upper() == ".SAFE" or is_safe(folder) or landsat_metadata(folder) is not None
    )


def _pattern(path: str, place: Path) -> Product:
    files = rasters_in(place.parent, place.name)
    if not files:
        raise SceneError(
            f"no raster file ({', '.join(SUFFIXES)}) matches {path}, check the pattern"
        )
    return read_folder(path, files)


def _stac_item(path: str) -> Product | None:
    """The product of a JSON document; None if it is not GeoJSON or STAC."""
    document = read_document(path)
    if document is None:
        return None
    from geoseg.raster.products.stac import read_stac  # pystac is needed for nothing else

    return read_stac(path, document)


def _file(path: str, file: Path) -> Product | None:
    """The product of a metadata file, of an archive or of a JSON document."""
    name = file.name.lower()
    if file.name in METADATA:
        return read_safe(path, file.parent)
    if name.endswith(("_mtl.txt", "_mtl.json")):
        return read_landsat(path, file)
    if name.endswith((".tar", ".tar.gz", ".tgz")):
        raise SceneError(f"{path} is an archive, unpack it and give the folder")
    if name.endswith(".zip"):
        safe = safe_in_zip(file)
        if safe is not None:
            return read_safe(path, safe)
        if not _is_raster(path):
            raise SceneError(
                f"{path} is an archive without a product of Sentinel-2, unpack it, or give a file "
                f"in it as /vsizip/{path}/NAME"
            )
        return None
    return _stac_item(path) if may_be_item(path) else None


def _folder(path: str, folder: Path) -> Product | None:
    """The product of a folder; None if GDAL opens the folder as one raster, such as Zarr."""
    if is_safe(folder):
        return read_safe(path, folder)
    metadata = landsat_metadata(folder)
    if metadata is not None:
        return read_landsat(path, metadata)
    if folder.suffix.upper() == ".SAFE":
        raise SceneError(
            f"{path} has no {' or '.join(METADATA)}, geoseg knows products of Sentinel-2 since "
            "December 2016, download it again, or give the folder of its band files"
        )
    files = rasters_in(folder)
    if not files and _is_raster(path):
        return None
    if not files:
        raise SceneError(
            f"{path} has no raster files ({', '.join(SUFFIXES)}) and no metadata of Sentinel-2 or "
            "Landsat, give the folder with the band files"
        )
    return read_folder(path, files)


def _is_raster(path: str) -> bool:
    try:
        with opened(path):
            return True
    except SceneError:
        return False
