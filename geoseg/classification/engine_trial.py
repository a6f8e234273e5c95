"""The fastest engine on this machine, found by a trial on windows of the scene."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.classification.job import is_small
from geoseg.errors import GeosegError
from geoseg.execute import available_cpus
from geoseg.grid import Window, WindowGrid
from geoseg.model import (
    SYMMETRIES,
    Model,
    OnnxSpec,
    Predictor,
    PredictorSource,
    Scaling,
    Trial,
    TrialWindows,
    choose_batch,
    engine_name,
    fastest,
    has_bf16,
    load_predictor,
    network_graph,
    one_torch_thread,
    try_engine,
)
from geoseg.raster import Scene, pad_reflect, read_window

log = logging.getLogger("geoseg")

_WORTH_SECONDS = 20.0
"""Time that the reference would need for the scene (s), from which others are tried."""
_TRIAL_SECONDS = 0.4
"""Time for each engine (s)."""
_SAMPLE_PIXELS = 8 * 128**2
"""Pixels of the windows of a trial."""
_PLACES = (0.5, 0.25, 0.75, 0.1, 0.9)
"""Rows and columns of the windows of a trial, relative to the part that the map needs."""
_VALID = 0.5
"""Smallest share of valid pixels in a window of a trial."""


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """The scene and the model of a trial; small and picklable."""

    scene: Scene
    window_grid: WindowGrid
    part: Window
    """Pixels of the scene that the map needs."""
    model: str
    """Path of the model file."""
    model_hash: str
    onnx: OnnxSpec | None
    """Of an ONNX file; None for a model of geoseg."""
    tta: bool

    @property
    def margin(self) -> int:
        """Pixels on each side of a window that the network reads and that get no scores."""
        return self.onnx.margin if self.onnx else 0

    def predictor(self, engine: str, precision: str, graph: bytes | None = None) -> Predictor:
        """Return the network in an engine, on the CPU."""
        window = self.window_grid.size
        batch = choose_batch(None, torch.device("cpu"), window, engine=engine, onnx=self.onnx)
        source = PredictorSource(
            path=self.model, hash=self.model_hash, window=window, engine=engine, device="cpu",
            precision=precision, batch_size=batch, tta=False, onnx=self.onnx,
        )  # fmt: skip
        return load_predictor(source, graph)


def choose_by_trial(request: TrialRequest, engines: Sequence[str], precision: str) -> str:
    """Return the fastest engine whose labels are as near to fp32 as those of the first one.

    The reference is returned without a trial of others if the scene is small, if it computes the
    scene within seconds, or if no valid pixels are found.

    Args:
        request: scene and model.
        engines: installed engines that compute in this precision, the reference first.
        precision: "fp32" or "bf16".
    """
    reference = engines[0]
    windows = request.window_grid.count(request.part)
    passes = windows * (SYMMETRIES if request.tta else 1)
    if is_small(request.window_grid, request.part):
        return reference
    with one_torch_thread():
        predictor = request.predictor(reference, precision)
        sample = read_trial_windows(request, predictor.spec.scaling)
        if sample is None:
            return reference
        trial, labels = try_engine(reference, predictor, sample, None, _TRIAL_SECONDS)
        if trial.seconds * passes / available_cpus() < _WORTH_SECONDS:
            return reference
        if precision != "fp32":
            rounded = labels
            exact = request.predictor(reference, "fp32")
            _, labels = try_engine(reference, exact, sample, None, 0)
            trial = replace(trial, agreement=float((rounded == labels).mean()))
        others = _try_others(request, engines[1:], precision, sample, labels)
        trials = [trial, *others]
    best = fastest(trials, precision)
    _log_choice(best, trials, precision, labels.size)
    if precision == "fp32" and request.onnx is None and has_bf16():
        log.info("this CPU computes bf16 faster than fp32 (--precision bf16)")
    return best.engine


def _try_others(
    request: TrialRequest,
    engines: Sequence[str],
    precision: str,
    sample: TrialWindows,
    labels: NDArray[np.uint8],
) -> Iterator[Trial]:
    """Yield the result of each engine; one that cannot compute the network is left out."""
    graph = None
    if request.onnx is None:
        model = Model.load(request.model).with_window(request.window_grid.size)
        graph = network_graph(model)
    for engine in engines:
        try:
            predictor = request.predictor(engine, precision, graph)
            yield try_engine(engine, predictor, sample, labels, _TRIAL_SECONDS)[0]
        except GeosegError as error:
            log.debug("engine %s was not tried: %s", engine, error)


def _log_choice(best: Trial, trials: Sequence[Trial], precision: str, pixels: int) -> None:
    """Say which engine was chosen, and what the trial found about each of the others."""
    reference = trials[0]
    name, labels = reference.engine, "of the labels"
    if precision != "fp32":
        labels = "of the labels of fp32"
        name = f"{name} in {precision}, with {reference.agreement:.3%} {labels}"
    comparisons = ", ".join(
        f"{trial.engine} {reference.seconds / trial.seconds:.2f} times as fast with "
        f"{trial.agreement:.3%} {labels}"
        for trial in trials[1:]
    )
    log.info(
        "engine %s, chosen by a trial on %s pixels: compared with %s, %s",
        engine_name(best.engine), f"{pixels:,}", name, comparisons or "no other is installed",
    )  # fmt: skip


def read_trial_windows(request: TrialRequest, scaling: Scaling) -> TrialWindows | None:
    """Return the pixels of windows with enough valid pixels; None if there is no such window."""
    size = request.window_grid.size
    pixels = list(islice(_valid_windows(request, scaling), max(1, _SAMPLE_PIXELS // size**2)))
    if not pixels:
        return None
    return TrialWindows(np.concatenate(pixels, axis=2), size + 2 * request.margin)


def _valid_windows(request: TrialRequest, scaling: Scaling) -> Iterator[NDArray[Any]]:
    """Yield the input (bands, side, side) of windows with enough valid pixels."""
    scene, part = request.scene, request.part
    side = request.window_grid.size + 2 * request.margin
    for down, right in product(_PLACES, _PLACES):
        row, col = (
            max(0, first + round(share * (length - side)))
            for share, first, length in (
                (down, part.row, part.height), (right, part.col, part.width),
            )
        )  # fmt: skip
        window = Window(row, col, side, side)
        pixels, valid = read_window(scene, window.intersection(scene.window) or window)
        if valid.mean() >= _VALID:
            scaling.fill_invalid(pixels, valid)
            yield pad_reflect(pixels, window)
