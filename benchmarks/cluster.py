"""What parts, assembly and Dask cost.

python benchmarks/cluster.py overhead [SIDE]    seconds in parts and assembly, in one process
python benchmarks/cluster.py workers [SIDE]     one Dask worker and two, side by side
python benchmarks/cluster.py client             memory of the client for 100 and for 2,401 chunks
"""

import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from measure import measured
from scenes import textured, tiled

from tests.support.clusters import dask_processes

THREADS = 2
CALM = {"ADMIN__TICK__INTERVAL": "1s", "ADMIN__SYSTEM_MONITOR__INTERVAL": "5s"}
CALM |= {"WORKER__PROFILE__ENABLED": "False"}
"""As workflows/dask/local.sh has it."""


def overhead(folder: Path, side: int) -> None:
    """Time what a program that keeps all in memory would not do."""
    import geoseg.classification.chunk as chunk
    import geoseg.classification.job as job
    import geoseg.classification.run as run
    from geoseg.model import tune_malloc

    spent: Counter[str] = Counter()
    lock = threading.Lock()

    def watch(module: object, name: str) -> None:
        plain = getattr(module, name)

        def timed(*args: object, **kwargs: object) -> object:
            start = time.perf_counter()
            try:
                return plain(*args, **kwargs)
            finally:
                with lock:
                    spent[name] += time.perf_counter() - start

        setattr(module, name, timed)

    job.SMALL_PIXELS = side**2 * 4  # in threads, whose functions are watched here
    scene = textured(folder / "scene.tif", side)
    for name in ("read_window", "trace_chunk", "write_part"):
        watch(chunk, name)
    watch(run, "assemble")
    tune_malloc()
    for polygons in (None, folder / "map.gpkg"):
        spent.clear()
        start = time.perf_counter()
        run.classify(
            scene, folder / "map.tif", polygons=polygons, overwrite=True,
            workers=THREADS,
        )  # fmt: skip
        wall = time.perf_counter() - start
        parts, assembly = spent["write_part"] / THREADS, spent["assemble"]
        print(
            f"{side} x {side}{' with polygons' if polygons else ''}: {wall:.1f} s, of it parts "
            f"{parts:.2f} s and assembly {assembly:.2f} s: {(parts + assembly) / wall:.1%}; "
            f"seconds of a thread: read {spent['read_window']:.2f}, "
            f"trace {spent['trace_chunk']:.2f}",
            flush=True,
        )


def classify(scene: Path, out: Path, scheduler: Path, *more: object) -> list[object]:
    """The command."""
    return [
        sys.executable, "-m", "geoseg", "classify", "-q", "-f", scene, "--out", out,
        "--scheduler", scheduler, *more,
    ]  # fmt: skip


def workers(folder: Path, side: int) -> None:
    """The whole command, with workers that have already loaded what they need; three rounds."""
    scene = textured(folder / "scene.tif", side)
    small = textured(folder / "small.tif", 1024)
    ratios, maps = [], set()
    for number in range(3):
        took = {}
        for count in (1, 2):
            with dask_processes(folder / f"dask-{number}-{count}") as dask:
                for _ in range(count):
                    dask.add()
                out = folder / "map.tif"
                measured(classify(small, out, dask.file, "--chunk", 512))
                took[count] = measured(classify(scene, out, dask.file)).wall
                maps.add(out.read_bytes())
        ratios.append(took[1] / took[2])
        print(f"{side} x {side}: {took[1]:.1f} s, {took[2]:.1f} s, {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {sorted(ratios)[1]:.2f}; {len(maps)} different map(s)")


def client(folder: Path) -> None:
    """Most memory of the client that lets chunks be computed, and of the one that assembles."""
    with dask_processes(folder / "dask") as dask:
        dask.add(), dask.add()
        for side in (10, 49):
            scene = tiled(folder / f"{side}.tif", side * 512)
            out = folder / f"{side}-map.tif"
            command = classify(
                scene, out, dask.file, "--chunk", 512, "--overlap", 0,
                "--polygons", out.with_suffix(".gpkg"),
            )  # fmt: skip
            for what, more in (("chunks", ["--shard", "1/1"]), ("assembly", [])):
                took = measured([*command, *more])
                print(
                    f"{side**2} chunks, {what}: {took.wall:.1f} s, {took.cpu:.1f} CPU s, "
                    f"{took.peak:.3f} GB",
                    flush=True,
                )


if __name__ == "__main__":
    os.environ |= {f"DASK_DISTRIBUTED__{name}": value for name, value in CALM.items()}
    with tempfile.TemporaryDirectory() as name:
        what, *rest = sys.argv[1:]
        if what == "client":
            client(Path(name))
        else:
            {"overhead": overhead, "workers": workers}[what](
                Path(name), int(rest[0]) if rest else 6000
            )
