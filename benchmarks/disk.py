"""Disk space of `geoseg classify`: what --dry-run announces, beside the measured peak.

Usage: python benchmarks/disk.py IMAGE...
"""

import os
import sys
import tempfile
import threading
from pathlib import Path

import geoseg

KINDS = {
    "labels": {},
    "with polygons": {"polygons": "p.gpkg"},
    "with polygons, confidence and probabilities": {
        "polygons": "p.gpkg",
        "confidence": "c.tif",
        "probabilities": "s.tif",
    },
}


def folder_size(folder: Path) -> int:
    """Return the bytes of all files; those that vanish meanwhile count as nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def measure(scene: str, files: dict[str, str]) -> tuple[int, int, int, int]:
    """Return certain need, upper bound and measured peak (bytes), and the pixels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs = {kind: folder / file for kind, file in files.items()}
        told = geoseg.describe_run(scene, folder / "m.tif", **outputs)
        peak, done = 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.005):
                peak = max(peak, folder_size(folder))

        watcher = threading.Thread(target=watch)
        watcher.start()
        geoseg.classify(scene, folder / "m.tif", **outputs)
        done.set()
        watcher.join()
    return told.disk.certain, told.disk.at_most, peak, told.height * told.width


def main() -> None:
    """Print a table in bytes per pixel."""
    print("| image | outputs | at least | measured peak | at most |\n|---|---|---|---|---|")
    for scene in sys.argv[1:]:
        for kind, files in KINDS.items():
            certain, at_most, peak, pixels = measure(scene, files)
            numbers = " | ".join(f"{size / pixels:.2f}" for size in (certain, peak, at_most))
            print(f"| {Path(scene).name} | {kind} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
