"""Scenes with their labels, opened and of one kind."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from geoseg.errors import TileError, count_of, redact
from geoseg.execute.executor import Executor
from geoseg.labels.open import LabelOpener, LabelSource
from geoseg.legend import Legend
from geoseg.raster import Scene, open_scene, pixel_warnings, probe_pixels
from geoseg.tiles.cut.pairing import ScenePair
from geoseg.tiles.settings import TileSettings

log = logging.getLogger("geoseg")

OpenedPair = tuple[Scene, LabelSource]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A scene to cut, and its labels on its grid."""

    name: str
    """What the names of its tiles begin with; no two sources share it."""
    group: str
    """What must not be split over training and validation."""
    scene: Scene
    labels: LabelSource


def open_sources(
    pairs: Sequence[ScenePair],
    legend: Legend | None,
    settings: TileSettings,
    workers: Executor,
    done: Callable[[Sequence[OpenedPair]], None],
) -> list[Source]:
    """Open all scenes and labels, and see that they go together.

    Args:
        pairs: at least one.
        legend: the classes; None to take them from the labels.
        settings: bands, nodata and how to read labels.
        workers: how many to open at a time.
        done: called with each one, as a sequence of one.

    Raises:
        TileError: if scenes have other bands or dtypes, or labels other classes.
        LabelError: if labels do not fit a scene or the legend.
        SceneError: if a raster cannot be opened.
    """
    files = LabelOpener(legend, settings.class_field, settings.ignore, settings.layer)
    opened = workers.here(partial(_open_pair, files, settings), pairs, done)
    first_scene, first_labels = opened[0][0]
    for pair, [(scene, labels)] in zip(pairs, opened, strict=True):
        if (len(scene.bands), scene.dtype) != (len(first_scene.bands), first_scene.dtype):
            raise TileError(
                f"{scene.path} has {len(scene.bands)} bands of {scene.dtype}, "
                f"{first_scene.path} has {len(first_scene.bands)} of {first_scene.dtype}, "
                "tile scenes of one kind together"
            )
        if labels.legend != first_labels.legend:
            raise TileError(f"labels {pair.labels} have other classes, give all of them: --legend")
    _log_unread_alphas([scene for [(scene, _)] in opened])
    names = [pair.name for pair in pairs]
    if len(set(names)) < len(names):
        names = [f"{number:04d}_{name}" for number, name in enumerate(names)]
    return [
        Source(name, pair.group, *both)
        for name, pair, [both] in zip(names, pairs, opened, strict=True)
    ]


def _open_pair(files: LabelOpener, settings: TileSettings, pair: ScenePair) -> list[OpenedPair]:
    scene = open_scene(pair.scene, bands=settings.bands, nodata=settings.nodata)
    for warning in pixel_warnings(scene, probe_pixels(scene)):
        log.warning(warning)
    return [(scene, files.open(pair.labels, scene))]


def _log_unread_alphas(scenes: Sequence[Scene]) -> None:
    """Say that alpha bands are not read as data, in one line for all scenes."""
    paths = [redact(scene.path) for scene in scenes if scene.unread_alphas]
    if paths:
        more = f" and of {count_of(len(paths) - 1, 'other scene')}" if len(paths) > 1 else ""
        log.info("the transparency (alpha) band of %s%s is not read as data", paths[0], more)
