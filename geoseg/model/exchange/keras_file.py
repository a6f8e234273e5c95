"""Read the reference U-Net from the file that Keras 3 saves.

A .keras file is a ZIP archive of JSON and HDF5: ``config.json`` lists the layers, and
``model.weights.h5`` has their weights under names that follow from kind and order. A layer that is
not exactly that of the reference U-Net is refused, so the file never decides what is computed.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.model.networks import weight_shapes
from geoseg.model.networks.layers import layer_table
from geoseg.model.spec import UNetSpec

Weights = dict[str, NDArray[np.float32]]
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_CONVOLUTION = {"data_format": "channels_last", "dilation_rate": [1, 1], "use_bias": True}
_HEAD = {"kernel_size": [1, 1], "strides": [1, 1], "groups": 1, "activation": "softmax"}
_SETTINGS: dict[str, dict[str, Any]] = {
    "Conv2D": {
        **_CONVOLUTION, "kernel_size": [3, 3], "strides": [1, 1], "groups": 1, "padding": "same",
        "activation": "relu",
    },
    "Conv2DTranspose": {
        **_CONVOLUTION, "kernel_size": [2, 2], "strides": [2, 2], "activation": "linear",
    },
    "MaxPooling2D": {"pool_size": [2, 2], "strides": [2, 2], "data_format": "channels_last"},
    "Concatenate": {"axis": -1},
}  # fmt: skip
"""The configuration of the layers of the reference U-Net, by kind; its last layer has `_HEAD`."""


@dataclass(frozen=True, slots=True)
class KerasNetwork:
    """The reference U-Net of a .keras file."""

    spec: UNetSpec
    weights: Weights
    """Under the names of `LabUNet`, in the layout of PyTorch."""
    version: str
    """Version of Keras that saved it."""


def read_keras(path: Path) -> KerasNetwork:
    """Read the spec and the weights of a .keras file.

    Raises:
        ModelError: if the file is missing or damaged, is not of Keras 3, holds another network or
            a weight that is not a finite number; or if h5py is not installed.
    """
    metadata, config, weights = _read_members(path)
    advice = "of the networks of Keras, geoseg converts only this one"
    try:
        version = str(json.loads(metadata)["keras_version"])
        layers = json.loads(config)["config"]["layers"]
        if not version.startswith("3."):
            raise ModelError(f"it is of Keras {version}, save it again with Keras 3")
        spec = _spec_of(layers)
        _check_layers(layers, spec)
    except ModelError as error:
        raise ModelError(f"{path} does not hold the reference U-Net ({error}), {advice}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        reason = "is damaged or does not hold the reference U-Net"
        raise ModelError(f"{path} {reason}, {advice}") from None
    return KerasNetwork(spec, _read_weights(path, weights, spec), version)


def _read_members(path: Path) -> list[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            # A small compressed member may become larger than the memory.
            if any(archive.getinfo(n).compress_type != zipfile.ZIP_STORED for n in _MEMBERS):
                raise zipfile.BadZipFile("it is compressed, and those of Keras are not")
            return [archive.read(name) for name in _MEMBERS]
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}, check the path") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        reason = str(error).strip("'\"")
        raise ModelError(
            f"{path} is not a complete file of Keras 3 ({reason}), save the network again with "
            "model.save('NAME.keras')"
        ) from None


def _spec_of(layers: list[dict[str, Any]]) -> UNetSpec:
    """Return the spec that the layers would have if they were those of the reference U-Net."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        by_kind.setdefault(layer["class_name"], []).append(layer["config"])
    _, height, width, bands = by_kind["InputLayer"][0]["batch_shape"]
    if height != width:
        raise ModelError(f"its windows have {height} x {width} px and are not square")
    convolutions, scaling = by_kind["Conv2D"], by_kind["Rescaling"][0]
    scale, offset = float(scaling["scale"]), float(scaling["offset"])
    return UNetSpec(
        bands=bands, classes=convolutions[-1]["filters"], width=convolutions[0]["filters"],
        depth=len(by_kind["MaxPooling2D"]), window=height, dropout=by_kind["Dropout"][0]["rate"],
        low=(0 - offset / scale,), high=((1 - offset) / scale,),
    )  # fmt: skip


