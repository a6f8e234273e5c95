"""The models that come with geoseg. This package imports no torch, unlike `geoseg.model`."""

from importlib.resources import files
from pathlib import Path

DEFAULT = "default"
"""Name of the bundled model, for very-high-resolution RGB."""


def find_model(path: str | Path) -> Path:
    """Return the path of a model file; "default" is the bundled model."""
    if str(path) == DEFAULT:
        return Path(str(files("geoseg") / "models" / f"{DEFAULT}.safetensors"))
    return Path(path)
