"""Values of options that are not on the command line: from a file, and from the environment."""

import json
import os
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click

from geoseg.cli.sections import GENERAL, section
from geoseg.errors import ConfigError, closest_names


def _fill_defaults(context: click.Context, option: click.Parameter, path: str | None) -> None:
    """Take the options of the file, then those of the environment, as defaults of the command.

    Raises:
        ConfigError: if the file cannot be read, or a name or a value in it is wrong; or if the
            value of an environment variable is wrong.
    """
    if context.resilient_parsing:  # completion in the shell
        return
    params = {
        config_name(param): param
        for param in context.command.params
        if param.expose_value and param is not option
    }
    variable = _variable(context.command, config_name(option))
    path = path or os.environ.get(variable)
    values = _from_environment(context, params)
    if path:
        values |= _from_file(context, params, path)
    context.default_map = {str(params[name].name): value for name, value in values.items()}


_OPTION = click.option(
    "--config", metavar="FILE", is_eager=True, expose_value=False, callback=_fill_defaults,
    help="Options from a TOML file, such as 'min-area = 50' for --min-area. Its paths are relative "
    "to the working folder. What is on the command line comes first, then the file, then the "
    "environment. `geoseg classify` also takes the report of a map (.json), and makes this map "
    "again.  [default: no file]",
)  # fmt: skip
option = section(GENERAL, _OPTION)


def config_name(param: click.Parameter) -> str:
    """Return the name of an option or argument in a file: ``min_area`` for --min-area."""
    if isinstance(param, click.Argument):
        return str(param.name)
    return max(param.opts, key=len).lstrip("-").replace("-", "_")


def _variable(command: click.Command, name: str) -> str:
    """Return the environment variable of an option: GEOSEG_CLASSIFY_MIN_AREA."""
    return f"geoseg_{command.name}_{name}".upper()


def _from_environment(
    context: click.Context, params: dict[str, click.Parameter]
) -> dict[str, object]:
    """Read the variables of the options of a command; an empty one counts as not set."""
    values: dict[str, object] = {}
    for name, param in params.items():
        variable = _variable(context.command, name)
        text = os.environ.get(variable)
        if not text:
            continue
        place = f"environment variable {variable}"
        try:
            values[name] = shlex.split(text) if _takes_several(param) else text
        except ValueError as error:
            raise ConfigError(f"{place}: {error}, correct or unset it") from None
        _check_value(context, param, values[name], place)
    return values


def _from_file(
    context: click.Context, params: dict[str, click.Parameter], path: str
) -> dict[str, object]:
    """Read a file of options; null counts as not there."""
    values: dict[str, object] = {}
    for key, value in _read_table(path).items():
        name = key.replace("-", "_")
        if name not in params:
            raise ConfigError(
                f"{path} has the unknown option {key!r} of `geoseg {context.command.name}`, use "
                f"{closest_names(name, params)}"
            )
        if value is not None:
            place = f"option {key} in {path}"
            values[name] = _as_typed(params[name], value, place)
            _check_value(context, params[name], values[name], place)
    return values


def _read_table(path: str) -> dict[str, Any]:
    """Read the names and values of a TOML file, or of the report of a map."""
    is_report = Path(path).suffix.lower() == ".json"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        data = json.loads(text) if is_report else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}, check the path") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"cannot read {path}: {reason}, correct the file") from None
    if not is_report:
        return data
    config = data.get("config") if isinstance(data, dict) else None
    if not isinstance(config, dict):
        raise ConfigError(
            f"{path} is not the report of a map, give a report that `geoseg classify` wrote or a "
            "file named .toml"
        )
    return config


def _as_typed(param: click.Parameter, value: object, place: str) -> object:
    """Return a value of a file as it would be typed on the command line.

    Raises:
        ConfigError: if it is a switch for an option that is none, the reverse, or a table or date.
    """
    shown = json.dumps(value, default=str)
    if isinstance(param, click.Option) and param.is_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{place} is {shown}, it must be true or false")
        return value
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in items):
        raise ConfigError(f"{place} is {shown}, it must be a text, a number or a list of these")
    texts = [str(item) for item in items]
    return texts if _takes_several(param) else ",".join(texts)


def _takes_several(param: click.Parameter) -> bool:
    return param.multiple or param.nargs == -1


def _check_value(context: click.Context, param: click.Parameter, value: object, place: str) -> None:
    """Refuse a value that the option does not take, with the place where it stands."""
    try:
        parsed = param.type_cast_value(context, value)
        if param.callback is not None:
            param.callback(context, param, parsed)
    except click.BadParameter as error:
        raise ConfigError(f"{place}: {error.message.rstrip('.')}, correct it there") from None
