"""The description of a run before it begins, as data and in words."""

from dataclasses import asdict, dataclass
from typing import Any

from geoseg.classification.forecast.disk import DiskNeed
from geoseg.errors import count_of, size_text


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a run would do; nothing is computed or written yet."""

    scene: str
    """Path, without credentials."""
    height: int
    """Rows of the scene (px)."""
    width: int
    """Columns of the scene (px)."""
    crs: str | None
    """Name of its CRS; None if it has none."""
    pixel_size: float | None
    """Ground size of a pixel (m); None if it is unknown."""
    input_size: tuple[int, int]
    """Rows and columns of the pixels that the network reads, of the whole scene (px)."""
    input_pixel_size: float | None
    """Ground size of a pixel that the network reads (m); None if it is unknown."""
    bands: tuple[tuple[int, str], ...]
    """Number, from 1, and name of each band that is read; "" without a name."""
    matched: str
    """How they were chosen: "given", "by name" or "by number"."""
    model: str
    """Path of the model file."""
    window: int
    """Side of a window (px)."""
    overlap: int
    """Overlap of neighbouring windows (px)."""
    windows: int
    """Windows to compute; those at the seams of chunks count once for each chunk."""
    chunk: int
    """Side of a chunk (px)."""
    chunks: int
    """Chunks of the scene, or of the shard."""
    finished: int
    """Those that an earlier try has finished."""
    engine: str
    """With its version."""
    device: str
    precision: str
    batch_size: int
    """Windows in a batch."""
    workers: int
    """Chunks that are computed at the same time."""
    worker_kind: str
    """"thread", "process" or "Dask worker"."""
    memory: int
    """Peak memory (bytes), about."""
    memory_available: int
    """Free memory of this machine (bytes)."""
    disk: DiskNeed
    disk_free: int
    """Free space where the map will be (bytes)."""
    seconds_per_window: float | None
    """Measured time of one window on one worker (s); None if no window has enough valid pixels."""
    outputs: tuple[str, ...]
    """Paths of the files."""
    complete: bool
    """Whether this run has made its map already."""
    warnings: tuple[str, ...]
    """What may spoil the map, one sentence each."""

    @property
    def seconds(self) -> float | None:
        """Estimated time that the network needs for all windows (s).

        Workers share a GPU, so more of them do not shorten it there.
        """
        if self.seconds_per_window is None:
            return None
        at_a_time = self.workers if self.device == "cpu" else 1
        return self.windows * self.seconds_per_window / at_a_time

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {**asdict(self), "seconds": self.seconds}

    def to_text(self) -> str:
        """Return the description in lines of a title and a text."""
        bands = ", ".join(f"{number} {name}".strip() for number, name in self.bands)
        size = "unknown size" if self.pixel_size is None else f"{self.pixel_size:.3g} m"
        lines = {
            "size": f"{self.height:,} x {self.width:,} px, pixels of {size}, "
            f"{self.crs or 'no CRS'}",
            "read as": self._input_text(),
            "bands": f"{bands} ({self.matched})",
            "model": self.model,
            "windows": f"{self.windows:,} to compute, of {self.window} px, overlap {self.overlap}",
            "chunks": f"{self.chunks:,} of {self.chunk} px, {self.finished:,} finished",
            "network": f"{self.engine} on {self.device}, {self.precision}, "
            f"{count_of(self.batch_size, 'window')} in a batch",
            "workers": count_of(self.workers, self.worker_kind),
            "memory": f"about {size_text(self.memory)}, "
            f"{size_text(self.memory_available)} available here",
            "time": self._time_text(),
            "disk": f"at least {size_text(self.disk.certain)}, at most "
            f"{size_text(self.disk.at_most)}, {size_text(self.disk_free)} free",
            "outputs": ", ".join(self.outputs),
        }
        if self.complete:
            lines = {"outputs": f"{lines['outputs']}: this run has made them already"}
        texts = [f"  {title:<9}{text}" for title, text in lines.items()]
        return "\n".join([self.scene, *texts, *(f"  warning  {text}" for text in self.warnings)])

    def _input_text(self) -> str:
        """Return what the network reads, in words."""
        rows, cols = self.input_size
        if self.input_pixel_size == self.pixel_size or self.input_pixel_size is None:
            return f"{rows:,} x {cols:,} px"
        return f"{rows:,} x {cols:,} px, pixels of {self.input_pixel_size:.3g} m"

    def _time_text(self) -> str:
        seconds, window_seconds = self.seconds, self.seconds_per_window
        if seconds is None or window_seconds is None:
            return "unknown, as no window of the trial has enough valid pixels"
        total = f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:.0f} min"
        if seconds >= 100 * 60:
            total = f"{seconds / 3600:.0f} h"
        per_window = f"{1000 * window_seconds:.1f} ms"
        return f"about {total} for the network ({per_window} for a window on one worker)"
