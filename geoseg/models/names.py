"""Names of models: the files that come with geoseg, and those in the folder of the user."""

import os
import re
import sys
from importlib.resources import files
from pathlib import Path

from geoseg.errors import ModelError

DEFAULT = "default"
"""Name of the model that is used if none is given; it is for very-high-resolution RGB."""
FOLDER_VARIABLE = "GEOSEG_MODELS"
"""Environment variable that names the folder of the user's models."""
_SUFFIX = ".safetensors"
_ONNX_SUFFIX = ".onnx"


def find_model(path: str | Path) -> Path:
    """Return the path of a model file: a path as it is, or the file of a named model.

    The path of a file comes before a name, and a bundled model before one of the same name in the
    user folder.

    Raises:
        ModelError: if a text of letters, digits, "-" and "_" is neither a name nor a path.
    """
    name, models = str(path), named_models()
    if name in models and not Path(name).is_file():
        return models[name]
    if re.fullmatch(r"[\w-]+", name) and not Path(name).exists():
        raise ModelError(
            f"there is no model {name}, give a file or one of these names: {', '.join(models)}"
        )
    return Path(path)


def is_model_name(path: str | Path) -> bool:
    """Return whether a text is the name of a model, and not the path of a file."""
    return str(path) in named_models() and not Path(path).is_file()


def is_onnx(path: str | Path) -> bool:
    """Return whether a path or name is that of an ONNX file.

    Raises:
        ModelError: as `find_model`.
    """
    return find_model(path).suffix.lower() == _ONNX_SUFFIX


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
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(os.path.expanduser(folder))  # noqa: PTH111 - see below
    # Path.home raises for a user without a name and HOME, such as that of a container.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return data / "geoseg" / "models"


def _bundled_folder() -> Path:
    return Path(str(files("geoseg") / "models"))


def _files(folder: Path) -> dict[str, Path]:
    """Return the model files of a folder by name, sorted; .safetensors files before .onnx files."""
    paths = [path for suffix in (_ONNX_SUFFIX, _SUFFIX) for path in folder.glob(f"*{suffix}")]
    return dict(sorted({path.stem: path for path in paths}.items()))
