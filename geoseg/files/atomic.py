"""Files and folders that appear at their name when they are complete.

A file is written under a temporary name in the same folder, and renamed. A killed process leaves
the old file, and perhaps a hidden temporary one.
"""

import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.errors import OutputError, root_message

_TEMPORARY = re.compile(r"\.tmp[0-9a-f]{8}-")
"""Prefix of the names of temporary files."""


def temporary_path(path: Path) -> Path:
    """A hidden name in the folder of ``path``, with its suffix, that no other writer uses."""
    return path.with_name(f".tmp{secrets.token_hex(4)}-{path.name}")


@contextmanager
def atomic_file(
    path: Path, *, durable: bool = False, errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[Path]:
    """Yield a temporary path to write; rename it to ``path`` at the end of the block.

    Where the block raises, the temporary file is deleted and the old file stays.

    Args:
        path: the file to write.
        durable: wait until the disk has the content, which then survives a loss of power.
        errors: what the writer raises when a write fails.

    Raises:
        OutputError: in place of ``errors``.
    """
    temporary = temporary_path(path)
    try:
        with translate_write_errors(path, errors):
            yield temporary
            if durable:
                replace_durably(temporary, path)
            else:
                temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_durably(temporary: Path, path: Path) -> None:
    """Rename a complete file; its content, then its new name, is flushed to the disk."""
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Yield a folder to fill; rename it to ``out`` at the end of the block.

    Where the block raises, the new folder is deleted and the old one stays.

    Raises:
        OutputError: if the folder cannot be made or renamed.
    """
    new, old = _new_and_old(out)
    shutil.rmtree(new, ignore_errors=True)
    try:
        with translate_write_errors(out):
            new.mkdir(parents=True)
        yield new
        with translate_write_errors(out):
            if out.exists():
                out.replace(old)
            new.replace(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def restore_folder(out: Path) -> None:
    """Put the old folder back if a process was killed between the two renames."""
    _, old = _new_and_old(out)
    if old.exists() and not out.exists():
        old.replace(out)


def remove_temporaries(folder: Path, *, min_age: float = 0.0) -> None:
    """Delete the temporary files and folders of killed processes.

    Args:
        folder: where they are.
        min_age: minimum time since the last write (s); younger ones may still be in use.
    """
    for path in folder.iterdir():
        if _TEMPORARY.match(path.name) and time.time() - _last_written(path) >= min_age:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def translate_write_errors(
    path: Path, errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Translate the error of a failed write into one sentence.

    Raises:
        OutputError: in place of ``errors``.
    """
    try:
        yield
    except errors as error:
        raise OutputError(
            f"cannot write {path.name} in {path.parent} ({root_message(error)}), "
            "check the free space and permissions, then run the same command again"
        ) from None


def _new_and_old(out: Path) -> tuple[Path, Path]:
    """Temporary names of the new folder and of the folder that it replaces."""
    return out.with_name(f".{out.name}.writing"), out.with_name(f".{out.name}.old")


def _last_written(path: Path) -> float:
    try:
        return max(p.stat().st_mtime for p in (path, *path.rglob("*")))
    except OSError:  # another process has just renamed or deleted it
        return time.time()


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    if path.is_dir() and sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
