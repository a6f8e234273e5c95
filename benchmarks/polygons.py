"""Polygons: speed and memory beside rasterio's, a whole run from GeoTIFF to GeoPackage.

python benchmarks/polygons.py speed [SIDE]     array to shapely, beside features.shapes, one run
python benchmarks/polygons.py memory [SIDE]    the same, peak memory, each in a process of its own
python benchmarks/polygons.py run [SIDE]       GeoTIFF to GeoPackage, and its peak
python benchmarks/polygons.py without FILE     vectorise FILE as it is, and without two shortcuts
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import rasterio
import shapely
from rasterio.features import shapes
from scenes import PLACE, land_cover
from shapely.geometry import shape

import geoseg
from geoseg.execute import prefetch_map
from geoseg.polygons import polygonise_windows

KINDS = ("real", "salt")


def by_rasterio(labels: np.ndarray) -> np.ndarray:
    found = shapes(labels, mask=labels != 255, connectivity=4)
    return np.array([shape(geometry) for geometry, _ in found])


def by_rasterio_at_once(labels: np.ndarray) -> np.ndarray:
    found = list(shapes(labels, mask=labels != 255, connectivity=4))
    return np.array([shape(geometry) for geometry, _ in found])


def by_geoseg(labels: np.ndarray, workers: int = 1) -> np.ndarray:
    height, width = labels.shape

    def read(window):
        return labels[window.slices], None

    if workers == 1:
        batches = polygonise_windows(read, height, width)
        return np.concatenate([batch.to_shapely() for batch in batches])
    with prefetch_map(workers) as map_fn:
        batches = polygonise_windows(read, height, width, map_fn=map_fn)
        return np.concatenate([batch.to_shapely() for batch in batches])


WAYS = {
    "geoseg": by_geoseg,
    "rasterio, list of dictionaries": by_rasterio_at_once,
    "rasterio, one by one": by_rasterio,
}


def traced(labels: np.ndarray, workers: int) -> int:
    """Polygons of labels as flat arrays; returns how many."""
    height, width = labels.shape

    def read(window):
        return labels[window.slices], None

    with prefetch_map(workers) as map_fn:
        return sum(map(len, polygonise_windows(read, height, width, map_fn=map_fn)))


def timed(function: Callable[[], object], rounds: int = 3) -> tuple[float, float]:
    """Least wall and CPU seconds of several calls."""
    found = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(w for w, _ in found), min(c for _, c in found)


def speed(side: int) -> None:
    for kind in KINDS:
        labels = land_cover(side, kind)
        by_geoseg(labels[:512, :512])  # compile
        ours = by_geoseg(labels)
        wall, cpu = timed(lambda labels=labels: by_geoseg(labels))
        vertices = shapely.get_num_coordinates(ours).sum()
        print(f"{kind} {side}²: {len(ours):,} polygons, {vertices:,} vertices")
        print(f"  geoseg to shapely              {wall:7.2f} s {cpu:7.2f} CPU s")
        one, _ = timed(lambda labels=labels: traced(labels, 1))
        two, _ = timed(lambda labels=labels: traced(labels, 2))
        print(f"  geoseg, one and two threads    {one:7.2f} s {two:7.2f} s ({one / two:.2f} x)")
        wall, theirs = timed(lambda labels=labels: by_rasterio(labels), rounds=1)
        print(f"  features.shapes, shape()       {wall:7.2f} s {theirs:7.2f} CPU s")
        print(f"  of their CPU seconds to ours   {theirs / cpu:7.1f}")
        others = by_rasterio(labels)
        plain = shapely.simplify(shapely.normalize(ours), 0)
        same = set(shapely.to_wkb(shapely.normalize(plain))) == set(
            shapely.to_wkb(shapely.normalize(others))
        )
        print(f"  same set after dropping nodes: {same}", flush=True)


def memory(side: int) -> None:
    for kind in KINDS:
        np.save(saved(side, kind), land_cover(side, kind))
        more = {}
        for name in WAYS:
            child = [sys.executable, __file__, "child", str(side), kind, name]
            more[name] = int(subprocess.run(child, capture_output=True, check=True).stdout) / 1e3
        print(f"{kind} {side}²:", *(f"{n} {mb:.0f} MB" for n, mb in more.items()), flush=True)


def saved(side: int, kind: str) -> Path:
    return Path(tempfile.gettempdir()) / f"labels-{kind}-{side}.npy"


def peak() -> int:
    """Most memory of this process since it began (kB); ru_maxrss would have its parent's."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def child(side: int, kind: str, name: str) -> None:
    """Print what it takes beyond a warm process with the labels in it (kB)."""
    labels = np.load(saved(side, kind))
    middle = slice(side // 2, side // 2 + 256)
    WAYS[name](labels[middle, middle])
    before = peak()
    found = WAYS[name](labels)
    print(peak() - before)
    del found


def run(folder: Path, side: int) -> None:
    labels = land_cover(min(side, 8192), "real")
    path = folder / "labels.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=side, width=side, dtype="uint8", nodata=255,
        tiled=True, blockxsize=512, blockysize=512, compress="deflate", BIGTIFF="YES", **PLACE,
    ) as out:  # fmt: skip
        for row in range(0, side, labels.shape[0]):
            for col in range(0, side, labels.shape[1]):
                turned = labels[:: -1 if row // 8192 % 2 else 1, :: -1 if col // 8192 % 2 else 1]
                window = rasterio.windows.Window(col, row, labels.shape[1], labels.shape[0])
                out.write(turned, 1, window=window)
    del labels
    out = folder / "labels.gpkg"
    if side <= 8192:
        geoseg.vectorise(path, out)
        wall, cpu = timed(lambda: geoseg.vectorise(path, out, overwrite=True))
        print(f"{side}² GeoTIFF to GeoPackage, warm: {wall:.2f} s, {cpu:.2f} CPU s")
    command = [sys.executable, __file__, "command", str(side), str(path), str(out)]
    subprocess.run(command, check=True)


def shapely_wkb(xy: np.ndarray, ring_offsets: np.ndarray, polygon_offsets: np.ndarray) -> pa.Array:
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, xy, (ring_offsets, polygon_offsets)
    )
    return pa.array(shapely.to_wkb(polygons), pa.binary())


