"""Settings of a classification: what determines the map, and how it is computed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from geoseg.blend import TAPERS, Taper
from geoseg.errors import RunError, check_list, check_type
from geoseg.execute import WORKER_TIMEOUT
from geoseg.grid import CHUNK_BLOCK
from geoseg.polygons import Cleaning
from geoseg.raster import check_compression, normalise_creation_options


@dataclass(frozen=True, slots=True)
class ClassifySettings:
    """What determines the map, besides the scene and the model.

    Raises:
        GeosegError: if a value is of another type.
        RunError: if a value is out of range.
        OutputError: if a creation option is unknown or could change the pixels.
    """

    overlap: int = 32
    """Overlap of neighbouring windows (px), at least 0 and less than the window of the model."""
    blend: Taper = "hann"
    """How the weights of a window fall over the overlap, see `geoseg.blend.taper_profile`."""
    bands: tuple[int | str, ...] | None = None
    """Bands of the scene, by number (from 1) or name, in the model's order; None to match them by
    name or number."""
    nodata: float | None = None
    """Nodata value; None for that of the scene."""
    precision: str = "auto"
    """fp32, bf16 or fp16; "auto" is fp32 on a CPU and on `mps`, bf16 or else fp16 on CUDA."""
    tta: bool = False
    """Average over the eight symmetries of the square; takes eight times as long."""
    legend: str | None = None
    """File of the classes of an ONNX model, one for each output channel in ascending order of
    value; None for those of its metadata."""
    window: int | None = None
    """Side of the windows (px), at least 1: a multiple of 32 (16 for the reference network), and
    for an ONNX model any side that it can compute. None for that of the model."""
    input_mean: tuple[float, ...] | None = None
    """An ONNX model reads (scene value - mean) / std: one number for all bands or one for each;
    None for those of its metadata, or for 0 if only the std is given."""
    input_std: tuple[float, ...] | None = None
    """See `input_mean`; above 0. None for those of the metadata, or for 1 if only the mean is
    given."""
    resolution: float | Literal["scene", "model"] | None = None
    """Ground size of the pixels that the network reads (m), or "scene" for the pixels as they are,
    or "model" for the size of the training. None for "model" if the pixels are more than a quarter
    smaller or larger than in the training, unless they are more than four times as large."""
    grid: Literal["scene", "model"] = "scene"
    """Pixels of the map: "scene" for those of the scene, whose classes are the nearest ones, or
    "model" for those that the network reads."""
    crs: str | None = None
    """CRS of the map, such as "EPSG:32640", to which the scene is warped as it is read; None for
    that of the scene."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east and north of the map, which is cut to the pixels that the box touches."""
    bbox_crs: str | None = None
    """CRS of `bbox`; None for that of the map."""
    aoi: str | None = None
    """Area of interest, a vector file; pixels whose centre is outside its polygons are nodata."""
    aoi_layer: str | None = None
    """Layer of this file; None for the first layer with geometries."""
    cleaning: Cleaning = Cleaning()
    """``min_area`` applies to labels and polygons, the rest to polygons only."""
    creation_options: Mapping[str, str] | None = None
    """Creation options of the GeoTIFFs for GDAL's COG driver, such as {"COMPRESS": "ZSTD"}, see
    `geoseg.raster.normalise_creation_options`; None for DEFLATE in blocks of 512 px."""

    def __post_init__(self) -> None:
        self._check_types()
        if self.overlap < 0:
            raise RunError(f"overlap is {self.overlap} px, it must be at least 0")
        if self.blend not in TAPERS:
            raise RunError(f"unknown blend {self.blend!r}, use one of {', '.join(TAPERS)}")
        if self.window is not None and self.window < 1:
            raise RunError(f"window is {self.window} px, it must be at least 1")
        if isinstance(self.resolution, int | float) and not 0 < self.resolution < math.inf:
            raise RunError(f"resolution is {self.resolution:g} m, it must be above 0")
        if isinstance(self.resolution, str) and self.resolution not in ("scene", "model"):
            raise RunError(
                f"unknown resolution {self.resolution!r}, use scene, model or a number of metres"
            )
        if self.grid not in ("scene", "model"):
            raise RunError(f"unknown grid {self.grid!r}, use scene or model")
        if self.aoi_layer is not None and self.aoi is None:
            raise RunError(
                "aoi_layer (--aoi-layer) is a layer of an area of interest, give one (aoi, --aoi)"
            )
        self._check_bbox()
        normalise_creation_options(self.creation_options)

    def _check_bbox(self) -> None:
        if self.bbox is None:
            if self.bbox_crs is not None:
                raise RunError(
                    "bbox_crs (--bbox-crs) is the CRS of a bbox, give one (bbox, --bbox)"
                )
            return
        if not all(map(math.isfinite, self.bbox)):
            raise RunError(f"bbox is {self.bbox}, give four finite numbers (bbox, --bbox)")
        if not (self.bbox[0] < self.bbox[2] and self.bbox[1] < self.bbox[3]):
            raise RunError("bbox is not west, south, east, north in this order (bbox, --bbox)")

    def _check_types(self) -> None:
        """Refuse types that would be read as something else, or found only when pixels are read."""
        if self.bands is not None:
            check_list("bands", self.bands)
        check_type("tta", self.tta, bool)
        nodata: object = self.nodata
        if isinstance(nodata, np.number):
            object.__setattr__(self, "nodata", float(nodata))
        elif not isinstance(nodata, int | float | None):
            raise RunError(f"nodata is {self.nodata!r}, give a number (nodata, --nodata)")
        box: object = self.bbox
        if box is not None and not (isinstance(box, Sequence | np.ndarray) and len(box) == 4):
            raise RunError(f"bbox is {box}, give west, south, east and north (bbox, --bbox)")
        if self.creation_options is not None:
            check_type("creation_options", self.creation_options, Mapping)


