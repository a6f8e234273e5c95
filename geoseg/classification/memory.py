"""How much memory a run takes, from what its chunks hold at once.

The constants are fitted to measured peaks (benchmarks/RESULTS.md). They do not know the map: where
nearly every pixel is an area of its own, polygons take twice to three times as much.
"""

import numpy as np

from geoseg.classification.job import Job
from geoseg.model import Model
from geoseg.raster import CACHE_BYTES

_PROCESS = 480_000_000
"""Memory of the process with its libraries (bytes)."""
_CACHE = 1.45
"""GDAL's block cache at its limit, relative to that limit."""
_POLYGONS = 220_000_000
"""Memory of the code and the buffers for polygons, for the whole process (bytes)."""
_ACTIVATIONS = 10
"""Numbers (float32) that the network holds for each pixel of a batch and filter of its width."""
_SENT_AS_IS = ("uint8", "int16", "float32")
"""Dtypes that go to the network without a float32 copy."""


def run_bytes(job: Job, model: Model, workers: int) -> int:
    """Peak of a run with a number of chunks at a time (bytes)."""
    scene = job.scene
    stored = scene.height * scene.width * len(scene.bands) * np.dtype(scene.dtype).itemsize
    process = _PROCESS + int(_CACHE * min(CACHE_BYTES, stored))
    if job.polygons or job.options.cleaning.min_area:
        process += _POLYGONS
    return process + workers * chunk_bytes(job, model)


def chunk_bytes(job: Job, model: Model) -> int:
    """Memory of one chunk at work (bytes): its pixels, a batch, the scores and what they become."""
    scene, classes = job.scene, len(job.legend)
    side = job.chunk + job.lattice.size
    read = min(side, scene.height) * min(side, scene.width)
    mapped = min(job.chunk, scene.height) * min(job.chunk, scene.width)
    copied = 0 if scene.dtype in _SENT_AS_IS else 4
    pixels = read * (len(scene.bands) * (np.dtype(scene.dtype).itemsize + copied) + 1)
    each = 4 * classes + 15  # float32 scores; the best score and class so far
    if job.polygons or job.confidence or job.probabilities:
        each += 12  # scores divided by the summed weights
        each += 2 * classes if model.temperature != 1 else 0
        each += 2 * classes if job.probabilities else 0
    activations = 4 * job.batch_size * job.lattice.size**2 * _ACTIVATIONS * model.spec.width
    return pixels + mapped * each + activations
