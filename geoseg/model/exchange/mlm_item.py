"""Describe a model as a STAC item with the machine learning model extension (MLM).

https://github.com/stac-extensions/mlm
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from geoseg.legend import Legend
from geoseg.model.exchange.onnx_file import INPUT, OUTPUT, input_divisor, pixel_size
from geoseg.model.model_file import Model
from geoseg.model.networks import network_weights

_EXTENSIONS = (
    "https://stac-extensions.github.io/mlm/v1.6.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
_ANY_TIME = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
"""The period that the documentation of MLM recommends for a model of images of any time."""
_SHA256 = "1220"
"""Start of a SHA-256 in the multihash format: its code, and its length in bytes."""


def describe_as_mlm(
    model: Model, file_name: str, data: bytes, *, int8: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the MLM item of an exported model, as plain data for JSON.

    A model file does not say where and when its training data are from. So the item has no
    geometry, and the widest period that STAC can express.

    Args:
        model: the exported model.
        file_name: name of the ONNX file, which is in the folder of the item.
        data: content of the ONNX file.
        int8: how it was quantised, as plain data for JSON; None if it was not.
    """
    name = PurePath(file_name).stem
    size = pixel_size(model)
    # MLM wants the bands in the properties, and STAC then wants them in an asset too.
    bands = [{"name": band} for band in model.band_names]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": name,
        "geometry": None,
        "properties": {
            "description": f"Land-cover model of geoseg: {', '.join(model.legend.names)}. "
            "The scores are probabilities; the class of a pixel is that with the largest score.",
            "datetime": None,
            "start_datetime": _ANY_TIME[0],
            "end_datetime": _ANY_TIME[1],
            **({} if size is None else {"gsd": size}),
            "bands": bands,
            **{f"mlm:{key}": value for key, value in _model_fields(model, name, int8).items()},
        },
        "links": [],
        "assets": {
            "model": {
                "href": f"./{file_name}",
                "type": "application/octet-stream; framework=onnx",
                "title": "Network as ONNX",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "onnx",
                "bands": bands,
                "file:size": len(data),
                "file:checksum": _SHA256 + hashlib.sha256(data).hexdigest(),
            }
        },
    }


def _model_fields(model: Model, name: str, int8: Mapping[str, Any] | None) -> dict[str, Any]:
    spec, task = model.spec, "semantic-segmentation"
    return {
        "name": f"geoseg {_words(name, ' ') or 'model'}",
        "architecture": "U-Net",
        "tasks": [task],
        "framework": "ONNX",
        "total_parameters": sum(v.numel() for v in network_weights(model.network).values()),
        "accelerator_constrained": False,
        "hyperparameters": {
            "encoder": spec.encoder, "depth": spec.depth, "width": spec.width,
            "temperature": model.temperature, **({"model": model.hash} if model.hash else {}),
            **({} if int8 is None else {"int8": dict(int8)}),
        },
        "input": [
            {
                "name": INPUT,
                "bands": list(model.band_names),
                "input": _array("bands", [-1, spec.bands, spec.window, spec.window]),
                "value_scaling": _value_scaling(model.dtype),
            }
        ],
        "output": [
            {
                "name": OUTPUT,
                "tasks": [task],
                "result": _array("class", [-1, spec.classes, spec.window, spec.window]),
                "classification:classes": _classes(model.legend),
            }
        ],
    }  # fmt: skip


def _array(channels: str, shape: list[int]) -> dict[str, Any]:
    order = ["batch", channels, "height", "width"]
    return {"shape": shape, "dim_order": order, "data_type": "float32"}


def _value_scaling(dtype: str) -> list[dict[str, Any]] | None:
    """Return what turns scene values into the input of the network: a division, or nothing."""
    divisor = input_divisor(dtype)
    return None if divisor == 1 else [{"type": "scale", "value": divisor}]


def _classes(legend: Legend) -> list[dict[str, Any]]:
    """Return the classes; each has a short name of its own, of letters, digits, "-" and "_"."""
    classes: list[dict[str, Any]] = []
    short_names: set[str] = set()
    for c in legend.classes:
        name = _words(c.name, "_") or f"class_{c.value}"
        while name.casefold() in short_names:
            name = f"{name}_{c.value}"
        short_names.add(name.casefold())
        color = c.color.removeprefix("#").upper()
        classes.append({"value": c.value, "name": name, "description": c.name, "color_hint": color})
    return classes


def _words(text: str, separator: str) -> str:
    """Return a text with all but ASCII letters, digits, "-" and "_" replaced by a separator."""
    return re.sub(r"[^0-9A-Za-z_-]+", separator, text).strip(f"{separator}_-")
