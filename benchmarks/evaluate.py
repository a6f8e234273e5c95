"""Speed of `evaluate`, compared with reading and counting whole arrays in the same run.

python benchmarks/evaluate.py [SIDE]    the reference is a shifted copy of the map
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


def write_labels(path: Path, labels: np.ndarray) -> Path:
    height, width = labels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=height, width=width, dtype="uint8", nodata=255,
        tiled=True, blockxsize=512, blockysize=512, compress="deflate", **PLACE,
    ) as out:  # fmt: skip
        out.write(labels, 1)
    return path


def count_whole_arrays(mapped: Path, reference: Path) -> np.ndarray:
    """Return the confusion matrix of two whole arrays; rows are the map."""
    with rasterio.open(mapped) as map_file, rasterio.open(reference) as reference_file:
        rows, columns = map_file.read(1), reference_file.read(1)
    labelled = (columns != 255) & (rows != 255)
    pairs = rows[labelled].astype(np.int64) * 6 + columns[labelled]
    return np.bincount(pairs, minlength=36).reshape(6, 6)


def timed(function: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Return wall and CPU seconds of the fastest of three calls, and the result."""
    seconds = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        seconds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return *min(seconds), result


def main(folder: Path, side: int) -> None:
    labels = land_cover(side, "real")
    mapped = write_labels(folder / "map.tif", labels)
    reference = write_labels(folder / "reference.tif", np.roll(labels, (7, 5), (0, 1)))
    pixels = int((labels != 255).sum())
    del labels
    settings = EvaluateSettings(legend=LEGEND)

    def whole_arrays() -> np.ndarray:
        return count_whole_arrays(mapped, reference)

    def geoseg() -> np.ndarray:
        out = folder / "out"
        return evaluate(mapped, reference, out, settings=settings, overwrite=True).counts

    print(f"{side}²: {pixels / 1e6:.1f} M pixels with a class")
    cpu_seconds, matrices = {}, []
    for function in (geoseg, whole_arrays):
        wall, cpu_seconds[function], matrix = timed(function)
        matrices.append(matrix)
        print(
            f"  {function.__name__:14} {wall:6.2f} s {cpu_seconds[function]:6.2f} CPU s "
            f"{side**2 / wall / 1e6:6.1f} Mpx/s"
        )
    ratio, same = cpu_seconds[geoseg] / cpu_seconds[whole_arrays], np.array_equal(*matrices)
    print(f"  CPU seconds of geoseg to theirs {ratio:.1f}; same matrix: {same}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 8192)
