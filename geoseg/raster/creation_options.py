"""Creation options of a Cloud-Optimized GeoTIFF: only those that do not change its pixels."""

from collections.abc import Mapping

import numpy as np
import rasterio.shutil
from affine import Affine
from rasterio.io import MemoryFile

from geoseg.errors import OutputError, closest_names

_LEVELS = {
    "DEFLATE": range(1, 10), "ZSTD": range(1, 23), "LZMA": range(10),
    "LERC_DEFLATE": range(1, 10), "LERC_ZSTD": range(1, 23),
}  # fmt: skip
"""Levels of each compression that has levels."""
_LOSSLESS = ("NONE", "LZW", "LERC", *_LEVELS)
_LOSSY = ("JPEG", "WEBP", "JXL")
_SWITCH = ("YES", "NO")
_CHOICES = {
    "BIGTIFF": ("YES", "NO", "IF_NEEDED", "IF_SAFER"),
    "COMPRESS": _LOSSLESS,
    "GEOTIFF_VERSION": ("AUTO", "1.0", "1.1"),
    "OVERVIEWS": ("AUTO", "NONE"),
    "PREDICTOR": ("YES", "NO", "STANDARD"),
    "SPARSE_OK": _SWITCH,
    "STATISTICS": ("AUTO", *_SWITCH),
}
_SWITCH_WORDS = {"TRUE": "YES", "ON": "YES", "FALSE": "NO", "OFF": "NO"}
_NAMES = sorted({*_CHOICES, "BLOCKSIZE", "LEVEL"})
_BLOCK_SIDES = range(128, 4097, 16)


def normalise_creation_options(options: Mapping[str, str] | None) -> dict[str, str]:
    """Check creation options, and return them as GDAL spells them, in alphabetical order.

    Options that could change the pixels or the grid are refused, because a map must be read back
    as it was computed.

    Args:
        options: names and values in any case; None for no options.

    Returns:
        Names and values in capital letters.

    Raises:
        OutputError: if a name or a value is not known, the compression is lossy, or it does not
            have the level.
    """
    given = {name.upper(): str(value).upper() for name, value in (options or {}).items()}
    checked = {name: _checked_value(name, given[name]) for name in sorted(given)}
    compress = checked.get("COMPRESS", "DEFLATE")
    levels = _LEVELS.get(compress)
    level = checked.get("LEVEL")
    if level is not None and levels is None:
        raise OutputError(f"compression {compress} has no levels, leave out LEVEL")
    if level is not None and levels is not None:
        checked["LEVEL"] = _number("LEVEL", level, levels, f" for {compress}")
    return checked


def _checked_value(name: str, value: str) -> str:
    """Return the value of an option as GDAL spells it; that of LEVEL is not yet checked."""
    if name not in _NAMES:
        raise OutputError(
            f"creation option {name} is not known, or could change the pixels of the map, use "
            f"{closest_names(name, _NAMES)}"
        )
    if name == "BLOCKSIZE":
        return _number(name, value, _BLOCK_SIDES, " and a multiple of 16")
    if name == "LEVEL":
        return value
    choices = _CHOICES[name]
    if name == "COMPRESS" and value in _LOSSY:
        raise OutputError(
            f"compression {value} changes pixels, which are classes and scores, use ZSTD or DEFLATE"
        )
    value = value if value in choices else _SWITCH_WORDS.get(value, value)
    if value not in choices:
        raise OutputError(
            f"creation option {name} cannot be {value}, use {closest_names(value, choices)}"
        )
    return value


def _number(name: str, value: str, numbers: range, condition: str) -> str:
    """Return a whole number as text, if it is one of ``numbers``."""
    if not value.isdecimal() or int(value) not in numbers:
        raise OutputError(
            f"creation option {name} cannot be {value}, use a whole number from {numbers[0]} to "
            f"{numbers[-1]}{condition}"
        )
    return str(int(value))


def check_compression(options: Mapping[str, str]) -> None:
    """Refuse a compression that this build of GDAL lacks: it would write uncompressed files.

    Args:
        options: as `normalise_creation_options` returns them.

    Raises:
        OutputError: if GDAL lacks the compression.
    """
    compress = options.get("COMPRESS", "NONE")
    if compress == "NONE":
        return
    with MemoryFile() as plain, MemoryFile() as cog:
        with plain.open(
            driver="GTiff", count=1, height=16, width=16, dtype="uint8",
            transform=Affine(1, 0, 1, 0, -1, 1),
        ) as out:  # fmt: skip
            out.write(np.zeros((1, 16, 16), np.uint8))
        rasterio.shutil.copy(plain.name, cog.name, driver="COG", COMPRESS=compress)
        with cog.open() as written:
            compressed = written.compression is not None
    if not compressed:
        raise OutputError(f"this build of GDAL cannot compress with {compress}, use DEFLATE")
