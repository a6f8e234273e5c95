"""Checks of an output's name, before the work on it starts."""

from pathlib import Path

from geoseg.errors import OutputError
from geoseg.files.atomic import restore_folder


def check_file_name(path: Path, *suffixes: str) -> None:
    """Refuse a name at which no file can be written.

    Args:
        path: the output file.
        suffixes: endings that the name may have; none for any.

    Raises:
        OutputError: if the name has another ending or is a folder, or its folder does not exist.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        *first, last = suffixes
        wanted = f"{', '.join(first)} or {last}" if first else last
        raise OutputError(f"the name of output {path} must end in {wanted}, rename it")
    if not path.parent.is_dir():
        raise OutputError(f"folder {path.parent} does not exist, create it first")
    if path.is_dir():
        raise OutputError(f"{path} is a folder, give a file name")


def check_not_there(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace an output, unless ``overwrite`` is set.

    Raises:
        OutputError: if the output exists and is not to be replaced.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists, use another output name, or overwrite (-f)")


def check_folder(out: Path, marker: str, kind: str, *, overwrite: bool) -> None:
    """Refuse an output folder that exists, unless it is one of its kind to be replaced.

    Args:
        out: the output folder.
        marker: a file that every folder of this kind has.
        kind: name of the kind, for the message.
        overwrite: replace an existing folder of this kind.

    Raises:
        OutputError: if the folder exists and is not to be replaced, or is of another kind.
    """
    restore_folder(out)
    check_not_there(out, overwrite=overwrite)
    if not out.exists() or (out / marker).is_file() or (out.is_dir() and not any(out.iterdir())):
        return
    raise OutputError(f"{out} is not {kind}, so it cannot be overwritten, use another output name")
