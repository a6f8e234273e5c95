"""Folders that the tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
SAMPLE = ROOT / "sample_data"
WORKFLOWS = ROOT / "workflows"
SHARED = ROOT.parent / "shared"
"""Real data and references, which are not part of the repository."""


def names_in(folder: Path) -> list[str]:
    """Return the sorted names of a folder's files and folders."""
    return sorted(path.name for path in folder.iterdir())
