"""Landsat products of Collection 2, levels 1 and 2, as folders with their metadata (MTL)."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from geoseg.errors import SceneError, count_of, root_message
from geoseg.raster.products.band_file import BandFile, Product, check_complete
from geoseg.raster.products.names import LANDSAT_BANDS, landsat_names

_ROOT = "LANDSAT_METADATA_FILE"
_BAND_KEY = "FILE_NAME_BAND_"
_LINE = re.compile(r"\s*(\w+)\s*=\s*\"?(.*?)\"?\s*")
_RESCALING = {
    "1": (
        ("LEVEL1_RADIOMETRIC_RESCALING", "REFLECTANCE"),
        ("LEVEL1_RADIOMETRIC_RESCALING", "RADIANCE"),
    ),
    "2": (
        ("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", "REFLECTANCE"),
        ("LEVEL2_SURFACE_TEMPERATURE_PARAMETERS", "TEMPERATURE"),
    ),
}
"""Groups with the scales of a level, in the order of preference. A file of level 2 has those of
level 1 too, under the same keys."""

_Groups = dict[str, dict[str, str]]


def landsat_metadata(folder: Path) -> Path | None:
    """Return the metadata file of a Landsat product in a folder; None if the folder has none.

    Raises:
        SceneError: if the folder has those of several scenes.
    """
    names = sorted(folder.glob("[!.]*_MTL.txt")) or sorted(folder.glob("[!.]*_MTL.json"))
    if len(names) > 1:
        raise SceneError(
            f"{folder} has {count_of(len(names), 'Landsat scene')} ({names[0].name}, "
            f"{names[1].name}), put each into a folder of its own"
        )
    return names[0] if names else None


def read_landsat(path: str, metadata: Path) -> Product:
    """Return the bands of a Landsat product; quality bands are left out.

    Values of level 2 are surface reflectance and temperature (K). Those of level 1 are reflectance
    at the top of the atmosphere without the correction for the angle of the sun, and radiance
    (W/(m² sr µm)) of thermal bands.

    Args:
        path: the product, as the user gave it.
        metadata: its metadata file.

    Raises:
        SceneError: if the metadata cannot be read, are of another collection or sensor, or if a
            file that they name is missing.
    """
    groups = _read_groups(metadata)
    try:
        contents, image = groups["PRODUCT_CONTENTS"], groups["IMAGE_ATTRIBUTES"]
        satellite = image["SPACECRAFT_ID"].removeprefix("LANDSAT_")
        sensor, processing = image["SENSOR_ID"], contents["PROCESSING_LEVEL"]
        level = processing[1]
        if satellite not in LANDSAT_BANDS or sensor == "MSS" or level not in _RESCALING:
            raise SceneError(
                f"{path} is of {image['SPACECRAFT_ID']}, sensor {sensor}, level {processing}, but "
                "geoseg knows TM, ETM+ and OLI/TIRS at levels 1 and 2, give its band files with "
                "--stack"
            )
        files = {
            key.removeprefix(_BAND_KEY): metadata.parent / name
            for key, name in contents.items()
            if key.startswith(_BAND_KEY)
        }
        bands = tuple(_bands(groups, satellite, level, files))
        date = datetime.fromisoformat(f"{image['DATE_ACQUIRED']}T{image['SCENE_CENTER_TIME'][:8]}Z")
    except (LookupError, ValueError) as error:
        raise SceneError(
            f"{metadata} is incomplete or not of Collection 2 ({root_message(error)}), download "
            "the product again, or give its band files with --stack"
        ) from None
    check_complete(path, [band.path for band in bands if not Path(band.path).is_file()])
    return Product(path, f"Landsat {satellite} L{level}", bands, date.astimezone(UTC))


def _bands(
    groups: _Groups, satellite: str, level: str, files: dict[str, Path]
) -> Iterator[BandFile]:
    """The bands of the sensor; the keys of ``files`` are "4" or "ST_B10", without _BAND_KEY."""
    for band, file in files.items():
        own = f"SR_B{band}" if level == "2" and band.isdigit() else band
        names = landsat_names(satellite, own)
        if names is not None:
            scale, offset = _rescaling(groups, level, band)
            yield BandFile(
                str(file), names[0], scale=scale, offset=offset, nodata=0, aliases=names[1]
            )


def _rescaling(groups: _Groups, level: str, band: str) -> tuple[float, float]:
    """Scale and offset of a band; its name is the last part of the key of its file."""
    for group, quantity in _RESCALING[level]:
        values = groups.get(group, {})
        if f"{quantity}_MULT_BAND_{band}" in values:
            return (
                float(values[f"{quantity}_MULT_BAND_{band}"]),
                float(values[f"{quantity}_ADD_BAND_{band}"]),
            )
    raise ValueError(f"no scale of band {band}")


def _read_groups(metadata: Path) -> _Groups:
    """The key-value pairs of each group, as texts."""
    try:
        text = metadata.read_text(encoding="utf-8")
        if metadata.suffix == ".json":
            root = json.loads(text)[_ROOT]
            return {
                group: {key: str(value) for key, value in values.items()}
                for group, values in root.items()
            }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SceneError(
            f"cannot read {metadata} ({root_message(error)}), download the product again"
        ) from None
    groups: _Groups = {}
    group = ""
    for match in filter(None, map(_LINE.fullmatch, text.splitlines())):
        key, value = match.groups()
        if key == "GROUP":
            group = value
        elif key != "END_GROUP":
            groups.setdefault(group, {})[key] = value
    return groups
