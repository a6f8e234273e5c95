"""Find the command geoseg, which is installed in a Python of its own and not in that of QGIS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

SETTING = "GEOSEG_COMMAND"
"""Name of the setting in QGIS, and of the environment variable."""
WHERE_TO_SET = "Settings > Options > Processing > Providers > geoseg"
FOREIGN = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__",
    "VIRTUAL_ENV", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA", "GEOTIFF_CSV",
    "QT_PLUGIN_PATH",
)  # fmt: skip
"""Environment variables of QGIS that lead another Python to the libraries and data of QGIS."""
PACKAGERS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".conda")
"""Folders in which conda and its relatives are installed."""
_TIMEOUT = 60
"""Seconds until the command must have told its version; its first start from a disk is slow."""


class CommandError(Exception):
    """There is no geoseg to run; the message is one sentence that says what to do."""


def find_command(setting: str, environment: Mapping[str, str], home: Path) -> str:
    """Return the path of the first geoseg that runs and is recent enough.

    Args:
        setting: path that the user set in QGIS, or empty.
        environment: environment variables of QGIS.
        home: folder of the user.

    Raises:
        CommandError: if there is none.
    """
    needed, old = _needed_version(), ""
    named = setting or environment.get(SETTING, "")
    for command in [named] if named else candidates(environment, home):
        version = version_of(command, environment)
        if version and _numbers(version) >= _numbers(needed):
            return command
        old = old or (f"{command} is geoseg {version}" if version else "")
    if old:
        raise CommandError(
            f"{old}, but this plugin needs {needed} or later, update it in its environment"
        )
    if named:
        raise CommandError(f"{named} is not the command geoseg, correct it in {WHERE_TO_SET}")
    raise CommandError(
        "the command geoseg was not found, install it in an environment of its own and give its "
        f"path in {WHERE_TO_SET}"
    )


def candidates(environment: Mapping[str, str], home: Path) -> Iterator[str]:
    """Yield the paths of all commands geoseg: on the PATH first, then in common environments."""
    on_path = shutil.which("geoseg", path=environment.get("PATH", ""))
    if on_path:
        yield on_path
    for folder in _environments(environment, home):
        path = folder / ("Scripts/geoseg.exe" if sys.platform == "win32" else "bin/geoseg")
        if path.is_file() and os.access(path, os.X_OK):
            yield str(path)


def clean_environment(environment: Mapping[str, str], command: str) -> dict[str, str]:
    """Return environment variables for geoseg: those of QGIS without those that mislead it.

    Args:
        environment: of QGIS.
        command: path of geoseg.
    """
    clean = {name: value for name, value in environment.items() if name not in FOREIGN}
    # Messages of geoseg have letters such as ², also where the locale of Windows has none.
    clean |= {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    root = Path(command).parent.parent
    if sys.platform == "win32" and (root / "conda-meta").is_dir():
        # The libraries of conda are found on the PATH that `conda activate` sets.
        folders = [root, root / "Library" / "bin", root / "Scripts"]
        clean["PATH"] = os.pathsep.join([*map(str, folders), clean.get("PATH", "")])
    return clean


def version_of(command: str, environment: Mapping[str, str]) -> str:
    """Return the version of a command geoseg, such as 0.2.0, or an empty text if it is none."""
    try:
        done = subprocess.run(  # noqa: S603 - a path that the user set or a file named geoseg
            [command, "--version"], env=clean_environment(environment, command), timeout=_TIMEOUT,
            capture_output=True, text=True, encoding="utf-8", errors="replace", check=False,
            stdin=subprocess.DEVNULL, **no_window(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return ""
    match = re.search(r"^geoseg, version (\d+(?:\.\d+)+)", done.stdout, re.MULTILINE)
    return match.group(1) if match and done.returncode == 0 else ""


def no_window() -> dict[str, Any]:
    """Return the arguments of `subprocess` that keep Windows from opening a console."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}


def _environments(environment: Mapping[str, str], home: Path) -> Iterable[Path]:
    """Return the folders of common Python environments, whether they exist or not."""
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    conda_roots = [home / name for name in PACKAGERS]
    conda_roots += [Path("/opt/conda"), Path("/opt/homebrew/Caskroom/miniforge/base")]
    if "LOCALAPPDATA" in environment:
        local = Path(environment["LOCALAPPDATA"])
        data = local
        conda_roots += [local / name for name in PACKAGERS]
    return [
        *(home / name for name in (".venv", "venv", ".local")),  # .local: pip --user, pipx, uv
        *(folder / "pipx" / "venvs" / "geoseg" for folder in (data, home / ".local", home)),
        data / "uv" / "tools" / "geoseg",
        Path("/usr/local"), Path("/opt/homebrew"),
        *_conda_environments(home),
        *(path for root in conda_roots for path in (root, *_children(root / "envs"))),
        *_children(home / ".virtualenvs"),
        *_children(home / ".pyenv" / "versions"),
    ]  # fmt: skip


def _conda_environments(home: Path) -> list[Path]:
    """Return the environments that conda lists in its own file."""
    try:
        text = (home / ".conda" / "environments.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line) for line in text.splitlines() if line.strip()]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _needed_version() -> str:
    """Return the oldest version that has the options of the plugin: the plugin's own, major.minor.

    The plugin is released with geoseg.
    """
    metadata = ConfigParser()
    metadata.read(Path(__file__).with_name("metadata.txt"), encoding="utf-8")
    return ".".join(metadata["general"]["version"].split(".")[:2])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
