"""The record of the training that a model file holds."""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import ModelError, check_type
from geoseg.model.ranges import NumberRange

_COUNT = NumberRange(0, 2**63 - 1, whole=True)
_SHARE = NumberRange(0, 1)
"""Or None, where there is nothing to divide by."""
_SCORES = {"iou": _SHARE, "users_accuracy": _SHARE, "producers_accuracy": _SHARE, "pixels": _COUNT}
_ANY_CLASS = "*"
_KNOWN_ENTRIES: dict[str, Any] = {
    "settings": {},
    "tiles": {"train": _COUNT, "val": _COUNT},
    "best_epoch": _COUNT,
    "epochs": _COUNT,
    "validation": {
        "accuracy": _SHARE, "mean_iou": _SHARE, "pixels": _COUNT, "classes": {_ANY_CLASS: _SCORES},
    },
    "calibration": {
        "temperature": NumberRange(0, above=True),
        "expected_calibration_error": _SHARE,
        "expected_calibration_error_at_1": _SHARE,
    },
}  # fmt: skip


def check_record(record: Mapping[str, Any]) -> None:
    """Refuse a record that the readers of models cannot read.

    Each entry may be missing or None. If it is there, it must be of the type that `train` writes.

    Raises:
        ModelError: if the record or an entry is of another type.
    """
    check_type("training", record, Mapping)
    for name, wanted in _KNOWN_ENTRIES.items():
        if record.get(name) is not None:
            _check_entry(name, record[name], wanted)


def _check_entry(name: str, value: object, wanted: NumberRange | dict[str, Any]) -> None:
    if isinstance(wanted, NumberRange):
        if value is not None or wanted is not _SHARE:
            wanted.check(f"{name} of the training record", value)
        return
    if not isinstance(value, Mapping):
        raise ModelError(f"{name} of the training record is {shortened(value)}, not an object")
    if _ANY_CLASS in wanted:
        wanted = dict.fromkeys(value, wanted[_ANY_CLASS])
    for inner, kind in wanted.items():
        _check_entry(f"{name}.{inner}", value.get(inner), kind)
