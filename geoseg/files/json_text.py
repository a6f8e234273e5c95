"""Plain data as JSON."""

import json
import math
from collections.abc import Mapping


def json_text(data: object) -> str:
    """Return plain data as JSON; NaN and infinite numbers become the texts "nan", "inf", "-inf"."""
    text = json.dumps(_with_texts(data), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()  # names of files may have surrogates


def _with_texts(value: object) -> object:
    """Return plain data with texts in place of NaN and infinite numbers."""
    if isinstance(value, Mapping):
        return {key: _with_texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
