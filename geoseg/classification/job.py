"""What a run is: values that travel to wherever a chunk is computed, and their identity."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from geoseg.blend import TAPERS, Taper
from geoseg.errors import RunError
from geoseg.execute import WORKER_TIMEOUT
from geoseg.grid import Window, WindowGrid, chunks
from geoseg.legend import Legend
from geoseg.polygons import Cleaning
from geoseg.raster import Scene
from geoseg.version import __version__


@dataclass(frozen=True, slots=True)
class ClassifySettings:
    """What determines the map, besides the scene and the model.

    Raises:
        RunError: if a value is out of range.
    """

    overlap: int = 32
    """Pixels that neighbouring windows share."""
    blend: Taper = "hann"
    bands: tuple[int, ...] | None = None
    """Bands of the scene, from 1, in the model's order; None to match them by name or number."""
    nodata: float | None = None
    """Overrides the scene's own nodata value."""
    precision: str = "auto"
    """fp32, bf16 or fp16; "auto" is fp32 on a CPU and bf16 (or fp16) on a GPU."""
    tta: bool = False
    """Average over the eight symmetries of the square: eight times the work."""
    aoi: str | None = None
    """Vector file; pixels whose centre lies outside of its polygons become nodata."""
    aoi_layer: str | None = None
    """Layer of this file, for files with several; None for the first one with geometries."""
    cleaning: Cleaning = Cleaning()
    """Its least area is that of the labels, too; the rest is of the polygons alone."""

    def __post_init__(self) -> None:
        if self.overlap < 0:
            raise RunError(f"overlap {self.overlap} is negative")
        if self.blend not in TAPERS:
            raise RunError(f"unknown blend {self.blend!r}, use one of {', '.join(TAPERS)}")


@dataclass(frozen=True, slots=True)
class Execution:
    """How, when and where a run is computed: nothing here changes the map."""

    device: str = "auto"
    batch_size: int | None = None
    """Windows per forward pass; None for what suits the device."""
    chunk: int | None = None
    """Side of a chunk (px), a multiple of 512; None for what suits the scene."""
    workers: int | None = None
    """Chunks at a time; None for what processors and memory allow."""
    scheduler: str | None = None
    """Address (tcp://, tls://) or file of a Dask scheduler, whose workers see the same files."""
    wait: float = WORKER_TIMEOUT
    """Seconds to go without a Dask worker before giving up."""
    shard: tuple[int, int] | None = None
    """(i, n): compute only the i-th of n shares of the chunks, from 1, and do not assemble."""
    resume: bool = True
    """Keep parts of the same run; False to delete any parts and start again."""

    @property
    def share(self) -> str:
        """The part of the run that this process does, in words."""
        return "shard {}/{}".format(*self.shard) if self.shard else "a whole run"


@dataclass(frozen=True, slots=True)
class Job:
    """All that `classify_chunk` needs besides the chunk; small, picklable."""

    scene: Scene
    lattice: WindowGrid
    chunk: int
    """Side of a chunk (px)."""
    model: str
    """Path of the model file."""
    model_hash: str
    legend: Legend
    options: ClassifySettings
    precision: str
    """What the options' precision means on the device."""
    device: str
    batch_size: int
    parts: str
    """Folder of the parts."""
    polygons: bool
    """Whether chunks leave the outlines of their areas."""
    confidence: bool
    """Whether chunks leave the confidence."""
    probabilities: bool
    aoi: str | None = None
    """Checksum of the area of interest, which lies with the parts."""
    geoseg: str = __version__
    """Version that planned the run; all that work on it have the same."""

    def chunks(self, area: Window | None = None) -> list[Window]:
        """The chunks of the scene, or those that share a pixel with ``area``, row-major."""
        return list(chunks(self.scene.height, self.scene.width, self.chunk, area))

    def tags(self) -> dict[str, str]:
        """What determined the map, for the output's metadata: no time, no place."""
        return {
            "GEOSEG_VERSION": __version__,
            "GEOSEG_MODEL": self.model_hash,
            "GEOSEG_OVERLAP": str(self.options.overlap),
            "GEOSEG_BLEND": self.options.blend,
            "GEOSEG_BANDS": ",".join(map(str, self.scene.bands)),
            "GEOSEG_NODATA": "" if self.scene.nodata is None else str(self.scene.nodata),
            "GEOSEG_PRECISION": self.precision,
            "GEOSEG_TTA": str(self.options.tta).lower(),
            "GEOSEG_MIN_AREA": f"{self.options.cleaning.min_area:g}",
        }

    def plan(self) -> dict[str, Any]:
        """All that parts of the run depend on, as plain data."""
        scene = self.scene.to_dict()
        path = scene.pop("path")
        if self.scene.modified is None and self.scene.etag is None:
            scene["path"] = path
        return {
            "geoseg": self.geoseg,
            "scene": scene,
            "model": self.model_hash,
            "overlap": self.options.overlap,
            "blend": self.options.blend,
            "tta": self.options.tta,
            "aoi": self.aoi,
            "chunk": self.chunk,
            "precision": self.precision,
            "device": self.device.partition(":")[0],
            "batch size": self.batch_size,
            "window": asdict(self.lattice),
            "outputs": [self.polygons, self.confidence, self.probabilities],
        }

    def map_identity(self) -> str:
        """Hash of all that the outputs depend on: the parts, and what is made of them."""
        made = {"parts": self.identity(), "cleaning": asdict(self.options.cleaning)}
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]

    def identity(self) -> str:
        """Hash of `plan`: parts with another one are of another run."""
        return hashlib.sha256(json.dumps(self.plan(), sort_keys=True).encode()).hexdigest()[:16]
