"""Peak memory of `geoseg classify` on scenes that consist of others or have other pixels.

python benchmarks/scenes_memory.py [NAME...]

NAME is one, large, mosaic, zones, larger, map or smaller; else all of them are measured.

Each is computed by one worker in chunks of 2048 px with a tiny U-Net, windows of 64 px and an
overlap of 8 px, and compared with one scene of 2000 x 2000 px.
"""

import resource
import sys
import tempfile
from pathlib import Path

import rasterio
from affine import Affine
from measure import measured
from scenes import PLACE, sparse, textured

from geoseg.legend import Legend
from geoseg.model import Model, UNetSpec, make_network

SIDE = 2000
"""Side of a scene (px)."""
PIXEL = PLACE["transform"].a
"""Ground size of the pixels of the scenes (m)."""
STEP = 1900
"""From one scene of the mosaic to the next (px)."""


def tiny_model(path: Path) -> Path:
    network = make_network(UNetSpec(classes=6, width=2, depth=2, window=64))
    legend = Legend.from_names([f"class {n}" for n in range(6)])
    Model(network, legend, ("red", "green", "blue")).save(path)
    return path


def scenes_of_mosaic(folder: Path, pixels: Path, *, zones: bool) -> list[str]:
    """Write 4 x 5 scenes that overlap, each in a file of its own; return their paths.

    With ``zones``, every second one is said to be in a CRS that differs by a few millimetres, so
    that it is warped as it is read.
    """
    with rasterio.open(pixels) as source:
        profile, image = source.profile, source.read()
    place, paths = PLACE["transform"], []
    other = "+proj=utm +zone=40 +ellps=GRS80 +x_0=500000.3 +units=m +type=crs"
    for number in range(20):
        row, col = (part * STEP for part in divmod(number, 5))
        profile["transform"] = place @ Affine.translation(col, row)
        profile["crs"] = other if zones and number % 2 else PLACE["crs"]
        path = folder / f"scene{number}{'z' if zones else ''}.tif"
        with rasterio.open(path, "w", **profile) as out:
            out.write(image)
        paths.append(str(path))
    return paths


def main(folder: Path, names: list[str]) -> None:
    one = textured(folder / "one.tif", SIDE)
    large = sparse(folder / "large.tif", 10 * SIDE)
    middle = sparse(folder / "middle.tif", 2 * SIDE)
    model = tiny_model(folder / "tiny.safetensors")
    runs = {
        "one": lambda: [one],
        "large": lambda: [large],
        "mosaic": lambda: ["--mosaic", *scenes_of_mosaic(folder, one, zones=False)],
        "zones": lambda: ["--mosaic", *scenes_of_mosaic(folder, one, zones=True)],
        "larger": lambda: [large, "--resolution", f"{2 * PIXEL:g}"],
        "map": lambda: [large, "--resolution", f"{2 * PIXEL:g}", "--grid", "model"],
        "smaller": lambda: [middle, "--resolution", f"{0.7 * PIXEL:g}"],
    }
    first = None
    for name in names or runs:
        command = [
            sys.executable, "-m", "geoseg", "classify", "-q", "-f", *runs[name](), "--out",
            folder / "map.tif", "--model", model, "--overlap", "8", "--chunk", "2048", "--workers",
            "1", "--engine", "torch",
        ]  # fmt: skip
        took = measured(command)
        first = first or took.tree_peak
        print(
            f"{name:10} {took.tree_peak:5.2f} GB {took.tree_peak / first:6.3f} of the first, "
            f"{took.cpu:6.0f} CPU s",
            flush=True,
        )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        main(Path(name), sys.argv[1:])
