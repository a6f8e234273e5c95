"""The second step of a run: plan what is to be computed, and what an earlier try computed."""

import heapq
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

from geoseg.classification.compute_config import ComputeConfig, ComputeRequest, agree_on, resolve
from geoseg.classification.job import Job
from geoseg.classification.outputs import Outputs
from geoseg.classification.prepare.grids import Grids
from geoseg.classification.prepare.prepared_scene import PreparedScene, prepare
from geoseg.classification.report import ClassifyReport
from geoseg.classification.run_folder.manifest import check_same_run, read_manifest
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.errors import GeosegError, SceneError, ScenesError, scene_message
from geoseg.execute import DaskCluster, Executor, StopFlag, connect, stop_at_once, stop_on_signal
from geoseg.grid import chunks
from geoseg.model import AnyModel, OnnxModel
from geoseg.raster import SceneSource, source_name

log = logging.getLogger("geoseg")

T = TypeVar("T")

_CHUNK_SIZES = (2048, 1536, 1024, 512)
_TYPICAL_WORKERS = 4
_TYPICAL_WINDOW = 128


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that may begin, or that is finished already."""

    job: Job
    prepared: PreparedScene
    report: ClassifyReport | None
    """The report of the map, if this run has made it already."""

    @property
    def outputs(self) -> Outputs:
        """The paths of the map."""
        return self.prepared.outputs


def plan_run(
    prepared: PreparedScene,
    model: AnyModel,
    settings: ClassifySettings,
    execution: Execution,
    cluster: DaskCluster | None,
    *,
    overwrite: bool,
) -> PlannedRun:
    """Plan the run of one scene. Its outputs and its run folder are read, not changed.

    Raises:
        OutputError: if an output exists that must not be replaced.
        RunError: if the run folder holds parts of another run.
    """
    outputs = prepared.outputs
    manifest = read_manifest(outputs.run_folder) if execution.resume else None
    request = ComputeRequest.of(prepared.grids, model, settings, execution)
    config = request.from_manifest(manifest or {})
    resolved = config is None
    if config is None:
        config = resolve(request) if cluster is None else cluster.map(resolve, [request])[0]
    job = plan_job(prepared, model, settings, execution.chunk, config)
    if manifest is None and not overwrite:
        report = outputs.existing_report(job.map_identity()) if execution.resume else None
        if report is not None:
            log.info("this run has made %s already; overwrite (-f) makes it again", outputs.labels)
            return PlannedRun(job, prepared, report)
        outputs.check_not_there()
    # Only now: it creates the run folder, which a refused run must not leave.
    if resolved and execution.shard is not None and execution.engine == "auto":
        config = agree_on(config, request, outputs.run_folder)
        job = plan_job(prepared, model, settings, execution.chunk, config)
    if manifest is not None:
        check_same_run(job, manifest)
    return PlannedRun(job, prepared, report=None)


def plan_job(
    prepared: PreparedScene,
    model: AnyModel,
    settings: ClassifySettings,
    chunk: int | None,
    config: ComputeConfig,
) -> Job:
    """Return the job that makes the outputs."""
    outputs, cleaning = prepared.outputs, settings.cleaning
    # Merged or simplified polygons are traced at assembly, from labels and confidence.
    from_labels = outputs.polygons is not None and bool(cleaning.min_area or cleaning.simplify)
    return replace(
        plan_labels(prepared.grids, model, settings, chunk, config),
        run_folder=str(outputs.run_folder),
        with_outlines=outputs.polygons is not None and not from_labels,
        with_confidence=outputs.confidence is not None or from_labels,
        with_probabilities=outputs.probabilities is not None,
        with_uncertainty=outputs.uncertainty is not None,
        aoi=prepared.aoi.sha256 if prepared.aoi else None,
    )


def plan_labels(
    grids: Grids,
    model: AnyModel,
    settings: ClassifySettings,
    chunk: int | None,
    config: ComputeConfig,
) -> Job:
    """Return the job that makes labels, without a run folder."""
    scene = grids.scene
    return Job(
        scene=scene,
        input=grids.input,
        map_grid=grids.map_grid,
        window_grid=grids.window_grid,
        chunk=chunk or default_chunk(scene.height, scene.width, grids.map_grid.input_pixels),
        model=str(model.path),
        model_hash=model.hash,
        legend=model.legend,
        settings=settings,
        precision=config.precision,
        engine=config.engine,
        device=config.device,
        batch_size=config.batch_size,
        onnx=model.spec if isinstance(model, OnnxModel) else None,
    )


def default_chunk(height: int, width: int, input_pixels: float = 1.0) -> int:
    """Choose the chunk side, 512 to 2048 px, with which four workers finish first.

    Of large chunks, fewer windows are computed twice; small chunks are shared out more evenly. The
    choice depends only on the pixels of the scene, so that all machines of a run agree on it.

    Args:
        height: rows of the map (px).
        width: columns of the map (px).
        input_pixels: pixels of the network's input along a side of a pixel of the map. If they are
            more than one, chunks are smaller, so that the input of one takes no more memory.
    """

    def longest_load(side: int) -> int:
        loads = [0] * _TYPICAL_WORKERS
        for chunk in chunks(height, width, side):
            work = (chunk.height + _TYPICAL_WINDOW) * (chunk.width + _TYPICAL_WINDOW)
            heapq.heapreplace(loads, loads[0] + work)
        return max(loads)

    largest = max(_CHUNK_SIZES) / max(1.0, input_pixels)
    sizes = [side for side in _CHUNK_SIZES if side <= largest] or [min(_CHUNK_SIZES)]
    return min(sizes, key=longest_load)


@contextmanager
def plan_scenes(
    inputs: Sequence[tuple[SceneSource, Outputs]],
    model: AnyModel,
    settings: ClassifySettings,
    execution: Execution,
    executor: Executor,
    *,
    overwrite: bool,
) -> Iterator[tuple[list[PlannedRun | GeosegError], DaskCluster | None, StopFlag]]:
    """Prepare and plan the runs of all scenes; a scene that cannot be used is left out.

    Yields:
        For each scene its run, or the error because of which it is left out; the cluster of the
        executor, if it has one; and the flag of a stop by a signal. Both are open in the block.

    Raises:
        GeosegError: if settings or outputs are wrong.
        InterruptedRun: if a signal requests a stop meanwhile.
    """
    with stop_on_signal() as stop:
        with stop_at_once(stop, " while the scenes are opened"):
            prepared = [
                _prepare(source, outputs, model, settings, len(inputs))
                for source, outputs in inputs
            ]
        with (
            nullcontext()
            if executor.scheduler is None
            else connect(executor.scheduler, wait=execution.wait, stop=stop)
        ) as cluster:
            runs = list[PlannedRun | GeosegError]()
            for scene in prepared:
                stop.check(" while the runs are planned")
                runs.append(
                    scene
                    if isinstance(scene, GeosegError)
                    else plan_run(scene, model, settings, execution, cluster, overwrite=overwrite)
                )
            yield runs, cluster, stop


def _prepare(
    source: SceneSource, outputs: Outputs, model: AnyModel, settings: ClassifySettings, scenes: int
) -> PreparedScene | GeosegError:
    try:
        return prepare(source, outputs, model, settings)
    except SceneError as error:
        return log_failure(source_name(source), error, scenes)


def log_failure(path: str, error: GeosegError, scenes: int) -> GeosegError:
    """Warn that a scene is left out, unless it is the only one; return its error."""
    if scenes > 1:
        log.warning("left out: %s", scene_message(path, error))
    return error


def without_failures(
    inputs: Sequence[tuple[SceneSource, Outputs]], outcomes: Sequence[T | GeosegError]
) -> list[T]:
    """Return the results of all scenes.

    Args:
        inputs: the scenes with their outputs.
        outcomes: for each of them its result, or the error because of which it has none.

    Raises:
        ScenesError: if a scene failed.
    """
    results = [outcome for outcome in outcomes if not isinstance(outcome, GeosegError)]
    failures = {
        source_name(source): outcome
        for (source, _), outcome in zip(inputs, outcomes, strict=True)
        if isinstance(outcome, GeosegError)
    }
    if failures:
        raise ScenesError(failures, results)
    return results
