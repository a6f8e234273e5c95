"""Classify the pixels of a chunk, from arrays to arrays; no file is read or written."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.blend import blend, blend_batches, taper_profile, weight_sums
from geoseg.classification.job import Job
from geoseg.grid import Window, bounds
from geoseg.legend import NODATA, TOP_SCORE
from geoseg.model import Predictor, best_class, cached_predictor
from geoseg.raster import pad_reflect

WindowCounter = Callable[[int], None]
"""Called with a number of windows that are done, or that need not be computed."""


@dataclass(frozen=True, slots=True)
class InputPixels:
    """A window of the input of a run."""

    window: Window
    pixels: NDArray[Any]
    """(bands, height, width); invalid pixels may be overwritten."""
    valid: NDArray[np.bool_]
    """(height, width), True where a pixel has data."""


def input_of_chunk(job: Job, chunk: Window) -> Window:
    """Return the pixels of the input that the windows of a chunk read, with their margin.

    What they read beyond the edge is its reflection, which lies inside of these pixels.
    """
    return bounds(job.windows(chunk)).expanded(job.margin, job.input.window)


def classify_pixels(
    job: Job,
    chunk: Window,
    read: InputPixels,
    valid: NDArray[np.bool_],
    count: WindowCounter,
) -> tuple[dict[str, NDArray[Any]], int]:
    """Classify the pixels of a chunk.

    Only windows that contain a valid pixel of the chunk are computed.

    Args:
        job: the run.
        chunk: pixels of the map.
        read: the input, see `input_of_chunk`.
        valid: (height, width) of the chunk, True where the map has a class.
        count: counts the windows.

    Returns:
        "labels", "confidence", "uncertainty" (height, width) and "probabilities" (classes, height,
        width), uint8, as far as the run needs them; and the number of windows that were computed.
    """
    region, windows = job.map_grid.input_window(chunk), job.windows(chunk)
    rows, cols = job.map_grid.nearest(chunk)
    needed = valid
    if not job.map_grid.same_pixels:
        needed = np.zeros((region.height, region.width), bool)
        for row, valid_cols in zip(rows, valid, strict=True):
            needed[row, cols[valid_cols]] = True
    useful = [w for w in windows if needed[_shared(w, region)].any()]
    count(len(windows) - len(useful))
    if useful:
        predictor = cached_predictor(job.predictor_source)
        predictor.spec.scaling.fill_invalid(read.pixels, read.valid)
        padded, inputs = _padded(job, read, windows, useful)
        scale = _byte_scale(job, region) if job.needs_scores else None
        with predictor.stream():
            total = _blended(job, predictor, padded, inputs, useful, region, count)
            planes = _scores_to_planes(job, predictor, total, scale)
        if not job.map_grid.same_pixels:
            planes = planes.take(rows, axis=1).take(cols, axis=2)
    else:
        planes = np.empty((_plane_count(job), *valid.shape), np.uint8)
    planes[0][~valid] = NODATA
    planes[1:, ~valid] = 0
    arrays: dict[str, NDArray[Any]] = {"labels": planes[0]}
    if job.needs_scores:
        arrays["confidence"] = planes[1]
    if job.with_uncertainty:
        arrays["uncertainty"] = planes[2]
    if job.with_probabilities:
        arrays["probabilities"] = planes[2 + job.with_uncertainty :]
    return arrays, len(useful)


def _plane_count(job: Job) -> int:
    """Count the planes: labels; confidence; uncertainty; probabilities, as far as needed."""
    if not job.needs_scores:
        return 1
    return 2 + job.with_uncertainty + job.with_probabilities * len(job.legend)


def _shared(window: Window, outer: Window) -> tuple[slice, slice]:
    """Index of the part of a window that is inside ``outer``, in an array of ``outer``."""
    return (window.intersection(outer) or window).relative_to(outer)


def _padded(
    job: Job, read: InputPixels, windows: list[Window], useful: list[Window]
) -> tuple[NDArray[Any], list[tuple[slice, slice]]]:
    """Return the input of all windows, reflected at the edges, and the part of each useful one."""
    halo, margin = bounds(windows), job.margin
    size = Window(0, 0, halo.height + 2 * margin, halo.width + 2 * margin)
    above, left = read.window.row - halo.row + margin, read.window.col - halo.col + margin
    padded = pad_reflect(read.pixels, size, above=above, left=left)
    side = job.window_grid.size + 2 * margin
    return padded, [Window(w.row - halo.row, w.col - halo.col, side, side).slices for w in useful]


def _blended(
    job: Job,
    predictor: Predictor,
    pixels: NDArray[Any],
    inputs: list[tuple[slice, slice]],
    windows: list[Window],
    region: Window,
    count: WindowCounter,
) -> torch.Tensor:
    """Return the blended scores of a region, (classes, height, width) float32 on the device."""
    weights = taper_profile(job.settings.blend, job.window_grid.size, job.settings.overlap)
    square = predictor.to_device(np.outer(weights, weights).astype(np.float32))
    zeros, classes = predictor.zeros, predictor.spec.classes
    if predictor.by_batch:
        batches = predictor.batches(pixels, inputs, square, count)
        total = blend_batches(batches, windows, region, zeros, classes)
    else:
        scores = zip(windows, predictor.scores(pixels, inputs, count), strict=True)
        total = blend(scores, region, square, zeros, classes)
    return cast(torch.Tensor, total)


def _byte_scale(job: Job, region: Window) -> NDArray[np.float32]:
    """Return the factors that scale the scores of a region of the input to bytes, float32."""
    weights = taper_profile(job.settings.blend, job.window_grid.size, job.settings.overlap)
    rows = weight_sums(job.window_grid.rows, weights, region.row, region.row_end)
    cols = weight_sums(job.window_grid.cols, weights, region.col, region.col_end)
    return (TOP_SCORE / np.outer(rows, cols)).astype(np.float32)


def _scores_to_planes(
    job: Job,
    predictor: Predictor,
    total: torch.Tensor,
    byte_scale: NDArray[np.float32] | None,
) -> NDArray[np.uint8]:
    """Take the best class, and turn scores into bytes, on the device; copy all bytes at once.

    ``byte_scale`` is None if only the labels are needed.

    Returns:
        (planes, height, width), see `_plane_count`.
    """
    labels, best = best_class(total, job.legend.values)
    size = (_plane_count(job), *labels.shape)
    outputs = torch.empty(size, dtype=torch.uint8, device=predictor.device)
    outputs[0] = labels
    if byte_scale is not None:
        scale = predictor.to_device(byte_scale)
        if predictor.temperature != 1:
            total = predictor.apply_temperature(total)
            best, scale = total.amax(0), torch.full_like(scale, TOP_SCORE)
        outputs[1].copy_((best * scale).round_().clamp_(0, TOP_SCORE))
        if job.with_uncertainty:
            outputs[2].copy_((1 + 254 * relative_entropy(total)).round_().clamp_(1, 255))
        for plane, scores in zip(outputs[2 + job.with_uncertainty :], total, strict=False):
            plane.copy_((scores * scale).round_().clamp_(0, TOP_SCORE))
    copied: NDArray[np.uint8] = predictor.to_host(outputs)
    return copied


def relative_entropy(scores: torch.Tensor) -> torch.Tensor:
    """Return the entropy of each pixel, relative to that of equal scores.

    The classes are added one after the other, so that the bits depend on no other pixel.

    Args:
        scores: (classes, height, width) float32, at least 0, of any sum.

    Returns:
        (height, width) float32 on the same device, 0 where one class has all, 1 where all classes
        have the same score; 0 for a single class.
    """
    total, entropy = torch.zeros_like(scores[0]), torch.zeros_like(scores[0])
    for score in scores:
        total += score
    total.clamp_(min=torch.finfo(scores.dtype).tiny)
    for score in scores:
        share = score / total
        entropy -= torch.xlogy(share, share)
    return entropy / math.log(max(2, len(scores)))
