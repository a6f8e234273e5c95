"""One function over many items: here, on a Dask cluster, or one share of them."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import psutil
from dask import threaded
from dask.system import CPU_COUNT

from geoseg.errors import GeosegError, RunError

Item = TypeVar("Item")
Result = TypeVar("Result")

_IN_FLIGHT = 2
"""Tasks per thread that a cluster holds at once: one at work, one ready."""


def shard(items: Sequence[Item], share: tuple[int, int]) -> list[Item]:
    """The i-th of n shares, i from 1: every n-th item, so that all shares cost about the same.

    Law: the n shares are disjoint and together all items.

    Raises:
        RunError: if i is not in 1..n.
    """
    number, of = share
    if not 1 <= number <= of:
        raise RunError(f"shard {number}/{of} does not exist, count from 1/{of} to {of}/{of}")
    return list(items[number - 1 :: of])


def cores() -> int:
    """Processors this process may use, by affinity and cgroup."""
    return int(CPU_COUNT)


def free_memory() -> int:
    """Bytes that can still be allocated, by the machine and by the cgroup."""
    free = int(psutil.virtual_memory().available)
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    try:
        return min(free, int(limit.read_text()) - int(used.read_text()))
    except (OSError, ValueError):  # no cgroup, or no limit ("max")
        return free


def run_here(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> list[Result]:
    """Apply ``function`` to all items with Dask's threads, ``workers`` at a time.

    Returns:
        The results in the order of the items.

    Raises:
        Exception: the first one that ``function`` raised; items not begun are not begun.
    """
    # Not dask.compute: it imports distributed, which costs a second.
    graph = {f"item-{number}": (function, item) for number, item in enumerate(items)}
    return list(threaded.get(graph, list(graph), num_workers=workers))


@contextmanager
def ahead(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A ``map`` that keeps the order and works ahead in threads, on as many items as there are.

    So memory holds at most three times as many results as there are workers.
    """
    with ThreadPoolExecutor(workers) as pool:

        def each(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(function, item))
                    if len(waiting) > 2 * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

        yield each


def run_on_cluster(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    address: str,
    done: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Apply ``function`` to all items on a Dask cluster, a bounded number at a time.

    Args:
        function: a top-level function; it, the items and the results travel, so keep them small.
        items: picklable values.
        address: of the scheduler, or the path of its scheduler file.
        done: called with each result as it arrives.

    Returns:
        The results in the order of the items.

    Raises:
        GeosegError: if `distributed` is not installed or the scheduler does not answer.
        Exception: the first one that ``function`` raised.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise GeosegError(
            "a scheduler needs the package distributed, pip install 'geoseg[cluster]'"
        ) from None
    where: dict[str, Any] = (
        {"scheduler_file": address} if os.path.isfile(address) else {"address": address}  # noqa: PTH113
    )
    try:
        client = Client(**where, timeout=30)
    except (OSError, ValueError) as error:
        raise GeosegError(f"no Dask scheduler at {address} ({error}), start one first") from None
    with client:
        client.wait_for_workers(1, timeout=300)
        waiting = iter(enumerate(items))
        room = _IN_FLIGHT * sum(client.nthreads().values())
        places: dict[Any, int] = {}
        results: list[Any] = [None] * len(items)

        def submit(place: int, item: Item) -> Any:  # noqa: ANN401 - a distributed.Future
            future = client.submit(function, item, pure=False)
            places[future.key] = place
            return future

        queue = as_completed([submit(*task) for task in islice(waiting, room)])
        for future in queue:
            result = future.result()
            results[places.pop(future.key)] = result
            if done is not None:
                done(result)
            following = next(waiting, None)
            if following is not None:
                queue.add(submit(*following))
        return results


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, instead of ending the process midway."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
