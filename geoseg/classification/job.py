"""A run as a value: all that a chunk needs, and the identity of the run."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.classification.settings import ClassifySettings
from geoseg.grid import MapGrid, Window, WindowGrid, chunks
from geoseg.legend import Legend
from geoseg.raster import Scene, normalise_creation_options
from geoseg.version import __version__

if TYPE_CHECKING:  # reading a run folder loads no torch
    from geoseg.model import OnnxSpec, PredictorSource


SMALL_PIXELS = 8 << 20
"""Pixels that the windows of a small scene compute at most, such as 512 windows of 128 px: about
2,150 x 2,150 px of the scene at an overlap of 32 px."""


def is_small(window_grid: WindowGrid, part: Window) -> bool:
    """Whether a map takes so few seconds that preparing for a long run does not pay.

    Args:
        window_grid: windows over the input.
        part: pixels of the input that the map needs.
    """
    return window_grid.count(part) * window_grid.size**2 <= SMALL_PIXELS


@dataclass(frozen=True, slots=True)
class Job:
    """All that a chunk needs besides its pixels; small and picklable."""

    scene: Scene
    """The scene on the grid of the map."""
    input: Scene
    """The scene as the network reads it, perhaps in pixels of another size."""
    map_grid: MapGrid
    """How the map lies on the input."""
    window_grid: WindowGrid
    """The windows over the input."""
    chunk: int
    """Side of a chunk of the map (px)."""
    model: str
    """Path of the model file."""
    model_hash: str
    legend: Legend
    settings: ClassifySettings
    precision: str
    """Precision of the network: "fp32", "bf16" or "fp16"; "auto" is already replaced."""
    engine: str
    """What computes the network, with its version, such as "torch 2.9.1" or "mnn 3.6.1"."""
    device: str
    """Device that computes the run: "cpu", "cuda", "cuda:N" or "mps", never "auto"."""
    batch_size: int
    """Windows per forward pass."""
    run_folder: str = ""
    """Path of the run folder; "" if the map stays in memory."""
    with_outlines: bool = False
    """Whether parts hold the outlines of their components."""
    with_confidence: bool = False
    """Whether parts hold the confidence."""
    with_probabilities: bool = False
    """Whether parts hold the probabilities."""
    with_uncertainty: bool = False
    """Whether parts hold the uncertainty."""
    onnx: "OnnxSpec | None" = None
    """How an ONNX file is read; None for a model file of geoseg."""
    aoi: str | None = None
    """SHA-256 of the area of interest, which is saved in the run folder."""
    version: str = __version__
    """Version of geoseg that planned the run; workers must have the same, and the same engine."""

    @property
    def margin(self) -> int:
        """Pixels on each side of a window that the network reads and that get no scores."""
        return self.onnx.margin if self.onnx else 0

    @property
    def graph(self) -> Path | None:
        """File of the network of a model of geoseg in the run folder, if the engine reads one."""
        if not self.run_folder or self.onnx is not None or self.engine_without_version == "torch":
            return None
        return Path(self.run_folder) / "network.onnx"

    @property
    def engine_without_version(self) -> str:
        """The engine without its version."""
        return self.engine.partition(" ")[0]

    @property
    def predictor_source(self) -> "PredictorSource":
        """What the predictor of a worker is made from."""
        from geoseg.model import PredictorSource

        graph = self.graph
        return PredictorSource(
            path=self.model, hash=self.model_hash, window=self.window_grid.size,
            engine=self.engine_without_version, device=self.device, precision=self.precision,
            batch_size=self.batch_size, tta=self.settings.tta, onnx=self.onnx,
            graph=None if graph is None else str(graph),
        )  # fmt: skip

    @property
    def suits_processes(self) -> bool:
        """Whether workers on this machine are processes: only on the CPU, and for large scenes.

        Processes take some seconds of computing to start. Engines that hold Python's lock need
        them to use several cores, and a process that dies loses its chunk alone.
        """
        return self.device == "cpu" and not is_small(self.window_grid, self.map_grid.input_part)

    @property
    def needs_scores(self) -> bool:
        """Whether parts hold more than labels."""
        return any(self._outputs())

    def _outputs(self) -> list[bool]:
        return [
            self.with_outlines, self.with_confidence, self.with_probabilities,
            self.with_uncertainty,
        ]  # fmt: skip

    def chunks(self, window: Window | None = None) -> list[Window]:
        """The chunks of the scene, or those that share a pixel with ``window``, row-major."""
        return list(chunks(self.scene.height, self.scene.width, self.chunk, window))

    def windows(self, chunk: Window) -> list[Window]:
        """The windows over the input that a chunk of the map needs, row-major."""
        return self.window_grid.windows(self.map_grid.input_window(chunk))

    def count_windows(self, chunk: Window) -> int:
        """Number of the windows that a chunk of the map needs."""
        return self.window_grid.count(self.map_grid.input_window(chunk))

    def tags(self) -> dict[str, str]:
        """What determined the map, for the metadata of the outputs: no time and no path."""
        tags = {
            "GEOSEG_VERSION": __version__,
            "GEOSEG_MODEL": self.model_hash,
            "GEOSEG_WINDOW": str(self.window_grid.size + 2 * self.margin),
            "GEOSEG_OVERLAP": str(self.settings.overlap),
            "GEOSEG_BLEND": self.settings.blend,
            "GEOSEG_BANDS": ",".join(map(str, self.scene.bands)),
            "GEOSEG_NODATA": "" if self.scene.nodata is None else str(self.scene.nodata),
            "GEOSEG_PRECISION": self.precision,
            "GEOSEG_TTA": str(self.settings.tta).lower(),
            "GEOSEG_MIN_AREA": f"{self.settings.cleaning.min_area:g}",
        }
        if not self.map_grid.same_pixels:
            tags["GEOSEG_INPUT_SIZE"] = "{} x {}".format(*self.map_grid.input)
        if self.engine_without_version != "torch":
            tags["GEOSEG_ENGINE"] = self.engine
        if self.onnx is not None:
            mean, std = ("/".join(map(str, v)) for v in (self.onnx.mean, self.onnx.std))
            tags["GEOSEG_INPUT_MEAN"], tags["GEOSEG_INPUT_STD"] = mean, std
        return tags

    def determinants(self) -> dict[str, Any]:
        """All that the parts depend on, as plain data."""
        values = {
            "geoseg": self.version,
            "scene": self.scene.determinants(),
            "model": self.model_hash,
            "engine": self.engine,
            "overlap": self.settings.overlap,
            "blend": self.settings.blend,
            "tta": self.settings.tta,
            "aoi": self.aoi,
            "chunk": self.chunk,
            "precision": self.precision,
            "device": self.device.partition(":")[0],
            "batch size": self.batch_size,
            "window": asdict(self.window_grid),
            "outputs": self._outputs(),
        }
        if self.input != self.scene:
            values |= {"resampled": self.input.determinants(), "map grid": asdict(self.map_grid)}
        if self.onnx is not None:  # a model file of geoseg has them inside
            values |= {"input": asdict(self.onnx), "legend": self.legend.to_dict()}
        return values

    def identity(self) -> str:
        """Hash of `determinants`. Parts with another identity belong to another run."""
        return _hash(self.determinants())

    def map_identity(self) -> str:
        """Hash of all that the outputs depend on: parts, cleaning and creation options."""
        return _hash({
            "parts": self.identity(),
            "cleaning": asdict(self.settings.cleaning),
            "creation options": normalise_creation_options(self.settings.creation_options),
        })  # fmt: skip


def _hash(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
