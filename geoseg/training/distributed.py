"""One run in several processes, each with its share of every batch: torch's DDP under torchrun."""

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
from geoseg.model import UNet, choose_device

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """This process among those that train together."""

    rank: int = 0
    """Its number; the one with 0 validates what is written and writes it."""
    count: int = 1
    local: int = 0
    """Its number on this machine, and so its GPU."""

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """The device of this process: of several GPUs, each takes its own.

        Raises:
            GeosegError: if there is no such device here.
        """
        device = choose_device(name)
        own = self.count > 1 and device.type == "cuda" and ":" not in name
        return choose_device(f"cuda:{self.local}") if own else device

    def share(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's tiles of a batch; the first one where there are fewer than processes."""
        mine = batch[self.rank :: self.count]
        return mine if len(mine) else batch[:1]

    def wrap(self, network: UNet) -> torch.nn.Module:
        """The network with gradients averaged over the processes."""
        return network if self.count == 1 else DistributedDataParallel(network)

    def from_first(self, function: Callable[[], T]) -> T:
        """What a function returns in the first process, which alone calls it, in every process.

        Raises:
            GeosegError: in every process, if the function raises it in the first one.
        """
        if self.count == 1:
            return function()
        answer: list[T | GeosegError | None] = [None]
        if self.first:
            try:
                answer[0] = function()
            except GeosegError as error:
                answer[0] = error
        distributed.broadcast_object_list(answer)
        if isinstance(answer[0], GeosegError):
            raise answer[0]
        return answer[0]  # type: ignore[return-value]

    def total(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        if self.count > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started with this one, if it did.

    Args:
        device: name as on the command line; decides how they talk (NCCL or Gloo).
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ProcessGroup()
        return
    mine = ProcessGroup(int(os.environ["RANK"]), count, int(os.environ["LOCAL_RANK"]))
    where = mine.device(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield mine
    finally:
        distributed.destroy_process_group()
