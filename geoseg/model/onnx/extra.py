"""The packages of the extra "onnx", imported when an ONNX file is read or written."""

from importlib import import_module
from pathlib import Path
from typing import Any

from geoseg.errors import ModelError

Onnx = Any
"""An object of these packages, which have no types or need not be installed."""


def import_onnx(needed_by: str | Path) -> Onnx:
    """Return the package onnx.

    Raises:
        ModelError: if it is not installed; the message says what needs it.
    """
    onnx = _import("onnx", needed_by)
    for module in ("checker", "defs", "external_data_helper", "helper", "shape_inference"):
        import_module(f"onnx.{module}")
    return onnx


def import_onnxruntime(needed_by: str | Path) -> Onnx:
    """Return the package onnxruntime; see `import_onnx`."""
    return _import("onnxruntime", needed_by)


def import_onnxscript(needed_by: str | Path) -> Onnx:
    """Import the package onnxscript; see `import_onnx`."""
    return _import("onnxscript", needed_by)


def _import(package: str, needed_by: str | Path) -> Onnx:
    try:
        return import_module(package)
    except ImportError as error:
        raise ModelError(
            f"{needed_by} needs the package {package} ({error}), install it: "
            "pip install 'geoseg[onnx]'"
        ) from None
