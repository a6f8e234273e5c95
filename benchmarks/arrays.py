"""Memory and time of maps of lazy arrays, compared with the same pixels in a file.

python benchmarks/arrays.py OUT.json [SIDE ...]

For each side (px), in a process of its own: Dask makes the pixels of an array in blocks of 1000 px
when they are needed, geoseg.xarray classifies it with two threads, and the labels are written block
by block into a file. The network is tiny, so that memory is that of pixels and blocks. Up to
4000 px, the same pixels in a GeoTIFF are classified by `geoseg.classify` and, in memory, by
`geoseg.classify_array`, and the labels are compared.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import dask
import dask.array
import numpy as np
import rasterio
import torch
import xarray
from measure import measured

from geoseg import ClassifySettings, Execution, classify, classify_array
from geoseg.legend import Legend
from geoseg.model import Model, UNetSpec, make_network
from geoseg.xarray import classify as classify_xarray

SIDES = (2000, 4000, 10_000)
BLOCK = 1000
WORKERS = 2
SETTINGS = ClassifySettings(overlap=16)
EXECUTION = Execution(engine="torch", device="cpu", chunk=1024)
CRS = "EPSG:32640"
KINDS = ("xarray", "file", "array")
COMPARED = 4000
"""Largest side (px) for which all kinds are computed."""


def make_block(block_info: dict) -> np.ndarray:
    """Make fields of 40 px with noise; the pixels do not depend on the order of the blocks."""
    (_, rows, cols) = block_info[None]["array-location"]
    rng = np.random.default_rng([rows[0], cols[0]])
    coarse = rng.integers(0, 230, (3, BLOCK // 40, BLOCK // 40), dtype=np.uint8)
    noise = rng.integers(0, 25, (3, BLOCK, BLOCK), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 40, 40), np.uint8)) + noise


def lazy_scene(side: int) -> dask.array.Array:
    blocks = (BLOCK,) * (side // BLOCK)
    return dask.array.map_blocks(
        make_block, chunks=((3,), blocks, blocks), dtype=np.uint8, meta=np.empty((0, 0, 0), "u1")
    )


def save_tiny_model(path: Path) -> None:
    torch.manual_seed(0)
    network = make_network(UNetSpec(bands=3, classes=4, width=2, depth=2, window=64))
    Model(network, Legend.from_names([*"abcd"]), ("red", "green", "blue")).save(path)


def write_scene(path: Path, side: int) -> None:
    data = lazy_scene(side)
    with rasterio.open(
        path, "w", driver="GTiff", height=side, width=side, count=3, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, crs=CRS, transform=rasterio.Affine(1, 0, 5e5, 0, -1, 3e6),
    ) as out:  # fmt: skip
        for row in range(0, side, BLOCK):
            line = data[:, row : row + BLOCK].compute()
            out.write(line, window=rasterio.windows.Window(0, row, side, BLOCK))


def run(kind: str, side: int, folder: Path) -> None:
    """Make one map; called in a process of its own."""
    model, labels = folder / "model.safetensors", folder / f"{kind}-{side}"
    if kind == "file":
        classify(
            folder / f"{side}.tif", labels.with_suffix(".tif"), model=model, settings=SETTINGS,
            execution=EXECUTION, workers=WORKERS,
        )  # fmt: skip
    elif kind == "array":
        with rasterio.open(folder / f"{side}.tif") as scene:
            pixels = scene.read()
        result = classify_array(
            pixels, crs=CRS, model=model, settings=SETTINGS, execution=EXECUTION, workers=WORKERS
        )
        result.labels.tofile(labels)
    else:
        data = xarray.DataArray(lazy_scene(side), dims=("band", "y", "x"))
        lazy = classify_xarray(data, crs=CRS, model=model, settings=SETTINGS, execution=EXECUTION)
        with (
            dask.config.set(scheduler="threads", num_workers=WORKERS),
            labels.open("wb", buffering=0) as out,
        ):
            dask.array.store(lazy.data, Sink(out.fileno(), side), lock=False)


class Sink:
    """A file of bytes, row by row, that keeps nothing in memory."""

    def __init__(self, file: int, width: int) -> None:
        self.file, self.width = file, width

    def __setitem__(self, key: tuple[slice, slice], block: np.ndarray) -> None:
        rows, cols = key
        for row, line in zip(range(rows.start, rows.stop), block, strict=True):
            os.pwrite(self.file, line.tobytes(), row * self.width + cols.start)


def labels_of(kind: str, side: int, folder: Path) -> np.ndarray:
    if kind != "file":
        return np.fromfile(folder / f"{kind}-{side}", np.uint8).reshape(side, side)
    with rasterio.open(folder / f"file-{side}.tif") as map_:
        return map_.read(1)


def main(out: Path, sides: list[int]) -> None:
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_tiny_model(folder / "model.safetensors")
        for side in sides:
            kinds = KINDS if side <= COMPARED else KINDS[:1]
            if len(kinds) > 1:
                write_scene(folder / f"{side}.tif", side)
            for kind in kinds:
                took = measured([sys.executable, __file__, "--run", kind, side, folder])
                results.append({
                    "side": side, "kind": kind, "cpu": took.cpu, "peak": took.peak,
                    "tree_peak": took.tree_peak,
                })  # fmt: skip
                print(results[-1], flush=True)
            maps = [labels_of(kind, side, folder) for kind in kinds]
            assert all(np.array_equal(maps[0], other) for other in maps[1:]), "the maps differ"
    out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(Path(sys.argv[1]), [int(side) for side in sys.argv[2:]] or list(SIDES))
