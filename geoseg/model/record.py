"""The training record of a model file."""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import ModelError, check_type
from geoseg.model.ranges import NumberRange

_COUNT = NumberRange(0, 2**63 - 1, whole=True)
_SHARE = NumberRange(0, 1)
"""A share, or None where its denominator is 0."""
_SCORES = {"iou": _SHARE, "users_accuracy": _SHARE, "producers_accuracy": _SHARE, "pixels": _COUNT}
_ANY_CLASS = "*"
_ENTRIES: dict[str, Any] = {
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
    """Check the types of a training record.

    An entry may be missing or None, else it has the type that `train` writes. Unknown entries are
    not checked.

    Raises:
        ModelError: if the record or an entry has another type.
    """
    check_type("training", record, Mapping)
    for name, expected in _ENTRIES.items():
        if record.get(name) is not None:
            _check_entry(name, record[name], expected)


def _check_entry(name: str, value: object, expected: NumberRange | dict[str, Any]) -> None:
    if isinstance(expected, NumberRange):
        if value is not None or expected is not _SHARE:
            expected.check(f"{name} of the training record", value)
        return
    if not isinstance(value, Mapping):
        raise ModelError(f"{name} of the training record is {shortened(value)}, not an object")
    if _ANY_CLASS in expected:
        expected = dict.fromkeys(value, expected[_ANY_CLASS])
    for key, inner in expected.items():
        _check_entry(f"{name}.{key}", value.get(key), inner)
