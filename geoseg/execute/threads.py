"""Apply a function to many items in threads of this process."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> list[Result]:
    """Apply ``function`` to all items in threads, ``workers`` at a time.

    Returns:
        The results in the order of the items.

    Raises:
        Exception: one that ``function`` raised, after the running items are finished; no other
            item begins.
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
