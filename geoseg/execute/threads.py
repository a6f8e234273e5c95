"""Apply a function to many items in threads of this process."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> list[Result]:
    """Apply ``function`` to all items in threads, ``workers`` at a time.

    Returns:
        The results in the order of the items.

    Raises:
        Exception: one that ``function`` raised, after the running items; no new item begins.
    """
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for future in futures:
            if future in done:
                future.result()
    return [future.result() for future in futures]


@contextmanager
def prefetch_map(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a ``map`` that keeps the order and computes ahead in threads.

    At most three results per worker are in memory.
    """
    with ThreadPoolExecutor(workers) as pool:

        def map_fn(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
            futures: deque[Future[Result]] = deque()
            try:
                for item in items:
                    futures.append(pool.submit(function, item))
                    if len(futures) > 2 * workers:
                        yield futures.popleft().result()
                while futures:
                    yield futures.popleft().result()
            finally:
                for future in futures:
                    future.cancel()

        yield map_fn
