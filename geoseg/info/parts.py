"""Describe the folder of a run's parts: its progress and its settings."""

from pathlib import Path
from typing import Any

from pyproj.exceptions import CRSError

from geoseg.classification import MANIFEST, finished_parts, read_manifest
from geoseg.errors import RunError
from geoseg.grid import chunks
from geoseg.info.georeference import crs_of

_NOT_OPTIONS = frozenset({"run", "scene", "model", "window", "input", "legend"})
_OUTPUTS = ("polygons", "confidence", "probabilities", "uncertainty")
"""The outputs that the manifest lists as true or false; labels are always written."""


def describe_parts(folder: str | Path) -> dict[str, Any]:
    """Read the manifest of a run, and count its finished chunks.

    Returns:
        Keys path, run, model (hashes), done, total (chunks), windows (computed so far), bytes (of
        the finished parts), scene (height, width, bands, crs) and options (by their names in the
        manifest).

    Raises:
        RunError: if the manifest is damaged.
    """
    folder = Path(folder)
    manifest, parts = read_manifest(folder) or {}, finished_parts(folder)
    try:
        scene = manifest["scene"]
        options = {k: v for k, v in manifest.items() if k not in _NOT_OPTIONS}
        if "outputs" in options:
            # The manifests of earlier versions list fewer outputs.
            written = zip(_OUTPUTS, options["outputs"], strict=False)
            options["outputs"] = ["labels", *(name for name, wanted in written if wanted)]
        return {
            "path": str(folder),
            "run": manifest["run"],
            "model": manifest["model"],
            "done": len(parts),
            "total": sum(1 for _ in chunks(scene["height"], scene["width"], manifest["chunk"])),
            "windows": sum(part.windows for part in parts),
            "bytes": sum(part.bytes for part in parts),
            "scene": {
                "height": scene["height"],
                "width": scene["width"],
                "bands": scene["bands"],
                "crs": crs_of(scene["crs"]),
            },
            "options": options,
        }
    except (ValueError, KeyError, TypeError, CRSError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise RunError(
            f"{folder / MANIFEST} is damaged ({reason}), start again with resume=False "
            "(--no-resume)"
        ) from None
