"""Format the training record of a model file, whose entries `Model.load` has checked."""

from collections.abc import Mapping
from typing import Any

Facts = list[tuple[str, str]]
"""Titles and texts."""


def training_facts(record: Mapping[str, Any]) -> Facts:
    """Return settings, best epoch, validation scores and calibration, if they are recorded."""
    facts = []
    settings = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in (record.get("settings") or {}).items()
        if value not in (None, [])
    ]
    if tiles := record.get("tiles"):
        settings.append(f"on {tiles['train']:,} tiles, {tiles['val']:,} for validation")
    if settings:
        facts.append(("Training", ", ".join(settings)))
    if (best := record.get("best_epoch")) is not None:
        epochs = record.get("epochs")
        facts.append(("Best epoch", f"{best:,} of {'-' if epochs is None else f'{epochs:,}'}"))
    if scores := record.get("validation"):
        accuracy, iou = percent(scores.get("accuracy")), percent(scores.get("mean_iou"))
        text = f"accuracy {accuracy}, mean IoU {iou}, {scores['pixels']:,} pixels"
        facts.append(("Validation", text))
    if calibration := record.get("calibration"):
        before, after = (
            percent(calibration.get(f"expected_calibration_error{suffix}"))
            for suffix in ("_at_1", "")
        )
        facts.append((
            "Confidence",
            f"temperature {calibration['temperature']:.2f}, expected calibration error {after} "
            f"({before} before temperature scaling)",
        ))  # fmt: skip
    return facts or [("Training", "not recorded")]


def score_rows(record: Mapping[str, Any], names: list[str]) -> list[tuple[str, ...]]:
    """Return class, IoU, user's and producer's accuracy, and pixels of the classes with scores.

    The rows have the order of ``names``.
    """
    classes = (record.get("validation") or {}).get("classes", {})
    shares = ("iou", "users_accuracy", "producers_accuracy")
    return [
        (
            name,
            *(percent(classes[name].get(share)) for share in shares),
            f"{classes[name]['pixels']:,}",
        )
        for name in names
        if name in classes
    ]


def percent(share: float | None) -> str:
    """Format a share as a percentage; "-" for None."""
    return "-" if share is None else f"{100 * share:.1f} %"
