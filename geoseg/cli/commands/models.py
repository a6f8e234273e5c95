"""``geoseg models``."""

import shlex
from typing import TYPE_CHECKING

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command

if TYPE_CHECKING:
    from geoseg.models import ModelFile


@click.command(
    "models", cls=Command, epilog=options.examples("geoseg models", "geoseg models --json")
)
@config.option
@options.console
def command(console: Console) -> None:
    """List the models that have a name: bundled models, and those of the user folder.

    Other commands take the name in place of a file. The user folder is that of the environment
    variable GEOSEG_MODELS, else geoseg/models in the folder for user data: ~/.local/share on Linux
    (or XDG_DATA_HOME), ~/Library/Application Support on macOS, %LOCALAPPDATA% on Windows. A model
    has the name of its file without .safetensors or .onnx; of two files of one name, .safetensors
    comes first. `geoseg info NAME` describes a model.
    """
    from geoseg.models import list_models

    models = list_models()
    data = [model.to_dict() for model in models]
    console.print_result(data, "\n\n".join(map(_as_text, models)), always=True)


def _as_text(model: "ModelFile") -> str:
    if model.onnx:
        command = shlex.join(["geoseg", "info", model.name])
        return f"{model.name}\n  ONNX file, `{command}` describes it\n  {model.path}"
    if not model.readable:
        return f"{model.name}\n  damaged, or not of geoseg\n  {model.path}"
    low, high = model.pixel_size_range or (None, None)
    size = "-" if low is None else f"{low:g} m" if low == high else f"{low:g} to {high:g} m"
    accuracy = "-" if model.accuracy is None else f"{model.accuracy:.1%}"
    return "\n  ".join([
        f"{model.name}{' (bundled)' if model.bundled else ''}",
        f"bands       {', '.join(model.bands or ())}",
        f"classes     {', '.join(model.classes or ())}",
        f"window      {model.window} px",
        f"pixel size  {size}",
        f"accuracy    {accuracy}",
        f"file        {model.path}",
    ])  # fmt: skip
