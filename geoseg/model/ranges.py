"""Allowed ranges of the numbers in specs, settings and model files."""

import math
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

import numpy as np

from geoseg.errors import ModelError

LARGEST = 3.4028234e38
"""About the largest finite float32, because geoseg computes with float32."""


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The numbers from ``low`` to ``high``."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    """True if only whole numbers are in the range."""
    above: bool = False
    """True if ``low`` itself is not in the range."""
    below: bool = False
    """True if ``high`` itself is not in the range."""

    def check(self, name: str, value: object) -> float:
        """Return a value as a number of this range.

        Args:
            name: of the number, for the message.
            value: any object; texts and booleans are not numbers.

        Returns:
            An ``int`` if the range has whole numbers only, else a ``float``.

        Raises:
            ModelError: if the value is not a finite number, or is out of range.
        """
        kinds = (int, np.integer) if self.whole else (int, float, np.integer, np.floating)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self._contains(value):
            raise ModelError(f"{name} is {shortened(value)}, give {self}")
        return int(value) if self.whole else float(value)

    def __str__(self) -> str:
        noun = "a whole number" if self.whole else "a number"
        if self.low == -math.inf:
            return "a finite number"
        if self.high < math.inf and not (self.above or self.below):
            return f"{noun} from {self.low:g} to {self.high:.15g}"
        text = f"{noun} above {self.low:g}" if self.above else f"{noun} of at least {self.low:g}"
        return f"{text} and below {self.high:g}" if self.below else text

    def _contains(self, value: int | float | np.number[Any]) -> bool:
        low = self.low < value if self.above else self.low <= value
        high = value < self.high if self.below else value <= self.high
        return bool(low and high and -LARGEST <= value <= LARGEST)
