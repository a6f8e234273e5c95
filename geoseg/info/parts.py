"""A folder of parts: how far a run got, and what it computes."""

import json
from pathlib import Path
from typing import Any

from pyproj.exceptions import CRSError

from geoseg.errors import RunError
from geoseg.grid import chunks
from geoseg.info.detect import PLAN
from geoseg.info.georeference import crs_of

_HIDDEN_FIELDS = frozenset({"run", "scene", "model", "window"})
_OUTPUTS = ("polygons", "confidence", "probabilities")
"""What the plan's "outputs" say yes or no to, besides the labels."""


def describe_parts(folder: str | Path) -> dict[str, Any]:
    """Read a run's plan, and count its finished chunks.

    A chunk is finished when its record and the file of arrays that it tells of are there.

    Returns:
        Keys path, run, model (hashes), done, total, windows (computed so far), bytes (of the
        finished parts), scene (height, width, bands, crs) and options (as the plan names them).

    Raises:
        RunError: if the plan is damaged.
    """
    folder = Path(folder)
    try:
        plan = json.loads((folder / PLAN).read_text())
        scene = plan["scene"]
        total = sum(1 for _ in chunks(scene["height"], scene["width"], plan["chunk"]))
        records = [r for r in map(_finished, folder.glob("part-*.json")) if r is not None]
        return {
            "path": str(folder),
            "run": plan["run"],
            "model": plan["model"],
            "done": len(records),
            "total": total,
            "windows": sum(r["windows"] for r in records),
            "bytes": sum(r["bytes"] for r in records),
            "scene": {
                "height": scene["height"],
                "width": scene["width"],
                "bands": scene["bands"],
                "crs": crs_of(scene["crs"]),
            },
            "options": {k: _option(k, v) for k, v in plan.items() if k not in _HIDDEN_FIELDS},
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError, CRSError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise RunError(
            f"{folder / PLAN} is damaged ({reason}), run the command again with --no-resume"
        ) from None


def _finished(record: Path) -> dict[str, int] | None:
    """A part's record, or None where the part is not complete."""
    try:
        part = json.loads(record.read_text())
        size = record.with_suffix(".safetensors").stat().st_size
        return {"windows": part["windows"], "bytes": size} if size == part["bytes"] else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _option(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """An option as the plan has it, but outputs by name."""
    if name == "outputs":
        return ["labels", *(out for out, asked in zip(_OUTPUTS, value, strict=True) if asked)]
    return value
