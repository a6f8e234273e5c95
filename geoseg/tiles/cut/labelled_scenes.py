"""Scenes with their labels, opened and of one kind."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geoseg.errors import TileError, count_of, redact
from geoseg.execute import Executor, Progress, ProgressCounter
from geoseg.labels import LabelFiles, LabelOpener, LabelSource
from geoseg.legend import Legend
from geoseg.raster import (
    Scene,
    Stack,
    have_other_names,
    list_bands,
    open_scene,
    pixel_warnings,
    probe_pixels,
)
from geoseg.tiles.cut.pairing import ScenePair
from geoseg.tiles.settings import TileSettings
from geoseg.vectors import is_vector_file

log = logging.getLogger("geoseg")

_MIN_VALID = 0.5
"""Default of ``min_valid`` where all ground may be labelled."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledScene:
    """A scene to cut, and its labels on its grid."""

    name: str
    """Beginning of the names of its tiles; no two sources share it."""
    group: str
    """Scene or group of scenes that the split "scene" keeps together."""
    scene: Scene
    labels: LabelSource
    min_valid: float
    """Minimum share of valid and labelled pixels in a tile; where it is 0, one pixel is needed."""


def open_labelled_scenes(
    pairs: Sequence[ScenePair],
    legend: Legend | None,
    settings: TileSettings,
    executor: Executor,
    progress: Progress | None,
) -> list[LabelledScene]:
    """Open all scenes and labels, and check that they are of one kind.

    Args:
        pairs: at least one.
        legend: the classes; None to take them from the labels.
        settings: bands and nodata of the scenes, and how to read the labels.
        executor: opens scenes in its threads.
        progress: called as scenes are opened.

    Raises:
        TileError: if scenes have other bands or dtypes, or labels other classes, or if a scene has
            no scale for reflectance.
        LabelError: if labels do not fit a scene or the legend.
        SceneError: if a raster cannot be opened.
    """
    opener = LabelOpener(
        legend, settings.class_field, settings.ignore, settings.layer, settings.background
    )
    scenes_opened = ProgressCounter(progress, "scenes opened", len(pairs))

    def open_pair(pair: ScenePair) -> tuple[Scene, LabelSource]:
        scene = _open_scene(pair.scene, settings)
        return scene, opener.open(pair.labels, scene)

    opened = executor.map_threads(open_pair, pairs, lambda _: scenes_opened.add())
    opener.check_ignored()
    first_scene, first_labels = opened[0]
    for pair, (scene, labels) in zip(pairs, opened, strict=True):
        _check_same_kind(scene, first_scene, settings)
        if not labels.legend.same_classes(first_labels.legend):
            raise TileError(f"labels {pair.labels} have other classes, give all of them: --legend")
    _report_alphas([scene for scene, _ in opened])
    names = [pair.name for pair in pairs]
    if len(set(names)) < len(names):
        names = [f"{number:04d}_{name}" for number, name in enumerate(names)]
    return [
        LabelledScene(name, pair.group, scene, labels, _min_valid(pair.labels, settings))
        for name, pair, (scene, labels) in zip(names, pairs, opened, strict=True)
    ]


def _open_scene(source: str | Stack, settings: TileSettings) -> Scene:
    """Open a scene with the bands, the values and the pixel size of the tiles."""
    scene = open_scene(source, bands=settings.bands, nodata=settings.nodata)
    for warning in pixel_warnings(scene, probe_pixels(scene)):
        log.warning(warning)
    if settings.reflectance and not scene.has_scale:
        reason = (
            "has no scale and offset that make reflectance of its values" if scene.stack
            else "has no scale that is read, because only bands of products and stacks have one"
        )  # fmt: skip
        raise TileError(
            f"{scene.path} {reason}, leave out reflectance (--reflectance), or give a product, or "
            "files with a scale as a stack (--stack, also for one file)"
        )
    # `classify` does the same if the model was trained on floats. One band of floats in a stack
    # makes all its bands floats.
    if settings.reflectance or np.issubdtype(scene.dtype, np.floating):
        scene = scene.with_physical_values()
    return scene if settings.resolution is None else scene.with_pixel_size(settings.resolution)


def _check_same_kind(scene: Scene, first: Scene, settings: TileSettings) -> None:
    if (len(scene.bands), scene.dtype) != (len(first.bands), first.dtype):
        raise TileError(
            f"{scene.path} has {len(scene.bands)} bands of {scene.dtype}, "
            f"{first.path} has {len(first.bands)} of {first.dtype}, tile scenes of one kind "
            "together"
        )
    stacks = [bool((s.resized_from or s).stack) for s in (scene, first)]
    names = scene.band_names, first.band_names
    # A band of a stack always has a name; the description of a band of a file may be any text.
    differ = names[0] != names[1] if all(stacks) else have_other_names(*names)
    if settings.bands is None and differ:
        raise TileError(
            f"{scene.path} has the bands {list_bands(scene.band_names)}, and {first.path} has "
            f"{list_bands(first.band_names)}, choose those of both by name, or by number if their "
            "order is the same (bands, --bands)"
        )


def _report_alphas(scenes: Sequence[Scene]) -> None:
    """Log which transparency bands are not read as data."""
    unread = [redact(s.path) for s in scenes if (s.resized_from or s).unread_alphas]
    if unread:
        more = f" and of {count_of(len(unread) - 1, 'other scene')}" if len(unread) > 1 else ""
        log.info("the transparency (alpha) band of %s%s is not read as data", unread[0], more)


def _min_valid(labels: LabelFiles, settings: TileSettings) -> float:
    """The share that is asked for, or the default; vectors without a background are sparse."""
    if settings.min_valid is not None:
        return settings.min_valid
    is_raster = isinstance(labels, str) and not is_vector_file(labels)
    return _MIN_VALID if is_raster or settings.background is not None else 0.0