def _check_layers(layers: list[dict[str, Any]], spec: UNetSpec) -> None:
    """Refuse layers that are not those of the reference U-Net, in its order."""
    table = layer_table(spec)
    if len(layers) != len(table):
        raise ModelError(f"it has {len(layers)} layers in place of {len(table)}")
    # The numbers in names count all layers of a Keras session, so positions are compared.
    place = {layer["config"]["name"]: i for i, layer in enumerate(layers)}
    wanted_place = {row.name: i for i, row in enumerate(table)}
    for layer, row in zip(layers, table, strict=True):
        config = layer["config"]
        wanted = {
            "class_name": row.kind,
            "inputs": [wanted_place[name] for name in row.inputs],
            **(_HEAD if row is table[-1] else _SETTINGS.get(row.kind, {})),
            **({"filters": row.shape[-1]} if "Conv2D" in row.kind else {}),
            **({"rate": spec.dropout} if row.kind == "Dropout" else {}),
        }
        inputs = [place[name] for name in _input_names(layer)]
        actual: Mapping[str, Any] = {**config, "class_name": layer["class_name"], "inputs": inputs}
        for key, value in wanted.items():
            if actual[key] != value:
                raise ModelError(
                    f"{key} of its layer {shortened(config['name'])} is {shortened(actual[key])} "
                    f"in place of {value}"
                )


def _input_names(layer: dict[str, Any]) -> list[str]:
    """Return the names of the layers that a layer reads."""
    if not layer["inbound_nodes"]:
        return []
    [node] = layer["inbound_nodes"]
    [tensors] = node["args"]
    tensors = tensors if isinstance(tensors, list) else [tensors]
    return [tensor["config"]["keras_history"][0] for tensor in tensors]


def _read_weights(path: Path, data: bytes, spec: UNetSpec) -> Weights:
    """Return the weights; their shapes are checked before they are read."""
    try:
        import h5py
    except ImportError as error:
        raise ModelError(
            f"the weights of {path} need h5py ({error}), install it: pip install 'geoseg[keras]'"
        ) from None
    keys, weights = _weight_keys(spec), {}
    try:
        with h5py.File(io.BytesIO(data)) as file:
            for name, shape in weight_shapes(spec).items():
                weights[name] = _as_in_torch(file[keys[name]], name, shape)
    except (
        ArithmeticError, AttributeError, LookupError, ModelError, OSError, RuntimeError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ModelError(
            f"the weights of {path} are damaged ({reason}), use an intact copy of the file"
        ) from None
    return weights


def _weight_keys(spec: UNetSpec) -> dict[str, str]:
    """Return the place of each weight of `LabUNet` in the HDF5 file."""
    table = layer_table(spec)
    convolutions = iter([row.name for row in table if row.kind == "Conv2D"])
    upsamplings = iter([row.name for row in table if row.kind == "Conv2DTranspose"])
    keys = {}
    for layer in dict.fromkeys(name.rpartition(".")[0] for name in weight_shapes(spec)):
        keras_name = next(upsamplings if layer.startswith("up.") else convolutions)
        keys[f"{layer}.weight"] = f"layers/{keras_name}/vars/0"
        keys[f"{layer}.bias"] = f"layers/{keras_name}/vars/1"
    return keys


def _as_in_torch(dataset: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:  # noqa: ANN401 - h5py has no types
    """Read a weight. In Keras the two axes of the kernel come first, in PyTorch they come last."""
    axes = (3, 2, 0, 1) if len(shape) == 4 else (0,)
    stored = tuple(dataset.shape)
    if len(stored) != len(shape) or tuple(stored[axis] for axis in axes) != shape:
        raise ModelError(f"{name} has the shape {stored}")
    if dataset.id.get_offset() is None:  # h5py would make up its values
        raise ModelError(f"{name} is not stored in the file as Keras does")
    value = np.asarray(dataset, np.float32).transpose(axes)
    if not np.isfinite(value).all():
        raise ModelError(f"{name} holds values that are not finite numbers")
    return np.ascontiguousarray(value)
