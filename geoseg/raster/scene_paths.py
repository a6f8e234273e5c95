"""Lists and patterns of scenes, as the paths that they stand for."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from geoseg.errors import SceneError, check_list

_GDAL_NAME = re.compile(r"[A-Za-z0-9_+]{2,}:|/vsi|<")
"""How addresses, GDAL's own names (NETCDF:...) and the text of a VRT begin."""


def expand_scenes(scenes: Iterable[str | Path]) -> list[str]:
    """Return the scenes that paths, lists and patterns name, in this order.

    - ``@list.txt`` names a text file with one scene, or pattern, in each line. Empty lines and
      lines that begin with # are left out. Its paths are relative to the working folder.
    - A pattern has ``*``, ``?`` or ``[``; ``**`` stands for any number of folders. Its matches are
      sorted, and without hidden files.
    - A file or folder that exists comes before a list or a pattern. Addresses and GDAL's own
      names, such as ``/vsicurl/...``, are no patterns.

    Args:
        scenes: paths, lists and patterns.

    Raises:
        SceneError: if a list cannot be read or is empty, or a pattern has no match.
    """
    check_list("scenes", scenes)
    return [path for scene in scenes for path in _expand(str(scene))]


def _expand(scene: str) -> Iterator[str]:
    is_list = scene.startswith("@") and not os.path.exists(scene)  # noqa: PTH110 - a VRT's text
    lines = _read_list(scene.removeprefix("@")) if is_list else [scene]
    for line in lines:
        yield from _matches(line)


def _read_list(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text in UTF-8"
        raise SceneError(
            f"cannot read the list of scenes {path}: {reason}, check the path"
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    scenes = [line for line in lines if line and not line.startswith("#")]
    if not scenes:
        raise SceneError(f"the list {path} names no scene, write one in each line")
    return scenes


def _matches(scene: str) -> list[str]:
    if _GDAL_NAME.match(scene) or not glob.has_magic(scene) or os.path.exists(scene):  # noqa: PTH110
        return [scene]
    paths = sorted(glob.glob(scene, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute
    if not paths:
        raise SceneError(f"no file matches {scene}, check the pattern and the working folder")
    return paths
