"""Format the training record of a model file, which may hold any JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

from geoseg.errors import ModelError

Facts = list[tuple[str, str]]
"""Titles and texts."""
ScoreRow = tuple[str, str, str, str, str]
"""Class, IoU, user's accuracy, producer's accuracy, pixels."""


def plain_record(record: object) -> dict[str, Any]:
    """Return a record with None for NaN and infinite numbers; {} if it is not an object.

    Raises:
        ModelError: if it is nested too deeply.
    """
    try:
        text = json.dumps(mapping(record))
        plain: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ModelError("the training record of the model is nested too deeply") from None
    return plain


def training_facts(record: Mapping[str, Any]) -> Facts:
    """Return settings, best epoch, validation scores and calibration, if they are recorded."""
    facts = []
    settings = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in mapping(record.get("settings")).items()
        if value not in (None, [])
    ]
    tiles = mapping(record.get("tiles"))
    if tiles:
        settings.append(
            f"on {count(tiles.get('train'))} tiles, {count(tiles.get('val'))} for validation"
        )
    if settings:
        facts.append(("Training", ", ".join(settings)))
    if record.get("best_epoch") is not None:
        epochs = count(record["best_epoch"]), count(record.get("epochs"))
        facts.append(("Best epoch", f"{epochs[0]} of {epochs[1]}"))
    scores = mapping(record.get("validation"))
    if scores:
        facts.append(
            (
                "Validation",
                f"accuracy {percent(scores.get('accuracy'))}, mean IoU "
                f"{percent(scores.get('mean_iou'))}, {count(scores.get('pixels'))} pixels",
            )
        )
    calibration = mapping(record.get("calibration"))
    if calibration:
        temperature = number(calibration.get("temperature"))
        before, after = (
            percent(calibration.get(f"expected_calibration_error{suffix}"))
            for suffix in ("_at_1", "")
        )
        facts.append(
            (
                "Confidence",
                f"temperature {'-' if temperature is None else f'{temperature:.2f}'}, expected "
                f"calibration error {after} ({before} before temperature scaling)",
            )
        )
    return facts or [("Training", "not recorded")]


def score_rows(record: Mapping[str, Any], names: list[str]) -> list[ScoreRow]:
    """Return the validation scores of the classes that have scores, in the order of ``names``."""
    classes = mapping(mapping(record.get("validation")).get("classes"))
    scores = {name: mapping(classes[name]) for name in names if name in classes}
    return [
        (
            name,
            percent(of_class.get("iou")),
            percent(of_class.get("users_accuracy")),
            percent(of_class.get("producers_accuracy")),
            count(of_class.get("pixels")),
        )
        for name, of_class in scores.items()
    ]


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a JSON object, else {}."""
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """Return the value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        return None
    return float(value) if finite else None


def count(value: object) -> str:
    """Format a count with commas; "-" if it is not a number."""
    total = number(value)
    return "-" if total is None else f"{total:,.0f}"


def percent(share: object) -> str:
    """Format a share as a percentage; "-" if it is not a number."""
    ratio = number(share)
    return "-" if ratio is None else f"{100 * ratio:.1f} %"
