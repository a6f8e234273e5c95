"""The package MNN, without what it prints."""

import ctypes
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def import_mnn() -> ModuleType:
    """Import MNN and discard the line that its import prints.

    Raises:
        ImportError: if it is not installed.
    """
    loaded = sys.modules.get("MNN")
    if loaded is not None:
        return loaded
    with _silent_stdout():
        return importlib.import_module("MNN")


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Discard what C code writes to the standard output of the process."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # the process has no standard output
        yield
        return
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), 1)
    try:
        yield
    finally:
        if sys.platform != "win32":
            ctypes.CDLL(None).fflush(None)  # of the buffer of C, into the null device
        os.dup2(kept, 1)
        os.close(kept)
