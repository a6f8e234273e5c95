"""Classify an array in memory: no files, no run folder."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geoseg.classification.arrays.array_run import plan_array
from geoseg.classification.arrays.array_scene import NAME, ArrayPixels, array_scene
from geoseg.classification.job import Job
from geoseg.classification.memory import default_workers
from geoseg.classification.prepare.prepared_scene import load_model
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.errors import SceneError, check_type
from geoseg.execute import Executor, Progress, ProgressCounter, map_threads
from geoseg.grid import Window
from geoseg.legend import NODATA, Legend
from geoseg.model import DEFAULT, Model, one_torch_thread
from geoseg.raster import probe_pixels

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True, eq=False)
class ClassifiedArray:
    """The map of an array, as arrays."""

    labels: NDArray[np.uint8]
    """(height, width), values of the legend, 255 = no data."""
    confidence: NDArray[np.uint8] | None
    """(height, width), score of the best class, 1..255, 0 = no data; None if not asked for."""
    probabilities: NDArray[np.uint8] | None
    """(classes, height, width), scores of all classes, 0..255; None if not asked for."""
    legend: Legend
    transform: Affine
    """Pixel (col, row) to CRS units."""
    crs: str | None
    """WKT, None if the array has none."""
    model_hash: str
    """Hash of the model."""


def classify_array(  # noqa: PLR0913 - all but one are keyword-only
    array: NDArray[Any],
    *,
    transform: Affine | Sequence[float] | None = None,
    crs: object = None,
    nodata: float | None = None,
    valid: NDArray[np.bool_] | None = None,
    band_names: Sequence[str] | None = None,
    model: Model | str | Path = DEFAULT,
    confidence: bool = False,
    probabilities: bool = False,
    settings: ClassifySettings = ClassifySettings(),
    execution: Execution = Execution(),
    workers: int | None = None,
    progress: Progress | None = None,
) -> ClassifiedArray:
    """Classify an array; nothing is written.

    Law: the labels, confidence and probabilities are those that `classify` writes for a GeoTIFF
    with the same pixels, on the same engine and device, byte for byte.

    The array is not copied: besides it, memory holds the result and the chunks being computed.

    Args:
        array: (bands, height, width), integers or floats. A pixel is invalid if a band is not
            finite, or if all bands are masked or have the nodata value.
        transform: affine coefficients a..f, pixel (col, row) to CRS units, such as those of
            rasterio; None for the identity.
        crs: CRS in any form that pyproj reads, such as "EPSG:32640"; None if there is none, and
            then the size of the pixels is unknown.
        nodata: nodata value of the array; None if it has none. ``settings.nodata`` replaces it.
        valid: (height, width) bool, False where a pixel is invalid; None if only the values decide.
        band_names: names of the bands, such as "red"; bands are then found by their names.
        model: see `classify`.
        confidence: whether to return the confidence.
        probabilities: whether to return the probabilities.
        settings: what determines the map; ``crs``, ``cleaning`` and ``creation_options`` are for
            files.
        execution: how it is computed. Engine "auto" is torch, or ONNX Runtime for an ONNX file;
            others are not tried.
        workers: chunks that are computed at the same time, in threads, at least 1; None for as many
            as processors and memory allow.
        progress: called with "windows", the number done and the total.

    Raises:
        SceneError: if the array or its description (transform, CRS, nodata, valid, names) is wrong,
            or does not fit the model.
        RunError: if a setting is for maps in files only, or does not fit the array or the model.
        ModelError: as `classify` does.
        ChunkError: if a chunk fails; the message names the chunk and the cause.
    """
    executor = Executor(workers)
    _check_arrays(array, valid)
    scene = array_scene(
        array.shape, array.dtype, transform=transform, crs=crs, nodata=nodata,
        band_names=band_names,
    )  # fmt: skip
    pixels = ArrayPixels(array, valid, scene.window)
    check_type("settings", settings, ClassifySettings)
    loaded = load_model(model, settings)
    run, warnings = plan_array(
        scene, loaded, settings, execution, partial(probe_pixels, read=pixels.read),
        confidence=confidence, probabilities=probabilities,
    )  # fmt: skip
    for warning in warnings:
        log.warning(warning)
    job = run.job
    outputs = _allocate(job)
    chunks = job.chunks()
    total = sum(job.count_windows(chunk) for chunk in chunks)
    windows_done = ProgressCounter(progress, "windows", total)

    def classify(chunk: Window) -> None:
        arrays = run.classify(chunk, pixels, windows_done.add)
        for name, output in outputs.items():
            output[(..., *chunk.slices)] = arrays[name]

    with one_torch_thread():
        map_threads(classify, chunks, executor.workers or default_workers(job, loaded))
    labels = outputs["labels"]
    if (labels == NODATA).all():
        log.warning("no pixel of %s is valid, so the map is empty: check bands and nodata", NAME)
    return ClassifiedArray(
        labels=labels,
        confidence=outputs.get("confidence"),
        probabilities=outputs.get("probabilities"),
        legend=job.legend,
        transform=job.scene.affine,
        crs=job.scene.crs,
        model_hash=job.model_hash,
    )


def _check_arrays(array: NDArray[Any], valid: NDArray[np.bool_] | None) -> None:
    """Refuse values that are no arrays, and a mask of another size."""
    for name, value in (("the array", array), ("valid", valid)):
        given: object = value
        if given is not None and not isinstance(given, np.ndarray):
            raise SceneError(f"{name} is a {type(given).__name__}, give a NumPy array (np.asarray)")
    if valid is not None and (valid.shape != array.shape[1:] or valid.dtype != bool):
        raise SceneError(
            f"valid is {' x '.join(map(str, valid.shape))} of {valid.dtype}, it must be bool and "
            f"have the height and the width of {NAME}, {' x '.join(map(str, array.shape[1:]))}"
        )


def _allocate(job: Job) -> dict[str, NDArray[np.uint8]]:
    """Return an empty array for each output of a job, by name."""
    size = (job.scene.height, job.scene.width)
    outputs = {"labels": np.empty(size, np.uint8)}
    if job.with_confidence:
        outputs["confidence"] = np.empty(size, np.uint8)
    if job.with_probabilities:
        outputs["probabilities"] = np.empty((len(job.legend), *size), np.uint8)
    return outputs
