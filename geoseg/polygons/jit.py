"""Loops to machine code, where numba is there; the same loops in Python where it is not."""

import logging
import pickle
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")

log = logging.getLogger("geoseg")

_NO_CACHE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)
"""What a folder that cannot be written, a full disk or a damaged file of the cache raises."""


def njit_cached(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Compile a function of arrays and numbers when it is first called.

    The machine code is kept on disk (beside the source, else in the user's cache folder, or in
    NUMBA_CACHE_DIR) where that works; where it does not, each process compiles anew. Such a
    function calls no other compiled one, writes only to its arguments or what it returns, and
    raises nothing, so that it may be run again.
    """

    @wraps(function)
    def call(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        try:
            found: Result = _machine_code(function)(*args, **kwargs)
        except _NO_CACHE:
            found = _machine_code(function, keep=False)(*args, **kwargs)
        return found

    return call


@cache
def _machine_code(function: Callable[..., Any], *, keep: bool = True) -> Callable[..., Any]:
    try:
        from numba import njit
    except ImportError:
        _warn()
        return function
    code: Callable[..., Any] = njit(cache=keep, nogil=True)(function)
    return code


@cache
def _warn() -> None:
    log.warning("numba is not installed: polygons take about a hundred times as long")