@dataclass(frozen=True, slots=True)
class Execution:
    """How a map is computed, besides workers and scheduler.

    Engine, device and batch size can change the last bits of the scores, and so the class of a few
    pixels.

    Raises:
        RunError: if a value is out of range, or ``shard`` and ``resume`` contradict each other.
    """

    device: str = "auto"
    """"cpu", "cuda", "cuda:N" or "mps" (the GPU of an Apple computer); "auto" is the first of
    "cuda", "mps" and "cpu" that the machine has."""
    engine: str = "auto"
    """What computes the network: "torch", "onnxruntime", "openvino" or "mnn". "auto" is torch, and
    for an ONNX file ONNX Runtime; for a large scene on a CPU, in fp32, it tries those that are
    installed, and takes the fastest whose labels agree on at least 99.99 % of the pixels."""
    batch_size: int | None = None
    """Windows per forward pass, at least 1. None: with torch as many as have 131,072 px on a CPU (8
    of 128 px or 2 of 256 px) and 4,194,304 px on a GPU; with other engines 1, or the fixed number
    of an ONNX file."""
    chunk: int | None = None
    """Side of a chunk (px), a multiple of 512; None for 512 to 2048 by the size of the scene."""
    wait: float = WORKER_TIMEOUT
    """Seconds without a Dask worker after which the run is interrupted, at least 0."""
    shard: tuple[int, int] | None = None
    """(i, n): compute only the i-th of n shards of the chunks, from 1, and do not assemble."""
    resume: bool = True
    """Keep finished chunks of the same run; False deletes all chunks and starts again."""

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise RunError(f"batch size is {self.batch_size} windows, it must be at least 1")
        if self.chunk is not None and (self.chunk < 1 or self.chunk % CHUNK_BLOCK):
            raise RunError(
                f"chunk size {self.chunk} is not a positive multiple of {CHUNK_BLOCK}, "
                "choose another (chunk, --chunk)"
            )
        if not self.wait >= 0:  # NaN is not either
            raise RunError(
                f"the time to wait is {self.wait:g} s, it must be at least 0 (wait, --wait)"
            )
        if self.shard is None:
            return
        number, count = self.shard
        if not 1 <= number <= count:
            raise RunError(
                f"shard {number}/{count} does not exist, count from 1/{count} to {count}/{count}"
            )
        if not self.resume:
            raise RunError(
                "a shard cannot start again for all shards, leave out resume=False (--no-resume)"
            )

    @property
    def shard_label(self) -> str:
        """What this process computes, for messages."""
        return "shard {}/{}".format(*self.shard) if self.shard else "a whole run"


def check_settings(settings: ClassifySettings, execution: Execution) -> None:
    """Refuse settings of another type, and a compression that this GDAL does not have.

    Raises:
        GeosegError: if they are of another type.
        OutputError: if GDAL was built without the compression.
    """
    check_type("settings", settings, ClassifySettings)
    check_type("execution", execution, Execution)
    check_compression(normalise_creation_options(settings.creation_options))
