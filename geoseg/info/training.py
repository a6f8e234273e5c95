"""The training record of a model file, which may hold anything that JSON can, in words."""

import json
import math
from collections.abc import Mapping
from typing import Any

from geoseg.errors import ModelError

Facts = list[tuple[str, str]]
"""Titles and what stands beside them."""
ScoreRow = tuple[str, str, str, str, str]
"""Class, IoU, user's accuracy, producer's accuracy, pixels."""


def plain_record(record: object) -> dict[str, Any]:
    """The record with None for NaN and infinite numbers; an empty one if it is not an object.

    Raises:
        ModelError: if it is nested too deeply.
    """
    try:
        text = json.dumps(mapping(record))
        found: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ModelError("the training record of the model is nested too deeply") from None
    return found


def training_facts(record: Mapping[str, Any]) -> Facts:
    """Settings, best epoch, validation scores and calibration, as far as they are recorded."""
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
    found = mapping(record.get("calibration"))
    if found:
        temperature = number(found.get("temperature"))
        before, after = (
            percent(found.get(f"expected_calibration_error{which}")) for which in ("_at_1", "")
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
    """Validation scores of the classes that have any, in the order of ``names``."""
    classes = mapping(mapping(record.get("validation")).get("classes"))
    scores = {name: mapping(classes[name]) for name in names if name in classes}
    return [
        (
            name,
            percent(found.get("iou")),
            percent(found.get("users_accuracy")),
            percent(found.get("producers_accuracy")),
            count(found.get("pixels")),
        )
        for name, found in scores.items()
    ]


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object of JSON, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def count(value: object) -> str:
    """A count with commas, "-" for what is not a number."""
    found = number(value)
    return "-" if found is None else f"{found:,.0f}"


def percent(share: object) -> str:
    """A share as a percentage, "-" for what is not a number."""
    found = number(share)
    return "-" if found is None else f"{100 * found:.1f} %"
