"""What computes a run: engine, device, precision and batch size, with "auto" resolved."""

import hashlib
import json
import logging
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geoseg.classification.engine_trial import TrialRequest, choose_by_trial
from geoseg.classification.prepare.grids import Grids
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.files import translate_write_errors
from geoseg.model import (
    AnyModel,
    OnnxModel,
    choose_batch,
    choose_engines,
    engine_name,
    slow_precision,
)

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Resolved device, precision, batch size and engine, recorded as they change the last bits."""

    device: str
    precision: str
    batch_size: int
    engine: str
    """With its version."""


@dataclass(frozen=True, slots=True)
class ComputeRequest:
    """The options of the user, and the input of a trial of engines; small and picklable."""

    device: str
    precision: str
    batch_size: int | None
    engine: str
    trial: TrialRequest

    @classmethod
    def of(
        cls,
        grids: Grids,
        model: AnyModel,
        settings: ClassifySettings,
        execution: Execution,
    ) -> "ComputeRequest":
        """Return the request of a run."""
        return cls(
            device=execution.device,
            precision=settings.precision,
            batch_size=execution.batch_size,
            engine=execution.engine,
            trial=TrialRequest(
                grids.input, grids.window_grid, grids.map_grid.input_part, str(model.path),
                model.hash,
                onnx=model.spec if isinstance(model, OnnxModel) else None,
                tta=settings.tta,
            ),
        )  # fmt: skip

    @property
    def hash(self) -> str:
        """Hash of all that the configuration depends on, except the scene and the machine."""
        trial = self.trial
        values = [
            self.device, self.precision, self.batch_size, self.engine, trial.model_hash,
            trial.window_grid.size, trial.tta,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]

    def from_manifest(self, manifest: dict[str, Any]) -> ComputeConfig | None:
        """Return the configuration in the manifest, if the options of the user allow it.

        So a machine without a GPU can assemble the parts of machines with GPUs, and a resumed run
        needs no new trial. None if there was no earlier try, or if it computed on another device.
        """
        keys = {"device", "precision", "batch size", "engine"}
        if not keys <= manifest.keys():
            return None
        recorded = str(manifest["engine"])
        same_device = self.device in ("auto", manifest["device"])
        if not same_device or self.engine not in ("auto", recorded.partition(" ")[0]):
            return None
        precision = manifest["precision"] if self.precision == "auto" else self.precision
        batch_size = self.batch_size or manifest["batch size"]
        return ComputeConfig(manifest["device"], precision, batch_size, recorded)


def agree_on(config: ComputeConfig, request: ComputeRequest, folder: Path) -> ComputeConfig:
    """Return the configuration of the first of the shards that start with the same request.

    Each of them may have found another engine to be the fastest, but all have to use the same.

    Args:
        config: of this shard.
        request: that it resolves.
        folder: the run folder, which is created.

    Raises:
        OutputError: if the folder cannot be written.
    """
    path = folder / f"compute-{request.hash}.json"
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".compute-{uuid.uuid4().hex}.json"
        temporary.write_text(json.dumps(asdict(config)))
        try:
            os.link(temporary, path)  # fails if the file exists, unlike a rename
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return ComputeConfig(**json.loads(path.read_text()))


def resolve(request: ComputeRequest) -> ComputeConfig:
    """Resolve "auto" on this machine.

    Raises:
        GeosegError: if this machine has no such device or engine, or it does not support the
            precision.
    """
    onnx = request.trial.onnx
    engines, device, precision = choose_engines(
        request.engine, request.device, request.precision, onnx
    )
    warning = slow_precision(precision, device.type)
    if warning:
        log.warning(warning)
    engine = engines[0]
    if len(engines) > 1:
        engine = choose_by_trial(request.trial, engines, precision)
    window = request.trial.window_grid.size
    batch = choose_batch(request.batch_size, device, window, engine=engine, onnx=onnx)
    return ComputeConfig(str(device), precision, batch, engine_name(engine))
