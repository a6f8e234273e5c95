"""A folder of results that appears at its name when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.errors import OutputError
from geoseg.raster import writing


def check_free(out: Path, mark: str, what: str, *, overwrite: bool) -> None:
    """Refuse a name that is taken, unless what is there is to be replaced by its like.

    Args:
        out: the folder.
        mark: name of a file that tells such a folder from others.
        what: such a folder is called.
        overwrite: replace one that is there.

    Raises:
        OutputError: if the name is taken.
    """
    _, old = _hidden(out)
    if old.exists() and not out.exists():  # a run was killed as it put the new one in its place
        old.replace(out)
    if not out.exists():
        return
    if not overwrite:
        raise OutputError(f"{out} exists, use another output name, or overwrite (-f)")
    if not (out / mark).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputError(
            f"{out} is not {what}, so it cannot be overwritten, use another output name"
        )


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A folder to write, which gets its name when it is complete; until then an old one stays.

    Raises:
        OutputError: if it cannot be made or renamed.
    """
    beside, old = _hidden(out)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with writing(out):
            beside.mkdir(parents=True)
        yield beside
        with writing(out):
            if out.exists():
                out.replace(old)
            beside.replace(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _hidden(out: Path) -> tuple[Path, Path]:
    """Where a folder is written, and where the one that it replaces goes for a moment."""
    return out.with_name(f".{out.name}.writing"), out.with_name(f".{out.name}.old")
