"""The engines: their names, their packages, and what each can compute."""

import importlib
import importlib.util
from types import ModuleType

from geoseg.errors import GeosegError
from geoseg.model.engines.mnn_package import import_mnn

TORCH, ONNXRUNTIME, OPENVINO, MNN = "torch", "onnxruntime", "openvino", "mnn"
ENGINES = (TORCH, ONNXRUNTIME, OPENVINO, MNN)
"""All engines; torch computes only models of geoseg, the others also ONNX files."""

_MODULES = {TORCH: "torch", ONNXRUNTIME: "onnxruntime", OPENVINO: "openvino", MNN: "MNN"}
_EXTRAS = {ONNXRUNTIME: "geoseg[onnx]", OPENVINO: "geoseg[openvino]", MNN: "mnn"}
"""Requirement that installs each engine; torch is always installed."""


def is_installed(engine: str) -> bool:
    """Return whether the package of an engine is installed; it is not imported."""
    return importlib.util.find_spec(_MODULES[engine]) is not None


def import_engine(engine: str) -> ModuleType:
    """Import the package of an engine.

    Raises:
        GeosegError: if there is no such engine, or its package cannot be imported.
    """
    if engine not in ENGINES:
        raise GeosegError(f"unknown engine {engine!r}, use one of auto, {', '.join(ENGINES)}")
    try:
        return import_mnn() if engine == MNN else importlib.import_module(_MODULES[engine])
    except ImportError as error:
        raise GeosegError(
            f"engine {engine} is not installed here ({error}), install it: pip install "
            f"'{_EXTRAS[engine]}', or choose another engine (--engine)"
        ) from None


def engine_name(engine: str) -> str:
    """Return name and version of an engine, such as "torch 2.9.1", without the name of the build.

    The version can change the last bits of scores.

    Raises:
        GeosegError: as `import_engine`.
    """
    module = import_engine(engine)
    version = module.version() if engine == MNN else module.__version__
    return f"{engine} {version.partition('+')[0].partition('-')[0]}"
