"""Files of Keras 3: the reference U-Net with any weights, and what Keras computes with them."""

import io
import json
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Layers = list[dict[str, Any]]
Weights = dict[str, tuple[np.ndarray, np.ndarray]]
"""Kernel and bias by the name of the layer in the HDF5 file."""


class KerasFile:
    """The reference U-Net as Keras 3 writes it, with random weights.

    ``first`` is the number of the first layer of each kind: Keras counts on through a session.
    """

    def __init__(
        self, *, bands=3, classes=6, width=4, depth=2, window=32, rate=0.1, scale=1 / 255,
        offset=0.0, first=0, version="3.15.1",
    ) -> None:  # fmt: skip
        self.bands, self.classes, self.depth = bands, classes, depth
        self.scale, self.offset, self.rate, self.first = scale, offset, rate, first
        self.filters = [width * 2**level for level in range(depth + 1)]
        self.metadata: dict[str, Any] = {"keras_version": version, "date_saved": "2026-11-22"}
        self.layers: Layers = []
        self._counts: dict[str, int] = {}
        self._build(window)
        self.weights = self._random_weights()

    def save(self, path: Path, *, change: Callable[["KerasFile"], object] | None = None) -> Path:
        """Write the file, after a change."""
        h5py = pytest.importorskip("h5py")
        if change is not None:
            change(self)
        stored = io.BytesIO()
        with h5py.File(stored, "w") as file:
            for name, arrays in self.weights.items():
                for i, array in enumerate(arrays):
                    file[f"layers/{name}/vars/{i}"] = array
        config = {"class_name": "Functional", "config": {"layers": self.layers}}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps(self.metadata))
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("model.weights.h5", stored.getvalue())
        return path

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """What Keras computes for an image (h, w, bands), written out with NumPy."""
        convs = iter(name for name in self.weights if "transpose" not in name)
        ups = iter(name for name in self.weights if "transpose" in name)
        x, skips = image * self.scale + self.offset, []
        for level in range(self.depth + 1):
            for _ in range(2):
                x = np.maximum(self._conv(x, next(convs)), 0)
            if level < self.depth:
                skips.append(x)
                x = x.reshape(len(x) // 2, 2, len(x) // 2, 2, -1).max(axis=(1, 3))
        for _ in range(self.depth):
            x = np.concatenate([skips.pop(), self._up(x, next(ups))], axis=2)
            for _ in range(2):
                x = np.maximum(self._conv(x, next(convs)), 0)
        scores = np.exp(self._conv(x, next(convs)))
        return scores / scores.sum(axis=2, keepdims=True)

    def _conv(self, x: np.ndarray, name: str) -> np.ndarray:
        kernel, bias = self.weights[name]
        pad = len(kernel) // 2
        x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
        return np.einsum("hwcij,ijco->hwo", patches, kernel, optimize=True) + bias

    def _up(self, x: np.ndarray, name: str) -> np.ndarray:
        kernel, bias = self.weights[name]
        y = np.einsum("hwc,ijoc->hiwjo", x, kernel)
        return y.reshape(2 * x.shape[0], 2 * x.shape[1], -1) + bias

    def _build(self, window: int) -> None:
        shape = [None, window, window, self.bands]
        x = self._add("InputLayer", "input_layer", [], batch_shape=shape)
        x = self._add("Rescaling", "rescaling", [x], scale=self.scale, offset=self.offset)
        skips = []
        for filters in self.filters[:-1]:
            x = self._double_conv(x, filters)
            skips.append(x)
            x = self._add(
                "MaxPooling2D", "max_pooling2d", [x], pool_size=[2, 2], strides=[2, 2],
                padding="valid", data_format="channels_last",
            )  # fmt: skip
        x = self._dropout(x)
        for _ in range(2):
            x = self._convolution(x, self.filters[-1])
        for filters in reversed(self.filters[:-1]):
            up = self._add(
                "Conv2DTranspose", "conv2d_transpose", [x], filters=filters, kernel_size=[2, 2],
                strides=[2, 2], padding="same", activation="linear", use_bias=True,
                dilation_rate=[1, 1], data_format="channels_last",
            )  # fmt: skip
            x = self._add("Concatenate", "concatenate", [skips.pop(), up], axis=-1)
            x = self._double_conv(x, filters)
        self._convolution(x, self.classes, size=1, activation="softmax", padding="valid")

    def _double_conv(self, x: str, filters: int) -> str:
        return self._convolution(self._dropout(self._convolution(x, filters)), filters)

    def _dropout(self, x: str) -> str:
        return self._add("Dropout", "dropout", [x], rate=self.rate)

    def _convolution(self, x, filters, *, size=3, activation="relu", padding="same") -> str:
        return self._add(
            "Conv2D", "conv2d", [x], filters=filters, kernel_size=[size, size], strides=[1, 1],
            padding=padding, data_format="channels_last", dilation_rate=[1, 1], groups=1,
            activation=activation, use_bias=True,
        )  # fmt: skip

    def _add(self, kind: str, stem: str, inputs: list[str], **config: object) -> str:
        number = self._counts.setdefault(stem, self.first)
        self._counts[stem] += 1
        name = f"{stem}_{number}" if number else stem
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
            for source in inputs
        ]
        argument: Any = tensors if len(tensors) > 1 else tensors[0] if tensors else None
        self.layers.append({
            "module": "keras.layers", "class_name": kind, "name": name, "registered_name": None,
            "config": {"name": name, **config},
            "inbound_nodes": [{"args": [argument], "kwargs": {}}] if inputs else [],
        })  # fmt: skip
        return name

    def _random_weights(self) -> Weights:
        """Draw weights; their names count from 0 in each file, unlike those of the layers."""
        rng = np.random.default_rng(0)
        pairs = [(self.bands, self.filters[0]), *pairwise(self.filters)]
        shapes = [s for a, b in pairs for s in ((3, 3, a, b), (3, 3, b, b))]
        for b in reversed(self.filters[:-1]):
            shapes += [(3, 3, 2 * b, b), (3, 3, b, b)]
        shapes.append((1, 1, self.filters[0], self.classes))
        named = {f"conv2d_{i}".removesuffix("_0"): shape for i, shape in enumerate(shapes)}
        for i, (outer, inner) in enumerate(pairwise(reversed(self.filters))):
            named[f"conv2d_transpose_{i}".removesuffix("_0")] = (2, 2, inner, outer)
        weights = {}
        for name, shape in named.items():
            gain = 20 if shape[0] == 1 else 2  # the head is strong, so that classes differ
            kernel = rng.normal(0, (gain / np.prod(shape[:3])) ** 0.5, shape).astype(np.float32)
            outputs = shape[2] if "transpose" in name else shape[3]
            weights[name] = kernel, rng.normal(0, 0.1, outputs).astype(np.float32)
        return weights
