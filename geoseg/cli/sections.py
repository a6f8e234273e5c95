"""How commands show, collect and repeat their options."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

GENERAL = "General options"
"""Title of the options that all commands have."""


class Command(click.Command):
    """A command whose help shows its options in sections, see `section`.

    An option whose metavar ends with dots accepts several values in a row, so that the ``*`` of a
    shell works: ``--labels a.png b.png`` means ``--labels a.png --labels b.png``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the name of such an option before each value, then parse as usual."""
        repeatable = {
            name
            for param in self.params
            if isinstance(param, click.Option) and str(param.metavar).endswith("...")
            for name in param.opts
        }
        return super().parse_args(ctx, repeat_names(args, repeatable))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in the order of their first options, and that of --help last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        help_option = self.get_help_option(ctx)
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                title = GENERAL if param is help_option else getattr(param, "section", "Options")
                sections.setdefault(title, []).append(record)
        sections[GENERAL] = sections.pop(GENERAL)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def repeat_names(args: list[str], repeatable: set[str]) -> list[str]:
    """Return ``args`` with the name of each repeatable option before each of its values."""
    result: list[str] = []
    option = ""
    for arg in args:
        if arg.startswith("-"):
            option = arg if arg in repeatable else ""
        elif option and result[-1] != option:
            result.append(option)
        result.append(arg)
    return result


def group(argument: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Add options whose values the command gets as one dictionary.

    The names of the options are kept in ``option_groups`` of the command's callback; a test
    compares them with the fields of the settings class.

    Args:
        argument: name of the dictionary among the arguments of the command. Several groups may
            have the same one.
        options: decorators that add one option each, in the order of the help.
    """

    def decorate(function: F) -> F:
        def collector() -> None:
            """Collect the options."""

        for option in reversed(options):
            collector = option(collector)
        params: list[click.Parameter] = collector.__click_params__  # type: ignore[attr-defined]
        names = [str(param.name) for param in params]

        @wraps(function)
        def command(**values: Any) -> Any:  # noqa: ANN401 - as the command
            grouped = {name: values.pop(name) for name in names}
            values[argument] = values.get(argument, {}) | grouped
            return function(**values)

        params_after = getattr(function, "__click_params__", [])
        groups = getattr(function, "option_groups", {})
        command.__click_params__ = [*params_after, *params]  # type: ignore[attr-defined]
        groups = {**groups, argument: [*groups.get(argument, []), *names]}
        command.option_groups = groups  # type: ignore[attr-defined]
        return command  # type: ignore[return-value]

    return decorate


def section(title: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Add options that the help of a `Command` shows below a title.

    Args:
        title: options of one title may be added at several places.
        options: decorators that add options, in the order of the help.
    """

    def decorate(function: F) -> F:
        number = len(getattr(function, "__click_params__", []))
        for option in reversed(options):
            function = option(function)
        for param in function.__click_params__[number:]:  # type: ignore[attr-defined]
            param.section = title
        return function

    return decorate
