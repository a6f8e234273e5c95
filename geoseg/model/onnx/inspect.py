"""What an ONNX file says about its network, and what a trial run shows about the output."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.model.engines.names import ONNXRUNTIME
from geoseg.model.engines.session import start_session
from geoseg.model.onnx.file import OnnxFile, read_onnx
from geoseg.model.onnx.metadata import OnnxMetadata
from geoseg.model.onnx.network import as_nchw, run_session
from geoseg.model.onnx.read_keys import has_keys, read_keys
from geoseg.model.onnx.read_mlm import find_mlm_item, read_item
from geoseg.model.onnx.spec import Layout, OnnxSpec

_DTYPES = ("float32", "float16", "float64", "uint8", "uint16", "int16")
_MAX_VALUES = 2**28
"""Largest number of values of an input: that of 16 bands of 4096 px a side."""
_TOLERANCE = 1e-3
"""Error of a probability, and of the sum of the probabilities of a pixel, of a float16 network."""


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What an ONNX file and the item beside it say about a network."""

    file: OnnxFile
    metadata: OnnxMetadata
    sources: tuple[str, ...]
    """Where the metadata come from."""
    layout: Layout
    """Order of the axes of the input."""
    bands: int | None
    """Input bands, None if their number is free."""
    side: int | None
    """Side of the input (px), None if it is free."""
    batch: int | None
    """Windows per forward pass, None if their number is free."""


@dataclass(frozen=True, slots=True)
class OnnxOutput:
    """What a trial run of a network shows about its output."""

    layout: Layout
    channels: int
    side: int
    """Rows and columns (px)."""
    probabilities: bool
    """Whether all values are from 0 to 1, and those of several channels have the sum 1."""


def inspect_onnx(path: str | Path) -> OnnxFacts:
    """Read an ONNX file, and the MLM item beside it if there is one, which comes first.

    Raises:
        ModelError: if the file cannot be read, or its input is not a batch of square windows.
    """
    file = read_onnx(path)
    layout, bands, side = _input_axes(file)
    try:
        metadata = read_keys(file.properties, bands)
    except ModelError as error:
        raise ModelError(f"metadata of {path}: {error}") from None
    sources = ["metadata of Deepness or GeoDeep"] if has_keys(file.properties) else []
    item = find_mlm_item(path)
    if item is not None:
        # An item without mean and std asks for a computation of another kind.
        metadata = read_item(item).filled_from(replace(metadata, mean=None, std=None))
        sources.insert(0, f"MLM item {item.name}")
    return OnnxFacts(file, metadata, tuple(sources), layout, bands, side, file.input_shape[0])


def _input_axes(file: OnnxFile) -> tuple[Layout, int | None, int | None]:
    """Return the layout, the bands and the side of the input; None for a free number."""
    shape = file.input_shape
    if file.input_dtype not in _DTYPES or len(shape) != 4:
        raise ModelError(
            f"the input of {file.path} is {file.input_dtype} with {len(shape)} axes, give a "
            "network whose input is a batch of windows: 4 axes of float32 or uint8"
        )
    _, second, third, last = shape
    bands_last = _bands_are_last(second, third, last)
    bands, height, width = (last, second, third) if bands_last else (second, third, last)
    if height != width and None not in (height, width):
        raise ModelError(
            f"{file.path} reads windows of {height} x {width} px, and geoseg computes square "
            "windows, export it with a square input"
        )
    return "nhwc" if bands_last else "nchw", bands, height or width


def _bands_are_last(second: int | None, third: int | None, last: int | None) -> bool:
    """Whether the bands are the last axis of a batch of windows, and not the second.

    Rows and columns are the two neighbouring axes of equal size. If that does not decide, the bands
    are the smaller axis.
    """
    if (second == third) != (third == last):
        return second == third
    return last is not None and (second is None or last < second)


def try_onnx(facts: OnnxFacts, bands: int, side: int) -> OnnxOutput:
    """Run a network on a few random test windows, to see its output.

    Args:
        facts: of the file.
        bands: input bands.
        side: rows and columns of the input (px).

    Raises:
        ModelError: if the network cannot be run, or its output is not a number for each class and
            pixel.
    """
    path, dtype = facts.file.path, facts.file.input_dtype
    try:
        spec = OnnxSpec(bands, 1, side, dtype=dtype, input_layout=facts.layout, batch=facts.batch)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    shape = spec.input_shape(spec.batch or 1)
    if prod(shape) > _MAX_VALUES:
        raise ModelError(
            f"{path} reads {' x '.join(map(str, shape))} values at a time, and geoseg gives at "
            f"most {_MAX_VALUES:,}, export it with a smaller batch or smaller windows"
        )
    session = start_session(ONNXRUNTIME, facts.file, shape, "fp32")
    outputs = [run_session(session, path, x, spec) for x in _trial_inputs(spec)]
    layout = _output_layout(path, outputs[0], spec)
    values = np.stack([as_nchw(output, layout) for output in outputs]).astype(np.float64)
    return OnnxOutput(
        layout, values.shape[2], values.shape[3], probabilities=_are_probabilities(values)
    )


def _trial_inputs(spec: OnnxSpec) -> Iterator[NDArray[np.float32]]:
    """Yield windows of zeros, of small and of large random values."""
    shape = (spec.batch or 1, spec.bands, spec.input_size, spec.input_size)
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    yield from (scale * noise for scale in (0, 1, 30))


def _are_probabilities(values: NDArray[np.float64]) -> bool:
    """Whether (trials, n, channels, height, width) are probabilities."""
    if values.min() < -_TOLERANCE or values.max() > 1 + _TOLERANCE:
        return False
    return values.shape[2] == 1 or bool(np.abs(values.sum(2) - 1).max() <= _TOLERANCE * 10)


def _output_layout(path: str, output: NDArray[Any], spec: OnnxSpec) -> Layout:
    """Return the layout of an output; refuse one without a number for each class and pixel."""
    shape, size = output.shape, spec.input_size
    square = {
        "nchw": len(shape) == 4 and shape[2] == shape[3],
        "nhwc": len(shape) == 4 and shape[1] == shape[2],
        "nhw": len(shape) == 3 and shape[1] == shape[2],
    }
    order: tuple[Layout, ...] = (
        ("nhwc", "nchw") if spec.input_layout == "nhwc" else ("nchw", "nhwc")
    )
    layouts = [layout for layout in (*order, "nhw") if square[layout]]
    text = " x ".join(map(str, shape))
    if not layouts or shape[0] != (spec.batch or 1):
        raise ModelError(
            f"{path} returns {text} values for a window of {size} x {size} px, give a network that "
            "returns a number for each class and pixel"
        )
    if not np.issubdtype(output.dtype, np.floating):
        raise ModelError(
            f"{path} returns {output.dtype} class numbers, but blending needs logits or "
            "probabilities, export it without its last step (argmax)"
        )
    side = as_nchw(output, layouts[0]).shape[3]
    if side > size or (size - side) % 2 or (side < size and size % side == 0):
        raise ModelError(
            f"{path} returns {side} x {side} px for a window of {size} x {size} px, and geoseg "
            "needs an output of the size of the input, or smaller by the same margin on all sides "
            "(valid convolutions), export it with such an output or give another --window"
        )
    return layouts[0]
