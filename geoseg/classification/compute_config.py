"""How a run computes: the same wherever it goes on, because it shows in the last bit."""

import logging
from dataclasses import dataclass
from pathlib import Path

from geoseg.classification.run_folder.manifest import read_manifest
from geoseg.model import CPU_BATCH, GPU_BATCH, choose_device, choose_precision, slow_precision

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Device, precision and batch, none of them "auto"."""

    device: str
    precision: str
    batch_size: int

    @classmethod
    def here(cls, device: str, precision: str, batch_size: int | None) -> "ComputeConfig":
        """What the options mean on this machine.

        Raises:
            GeosegError: if there is no such device here, or precision on it.
        """
        chosen = choose_device(device)
        usual = CPU_BATCH if chosen.type == "cpu" else GPU_BATCH
        settled = choose_precision(precision, chosen)
        slow = slow_precision(settled, chosen.type)
        if slow:
            log.warning(slow)
        return cls(str(chosen), settled, batch_size or usual)

    @classmethod
    def recorded(
        cls, folder: Path, device: str, precision: str, batch_size: int | None
    ) -> "ComputeConfig | None":
        """What an earlier try of a run settled on, if the options leave the device open.

        So a machine without a GPU can assemble what machines with GPUs have computed.
        """
        plan = read_manifest(folder) if device == "auto" else None
        if plan is None or not {"device", "precision", "batch size"} <= plan.keys():
            return None
        settled = plan["precision"] if precision == "auto" else precision
        return cls(plan["device"], settled, batch_size or plan["batch size"])
