"""The models that come with geoseg, and those in the folder of the user, by name.

This package imports no torch, unlike `geoseg.model`.
"""

from geoseg.models.listing import ModelFile, list_models, read_window
from geoseg.models.names import (
    DEFAULT,
    find_model,
    is_bundled,
    is_model_name,
    is_onnx,
    user_folder,
)

__all__ = [
    "DEFAULT",
    "ModelFile",
    "find_model",
    "is_bundled",
    "is_model_name",
    "is_onnx",
    "list_models",
    "read_window",
    "user_folder",
]
