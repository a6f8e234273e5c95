"""A run that classifies an array chunk by chunk, without files."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.classification.arrays.array_scene import NAME, ArrayPixels
from geoseg.classification.chunk import check_versions, naming_the_chunk, read_and_classify
from geoseg.classification.compute_config import ComputeRequest, resolve
from geoseg.classification.job import Job
from geoseg.classification.pixels import WindowCounter, input_of_chunk
from geoseg.classification.plan import plan_labels
from geoseg.classification.prepare.aoi import AreaOfInterest
from geoseg.classification.prepare.compatibility import match_bands
from geoseg.classification.prepare.prepared_scene import fit_scene
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.errors import RunError, check_type
from geoseg.grid import Window, bounds
from geoseg.model import AnyModel, OnnxModel, choose_engines, one_torch_thread
from geoseg.polygons import Cleaning
from geoseg.raster import Scene, window_to_read


@dataclass(frozen=True, slots=True)
class ArrayRun:
    """All that the map of a part of an array needs besides its pixels; small and picklable."""

    job: Job
    aoi: AreaOfInterest | None

    def input_window(self, chunk: Window) -> Window:
        """Return the pixels of the array that the pixels of a chunk of the map depend on."""
        job = self.job
        windows = [window_to_read(job.input, input_of_chunk(job, chunk))]
        if not job.map_grid.same_pixels:
            windows.append(window_to_read(job.scene, chunk))
        return bounds(windows)

    def classify(
        self, chunk: Window, pixels: ArrayPixels, count: WindowCounter = lambda windows: None
    ) -> dict[str, NDArray[Any]]:
        """Classify a chunk of any size at any place; the result does not depend on other chunks.

        Args:
            chunk: pixels of the map.
            pixels: at least those of `input_window`.
            count: called with the number of windows that were just computed.

        Returns:
            "labels" (height, width), and "confidence" (height, width) and "probabilities" (classes,
            height, width) if the run computes them, uint8.

        Raises:
            RunError: if this process has another version of geoseg or of the engine than the one
                that planned the run.
            ChunkError: if anything else fails.
        """
        check_versions(self.job)
        with naming_the_chunk(chunk), one_torch_thread():
            arrays, _ = read_and_classify(self.job, chunk, pixels.read, self.aoi, count)
        return arrays


def plan_array(
    scene: Scene,
    model: AnyModel,
    settings: ClassifySettings,
    execution: Execution,
    sampled: Callable[[Scene], NDArray[np.float64]],
    *,
    confidence: bool = False,
    probabilities: bool = False,
) -> tuple[ArrayRun, list[str]]:
    """Plan a run that returns arrays.

    Args:
        scene: describes the array, with all bands, see `array_scene`.
        model: the loaded model.
        settings: what determines the map.
        execution: how it is computed; engine "auto" is torch, or ONNX Runtime for an ONNX file.
        sampled: returns a sample of the valid pixels (bands, n) of a scene, see `probe_pixels`.
        confidence: whether the run computes the confidence.
        probabilities: whether the run computes the probabilities.

    Returns:
        The run, and its warnings: one sentence for each risk to the quality of the map.

    Raises:
        RunError: if a setting is for maps in files only, or does not fit the array or the model.
        SceneError: if the array does not fit the model.
        GeosegError: if the engine or the device cannot compute the model.
    """
    _check_no_files(settings, execution)
    whole = match_bands(scene, model, settings.bands)
    if settings.nodata is not None:
        whole = replace(whole, nodata=settings.nodata)
    grids, warnings = fit_scene(whole, model, settings, sampled(whole))
    aoi = None
    if settings.aoi is not None:
        aoi = AreaOfInterest.read(settings.aoi, grids.scene, settings.aoi_layer)
    onnx = model.spec if isinstance(model, OnnxModel) else None
    engines, _, _ = choose_engines(execution.engine, execution.device, settings.precision, onnx)
    execution = replace(execution, engine=engines[0])
    config = resolve(ComputeRequest.of(grids, model, settings, execution))
    job = plan_labels(grids, model, settings, execution.chunk, config)
    job = replace(job, with_confidence=confidence, with_probabilities=probabilities)
    return ArrayRun(job, aoi), warnings


def _check_no_files(settings: ClassifySettings, execution: Execution) -> None:
    """Refuse settings that only a map on disk can have."""
    check_type("execution", execution, Execution)
    if settings.crs is not None:
        raise RunError(f"{NAME} cannot be reprojected here, reproject it first and leave out crs")
    for name, given in (
        ("cleaning", settings.cleaning != Cleaning()),
        ("creation_options", settings.creation_options is not None),
        ("shard", execution.shard is not None),
        ("resume", not execution.resume),
    ):
        if given:
            raise RunError(f"{name} is for maps in files, leave it out or call geoseg.classify")
