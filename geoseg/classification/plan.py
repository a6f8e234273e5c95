"""Scene, model and options to a run: what is to be computed, before a pixel is touched."""

import heapq

from geoseg.classification.aoi import AreaOfInterest
from geoseg.classification.compute_config import ComputeConfig
from geoseg.classification.job import ClassifySettings, Execution, Job
from geoseg.classification.outputs import Outputs
from geoseg.errors import RunError
from geoseg.grid import WindowGrid, chunks
from geoseg.model import Model
from geoseg.raster import Scene

CHUNK_SIZES = (2048, 1536, 1024, 512)
_TYPICAL_WORKERS = 4
_TYPICAL_WINDOW = 128


def plan_job(
    scene: Scene,
    model: Model,
    options: ClassifySettings,
    execution: Execution,
    outputs: Outputs,
    arithmetic: ComputeConfig,
    area: AreaOfInterest | None,
) -> Job:
    """The run that makes the outputs.

    Raises:
        RunError: if the options do not suit the scene or the model.
    """
    cleaning = options.cleaning
    cleaning.sieve_threshold(scene.affine, scene.crs, scene.height)
    later = outputs.polygons is not None and bool(cleaning.min_area or cleaning.simplify)
    size = model.spec.window
    if options.overlap >= size:
        raise RunError(
            f"overlap {options.overlap} is not smaller than the model's window of {size} px"
        )
    job = Job(
        scene=scene,
        lattice=WindowGrid(scene.height, scene.width, size, size - options.overlap),
        chunk=execution.chunk or default_chunk(scene.height, scene.width),
        model=str(model.path),
        model_hash=model.hash,
        legend=model.legend,
        options=options,
        precision=arithmetic.precision,
        device=arithmetic.device,
        batch_size=arithmetic.batch_size,
        parts=str(outputs.parts),
        polygons=outputs.polygons is not None and not later,
        confidence=outputs.confidence is not None or later,
        probabilities=outputs.probabilities is not None,
        aoi=area.sha256 if area else None,
    )
    try:
        job.chunks()
    except ValueError as error:
        raise RunError(f"{error}, choose another --chunk") from None
    return job


def default_chunk(height: int, width: int) -> int:
    """The side of 512 to 2048 px with which four workers would be done first.

    Large chunks compute fewer windows twice, many chunks spread better. It depends on the scene
    alone, so that all machines of a run agree on it.
    """

    def last_done(side: int) -> int:
        loads = [0] * _TYPICAL_WORKERS
        for chunk in chunks(height, width, side):
            work = (chunk.height + _TYPICAL_WINDOW) * (chunk.width + _TYPICAL_WINDOW)
            heapq.heapreplace(loads, loads[0] + work)
        return max(loads)

    return min(CHUNK_SIZES, key=last_done)
