"""A function over many items on the workers of a Dask cluster."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from geoseg.errors import GeosegError, InterruptedRun
from geoseg.execute.interrupts import StopFlag

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("geoseg")

_MAX_IN_FLIGHT = 2
"""Tasks per thread that a cluster holds at once: one at work, one ready."""
_MAX_TRIES = 3
"""Of an item whose failure may pass."""
_REFRESH_INTERVAL = 1.0
"""Seconds between two looks at the workers and at the request to stop."""
_FETCH_TIMEOUT = 10.0
"""Seconds to wait for a result that is said to be there."""


class DaskCluster:
    """The workers behind a scheduler; `connect` makes it.

    Workers may come and go while it is in use.
    """

    def __init__(self, client: Any, address: str, *, wait: float, stop: StopFlag) -> None:  # noqa: ANN401
        """Use a `distributed.Client`; see `connect` for the rest."""
        self._client, self._address, self._wait, self._stop = client, address, wait, stop
        self._looked = self._seen = time.monotonic()
        self._resources: dict[str, float] = {}
        self.threads = 0
        """Items that the workers compute at once."""
        self._look()

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        done: Callable[[Result], None] | None = None,
    ) -> list[Result]:
        """Apply ``function`` to all items, a bounded number at a time.

        An item whose error says that another try may succeed (``again``) is tried three times.
        Items whose workers died are tried once more alone, so that one that kills its workers
        takes no other with it. Where workers declare a resource GPU, each item takes one.

        Args:
            function: a top-level function or a partial of one; it, the items and the results
                travel, so keep them small.
            items: picklable values.
            done: called with each result as it arrives.

        Returns:
            The results in the order of the items.

        Raises:
            InterruptedRun: if it was asked to stop, no worker comes or stays, or the scheduler
                is lost.
            GeosegError: if an item kills its workers.
            Exception: the first one that ``function`` raised.
        """
        results: dict[int, Result] = {}
        lost: list[int] = []

        def compute(places: list[int]) -> None:
            for place, result in self._each(function, items, deque(places), lost):
                results[place] = result
                if done is not None:
                    done(result)

        compute(list(range(len(items))))
        suspects, guilty = tuple(lost), list[Item]()
        for place in suspects:
            log.warning("%s was lost with its worker, trying it alone", items[place])
            lost.clear()
            compute([place])
            if lost:
                guilty.append(items[place])
        if guilty:
            raise GeosegError(
                f"{'; '.join(map(str, guilty))}: kills every worker that takes it, for want of "
                "memory perhaps, see the workers' logs, give them more or use smaller chunks"
            )
        return [results[place] for place in range(len(items))]

    def _each(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        places: deque[int],
        lost: list[int],
    ) -> Iterator[tuple[int, Result]]:
        """(place, result) as they come; places of items lost with their workers go to a list."""
        from distributed import KilledWorker

        flying: dict[Any, int] = {}
        tries: Counter[int] = Counter()
        while places or flying:
            if time.monotonic() - self._looked > _REFRESH_INTERVAL:
                self._look()
            while places and len(flying) < _MAX_IN_FLIGHT * self.threads:
                place = places.popleft()
                tries[place] += 1
                flying[self._submit(function, items[place])] = place
            for future, error, result in self._landed(list(flying)):
                place = flying.pop(future)
                if error is None:
                    yield place, result
                elif isinstance(error, KilledWorker):
                    lost.append(place)
                elif getattr(error, "again", False) and tries[place] < _MAX_TRIES:
                    log.warning("%s; trying again", error)
                    places.append(place)
                else:
                    raise _translate(error)

    def _submit(self, function: Callable[[Item], Result], item: Item) -> Any:  # noqa: ANN401
        with self._scheduler_there():
            return self._client.submit(function, item, pure=False, resources=self._resources)

    def _landed(self, flying: list[Any]) -> list[tuple[Any, BaseException | None, Any]]:
        """(future, error, result) of what is done; nothing after a while, to look around."""
        from distributed import wait

        landed = []
        with self._scheduler_there(), suppress(TimeoutError):
            for future in wait(
                flying, timeout=_REFRESH_INTERVAL, return_when="FIRST_COMPLETED"
            ).done:
                error = future.exception(timeout=_FETCH_TIMEOUT)
                # A result goes with its worker: it would be waited for until another comes.
                result = future.result(timeout=_FETCH_TIMEOUT) if error is None else None
                landed.append((future, error, result))
        return landed

    def _look(self) -> None:
        """Count what the workers can take; wait for the first where there is none."""
        while True:
            self._check_asked()
            with self._scheduler_there():
                workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            self._looked = time.monotonic()
            gpus = sum(worker["resources"].get("GPU", 0) for worker in workers)
            if gpus:
                self._resources = {"GPU": 1}
            threads = sum(worker["nthreads"] for worker in workers)
            self.threads = int(gpus if self._resources else threads)
            if self.threads:
                self._seen = self._looked
                return
            if self._looked - self._seen > self._wait:
                raise InterruptedRun(
                    f"no Dask worker at {self._address} for {self._wait:.0f} s, finished work is "
                    "kept: see why none starts (a full queue?) and run the same command again"
                )
            time.sleep(_REFRESH_INTERVAL)

    def _check_asked(self) -> None:
        if self._stop.is_set():
            raise InterruptedRun(
                "interrupted, finished work is kept and the workers finish what they are at, run "
                "the same command to go on"
            )

    @contextmanager
    def _scheduler_there(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CancelledError, RuntimeError):
            raise InterruptedRun(
                f"the Dask scheduler at {self._address} is gone, finished work is kept, start it "
                "and run the same command to go on"
            ) from None


def _translate(error: BaseException) -> BaseException:
    if isinstance(error, CancelledError):
        return InterruptedRun(f"the Dask cluster gave up a task ({error}), run the command again")
    if isinstance(error, ImportError):
        return GeosegError(f"a Dask worker cannot load geoseg ({error}), install it there")
    return error
