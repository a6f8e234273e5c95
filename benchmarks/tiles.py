"""Measure the stores of tiles: time to write and to read, memory, and size on disk.

python benchmarks/tiles.py [TILES] [STORE...]    TILES of 128 px x 3 bands, 2,000 by default

The scene repeats one textured square by a VRT, so 100,000 tiles need no scene of 5 GB. Files that
were just written are read from the system's cache: the rates are those of the code, not of a disk.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
from scenes import PLACE, textured

from geoseg.tiles import STORAGES, open_tiles

SIDE = 4096
TILE = 128
BATCH = 32
MAX_READ = 10_000
"""Number of tiles that are read to measure a rate, at most."""


def make(folder: str, tiles: int) -> None:
    """Make a noisy scene, labels of six classes by brightness, and their legend."""
    base, labels = textured(Path(folder) / "scene.tif", SIDE), Path(folder) / "labels.tif"
    with rasterio.open(base) as file:
        pixels, profile = file.read(), file.profile
    with rasterio.open(labels, "w", **profile | {"count": 1}) as out:
        out.write(pixels[:1] // 43)
    pixels += np.random.default_rng(0).integers(0, 20, pixels.shape, np.uint8)
    with rasterio.open(base, "w", **profile) as out:
        out.write(pixels)
    squares = -(-tiles // (SIDE // TILE) ** 2)
    across = max(1, round(squares**0.5))
    for path in (base, labels):
        repeated(path, across, -(-squares // across))
    rows = "".join(f"{value},class {value},#{value}00000\n" for value in range(6))
    (Path(folder) / "legend.csv").write_text(f"value,name,color\n{rows}")


def repeated(path: Path, across: int, down: int) -> None:
    """Write a VRT that repeats a raster."""
    with rasterio.open(path) as file:
        bands, crs = file.count, file.crs.to_wkt().replace('"', "&quot;")
    place = ", ".join(map(str, PLACE["transform"].to_gdal()))
    lines = [
        f'<VRTDataset rasterXSize="{across * SIDE}" rasterYSize="{down * SIDE}"><SRS>{crs}</SRS>',
        f"<GeoTransform>{place}</GeoTransform>",
    ]
    for band in range(1, bands + 1):
        lines.append(f'<VRTRasterBand dataType="Byte" band="{band}">')
        lines += [
            f'<SimpleSource><SourceFilename relativeToVRT="1">{path.name}</SourceFilename>'
            f"<SourceBand>{band}</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" xSize="{SIDE}" ySize="{SIDE}"/>'
            f'<DstRect xOff="{col * SIDE}" yOff="{row * SIDE}" xSize="{SIDE}" ySize="{SIDE}"/>'
            "</SimpleSource>"
            for row in range(down)
            for col in range(across)
        ]
        lines.append("</VRTRasterBand>")
    path.with_suffix(".vrt").write_text("\n".join([*lines, "</VRTDataset>"]))


def write(folder: Path, store: str) -> tuple[float, float]:
    """Run `geoseg tile`; CPU seconds and peak memory in GB."""
    command = [
        sys.executable, "-m", "geoseg", "tile", "-q", str(folder / "scene.vrt"),
        "--labels", str(folder / "labels.vrt"), "--legend", str(folder / "legend.csv"),
        "--out", str(folder / store), "--store", store, "--min-valid", "0",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"geoseg tile --store {store} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6


def read(folder: str, order: str) -> None:
    """Print the CPU and wall seconds a tile of reading in batches, and peak memory in GB."""
    tiles = open_tiles(folder)
    dataset = tiles.subset(range(len(tiles)))
    indices = np.arange(len(dataset))
    if order == "random":
        indices = np.random.default_rng(0).permutation(indices)
    indices = indices[:MAX_READ]
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(indices), BATCH):
        dataset.read(indices[first : first + BATCH])
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(cpu / len(indices), wall / len(indices), peak)


def read_in_process(folder: Path, order: str) -> tuple[float, float, float]:
    """Run `read` in a process of its own."""
    command = [sys.executable, __file__, "read", str(folder), order]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu, wall, peak = map(float, output.split())
    return cpu, wall, peak


def main(tiles: int, stores: list[str]) -> None:
    print(
        f"{'store':8} {'tiles':>8} {'written/CPU s':>14} {'GB':>6} {'read/CPU s':>11} "
        f"{'in order':>9} {'GB':>6} {'bytes/tile':>11} {'files':>8}", flush=True,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own: the peak memory of a process counts for those that it starts.
        subprocess.run([sys.executable, __file__, "make", name, str(tiles)], check=True)
        for store in stores:
            out = Path(name) / store
            cpu, peak = write(Path(name), store)
            count = len(open_tiles(out))
            files = [p.stat().st_size for p in out.rglob("*") if p.is_file()]
            mixed, sorted_ = (read_in_process(out, order) for order in ("random", "in order"))
            print(
                f"{store:8} {count:8,} {count / cpu:14,.0f} {peak:6.2f} {1 / mixed[0]:11,.0f} "
                f"{1 / sorted_[0]:9,.0f} {mixed[2]:6.2f} {sum(files) / count:11,.0f} "
                f"{len(files):8,}", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    arguments = sys.argv[1:]
    if arguments[:1] == ["read"]:
        read(*arguments[1:])
    elif arguments[:1] == ["make"]:
        make(arguments[1], int(arguments[2]))
    else:
        main(int(arguments[0]) if arguments else 2000, arguments[1:] or list(STORAGES))
