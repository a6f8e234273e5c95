"""A map over an iterable that works ahead in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def prefetch_map(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
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