def without(path: str) -> None:
    """What `write/wkb.py` and `pixel_measures.py` save, beside shapely and `geoseg.geodesy`."""
    changes = {
        "as it is": {},
        "without wkb.py": {"geoseg.polygons.write.features.to_wkb": shapely_wkb},
        "without pixel_measures.py": {
            "geoseg.polygons.write.features.FeatureBuilder.grid_measures": lambda _: None
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.gpkg"
        for name, change in changes.items():
            with ExitStack() as stack:
                for target, function in change.items():
                    stack.enter_context(patch(target, function))
                geoseg.vectorise(path, out, overwrite=True)
                _, cpu = timed(lambda: geoseg.vectorise(path, out, overwrite=True))
            print(f"{name}: {cpu:.2f} CPU s")


def command(side: int, path: str, out: str) -> None:
    from geoseg.cli import cli

    cli(["vectorise", path, "--out", out, "-q", "-f"], standalone_mode=False)
    print(
        f"{side}² as a command: {time.process_time():.1f} CPU s with its imports, "
        f"peak {peak() / 1e6:.2f} GB"
    )


if __name__ == "__main__":
    if sys.argv[1] == "without":
        without(sys.argv[2])
        sys.exit()
    side = int(sys.argv[2]) if len(sys.argv) > 2 else 8192
    if sys.argv[1] == "child":
        child(side, sys.argv[3], sys.argv[4])
    elif sys.argv[1] == "command":
        command(side, *sys.argv[3:])
    elif sys.argv[1] == "run":
        with tempfile.TemporaryDirectory() as name:
            run(Path(name), side)
    else:
        {"speed": speed, "memory": memory}[sys.argv[1]](side)
