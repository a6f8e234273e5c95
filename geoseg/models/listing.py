"""What the files of models say of themselves, read without their weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geoseg.errors import ModelError
from geoseg.models.names import find_model, is_bundled, is_onnx, named_models

_LENGTH = 8
"""Bytes at the start of a safetensors file that hold the length of its header."""
_MAX_LENGTH = 100_000_000
"""Longest header that the safetensors format allows (bytes)."""

_DAMAGED = (
    OSError, LookupError, TypeError, ValueError, OverflowError, AttributeError, RecursionError,
)  # fmt: skip
"""Errors from reading the header of a file that is damaged, or is not of geoseg."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that has a name. Values are None where the file is damaged or does not have them."""

    name: str
    path: str
    bundled: bool
    """True if it comes with geoseg, False if it is in the folder of the user."""
    onnx: bool = False
    """Whether it is an ONNX file, which is not read here: its values are None."""
    bands: tuple[str, ...] | None = None
    """Names of the input bands."""
    classes: tuple[str, ...] | None = None
    """Names of the classes."""
    window: int | None = None
    """Side of a window (px)."""
    pixel_size_range: tuple[float, float] | None = None
    """Smallest and largest ground size of the training pixels (m)."""
    accuracy: float | None = None
    """Overall accuracy on the validation tiles, 0 to 1."""
    readable: bool = True
    """False if a .safetensors file is damaged, or is not of geoseg."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)


def list_models() -> list[ModelFile]:
    """List the bundled models, then those in the folder of the user, each sorted by name.

    Only the start of each file is read, and nothing of an ONNX file. `geoseg.Model.load` checks a
    file completely.
    """
    return [_describe(name, path) for name, path in named_models().items()]


def read_window(path: str | Path) -> int:
    """Return the side of the windows (px) of a model file, or of the model of this name.

    Only the start of the file is read.

    Raises:
        ModelError: if the name is unknown, or if the file is damaged or not of geoseg.
    """
    file = find_model(path)
    try:
        return int(_read_metadata(file)["unet"]["window"])
    except _DAMAGED:
        raise ModelError(
            f"the size of the windows of model {file} cannot be read, use an intact copy of the "
            "file, or install geoseg again if it is bundled"
        ) from None


def _describe(name: str, path: Path) -> ModelFile:
    bundled = is_bundled(path)
    if is_onnx(path):
        return ModelFile(name, str(path), bundled, onnx=True)
    try:
        metadata = _read_metadata(path)
        sizes = metadata.get("pixel_size_range") or [metadata["pixel_size"]] * 2
        low, high = (None if size is None else float(size) for size in sizes)
        accuracy = (metadata["training"].get("validation") or {}).get("accuracy")
        return ModelFile(
            name, str(path), bundled,
            bands=tuple(map(str, metadata["bands"])),
            classes=tuple(str(c["name"]) for c in metadata["legend"]["classes"]),
            window=int(metadata["unet"]["window"]),
            pixel_size_range=None if low is None or high is None else (low, high),
            accuracy=None if accuracy is None else float(accuracy),
        )  # fmt: skip
    except _DAMAGED:
        return ModelFile(name, str(path), bundled, readable=False)


def _read_metadata(path: Path) -> Mapping[str, Any]:
    """Read the metadata of geoseg from the header of a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > _MAX_LENGTH:
            raise ValueError("not a safetensors file")
        header = json.loads(file.read(length))
    return dict(json.loads(header["__metadata__"]["geoseg"]))
