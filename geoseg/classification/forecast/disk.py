"""The disk space of a run, and whether the folder of its map has that much."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.classification.job import Job
from geoseg.classification.outputs import Outputs
from geoseg.classification.run_folder.parts import missing_chunks
from geoseg.errors import OutputError, size_text
from geoseg.raster import normalise_creation_options

log = logging.getLogger("geoseg")

# The constants are above what was measured on aerial images (benchmarks/RESULTS.md). Where nearly
# every pixel is a polygon, outlines and polygons take more.
_OVERVIEWS = 4 / 3
"""Pixels of a COG with its overviews, relative to those of the raster."""
_LABELS = 1.2
"""Size of compressed labels, relative to that of independent pixels in the best code."""
_SCORES = 0.8
"""Size of compressed confidence, uncertainty and probabilities (bytes for each value)."""
_OUTLINES = 1.0
"""Outlines in the parts (bytes for each pixel)."""
_POLYGONS = 2.0
"""The file of the polygons (bytes for each pixel)."""


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """Space that a run takes beside what its folder holds already (bytes)."""

    certain: int
    """Labels and scores in the parts of the chunks that are not finished: parts are not compressed,
    and all of them are kept until the map is assembled."""
    at_most: int
    """Also the outlines in the parts, and what assembly writes: a plain copy of each raster, its
    COG with overviews, and the polygons. Real maps take about half of it."""
    outputs: int
    """The share of ``at_most`` that stays after the run."""


def disk_need(job: Job, outputs: Outputs) -> DiskNeed:
    """Return the space that a run takes.

    Args:
        job: the run; finished chunks are looked for in its folder.
        outputs: the files that it writes.
    """
    classes, pixels = len(job.legend), job.scene.height * job.scene.width
    missing = sum(chunk.height * chunk.width for chunk in missing_chunks(job, job.chunks()))
    part_pixel = 1 + job.with_confidence + job.with_uncertainty + classes * job.with_probabilities
    scores = (outputs.confidence is not None) + (outputs.uncertainty is not None)
    scores += classes * (outputs.probabilities is not None)
    plain = pixels * (_LABELS * math.log2(classes + 1) / 8 + _SCORES * scores)
    options = normalise_creation_options(job.settings.creation_options)
    cog = pixels * (1 + scores) if options.get("COMPRESS") == "NONE" else plain
    polygons = pixels * _POLYGONS if outputs.polygons is not None else 0
    outlines = missing * _OUTLINES if job.with_outlines else 0
    certain = missing * part_pixel
    final = cog * _OVERVIEWS + polygons
    # GDAL writes the overviews into a file of their own first.
    temporary = plain * _OVERVIEWS
    return DiskNeed(certain, int(certain + outlines + temporary + final), int(final))


def total_need(needs: Sequence[DiskNeed]) -> DiskNeed:
    """Return the need of runs that follow one another: outputs stay, parts do not."""
    before = [sum(need.outputs for need in needs[:index]) for index in range(len(needs))]
    return DiskNeed(
        certain=max((need.certain for need in needs), default=0),
        at_most=max((b + need.at_most for b, need in zip(before, needs, strict=True)), default=0),
        outputs=sum(need.outputs for need in needs),
    )


def free_bytes(path: Path) -> int:
    """Return the free space (bytes) where a file will be; its folder need not exist yet."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_disk(runs: Sequence[tuple[Job, Outputs]]) -> None:
    """Refuse runs for which the disk is certainly too small, and warn if it may be.

    Args:
        runs: those that follow one another in a call.

    Raises:
        OutputError: if the parts alone take more than is free.
    """
    if not runs:
        return
    need = total_need([disk_need(job, outputs) for job, outputs in runs])
    labels = runs[0][1].labels
    free = free_bytes(labels)
    if need.certain > free:
        raise OutputError(
            f"the finished chunks need {size_text(need.certain)} in {labels.parent} until the map "
            f"is assembled, but {size_text(free)} are free, free some space or write to another "
            "disk"
        )
    if need.at_most > free:
        log.warning(
            "the run needs %s in %s for certain and %s at most, and %s are free",
            size_text(need.certain), labels.parent, size_text(need.at_most), size_text(free),
        )  # fmt: skip
