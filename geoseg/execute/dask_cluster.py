"""Apply a function to many items on the workers of a Dask cluster."""

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
"""Tasks per thread that a cluster elsewhere gets at once: one running, one waiting."""
_MESSAGES = "geoseg"
"""Dask's topic of the messages of workers."""
_MAX_TRIES = 3
"""Number of times that an item is tried if its error is retryable."""
_REFRESH_INTERVAL = 1.0
"""Seconds between two checks of the workers."""
_POLL_INTERVAL = 0.25
"""Seconds between two checks of messages and of the stop flag."""
_DONE_INTERVAL = 0.02
"""Seconds between two checks whether a task is done."""
_FETCH_TIMEOUT = 10.0
"""Seconds to wait for a result that the scheduler reports as finished."""


class DaskCluster:
    """The workers behind a scheduler; `connect` or `local_cluster` makes it.

    Workers may join and leave while it is in use.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401
        address: str,
        *,
        wait: float,
        stop: StopFlag,
        local: bool = False,
    ) -> None:
        """Use a `distributed.Client`; see `connect` for the rest.

        ``local`` is for workers that end with this process: unless a stop is to be at once, `map`
        waits for their running items. No item waits at a worker, as this would delay the stop.
        """
        self._client, self._address, self._wait, self._stop = client, address, wait, stop
        self._local, self._per_thread = local, 1 if local else _MAX_IN_FLIGHT
        self._last_refresh = self._last_worker = time.monotonic()
        self._resources: dict[str, float] = {}
        self._messages: deque[Any] = deque()
        self._on_message: Callable[[Any], None] | None = None
        self.threads = 0
        """Number of items that the workers compute at once."""
        self._refresh_workers()

    def listen(self, on_message: Callable[[Any], None]) -> None:
        """Call a function, in `map`, with what any worker sends from now on with `send_message`.

        Messages may be for another client, and may come late, or never if the worker dies.
        """
        self._on_message = on_message
        self._client.subscribe_topic(_MESSAGES, lambda event: self._messages.append(event[1]))

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[Result], None] | None = None,
    ) -> list[Result]:
        """Apply ``function`` to all items, a bounded number at a time.

        An item that fails with a retryable error (attribute ``retryable``) is tried three times.
        An item whose worker died is tried once more, alone, so that an item that kills its workers
        does not affect other items. If workers declare a resource GPU, each item takes one.

        Args:
            function: a top-level function or a partial of one. It, the items and the results are
                sent over the network, so keep them small.
            items: picklable values.
            on_result: called with each result as it arrives, in the calling thread.

        Returns:
            The results in the order of the items.

        Raises:
            InterruptedRun: if a stop is requested, no worker comes or stays, or the scheduler
                is lost.
            GeosegError: if an item kills its workers.
            Exception: the first one that ``function`` raised.
        """
        results: dict[int, Result] = {}
        killed: list[int] = []

        def compute(indices: list[int]) -> None:
            for index, result in self._completed(function, items, deque(indices), killed):
                results[index] = result
                if on_result is not None:
                    on_result(result)

        compute(list(range(len(items))))
        fatal_items = list[Item]()
        for index in tuple(killed):
            log.warning("%s was lost with its worker, trying it alone", items[index])
            killed.clear()
            compute([index])
            if killed:
                fatal_items.append(items[index])
        if fatal_items:
            advice = (
                "use fewer workers or smaller chunks"
                if self._local
                else "see the logs of the workers, give them more memory or use smaller chunks"
            )
            raise GeosegError(
                f"{'; '.join(map(str, fatal_items))}: each Dask worker that ran it was killed, "
                f"perhaps because memory ran out, {advice}"
            )
        return [results[index] for index in range(len(items))]

    def _completed(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        waiting: deque[int],
        killed: list[int],
    ) -> Iterator[tuple[int, Result]]:
        """Yield (index, result) as they arrive; ``killed`` gets the items lost with a worker."""
        from distributed import KilledWorker
        from distributed.protocol.pickle import dumps

        in_flight: dict[Any, int] = {}
        tries: Counter[int] = Counter()
        while waiting or in_flight:
            may_begin = self._may_begin(running=bool(in_flight))
            while may_begin and waiting and len(in_flight) < self._per_thread * self.threads:
                index = waiting.popleft()
                tries[index] += 1
                with self._translate_lost_scheduler():
                    future = self._client.submit(
                        _apply, dumps((function, items[index])), pure=False,
                        resources=self._resources,
                    )  # fmt: skip
                in_flight[future] = index
            finished = self._wait_for_any(list(in_flight))
            while self._messages and self._on_message is not None:
                self._on_message(self._messages.popleft())
            for future, error, result in finished:
                index = in_flight.pop(future)
                if error is None:
                    yield index, result
                elif isinstance(error, KilledWorker):
                    killed.append(index)
                elif getattr(error, "retryable", False) and tries[index] < _MAX_TRIES:
                    log.warning("%s; trying again", error)
                    waiting.append(index)
                else:
                    raise _translate(error)

    def _may_begin(self, *, running: bool) -> bool:
        """Whether items may begin; not while running items finish because a stop is requested."""
        if self._local and running and self._stop.is_set() and not self._stop.immediate:
            return False
        self._check_stop()
        if time.monotonic() - self._last_refresh > _REFRESH_INTERVAL:
            self._refresh_workers()
        return True

    def _check_stop(self) -> None:
        elsewhere = ", finished work is kept and the workers finish the running tasks"
        self._stop.check(", finished chunks are kept" if self._local else elsewhere)

    def _wait_for_any(self, futures: list[Any]) -> list[tuple[Any, BaseException | None, Any]]:
        """Return (future, error, result) of what is finished; nothing after a poll interval."""
        # Not `distributed.wait`, which needs a default client; that one is the caller's.
        deadline = time.monotonic() + _POLL_INTERVAL
        while not any(future.done() for future in futures) and time.monotonic() < deadline:
            time.sleep(_DONE_INTERVAL)
        finished = []
        with self._translate_lost_scheduler(), suppress(TimeoutError):
            for future in (future for future in futures if future.done()):
                error, result = _outcome(future)
                finished.append((future, error, result))
        return finished

    def _refresh_workers(self) -> None:
        """Count the threads or GPUs of the workers; wait for the first worker if there is none."""
        while True:
            self._check_stop()
            with self._translate_lost_scheduler():
                info = self._client.scheduler_info(n_workers=-1)
                if "workers" not in info:  # Dask is just finding out that the scheduler is gone
                    raise ConnectionError
                workers = info["workers"].values()
            self._last_refresh = time.monotonic()
            gpus = sum(worker["resources"].get("GPU", 0) for worker in workers)
            if gpus:
                self._resources = {"GPU": 1}
            threads = sum(worker["nthreads"] for worker in workers)
            self.threads = int(gpus if self._resources else threads)
            if self.threads:
                self._last_worker = self._last_refresh
                return
            if self._last_refresh - self._last_worker > self._wait:
                raise InterruptedRun(
                    f"no Dask worker at {self._address} for {self._wait:.0f} s, finished work is "
                    "kept: see why none starts (a full queue?) and run the same command again"
                )
            time.sleep(_REFRESH_INTERVAL)

    @contextmanager
    def _translate_lost_scheduler(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CancelledError, RuntimeError):
            if self._local:
                raise InterruptedRun(
                    "the worker processes have ended, finished work is kept, run the same command "
                    "to go on"
                ) from None
            raise InterruptedRun(
                f"the Dask scheduler at {self._address} is gone, finished work is kept, start it "
                "and run the same command to go on"
            ) from None


def send_message(message: Any) -> None:  # noqa: ANN401
    """Send a value that msgpack can encode to all clients that listen; for items on a worker."""
    from distributed import get_worker

    get_worker().log_event(_MESSAGES, message)


def _outcome(future: Any) -> tuple[BaseException | None, Any]:  # noqa: ANN401
    """Return the error of a finished future, or None and its result."""
    from distributed import KilledWorker

    error = future.exception(timeout=_FETCH_TIMEOUT)
    if error is not None:
        return error, None
    try:
        # A result is lost with its worker; without a timeout, this would wait for another.
        return None, future.result(timeout=_FETCH_TIMEOUT)
    except KilledWorker as killed:  # since the check of the error, with all that had the result
        return killed, None


def _apply(pickled: bytes) -> Any:  # noqa: ANN401
    """Call a pickled function; pickled, because the scheduler would import all that it needs."""
    from distributed.protocol.pickle import loads

    function, item = loads(pickled)
    return function(item)


def _translate(error: BaseException) -> BaseException:
    """Return an error of Dask as one of geoseg, and any other error unchanged."""
    if isinstance(error, CancelledError):
        return InterruptedRun(
            f"the Dask cluster cancelled a task ({error}), run the same command again"
        )
    if isinstance(error, ImportError):
        return GeosegError(f"a Dask worker cannot load geoseg ({error}), install it there")
    return error
