"""Processor time of the tiles of `geoseg view`, and memory of the process under many requests.

``python benchmarks/view.py FOLDER [--side 20000] [--requests 10000]`` writes a scene and a map into
the folder (about 1 GB), once as COGs with overviews and once without, and prints two tables.
"""

import argparse
import http.client
import random
import resource
import statistics
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import rasterio
import rasterio.shutil

from geoseg.raster import open_scene
from geoseg.view import ViewSettings, open_view
from geoseg.view.corrections import Corrections
from geoseg.view.map_tiles import TILE, max_level, open_map_tiles
from geoseg.view.routes import Page
from geoseg.view.sources import open_sources

TILES_A_LEVEL = 12


def main() -> None:
    """Write the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    with rasterio.Env(GDAL_CACHEMAX=128 << 20):  # the default would stay in memory
        write_files(options.folder, options.side)
    print_memory(options.folder, options.requests)
    for kind in ("cog", "plain"):
        print_tile_times(options.folder, kind)


def write_files(folder: Path, side: int) -> None:
    """Write scene.cog.tif, scene.plain.tif and the same of a map and its confidence."""
    rng = np.random.default_rng(0)
    for name, bands, largest in (("scene", 3, 256), ("lulc", 1, 6), ("confidence", 1, 256)):
        plain, cog = folder / f"{name}.plain.tif", folder / f"{name}.cog.tif"
        if cog.exists():
            continue
        with rasterio.open(
            plain, "w", driver="GTiff", width=side, height=side, count=bands, dtype="uint8",
            tiled=True, blockxsize=512, blockysize=512, compress="deflate", zlevel=1,
            crs="EPSG:32640", transform=rasterio.Affine(1, 0, 500000, 0, -1, 2800000),
        ) as out:  # fmt: skip
            if name == "lulc":
                out.write_colormap(1, {v: (40 * v % 256, 90, 255 - 40 * v % 256) for v in range(6)})
            for _, window in out.block_windows(1):
                shape = bands, -(-window.height // 8), -(-window.width // 8)
                coarse = rng.integers(0, largest, shape, dtype=np.uint8)
                texture = np.kron(coarse, np.ones((8, 8), np.uint8))
                if bands == 3:
                    texture ^= rng.integers(0, 16, texture.shape, dtype=np.uint8)
                out.write(texture[:, : window.height, : window.width], window=window)
        method = "AVERAGE" if bands == 3 or name == "confidence" else "MODE"
        rasterio.shutil.copy(
            plain, cog, driver="COG", OVERVIEW_RESAMPLING=method, COMPRESS="DEFLATE"
        )


def print_tile_times(folder: Path, kind: str) -> None:
    """Print the processor time of tiles of each level, in one thread, each tile read once."""
    scene, labels = folder / f"scene.{kind}.tif", folder / f"lulc.{kind}.tif"
    sources = open_sources(scene, labels, ViewSettings())
    page = Page(open_map_tiles(sources), Corrections(None, sources.grid, ()))
    rng = random.Random(0)
    print(f"{kind}: CPU ms of a tile, median (largest)")
    for level in range(max_level(sources.grid) + 1):
        if kind == "plain" and level > 4 and level < max_level(sources.grid):
            continue
        count = -(-sources.grid.width // 2**level // TILE)
        cells = [(row, col) for row in range(count) for col in range(count)]
        chosen = rng.sample(
            cells, min(len(cells), 3 if kind == "plain" and level > 3 else TILES_A_LEVEL)
        )
        texts = []
        for layer in ("image", "map"):
            times = []
            for row, col in chosen:
                before = time.process_time()
                assert page.answer("GET", f"tiles/{layer}/{level}/{row}/{col}.png").status == 200
                times.append(1000 * (time.process_time() - before))
            texts.append(f"{layer} {statistics.median(times):.1f} ({max(times):.1f})")
        print(f"  level {level}: {', '.join(texts)}", flush=True)


def print_memory(folder: Path, requests: int) -> None:
    """Send random requests through four connections, and print the memory of the process."""
    files = [folder / f"{name}.cog.tif" for name in ("scene", "lulc", "confidence")]
    settings = ViewSettings(confidence=files[2])
    with open_view(files[0], files[1], settings=settings) as address:
        grid = open_scene(files[0])
        side, levels = grid.width, max_level(grid)
        statuses: dict[int, int] = {}
        for step in range(10):
            threads = [
                threading.Thread(
                    target=send,
                    args=(address, side, levels, requests // 40, 10 * step + n, statuses),
                )
                for n in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            memory = psutil.Process().memory_info().rss / 2**20
            print(f"  {(step + 1) * requests // 10} requests: {memory:.0f} MiB", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak {peak:.0f} MiB, answers by status {dict(sorted(statuses.items()))}")


def send(
    address: str, side: int, levels: int, count: int, seed: int, statuses: dict[int, int]
) -> None:
    """Send requests, a third of them malformed."""
    rng = random.Random(seed)
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    for _ in range(count):
        level = rng.randrange(levels + 1)
        tiles = -(-side // 2**level // TILE)
        layer = rng.choice(["image", "map", "confidence"])
        row, col = rng.randrange(tiles), rng.randrange(tiles)
        target = rng.choice(
            [
                f"tiles/{layer}/{level}/{row}/{col}.png",
                f"tiles/{layer}/{level}/{row}/{col}.png?off={rng.randrange(6)}",
                f"pixel?row={rng.randrange(side)}&col={rng.randrange(side)}",
                "view",
                f"tiles/{layer}/{rng.randrange(10**9)}/{row}/x.png",
                "..%2f" * rng.randrange(9) + "".join(rng.choices("abc/?=&%.", k=rng.randrange(60))),
            ]
        )
        connection.request("GET", parts.path + target)
        response = connection.getresponse()
        response.read()
        statuses[response.status] = statuses.get(response.status, 0) + 1
    connection.close()


if __name__ == "__main__":
    main()
