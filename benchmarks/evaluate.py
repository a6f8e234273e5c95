"""Evaluation of a map against a map: speed beside reading and counting whole arrays, in one run.

python benchmarks/evaluate.py [SIDE]    the classes of a shifted copy are the reference
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from scenes import PLACE, land_cover

from geoseg.evaluation import EvaluateSettings, evaluate
from geoseg.legend import Legend

LEGEND = Legend.from_names([f"class {i}" for i in range(6)])


def written(path: Path, labels: np.ndarray) -> Path:
    height, width = labels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=height, width=width, dtype="uint8", nodata=255,
        tiled=True, blockxsize=512, blockysize=512, compress="deflate", **PLACE,
    ) as out:  # fmt: skip
        out.write(labels, 1)
    return path


def plain(found: Path, wanted: Path) -> np.ndarray:
    """The confusion matrix of two whole arrays, rows are the map."""
    with rasterio.open(found) as one, rasterio.open(wanted) as two:
        rows, columns = one.read(1), two.read(1)
    both = (columns != 255) & (rows != 255)
    pairs = rows[both].astype(np.int64) * 6 + columns[both]
    return np.bincount(pairs, minlength=36).reshape(6, 6)


def timed(function: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Wall and CPU seconds of the quickest of three calls, and what it returned."""
    took = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        found = function()
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    return *min(took), found


def main(folder: Path, side: int) -> None:
    labels = land_cover(side, "real")
    found = written(folder / "map.tif", labels)
    wanted = written(folder / "reference.tif", np.roll(labels, (7, 5), (0, 1)))
    pixels = int((labels != 255).sum())
    del labels
    settings = EvaluateSettings(legend=LEGEND)

    def whole_arrays() -> np.ndarray:
        return plain(found, wanted)

    def geoseg() -> np.ndarray:
        report = evaluate(found, wanted, out=folder / "out", settings=settings, overwrite=True)
        return np.array(report["matrix"])

    print(f"{side}²: {pixels / 1e6:.1f} M pixels with a class")
    least, matrices = {}, []
    for function in (geoseg, whole_arrays):
        wall, least[function], matrix = timed(function)
        matrices.append(matrix)
        print(
            f"  {function.__name__:14} {wall:6.2f} s {least[function]:6.2f} CPU s "
            f"{side**2 / wall / 1e6:6.1f} Mpx/s"
        )
    ratio, same = least[geoseg] / least[whole_arrays], np.array_equal(*matrices)
    print(f"  CPU seconds of geoseg to theirs {ratio:.1f}; same matrix: {same}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 8192)
