"""What was found out about a path."""

from dataclasses import dataclass
from typing import Any

from geoseg.info.detect import Kind


@dataclass(frozen=True, slots=True)
class Report:
    """A kind and all that is known, as plain data; what is unknown is None."""

    kind: Kind
    """"model", "tiles", "parts", "labels", "scene" or "vectors"."""
    data: dict[str, Any]
    """Dicts, lists, text, finite numbers, booleans and None: fit for JSON."""
