"""Files and folders that appear at their name when they are complete, and checks of their names.

A file is written under a temporary name in the same folder, and renamed. A killed process leaves
the old file, and perhaps a hidden temporary one.
"""

import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from geoseg.errors import OutputError, root_message
from geoseg.files.vector_paths import check_not_open, check_vector_path

_TEMPORARY = re.compile(r"\.tmp[0-9a-f]{8}-")
"""Prefix of the names of temporary files."""

_MAX_NAME = 234
"""Bytes of the name of an output. File systems allow 255; temporary names have up to 21 more: their
prefix, and the suffix of a journal of SQLite."""


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
        OutputError: in place of ``errors``, or if the old file is open in another program.
    """
    temporary = temporary_path(path)
    try:
        with translate_write_errors(path, errors):
            yield temporary
            if durable:
                replace_durably(temporary, path)
            else:
                check_not_open(path)
                temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_durably(temporary: Path, path: Path) -> None:
    """Rename a complete file; its content, then its new name, is flushed to the disk."""
    check_not_open(path)
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
                shutil.rmtree(old, ignore_errors=True)  # of a killed process
                out.replace(old)
            new.replace(out)
    finally:
        if old.exists() and not out.exists():
            with suppress(OSError):
                old.replace(out)
        shutil.rmtree(new, ignore_errors=True)
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)


def remove_temporaries(folder: Path, *, start: str = "", min_age: float = 0.0) -> None:
    """Delete the temporary files and folders of killed processes.

    Args:
        folder: where they are.
        start: of the names that the files were to have; "" for any name.
        min_age: minimum time since the last write (s); younger ones may still be in use.
    """
    for path in folder.iterdir():
        prefix = _TEMPORARY.match(path.name)
        if prefix is None or not path.name[prefix.end() :].startswith(start):
            continue
        if time.time() - _last_written(path) >= min_age:
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


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files (UTF-8) into a folder, by name.

    Raises:
        OutputError: if one cannot be written.
    """
    for name, text in texts.items():
        with translate_write_errors(folder / name):
            (folder / name).write_text(text, encoding="utf-8")


def check_file_name(path: Path, *suffixes: str) -> None:
    """Refuse a name at which no file can be written.

    Args:
        path: the output file.
        suffixes: endings that the name may have; none for any.

    Raises:
        OutputError: if the name is too long, has another ending or is a folder, its folder does
            not exist, or GDAL would write another file, or it is open in another program.
    """
    _check_name_length(path)
    if suffixes and path.suffix.lower() not in suffixes:
        *first, last = suffixes
        wanted = f"{', '.join(first)} or {last}" if first else last
        raise OutputError(f"the name of output {path} must end in {wanted}, rename it")
    if not path.parent.is_dir():
        raise OutputError(f"folder {path.parent} does not exist, create it first")
    if path.is_dir():
        raise OutputError(f"{path} is a folder, give a file name")
    check_vector_path(path)
    check_not_open(path)


def check_inputs_stay(outs: Iterable[Path], inputs: Iterable[object]) -> None:
    """Refuse an output that is an input of the same command, or a folder that contains an input.

    Args:
        outs: files and folders to write.
        inputs: what the command reads; what is no path, such as None, is skipped.

    Raises:
        OutputError: if an output would replace an input, or its name is too long.
    """
    given = {Path(path).resolve(): path for path in inputs if isinstance(path, str | Path)}
    for out in outs:
        _check_name_length(out)
        place = out.resolve()
        if place in given:
            raise OutputError(f"{out} is an input of this command, use another output name")
        inside = [path for path in given if out.is_dir() and place in path.parents]
        if inside:
            raise OutputError(
                f"input {given[inside[0]]} is in the folder {out}, which would be replaced, move "
                "it, or use another output name"
            )


def _check_name_length(path: Path) -> None:
    if len(os.fsencode(path.name)) > _MAX_NAME:
        raise OutputError(
            f"the name of output {path} is longer than {_MAX_NAME} bytes, give a shorter name"
        )


def check_not_there(path: Path, *, overwrite: bool, inputs: Iterable[object] = ()) -> None:
    """Refuse to replace an output, unless ``overwrite`` is set; inputs are never replaced.

    Args:
        path: the output.
        overwrite: replace an existing output.
        inputs: see `check_inputs_stay`.

    Raises:
        OutputError: if the output exists and is not to be replaced, or is an input.
    """
    check_inputs_stay([path], inputs)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists, use another output name, or overwrite (-f)")


def check_folder(
    out: Path,
    marker: str,
    kind: str,
    *,
    overwrite: bool,
    inputs: Iterable[object] = (),
    other_marker: str | None = None,
) -> None:
    """Refuse an output folder that exists, unless it is one of its kind to be replaced.

    Args:
        out: the output folder.
        marker: a file that every folder of this kind has.
        kind: name of the kind, for the message.
        overwrite: replace an existing folder of this kind.
        inputs: see `check_inputs_stay`.
        other_marker: a file that no folder of this kind has, but one of a similar kind.

    Raises:
        OutputError: if the folder exists and is not to be replaced, is of another kind, or contains
            an input.
    """
    _, old = _new_and_old(out)
    if old.exists() and not out.exists():  # `atomic_folder` was killed between its two renames
        old.replace(out)
    check_not_there(out, overwrite=overwrite, inputs=inputs)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    is_other = other_marker is not None and (out / other_marker).is_file()
    if (out / marker).is_file() and not is_other:
        return
    raise OutputError(f"{out} is not {kind}, so it cannot be overwritten, use another output name")


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
