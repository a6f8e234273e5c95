"""Names of models: the files that come with geoseg, and those in the folder of the user."""

import os
import re
import sys
from importlib.resources import files
from pathlib import Path

from geoseg.errors import ModelError

DEFAULT = "default"
"""Name of the bundled model, for very-high-resolution RGB."""
FOLDER = "GEOSEG_MODELS"
"""Environment variable that names the folder of the user's models."""
_SUFFIX = ".safetensors"


def find_model(path: str | Path) -> Path:
    """Return the path of a model file: a path as it is, or the file of a named model.

    A text can be a name if it consists of letters, digits, "-" and "_", and no file has this path.
    A bundled model comes before one of the same name in the user folder.

    Raises:
        ModelError: if no model has this name.
    """
    name = str(path)
    if not _may_be_name(name):
        return Path(path)
    models = named_models()
    if name not in models and Path(path).is_dir():
        return Path(path)
    if name not in models:
        raise ModelError(
            f"there is no model {name}, give a file or one of these names: {', '.join(models)}"
        )
    return models[name]


def is_model_name(path: str | Path) -> bool:
    """Return whether a text is the name of a model, and not a path."""
    return _may_be_name(str(path)) and str(path) in named_models()


def is_bundled(path: str | Path) -> bool:
    """Return whether a path or name is that of a model that comes with geoseg."""
    return find_model(path).parent == _bundled_folder()


def named_models() -> dict[str, Path]:
    """Return the files of the models that have a name: `default`, the other bundled, the user's."""
    bundled, own = (_files(folder) for folder in (_bundled_folder(), user_folder()))
    ordered = {DEFAULT: bundled[DEFAULT], **bundled}
    return {**ordered, **{name: path for name, path in own.items() if name not in ordered}}


def user_folder() -> Path:
    """Return the folder of the user's models, which need not exist.

    It is that of the environment variable GEOSEG_MODELS, else geoseg/models in the folder for data
    of users of the platform: XDG_DATA_HOME or ~/.local/share on Linux, ~/Library/Application
    Support on macOS, LOCALAPPDATA on Windows.
    """
    if folder := os.environ.get(FOLDER):
        return Path(folder).expanduser()
    home = Path.home()
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return data / "geoseg" / "models"


def _may_be_name(text: str) -> bool:
    return bool(re.fullmatch(r"[\w-]+", text)) and not Path(text).is_file()


def _bundled_folder() -> Path:
    return Path(str(files("geoseg") / "models"))


def _files(folder: Path) -> dict[str, Path]:
    """Return the model files of a folder by name, sorted."""
    return {path.stem: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}
