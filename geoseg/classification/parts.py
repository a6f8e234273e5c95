"""The folder of parts: what each finished chunk leaves on disk until the map is assembled."""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.classification.job import Job
from geoseg.errors import RunError
from geoseg.grid import Window
from geoseg.raster import writing

PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Part:
    """The record of a finished chunk: small, so that it may travel."""

    row: int
    col: int
    bytes: int
    """Size of the file of arrays."""
    windows: int
    """Windows computed; those without a valid pixel are not."""


def part_path(folder: str | Path, chunk: Window) -> Path:
    """The file of arrays of a chunk; its record lies beside it as .json."""
    return Path(folder) / f"part-{chunk.row:07d}-{chunk.col:07d}.npz"


def find_part(folder: str | Path, chunk: Window) -> Part | None:
    """The record of a chunk, or None where the chunk is not finished."""
    path = part_path(folder, chunk)
    try:
        record = json.loads(path.with_suffix(".json").read_text())
        part = Part(**record)
        return part if path.stat().st_size == part.bytes else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def commit_part(
    folder: str | Path,
    chunk: Window,
    arrays: Mapping[str, NDArray[Any]],
    *,
    windows: int,
) -> Part:
    """Write a chunk's arrays, then its record, each beside and renamed.

    The record comes last: a part is finished when its record is there.

    Raises:
        OutputError: if the disk does not take it.
    """
    path = part_path(folder, chunk)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with writing(path):
        part = Part(chunk.row, chunk.col, buffer.tell(), windows)
        _write_durably(path, buffer.getbuffer())
        _write_durably(path.with_suffix(".json"), json.dumps(asdict(part)).encode())
    return part


def read_part(folder: str | Path, chunk: Window) -> dict[str, NDArray[Any]]:
    """The arrays of a finished chunk.

    Raises:
        RunError: if the file is damaged; the part is deleted, so that a rerun computes it again.
    """
    path = part_path(folder, chunk)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        path.with_suffix(".json").unlink(missing_ok=True)
        raise RunError(f"part {path} is damaged ({error}), run the same command again") from None


def read_window(job: Job, window: Window, name: str) -> NDArray[Any]:
    """One array (height, width) of the parts of a finished run, over any window of the scene.

    Raises:
        RunError: if a part is damaged.
    """
    out: NDArray[Any] | None = None
    for chunk in job.chunks():
        shared = chunk.intersection(window)
        if shared is None:
            continue
        found = read_part(job.parts, chunk)[name]
        if shared == window == chunk:
            return found
        if out is None:
            out = np.empty((window.height, window.width), found.dtype)
        out[shared.relative_to(window)] = found[shared.relative_to(chunk)]
    if out is None:
        raise ValueError(f"{window} is outside of the scene")
    return out


def prepare_folder(job: Job, *, resume: bool) -> bool:
    """Make the folder of a run, or accept the one that an earlier try of the same run left.

    Returns:
        Whether parts of this run were there.

    Raises:
        RunError: if the folder holds parts of another run.
        OutputError: if it cannot be written.
    """
    folder = Path(job.parts)
    with writing(folder):
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        plan = folder / PLAN
        if plan.exists():
            _compare(json.loads(plan.read_text()), job)
            return True
        folder.mkdir(parents=True, exist_ok=True)
        _write_durably(plan, json.dumps({"run": job.identity(), **job.plan()}, indent=1).encode())
    return False


def _compare(found: dict[str, Any], job: Job) -> None:
    if found.pop("run", None) == job.identity():
        return
    wanted = json.loads(json.dumps(job.plan()))
    differ = [key for key in wanted if found.get(key) != wanted[key]]
    raise RunError(
        f"{job.parts} holds parts of another run (another {', '.join(differ) or 'version'}), "
        "finish that one, or use --no-resume to start again"
    )


def _write_durably(path: Path, data: bytes | memoryview) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
