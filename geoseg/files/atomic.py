"""A folder of results that appears at its name when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.errors import OutputError, root_message


def check_output(out: Path, mark: str, what: str, *, overwrite: bool) -> None:
    """Refuse a name that is taken, unless what is there is to be replaced by its like.

    Args:
        out: the folder.
        mark: name of a file that tells such a folder from others.
        what: such a folder is called.
        overwrite: replace one that is there.

    Raises:
        OutputError: if the name is taken.
    """
    _, old = _hidden_path(out)
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
def atomic_folder(out: Path) -> Iterator[Path]:
    """A folder to write, which gets its name when it is complete; until then an old one stays.

    Raises:
        OutputError: if it cannot be made or renamed.
    """
    beside, old = _hidden_path(out)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with translate_write_errors(out):
            beside.mkdir(parents=True)
        yield beside
        with translate_write_errors(out):
            if out.exists():
                out.replace(old)
            beside.replace(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _hidden_path(out: Path) -> tuple[Path, Path]:
    """Where a folder is written, and where the one that it replaces goes for a moment."""
    return out.with_name(f".{out.name}.writing"), out.with_name(f".{out.name}.old")


@contextmanager
def translate_write_errors(
    path: Path, errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Turn what the system or a library says of a failed write into one sentence.

    Raises:
        OutputError: in place of ``errors``.
    """
    try:
        yield
    except errors as error:
        raise OutputError(
            f"cannot write {path.name} in {path.parent} ({root_message(error)}), "
            "check the free space and permissions"
        ) from None
