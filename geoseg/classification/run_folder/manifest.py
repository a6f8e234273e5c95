"""The record of a run in its folder of parts: what the parts there are parts of."""

import json
import shutil
from pathlib import Path
from typing import Any

from geoseg.classification.aoi import AreaOfInterest
from geoseg.classification.job import Job
from geoseg.classification.run_folder.lock import LOCK_FILE
from geoseg.errors import RunError
from geoseg.files import atomic_file, remove_temporaries, translate_write_errors

MANIFEST = "plan.json"
_OTHERS_MAY_WRITE = 3600.0
"""Age (s) at which a temporary file of a shard is taken for a killed process's."""


def read_manifest(folder: str | Path) -> dict[str, Any] | None:
    """The record that an earlier try left, None where there is none.

    Raises:
        RunError: if it is damaged.
    """
    path = Path(folder) / MANIFEST
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({error}), start again with resume=False (--no-resume)"
        ) from None
    return found if isinstance(found, dict) else {}


def has_parts(job: Job) -> bool:
    """Whether an earlier try of this run left its folder of parts.

    Raises:
        RunError: if the folder holds parts of another run, or its plan is damaged.
    """
    recorded = read_manifest(job.parts)
    if recorded is None:
        return False
    if recorded.get("run") != job.identity():
        wanted = json.loads(json.dumps(job.plan()))
        differ = [key for key in wanted if recorded.get(key) != wanted[key]]
        raise RunError(
            f"{job.parts} holds parts of another run (another {', '.join(differ) or 'version'}), "
            "finish that run, or start again with resume=False (--no-resume)"
        )
    return True


def open_run_folder(
    job: Job, area: AreaOfInterest | None, *, resume: bool, exclusive: bool
) -> bool:
    """Make the folder of a run, or accept the one that an earlier try of the same run left.

    Temporary files of killed processes are deleted. The area of interest is saved for the chunks.

    Args:
        job: the run.
        area: the area of interest, if there is one.
        resume: keep finished parts; otherwise delete them.
        exclusive: no other process works in the folder.

    Returns:
        Whether parts of this run may be there.

    Raises:
        RunError: if the folder holds parts of another run.
        OutputError: if it cannot be written.
    """
    folder = Path(job.parts)
    with translate_write_errors(folder):
        if not resume:
            _remove_contents(folder)
        resumed = has_parts(job)
        remove_temporaries(folder, min_age=0 if exclusive else _OTHERS_MAY_WRITE)
        if area is not None:
            area.keep(folder)
        if not resumed:
            record = {"run": job.identity(), **job.plan()}
            with atomic_file(folder / MANIFEST, durable=True) as temporary:
                temporary.write_text(json.dumps(record, indent=1))
    return resumed


def remove_run_folder(folder: Path) -> None:
    """Delete the folder of a finished run: the record first, so that half a folder is no run."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_contents(folder: Path) -> None:
    """Delete all but the lock."""
    for path in folder.iterdir():
        if path.name != LOCK_FILE:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
