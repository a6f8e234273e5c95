"""Training in several processes, each with its share of every batch: DDP under torchrun."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from geoseg.errors import GeosegError
from geoseg.model import SMP, Network, choose_device

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """This process and the number of processes that train together."""

    rank: int = 0
    """Number of this process, from 0."""
    world_size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Number of this process on its machine, which is the number of its GPU."""
    local_size: int = 1
    """Number of processes on its machine, which share the memory."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and the log."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Return the device of this process: with several GPUs, each process has its own.

        Raises:
            GeosegError: if this machine has no such device.
        """
        device = choose_device(name)
        if self.world_size > 1 and name == "auto" and device.type == "mps":
            return choose_device("cpu")  # Gloo, which connects the processes, has no `mps`
        own_gpu = self.world_size > 1 and device.type == "cuda" and ":" not in name
        return choose_device(f"cuda:{self.local_rank}") if own_gpu else device

    def local_batch(self, size: int) -> NDArray[np.int64]:
        """Return the places in a batch for this process; the first place if none remains for it."""
        own = np.arange(self.rank, size, self.world_size)
        return own if len(own) else np.zeros(1, np.int64)

    def share_statistics(self, network: Network, device: torch.device) -> Network:
        """Return a network that normalises a batch over all processes, which only GPUs can.

        On a CPU each process normalises its own windows.
        """
        if self.world_size == 1 or device.type != "cuda":
            return network
        return torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-any-return]

    def wrap_network(self, network: Network) -> torch.nn.Module:
        """Return a network whose gradients are averaged over the processes."""
        if self.world_size == 1:
            return network
        # Some encoders of smp have layers for classification, which get no gradient.
        unused = network.spec.encoder.startswith(SMP)
        return DistributedDataParallel(network, find_unused_parameters=unused)

    def call_on_main(self, function: Callable[[], T]) -> T:
        """Call a function in the main process, and return its result in all processes.

        Raises:
            GeosegError: in all processes, if the function raises it.
        """
        if self.world_size == 1:
            return function()
        result: list[T | GeosegError | None] = [None]
        if self.is_main:
            try:
                result[0] = function()
            except GeosegError as error:
                result[0] = error
        distributed.broadcast_object_list(result)
        if isinstance(result[0], GeosegError):
            raise result[0]
        return result[0]  # type: ignore[return-value]

    def copy_from_main(self, network: Network) -> None:
        """Give the statistics of batch normalisation of the main process to all processes."""
        if self.world_size > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)

    def all_reduce_sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes."""
        if self.world_size > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether a flag is set in one of the processes; all processes must call this."""
        if self.world_size == 1:
            return flag
        return bool(self.all_reduce_sum(torch.tensor(int(flag), device=device)))


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """Join the process group of torchrun, if torchrun started this process.

    ``device`` is that of `train`; it selects the backend (NCCL for GPUs, else Gloo).
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield ProcessGroup()
        return
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # other launchers do not set it
    group = ProcessGroup(rank, world_size, local_rank, local_size)
    own_device = group.device(device)
    if own_device.type == "cuda":
        torch.cuda.set_device(own_device)
    distributed.init_process_group("nccl" if own_device.type == "cuda" else "gloo")
    try:
        yield group
    finally:
        distributed.destroy_process_group()
