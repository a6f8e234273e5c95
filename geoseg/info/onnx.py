"""Describe the network of another program in an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoseg.info.training import Facts
from geoseg.models import find_model

_UNKNOWN = "not in the file"


def describe_onnx(path: str | Path) -> dict[str, Any]:
    """Read an ONNX file and the MLM item beside it, and run its network on random test windows.

    Returns:
        Keys path, hash, bytes, sources, bands (number), band_names, input (dtype and layout),
        window (side of the input), margin, batch, channels, output ("logits" or "probabilities"),
        mean, std, dtype and pixel_size (of scenes), classes; None where nothing is known.

    Raises:
        ModelError: if the file cannot be read or run, or is no network for segmentation.
    """
    # Importing torch takes longer than any other report.
    from geoseg.model import inspect_onnx, try_onnx

    facts = inspect_onnx(find_model(path))
    known = facts.metadata
    bands = facts.bands or (known.band_names and len(known.band_names))
    side = facts.side or known.window
    output = try_onnx(facts, bands, side) if bands and side else None
    logits = known.logits
    if logits is None and output is not None:
        logits = not output.probabilities
    return {
        "path": facts.file.path,
        "hash": facts.file.hash,
        "bytes": len(facts.file.data),
        "sources": list(facts.sources),
        "bands": bands,
        "band_names": known.band_names and list(known.band_names),
        "input": {"dtype": facts.file.input_dtype, "layout": facts.layout},
        "window": side,
        "margin": output and side and (side - output.side) // 2,
        "batch": facts.batch,
        "channels": output and output.channels,
        "output": None if logits is None else "logits" if logits else "probabilities",
        "mean": known.mean and list(known.mean),
        "std": known.std and list(known.std),
        "dtype": known.dtype,
        "pixel_size": known.pixel_size,
        "classes": known.legend and known.legend.to_dict()["classes"],
    }


def onnx_facts(data: dict[str, Any]) -> Facts:
    """Return titles and texts, with the option that gives what is not known."""
    bands = _UNKNOWN if data["bands"] is None else str(data["bands"])
    names = data["band_names"]
    window = f"{_UNKNOWN}, give --window"
    if data["window"] is not None:
        window = f"{data['window']} x {data['window']} px"
    margin = f", {data['margin']} px on each side without output" if data["margin"] else ""
    channels = "" if data["channels"] is None else f"{data['channels']} x "
    scaling = f"{_UNKNOWN}, give --input-mean and --input-std"
    if data["std"] is not None:
        scaling = (
            f"(value - mean) / std, mean {_numbers(data['mean'])}, std {_numbers(data['std'])}"
        )
    classes = f"{_UNKNOWN}, give --legend"
    if data["classes"] is not None:
        classes = ", ".join(f"{c['value']} {c['name']}" for c in data["classes"])
    return [
        ("Metadata", ", ".join(data["sources"]) or "none"),
        ("Bands", f"{bands} ({', '.join(names)})" if names else bands),
        ("Input", f"{data['input']['dtype']}, {data['input']['layout'].upper()}"),
        ("Pixel size", "not known" if data["pixel_size"] is None else f"{data['pixel_size']:g} m"),
        ("Window", window + margin),
        ("Batch", "any size" if data["batch"] is None else str(data["batch"])),
        ("Scaling", scaling),
        ("Output", "not known" if data["output"] is None else f"{channels}{data['output']}"),
        ("Classes", classes),
    ]


def _numbers(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)
