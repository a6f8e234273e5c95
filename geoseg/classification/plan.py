"""The second step of a run: plan what is to be computed, and what an earlier try computed."""

import heapq
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from geoseg.classification.job import Job
from geoseg.classification.outputs import Outputs
from geoseg.classification.prepare import PreparedScene
from geoseg.classification.report import ClassifyReport
from geoseg.classification.run_folder.lock import run_lock
from geoseg.classification.run_folder.manifest import (
    check_same_run,
    read_manifest,
    remove_run_folder,
)
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.execute import DaskCluster
from geoseg.files import check_not_there
from geoseg.grid import WindowGrid, chunks
from geoseg.model import (
    AnyModel,
    OnnxModel,
    choose_batch,
    choose_engine,
    engine_name,
    slow_precision,
)

log = logging.getLogger("geoseg")

_CHUNK_SIZES = (2048, 1536, 1024, 512)
_TYPICAL_WORKERS = 4
_TYPICAL_WINDOW = 128


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Resolved device, precision, batch size and engine, recorded as they change the last bits."""

    device: str
    precision: str
    batch_size: int
    engine: str

    @classmethod
    def resolve(
        cls, device: str, precision: str, batch_size: int | None, window: int,
        onnx: OnnxModel | None = None,
    ) -> "ComputeConfig":  # fmt: skip
        """Resolve "auto" on this machine, for an ONNX file or for a network of geoseg.

        ``window`` is the side of a window (px).

        Raises:
            GeosegError: if this machine has no such device or engine, or the device no such
                precision.
        """
        spec = None if onnx is None else onnx.spec
        chosen, resolved = choose_engine(device, precision, spec)
        engine = engine_name(None if onnx is None else onnx.path)
        warning = slow_precision(resolved, chosen.type)
        if warning:
            log.warning(warning)
        batch = choose_batch(batch_size, chosen, window, spec)
        return cls(str(chosen), resolved, batch, engine)

    @classmethod
    def from_manifest(
        cls, manifest: dict[str, Any], device: str, precision: str, batch_size: int | None
    ) -> "ComputeConfig | None":
        """Return what an earlier try of the run resolved; None unless the device is "auto".

        So a machine without a GPU can assemble the parts of machines with GPUs.
        """
        keys = {"device", "precision", "batch size", "engine"}
        if device != "auto" or not keys <= manifest.keys():
            return None
        recorded = manifest["precision"] if precision == "auto" else precision
        batch_size = batch_size or manifest["batch size"]
        return cls(manifest["device"], recorded, batch_size, manifest["engine"])


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
    manifest = read_manifest(outputs.parts) if execution.resume else None
    device, precision, batch_size = execution.device, settings.precision, execution.batch_size
    config = ComputeConfig.from_manifest(manifest or {}, device, precision, batch_size)
    if config is None:
        onnx = model if isinstance(model, OnnxModel) else None
        window = model.spec.window
        resolve = partial(ComputeConfig.resolve, device, precision, window=window, onnx=onnx)
        config = resolve(batch_size) if cluster is None else cluster.map(resolve, [batch_size])[0]
    job = plan_job(prepared, model, settings, execution.chunk, config)
    if manifest is not None:
        check_same_run(job, manifest)
    elif not overwrite:
        report = _existing_map(job, outputs) if execution.resume else None
        if report is not None:
            return PlannedRun(job, prepared, report)
        for path in outputs.requested():
            check_not_there(path, overwrite=False)
    return PlannedRun(job, prepared, report=None)


def plan_job(
    prepared: PreparedScene,
    model: AnyModel,
    settings: ClassifySettings,
    chunk: int | None,
    config: ComputeConfig,
) -> Job:
    """Return the job that makes the outputs."""
    scene, outputs, cleaning = prepared.scene, prepared.outputs, settings.cleaning
    # Merged or simplified polygons are traced at assembly, from labels and confidence.
    from_labels = outputs.polygons is not None and bool(cleaning.min_area or cleaning.simplify)
    window = model.spec.window
    return Job(
        scene=scene,
        window_grid=WindowGrid(scene.height, scene.width, window, window - settings.overlap),
        chunk=chunk or default_chunk(scene.height, scene.width),
        model=str(model.path),
        model_hash=model.hash,
        legend=model.legend,
        settings=settings,
        precision=config.precision,
        engine=config.engine,
        device=config.device,
        batch_size=config.batch_size,
        onnx=model.spec if isinstance(model, OnnxModel) else None,
        parts=str(outputs.parts),
        polygons=outputs.polygons is not None and not from_labels,
        confidence=outputs.confidence is not None or from_labels,
        probabilities=outputs.probabilities is not None,
        aoi=prepared.aoi.sha256 if prepared.aoi else None,
    )


def default_chunk(height: int, width: int) -> int:
    """Choose the chunk side, 512 to 2048 px, with which four workers finish first.

    Of large chunks, fewer windows are computed twice; small chunks are shared out more evenly. The
    choice depends only on the size of the scene, so that all machines of a run agree on it.

    Args:
        height: rows of the scene (px).
        width: columns of the scene (px).
    """

    def longest_load(side: int) -> int:
        loads = [0] * _TYPICAL_WORKERS
        for chunk in chunks(height, width, side):
            work = (chunk.height + _TYPICAL_WINDOW) * (chunk.width + _TYPICAL_WINDOW)
            heapq.heapreplace(loads, loads[0] + work)
        return max(loads)

    return min(_CHUNK_SIZES, key=longest_load)


def _existing_map(job: Job, outputs: Outputs) -> ClassifyReport | None:
    """Return the report of the map, if this run has made it already."""
    report = outputs.existing_report(job.map_identity())
    if report is not None:
        log.info("this run has made %s already; overwrite (-f) makes it again", outputs.labels)
        if outputs.parts.exists():  # the run was killed while it deleted its parts
            with run_lock(outputs.parts, "clearing", exclusive=True):
                remove_run_folder(outputs.parts)
    return report
