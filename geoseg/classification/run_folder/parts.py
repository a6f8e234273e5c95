"""Parts: what each finished chunk leaves on disk until the map is assembled."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from geoseg.classification.job import Job
from geoseg.errors import InterruptedRun
from geoseg.files import atomic_file
from geoseg.grid import Window


@dataclass(frozen=True, slots=True)
class Part:
    """The record of a finished chunk: small, so that it may travel."""

    row: int
    col: int
    bytes: int
    """Size of the file of arrays."""
    windows: int
    """Windows computed; those without a valid pixel are not."""
    sha256: str
    """Checksum of the file of arrays."""
    run: str
    """Identity of the run it belongs to."""


def part_path(folder: str | Path, chunk: Window) -> Path:
    """The file of arrays of a chunk; its record lies beside it as .json."""
    return Path(folder) / f"part-{chunk.row:07d}-{chunk.col:07d}.safetensors"


def finished_parts(folder: str | Path) -> list[Part]:
    """Read the records of all finished chunks in a run folder."""
    records = map(_read_record, Path(folder).glob("part-*.json"))
    return [part for part in records if part is not None]


def load_record(job: Job, chunk: Window) -> Part | None:
    """Read the record of a chunk; None if the run has not finished the chunk."""
    part = _read_record(part_path(job.parts, chunk).with_suffix(".json"))
    return part if part is not None and part.run == job.identity() else None


def _read_record(record: Path) -> Part | None:
    """Read a record; None if it is missing or damaged, or its arrays have another size."""
    try:
        part = Part(**json.loads(record.read_text()))
        size = record.with_suffix(".safetensors").stat().st_size
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return part if size == part.bytes else None


def missing_chunks(job: Job, chunks: Iterable[Window]) -> list[Window]:
    """The chunks without a part.

    The folder is listed first: on NFS that ends what this machine remembers of names that were
    not there a moment ago, and most chunks are then told without opening a file.
    """
    there = set(os.listdir(job.parts))  # noqa: PTH208 - names are enough, and there may be many
    return [
        chunk
        for chunk in chunks
        if part_path("", chunk).with_suffix(".json").name not in there
        or load_record(job, chunk) is None
    ]


def write_part(
    job: Job, chunk: Window, arrays: Mapping[str, NDArray[Any]], *, windows: int
) -> Part:
    """Write a chunk's arrays, then its record, each beside and renamed.

    The record comes last: a part is finished when its record is there.

    Raises:
        OutputError: if the disk does not take it.
    """
    path = part_path(job.parts, chunk)
    data = safetensors.numpy.save(dict(arrays))
    digest = hashlib.sha256(data).hexdigest()
    part = Part(chunk.row, chunk.col, len(data), windows, digest, job.identity())
    with atomic_file(path, durable=True) as temporary:
        temporary.write_bytes(data)
    with atomic_file(path.with_suffix(".json"), durable=True) as temporary:
        temporary.write_text(json.dumps(asdict(part)))
    return part


def read_part(job: Job, chunk: Window) -> dict[str, NDArray[Any]]:
    """The arrays of a finished chunk, as they were committed.

    Raises:
        InterruptedRun: if the file is damaged (its record is deleted then, so that a rerun computes
            it again), or if a worker that was late has put another run's in its place.
    """
    path = part_path(job.parts, chunk)
    record = path.with_suffix(".json")
    try:
        part = Part(**json.loads(record.read_text()))
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise ValueError("its checksum is not that of its record")
        arrays = safetensors.numpy.load(data)
    except FileNotFoundError:  # its record, where another thread has found the damage first
        raise _retryable(path, "is damaged or gone") from None
    except (OSError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        record.unlink(missing_ok=True)
        raise _retryable(path, f"is damaged ({error})") from None
    if part.run != job.identity():
        raise _retryable(path, "is of another run")
    return arrays


def _retryable(path: Path, what: str) -> InterruptedRun:
    return InterruptedRun(f"part {path} {what}, run the same command to compute it again")


def read_part_window(job: Job, window: Window, name: str) -> NDArray[Any]:
    """One array (height, width) of the parts of a finished run, over any window of the scene.

    Raises:
        InterruptedRun: if a part is damaged.
    """
    out: NDArray[Any] | None = None
    for chunk in job.chunks(window):
        found = read_part(job, chunk)[name]
        if chunk == window:
            return found
        if out is None:
            out = np.empty((window.height, window.width), found.dtype)
        shared = chunk.intersection(window)
        assert shared is not None  # noqa: S101 - such are the chunks asked for
        out[shared.relative_to(window)] = found[shared.relative_to(chunk)]
    if out is None:
        raise ValueError(f"{window} is outside of the scene")
    return out
