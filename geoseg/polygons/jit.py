"""Compile loops over arrays to machine code with numba."""

import pickle
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")

_NO_CACHE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)
"""Raised where the cache folder cannot be written, the disk is full or a cache file is damaged."""


def njit_cached(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Compile a function of arrays and numbers at its first call.

    The machine code is cached on disk (beside the source, else in the user's cache folder, or in
    NUMBA_CACHE_DIR). Where that fails, each process compiles the function again. The function must
    not call another compiled function, must write only to its arguments and its result, and must
    raise nothing, so that it can be run a second time.
    """

    @wraps(function)
    def call(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        try:
            result: Result = _machine_code(function)(*args, **kwargs)
        except _NO_CACHE:
            result = _machine_code(function, on_disk=False)(*args, **kwargs)
        return result

    return call


@cache
def _machine_code(function: Callable[..., Any], *, on_disk: bool = True) -> Callable[..., Any]:
    from numba import njit  # it takes half a second to import

    code: Callable[..., Any] = njit(cache=on_disk, nogil=True)(function)
    return code
