"""A map over an iterable that computes ahead in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def prefetch_map(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a ``map`` that keeps the order and computes ahead in threads.

    Memory holds at most three times as many results as there are workers.
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
