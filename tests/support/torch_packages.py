"""Packages that import torchvision, which may be built for another torch."""

import importlib
from types import ModuleType

import pytest
import torch

_LIBRARIES: list[torch.library.Library] = []
"""Kept, because the operators of a library go with it."""


def import_or_skip(name: str) -> ModuleType:
    """Import a package that imports torchvision; skip the test where it is not installed.

    torchvision from another index than torch does not define its own operators, and then cannot be
    imported. Nothing calls them here, so their names are enough.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:  # only then: torchvision ends the process if its operators are there
        library = torch.library.Library("torchvision", "FRAGMENT")
        _LIBRARIES.append(library)
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    except ImportError:
        pass
    return pytest.importorskip(name, exc_type=ImportError)
