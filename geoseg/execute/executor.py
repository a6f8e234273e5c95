"""A function over many items, in threads of this process or on a Dask cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from geoseg.errors import GeosegError
from geoseg.execute.dask_client import connect
from geoseg.execute.resources import available_cpus
from geoseg.execute.threads import map_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Executor:
    """Where work is done, and how much at a time; results do not depend on it.

    Raises:
        GeosegError: if the number of workers is not positive.
    """

    workers: int | None = None
    """Number of items at a time on this machine, at least 1; None for the number of cores."""
    scheduler: str | None = None
    """Address or file of a Dask scheduler, whose workers see the same files; None to use this
    machine."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise GeosegError(f"the number of workers is {self.workers}, it must be at least 1")

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[Result], None],
    ) -> list[Result]:
        """Apply a function to all items, on the cluster if there is a scheduler.

        Args:
            function: a top-level function; for a cluster, it, the items and the results are
                pickled.
            items: its arguments.
            on_result: called with each result, in any thread.

        Returns:
            The results in the order of the items.

        Raises:
            Exception: the first one that the function raised.
        """
        if self.scheduler is not None:
            with connect(self.scheduler) as cluster:
                return cluster.map(function, items, on_result)
        return self.map_threads(function, items, on_result)

    def map_threads(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[Result], None],
    ) -> list[Result]:
        """Apply a function to all items as `map` does, but always in threads of this process."""

        def compute(item: Item) -> Result:
            result = function(item)
            on_result(result)
            return result

        return map_threads(compute, items, self.workers or available_cpus())
