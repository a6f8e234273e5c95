"""Speed and memory of `geoseg classify`, each measured in a process of its own.

python benchmarks/run.py speed [SIDE]     overlaps of 64 and 32 px, polygons, bf16
python benchmarks/run.py memory           peak memory on 5,000 and 20,000 px a side

`peers.py` compares it with other programs.
"""

import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import Measured, measured
from scenes import sparse, textured


def timed(name: str, command: list[str], pixels: int) -> Measured:
    """Run a command and print what it took."""
    took = measured(command)
    print(
        f"{name:38} {took.wall:7.1f} s {pixels / took.wall / 1e6:6.3f} Mpx/s "
        f"{took.cpu:7.1f} CPU s {took.peak:5.2f} GB",
        flush=True,
    )
    return took


def geoseg(scene: Path, out: Path, overlap: int, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "geoseg", "classify", "-q", "-f", str(scene), "--out", str(out),
        "--overlap", str(overlap), *more,
    ]  # fmt: skip


def speed(folder: Path, side: int) -> None:
    scene = textured(folder / "scene.tif", side)
    polygons = "--polygons", str(folder / "map.gpkg")
    for name, overlap, options in (
        ("overlap 64", 64, ()),
        ("overlap 32", 32, ()),
        ("overlap 32, with polygons", 32, polygons),
        ("overlap 32, bf16", 32, ("--precision", "bf16")),
    ):
        timed(name, geoseg(scene, folder / "map.tif", overlap, *options), side**2)


def memory(folder: Path) -> None:
    peaks = []
    for side in (5_000, 20_000):
        scene = sparse(folder / f"{side}.tif", side)
        command = geoseg(scene, folder / f"map{side}.tif", 0, "--chunk", "2048")
        peaks.append(timed(f"{side} x {side}, overlap 0", command, side**2).peak)
    print(f"peak of the large scene over that of the small: {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        if sys.argv[1] == "memory":
            memory(Path(name))
        else:
            speed(Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 4096)
