"""The record of a run in its folder of parts: what the parts there are parts of."""

import json
import shutil
from pathlib import Path
from typing import Any

from geoseg.classification.area import Area
from geoseg.classification.durable import sweep, write_durably
from geoseg.classification.job import Job
from geoseg.classification.turn import LOG
from geoseg.errors import RunError
from geoseg.raster import writing

PLAN = "plan.json"


def read_plan(folder: str | Path) -> dict[str, Any] | None:
    """The record that an earlier try left, None where there is none.

    Raises:
        RunError: if it is damaged.
    """
    path = Path(folder) / PLAN
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({error}), start again with resume=False (--no-resume)"
        ) from None
    return found if isinstance(found, dict) else {}


def holds_parts(job: Job) -> bool:
    """Whether an earlier try of this run left its folder of parts.

    Raises:
        RunError: if the folder holds parts of another run, or its plan is damaged.
    """
    recorded = read_plan(job.parts)
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


def open_folder(job: Job, area: Area | None, *, resume: bool) -> bool:
    """Make the folder of a run, or accept the one that an earlier try of the same run left.

    Temporaries of dead processes are deleted. The area of interest is kept there for the chunks.

    Returns:
        Whether parts of this run may be there.

    Raises:
        RunError: if the folder holds parts of another run.
        OutputError: if it cannot be written.
    """
    folder = Path(job.parts)
    with writing(folder):
        if not resume:
            _empty(folder)
        resumed = holds_parts(job)
        sweep(folder)
        if area is not None:
            area.keep(folder)
        if not resumed:
            record = {"run": job.identity(), **job.plan()}
            write_durably(folder / PLAN, json.dumps(record, indent=1).encode())
    return resumed


def close_folder(folder: Path) -> None:
    """Delete the folder of a finished run: the record first, so that half a folder is no run."""
    (folder / PLAN).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _empty(folder: Path) -> None:
    """Delete all but the lock."""
    for path in folder.iterdir():
        if path.name != LOG:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
