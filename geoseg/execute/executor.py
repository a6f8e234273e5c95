"""Threads of this process, or the workers of a Dask cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from geoseg.errors import TileError
from geoseg.execute import available_cpus, map_cluster, map_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Executor:
    """How many work at once, and where; the tiles do not depend on it.

    Raises:
        TileError: if the number is not positive.
    """

    number: int | None = None
    """Number of threads; None for the number of cores."""
    scheduler: str | None = None
    """Address or file of a Dask scheduler, whose workers see the same folders."""

    def __post_init__(self) -> None:
        if self.number is not None and self.number < 1:
            raise TileError(f"the number of workers is {self.number}, it must be at least 1")

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        done: Callable[[Result], None],
    ) -> list[Result]:
        """Apply a top-level function to all items, here or on the scheduler's workers.

        Args:
            function: what to do; on a scheduler it, the items and the results travel.
            items: values.
            done: called with each result, in any thread.

        Returns:
            The results in the order of the items.

        Raises:
            Exception: the first one that the function raised.
        """
        if self.scheduler is not None:
            return map_cluster(function, items, self.scheduler, done)
        return self.here(function, items, done)

    def here(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        done: Callable[[Result], None],
    ) -> list[Result]:
        """Apply any function to all items on this machine, as `map` does."""

        def told(item: Item) -> Result:
            result = function(item)
            done(result)
            return result

        return map_threads(told, items, self.number or available_cpus())
