"""What every refusal has in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def refusal(error_type: type[Exception], match: str, folder: Path) -> Iterator[None]:
    """Expect one sentence that matches, and a folder without new or missing files."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(error_type, match=match) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before
