"""The manifest of a run (plan.json): it says which run the parts in a folder belong to."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoseg.classification.job import Job
from geoseg.classification.outputs import Outputs
from geoseg.classification.prepare.aoi import AreaOfInterest
from geoseg.classification.run_folder.lock import LOCK_FILE, run_lock
from geoseg.classification.settings import Execution
from geoseg.errors import OutputError, RunError
from geoseg.files import atomic_file, json_text, remove_temporaries, translate_write_errors

MANIFEST = "plan.json"
_SHARED_TEMPORARY_AGE = 3600.0
"""Age (s) from which a temporary file is a killed process's, while other processes may write."""


def read_manifest(folder: str | Path) -> dict[str, Any] | None:
    """Read the manifest of a run folder; None if there is none.

    Returns:
        The keys of `Job.determinants`, and "run", the identity of the run.

    Raises:
        RunError: if it is damaged.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({error}), start again with resume=False (--no-resume)"
        ) from None
    return manifest if isinstance(manifest, dict) else {}


def check_same_run(job: Job, manifest: dict[str, Any]) -> None:
    """Refuse the run folder of another run.

    Raises:
        RunError: naming what differs.
    """
    if manifest.get("run") != job.identity():
        own = json.loads(json_text(job.determinants()))
        differ = "; ".join(_differences(own, manifest)) or "version"
        raise RunError(
            f"{job.run_folder} holds parts of another run (not the same: {differ}), "
            "finish that run, or start again with resume=False (--no-resume)"
        )


def _differences(own: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """Yield the keys whose values differ; of tables with the keys in them that differ."""
    for key, value in own.items():
        recorded = other.get(key)
        if isinstance(value, dict) and isinstance(recorded, dict) and value != recorded:
            inner = [name for name in value if recorded.get(name) != value[name]]
            yield f"{key} ({', '.join(inner)})"
        elif value != recorded:
            yield key


@contextmanager
def open_run(
    job: Job, aoi: AreaOfInterest | None, execution: Execution, protected: Outputs | None = None
) -> Iterator[bool]:
    """Lock the folder of a run, and create it or accept the parts of an earlier try.

    Temporary files of killed processes are deleted. The area of interest is saved for the chunks.

    Args:
        job: the run.
        aoi: its area of interest.
        execution: how the run is computed.
        protected: outputs that a new run must not replace; None if it may.

    Yields:
        Whether the folder may hold parts of this run.

    Raises:
        InterruptedRun: if another process works on the run; the same command works later.
        RunError: if the folder holds parts of another run.
        OutputError: if it cannot be written, or a new run would replace an output.
    """
    folder, exclusive = Path(job.run_folder), execution.shard is None
    with run_lock(folder, execution.shard_label, exclusive=exclusive):
        with translate_write_errors(folder):
            if not execution.resume:
                _remove_contents(folder)
            # The run was planned without the lock: another process may have begun since.
            manifest = read_manifest(folder)
            if manifest is not None:
                check_same_run(job, manifest)
            elif protected is not None:
                try:  # another process may have made the map since
                    protected.check_not_there()
                except OutputError:
                    if exclusive:
                        remove_run_folder(folder)
                    raise
            remove_temporaries(folder, min_age=0 if exclusive else _SHARED_TEMPORARY_AGE)
            if aoi is not None:
                aoi.save(folder)
            if manifest is None:
                with atomic_file(folder / MANIFEST, durable=True) as temporary:
                    text = json_text({"run": job.identity(), **job.determinants()})
                    temporary.write_text(text, encoding="utf-8")
        yield manifest is not None


def remove_run_folder(folder: Path) -> None:
    """Delete the folder of a finished run: the manifest first, so that a remainder is no run."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_contents(folder: Path) -> None:
    """Delete all but the lock."""
    for path in folder.iterdir():
        if path.name != LOCK_FILE:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
