"""Write a model as ONNX, with a STAC item beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoseg.files import atomic_file, check_file_name, check_not_there
from geoseg.model.exchange.mlm_item import describe_as_mlm
from geoseg.model.exchange.onnx_file import onnx_bytes
from geoseg.model.model_file import Model


def export_model(
    model: Model | str | Path, out: str | Path, *, overwrite: bool = False
) -> tuple[Path, Path]:
    """Write a model as ONNX, with an MLM item of STAC beside it; both whole or not at all.

    The network maps (n, bands, window, window) float32 to scores (n, classes, window, window)
    float32. It reads scene values divided by `input_divisor`, as QGIS Deepness and GeoDeep give
    them: 0 to 1 for unsigned integers. The scaling of the model follows inside. The scores are
    softmax(logits / temperature): the probabilities that `classify` computes from one window.
    The same model gives the same bytes with the same versions of PyTorch, onnx and onnxscript.

    Args:
        model: the model, its file, or the name of a bundled model or of one in the user folder.
        out: ONNX file, .onnx. The item has its name with the ending .json.
        overwrite: replace existing files.

    Returns:
        The paths of the ONNX file and of the item.

    Raises:
        OutputError: if the name has another ending, or a file exists or cannot be written.
        ModelError: if the model cannot be loaded, or onnx or onnxscript is not installed.
    """
    out = Path(out)
    check_export(out, overwrite=overwrite)
    model = model if isinstance(model, Model) else Model.load(model)
    return write_export(model, out, onnx_bytes(model))


def check_export(out: Path, *, overwrite: bool) -> None:
    """Check that the ONNX file and its item can be written.

    Raises:
        OutputError: if the name has another ending, or a file exists or cannot be written.
    """
    check_file_name(out, ".onnx")  # first, because an empty name has no other ending
    item = out.with_suffix(".json")
    check_file_name(item)
    for path in (out, item):
        check_not_there(path, overwrite=overwrite)


def write_export(
    model: Model, out: Path, data: bytes, *, int8: Mapping[str, Any] | None = None
) -> tuple[Path, Path]:
    """Write the ONNX file of a model and its MLM item; both whole or not at all.

    Args:
        model: the exported model.
        out: ONNX file, .onnx.
        data: content of the ONNX file.
        int8: how it was quantised, for the item; None if it was not.

    Returns:
        The paths of the ONNX file and of the item.

    Raises:
        OutputError: if a file cannot be written.
    """
    item = out.with_suffix(".json")
    facts = describe_as_mlm(model, out.name, data, int8=int8)
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    with atomic_file(out) as new_model:  # gets its name last
        new_model.write_bytes(data)
        with atomic_file(item) as new_item:
            new_item.write_text(f"{text}\n", encoding="utf-8")
    return out, item
