"""Sentinel-2 products in ESA's format SAFE, levels 1C and 2A, as a folder or a zip archive."""

import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from geoseg.errors import SceneError, root_message
from geoseg.raster.products.band_file import BandFile, Product, check_complete
from geoseg.raster.products.names import SENTINEL2_BANDS, sentinel2_names

METADATA = {"MTD_MSIL1C.xml": "Sentinel-2 L1C", "MTD_MSIL2A.xml": "Sentinel-2 L2A"}
"""Name of the metadata of a product, and what the product is."""

_BAND_FILE = re.compile(r".*_(B(?:\d\d|8A))(?:_(\d\d)m)?")
_IMAGES = ("IMAGE_FILE", "IMAGE_FILE_2A")
_QUANTIFICATIONS = (
    "QUANTIFICATION_VALUE", "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE",
)  # fmt: skip
_OFFSETS = ("RADIO_ADD_OFFSET", "BOA_ADD_OFFSET")
_DATES = ("PRODUCT_START_TIME", "DATATAKE_SENSING_START")

_Folder = Path | zipfile.Path


def safe_in_zip(path: Path) -> zipfile.Path | None:
    """Return the folder of a Sentinel-2 product in a zip archive; None if the archive has none.

    Raises:
        SceneError: if the archive is damaged.
    """
    try:
        root = zipfile.Path(path)
        folders = [root, *(folder for folder in root.iterdir() if folder.is_dir())]
    except (zipfile.BadZipFile, OSError) as error:
        raise SceneError(
            f"cannot read the archive {path} ({root_message(error)}), download it again"
        ) from None
    return next((folder for folder in folders if is_safe(folder)), None)


def is_safe(folder: _Folder) -> bool:
    """Whether a folder has the metadata of a Sentinel-2 product."""
    return any((folder / name).is_file() for name in METADATA)


def read_safe(path: str, folder: _Folder) -> Product:
    """Return the reflectance bands of a product, each at its finest resolution.

    Reflectance is (stored value + added offset) / quantification value. Before the processing
    baseline 04.00 the metadata have no offsets.

    Args:
        path: the product, as the user gave it.
        folder: its SAFE folder, on disk or in a zip archive.

    Raises:
        SceneError: if the metadata cannot be read, or if a band file is missing.
    """
    name, kind = next(item for item in METADATA.items() if (folder / item[0]).is_file())
    try:
        metadata = ET.fromstring((folder / name).read_bytes())  # noqa: S314 - local file
        scale = 1 / float(_texts(metadata, _QUANTIFICATIONS)[0])
        offsets = {
            int(node.attrib["band_id"]): float(node.text or "") * scale
            for node in _nodes(metadata, _OFFSETS)
        }
        offset_of = {
            own: offsets[number] if offsets else 0.0 for number, own in enumerate(SENTINEL2_BANDS)
        }
        dates = [datetime.fromisoformat(text) for text in _texts(metadata, _DATES)]
    except (ET.ParseError, LookupError, ValueError, ZeroDivisionError) as error:
        raise SceneError(
            f"the metadata {name} of {path} are damaged ({root_message(error)}), download the "
            "product again"
        ) from None
    files = _finest(_texts(metadata, _IMAGES))
    if not files:
        raise SceneError(
            f"the metadata {name} of {path} name no band files, download the product again"
        )
    check_complete(path, [file for file in files.values() if not (folder / file).is_file()])
    bands = []
    for own, offset in offset_of.items():
        if own in files and (names := sentinel2_names(own)):
            bands.append(
                BandFile(
                    path=_gdal_path(folder / files[own]), name=names[0], scale=scale,
                    offset=offset, nodata=0, aliases=names[1],
                )
            )  # fmt: skip
    date = dates[0].astimezone(UTC) if dates else None
    return Product(path, kind, tuple(bands), date)


def _finest(images: list[str]) -> dict[str, str]:
    """The file of each band at its finest resolution, by the name of the band, lower case."""
    finest: dict[str, tuple[int, str]] = {}
    for image in images:
        match = _BAND_FILE.fullmatch(image)
        if match:
            file = int(match[2] or 0), f"{image}.jp2"
            band = match[1].lower()
            finest[band] = min(finest.get(band, file), file)
    return {band: name for band, (_, name) in finest.items()}


def _nodes(metadata: ET.Element, tags: tuple[str, ...]) -> list[ET.Element]:
    return [node for tag in tags for node in metadata.iter(tag)]


def _texts(metadata: ET.Element, tags: tuple[str, ...]) -> list[str]:
    return [(node.text or "").strip() for node in _nodes(metadata, tags)]


def _gdal_path(file: _Folder) -> str:
    return f"/vsizip/{file}" if isinstance(file, zipfile.Path) else str(file)
