"""Format the training record of a model file, whose entries `Model.load` has checked."""

from collections.abc import Mapping
from typing import Any

Facts = list[tuple[str, str]]
"""Titles and texts."""
_OFF = {"encoder_lr": 1, "warmup": 0, "clip": 0, "average": 0, "pseudo_labels": False}
"""Values of settings that change nothing."""


def training_facts(record: Mapping[str, Any], encoder: str) -> Facts:
    """Return settings, best epoch, validation scores and calibration, if they are recorded.

    Settings without effect on a network with this encoder are left out.
    """
    facts = []
    unused = _unused_settings(record, encoder)
    settings = [
        f"{name.replace('_', ' ')} {'yes' if value is True else value}"
        for name, value in (record.get("settings") or {}).items()
        if name not in unused and value not in (None, [], _OFF.get(name))
    ]
    if tiles := record.get("tiles"):
        settings.append(f"on {tiles['train']:,} tiles, {tiles['val']:,} for validation")
        if replayed := tiles.get("replayed"):
            settings.append(f"{replayed:,} replayed")
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


def _unused_settings(record: Mapping[str, Any], encoder: str) -> set[str]:
    """Return the names of settings without effect, and "encoder", which is not only of training."""
    from geoseg.model import EFFICIENTNET_LITE0, LAB  # loads torch, which other reports do not need

    weights = (record.get("settings") or {}).get("encoder_weights")
    is_default_random = weights is None and encoder != EFFICIENTNET_LITE0
    unused = {"encoder"}
    if encoder != LAB:
        unused.add("depth")
    if not record.get("start") and (weights == "none" or is_default_random):
        unused.add("encoder_lr")
    return unused


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
