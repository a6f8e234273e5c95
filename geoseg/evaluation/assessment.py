"""What is evaluated and how, and what all kinds of reference need of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError
from geoseg.evaluation.block_counts import BlockComparison, ComparisonCounts, Thumbnail, thumbnails
from geoseg.evaluation.settings import EvaluateSettings
from geoseg.execute import Progress, ProgressCounter, map_threads
from geoseg.labels import LabelSource, without_ignored
from geoseg.legend import Legend
from geoseg.metrics import Reliability
from geoseg.raster import Scene, open_scene

_MAX_THUMBNAIL = 720
"""Most pixels of a side of a picture."""
_WINDOWS_PER_TASK = 64
"""Windows whose counts are held at a time."""
HECTARE_M2 = 1e4
"""m²."""


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """A label map, and what to compare it with."""

    path: str
    scene: Scene
    labels: LabelSource
    reference: str
    """Path."""
    settings: EvaluateSettings
    workers: int
    progress: Progress | None

    @property
    def title(self) -> str:
        """What the report is called."""
        return Path(self.path).name

    @property
    def legend(self) -> Legend:
        """The classes of the matrix."""
        return without_ignored(self.labels.legend, self.settings.ignore)

    @property
    def values(self) -> NDArray[np.int64]:
        """Values of the classes of the matrix."""
        return np.array(self.legend.values)

    @property
    def step(self) -> int:
        """Pictures have every n-th pixel."""
        return -(-max(self.scene.height, self.scene.width) // _MAX_THUMBNAIL)

    @property
    def confidence(self) -> Scene | None:
        """The raster of confidence, on the map's grid.

        Raises:
            EvaluateError: if it is of another kind or size.
        """
        if self.settings.confidence is None:
            return None
        found = open_scene(self.settings.confidence)
        same = (found.height, found.width) == (self.scene.height, self.scene.width)
        if not same or found.dtype != "uint8" or len(found.bands) != 1:
            raise EvaluateError(
                f"confidence {found.path} is not a raster of bytes on the grid of {self.path}, "
                "give the one that `geoseg classify --confidence` wrote with it"
            )
        return found

    @property
    def nothing_shared(self) -> EvaluateError:
        """That map and reference have no labelled ground in common."""
        return EvaluateError(
            f"map {self.path} and reference {self.reference} have no labelled ground in common, "
            "see with `geoseg info` where both lie and what they hold"
        )


def count_all(
    subject: Assessment, comparison: BlockComparison
) -> tuple[ComparisonCounts, NDArray[np.uint8], NDArray[np.uint8]]:
    """Count all pixels, several windows at a time; the order in which they end does not matter.

    Returns:
        The counts, and map and reference at reduced size.
    """
    windows, tally, parts = list(comparison.windows()), ComparisonCounts.zero(), []
    blocks_done = ProgressCounter(subject.progress, "blocks", len(windows))

    def count(number: int) -> tuple[ComparisonCounts, Thumbnail]:
        counted = comparison.count(windows[number])
        blocks_done.add()
        return counted

    for first in range(0, len(windows), _WINDOWS_PER_TASK):
        some = range(first, min(first + _WINDOWS_PER_TASK, len(windows)))
        for part, pictures in map_threads(count, some, subject.workers):
            tally += part
            parts.append(pictures)
    mapped, reference = thumbnails(comparison, windows, parts)
    return tally, mapped, reference


def reliability_of(levels: NDArray[np.int64]) -> Reliability | None:
    """Reliability from places by confidence, (2, 256): wrong and right; None without any."""
    if not levels.any():
        return None
    return Reliability.of(np.arange(levels.shape[1]) / 255, levels[1], levels.sum(0))
