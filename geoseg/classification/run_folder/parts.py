"""Parts: the arrays and the record of every finished chunk, until the map is assembled."""

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
    """The record of a finished chunk; small, because workers send it back."""

    row: int
    col: int
    bytes: int
    """Size of the file of arrays (bytes)."""
    windows: int
    """Number of windows computed; windows without a valid pixel are not."""
    sha256: str
    """SHA-256 of the file of arrays."""
    run: str
    """Identity of the run it belongs to."""
    instruction_set: str
    """Instruction set of the CPU that computed it, empty for another device."""


def part_path(folder: str | Path, chunk: Window) -> Path:
    """Path of the file of arrays of a chunk; its record has the same name with .json."""
    return Path(folder) / f"part-{chunk.row:07d}-{chunk.col:07d}.safetensors"


def finished_parts(folder: str | Path) -> list[Part]:
    """Read the records of all finished chunks in a run folder."""
    records = map(_read_record, Path(folder).glob("part-*.json"))
    return [part for part in records if part is not None]


def load_record(job: Job, chunk: Window) -> Part | None:
    """Read the record of a chunk; None if the run has not finished the chunk."""
    part = _read_record(part_path(job.run_folder, chunk).with_suffix(".json"))
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
    """Return the chunks without a part.

    Listing the folder refreshes NFS's cache of names, and no missing record is opened.
    """
    try:
        names = set(os.listdir(job.run_folder))  # noqa: PTH208 - many names, of which no Path is needed
    except FileNotFoundError:
        return list(chunks)
    return [
        chunk
        for chunk in chunks
        if part_path("", chunk).with_suffix(".json").name not in names
        or load_record(job, chunk) is None
    ]


def write_part(
    job: Job, chunk: Window, arrays: Mapping[str, NDArray[Any]], *, windows: int,
    instruction_set: str,
) -> Part:  # fmt: skip
    """Write the arrays of a chunk, then its record, which marks the part as finished.

    ``windows`` and ``instruction_set`` go into the record, see `Part`.

    Raises:
        OutputError: if it cannot be written.
    """
    path = part_path(job.run_folder, chunk)
    # safetensors writes the memory of an array, whatever its strides are.
    data = safetensors.numpy.save({k: np.asarray(v, order="C") for k, v in arrays.items()})
    digest = hashlib.sha256(data).hexdigest()
    part = Part(chunk.row, chunk.col, len(data), windows, digest, job.identity(), instruction_set)
    with atomic_file(path, durable=True) as temporary:
        temporary.write_bytes(data)
    with atomic_file(path.with_suffix(".json"), durable=True) as temporary:
        temporary.write_text(json.dumps(asdict(part)))
    return part


def read_part(job: Job, chunk: Window) -> dict[str, NDArray[Any]]:
    """Read the arrays of a finished chunk, and check them against the record.

    Raises:
        InterruptedRun: if the file is damaged (its record is then deleted, so that the same command
            computes the chunk again), or if a worker of another run has replaced it.
    """
    path = part_path(job.run_folder, chunk)
    record = path.with_suffix(".json")
    part = _read_record(record)
    try:
        data = path.read_bytes()
        if part is None or hashlib.sha256(data).hexdigest() != part.sha256:
            raise ValueError("it differs from its record")
        arrays = safetensors.numpy.load(data)
    except (OSError, ValueError, SafetensorError) as error:
        record.unlink(missing_ok=True)
        raise _retryable(path, f"is damaged ({error})") from None
    if part.run != job.identity():
        raise _retryable(path, "is of another run")
    return arrays


def _retryable(path: Path, problem: str) -> InterruptedRun:
    return InterruptedRun(f"part {path} {problem}, run the same command to compute it again")


def read_part_window(job: Job, window: Window, name: str) -> NDArray[Any]:
    """Read one array (height, width) of a finished run, over any window of the scene.

    Raises:
        InterruptedRun: if a part is damaged.
    """
    out: NDArray[Any] | None = None
    for chunk in job.chunks(window):
        array = read_part(job, chunk)[name]
        if chunk == window:
            return array
        if out is None:
            out = np.empty((window.height, window.width), array.dtype)
        shared = chunk.intersection(window)
        assert shared is not None  # noqa: S101 - `chunks` returns only these
        out[shared.relative_to(window)] = array[shared.relative_to(chunk)]
    if out is None:
        raise ValueError(f"{window} is outside the scene")
    return out
