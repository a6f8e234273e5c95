"""Checks of the paths of vector files, before these are written, and names of their layers."""

import logging
import re
from pathlib import Path

from geoseg.errors import OutputError

log = logging.getLogger("geoseg")

_VECTOR_SUFFIXES = (".gpkg", ".fgb", ".geojson", ".pmtiles")
"""Suffixes of the files that pyogrio writes, or of which it writes a part."""
_RESERVED = ("gpkg", "sqlite_", "layer_styles", "ogr_empty_table")
"""Prefixes of table names that GeoPackage, SQLite, QGIS and GDAL reserve."""
_OTHER_FILE = re.compile(r"[\x00-\x1f!]|;[^/]*$|^//")


def means_other_file(path: str | Path) -> bool:
    """Return whether pyogrio would open another file than that of a local path.

    It takes each path for an address: it reads "!" as the end of an archive, drops what follows ";"
    in the name and what follows "//" at the start, and leaves out tabs and line ends.
    """
    return _OTHER_FILE.search(str(path)) is not None


def check_vector_path(path: Path, *folders: Path) -> None:
    """Refuse a path for which pyogrio would write another file.

    Args:
        path: of a file of any format; only vector files are checked.
        folders: where parts of it are written.

    Raises:
        OutputError: if it is such a path.
    """
    for place in (path, *folders):
        if path.suffix.lower() in _VECTOR_SUFFIXES and means_other_file(place):
            raise OutputError(
                f"{str(place)!r} contains !, ;, // or a control character, with which GDAL would "
                "write another file, use another name"
            )


def check_not_open(path: Path) -> None:
    """Refuse a GeoPackage with changes of another program that are still in a log beside it.

    These changes would be lost, or be applied to the file that takes the place of the old one.

    Raises:
        OutputError: if there is such a log.
    """
    for suffix in ("-wal", "-journal"):
        changes = path.with_name(f"{path.name}{suffix}")
        if changes.is_file() and changes.stat().st_size:
            raise OutputError(
                f"{path} is open in another program or has changes in {changes.name} that were not "
                "saved, close it there, or after a crash open and close it (QGIS), then run again"
            )


def layer_name(path: Path) -> str:
    """Return the name of the layer of a file: its stem, after "map_" if a GeoPackage refuses it."""
    name = path.stem
    begins_well = name[0].isalnum() or name[0] == "_"
    if path.suffix.lower() != ".gpkg" or (
        begins_well and not name.casefold().startswith(_RESERVED)
    ):
        return name
    log.info("%s: the layer is map_%s, as a GeoPackage refuses the name %s", path, name, name)
    return f"map_{name}"
