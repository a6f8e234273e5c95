"""Options and parameter types that several commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def examples(*commands: str) -> str:
    """The end of a command's help: examples on lines of their own, which a reader can copy.

    Args:
        commands: each a command; a backslash and a line break divide a long one.
    """
    lines = "\n\n".join("\b\n" + command.replace("\n", "\n    ") for command in commands)
    return f"Example{'s' if len(commands) > 1 else ''}:\n\n{lines}"


class Bands(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """Band numbers from 1, as in 3,2,1."""

    name = "bands"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """The numbers as a tuple."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(band) for band in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of band numbers like 1,2,3", param, ctx)


class Fraction(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """A share i/n, as in 3/8."""

    name = "i/n"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The share as (i, n)."""
        if isinstance(value, tuple):
            return value
        number, slash, of = value.partition("/")
        if not (slash and number.isdigit() and of.isdigit()):
            self.fail(f"{value!r} is not a share like 3/8", param, ctx)
        return int(number), int(of)


class ManyValues(click.Command):
    """A command whose repeatable options also take several values in a row.

    ``--labels a.png b.png`` is read as ``--labels a.png --labels b.png``, so that a shell's
    ``*`` works.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option's name before each of its values, then parse as usual."""
        repeatable = {
            name
            for param in self.params
            if isinstance(param, click.Option) and param.multiple
            for name in param.opts
        }
        return super().parse_args(ctx, _repeat(args, repeatable))


def _repeat(args: list[str], repeatable: set[str]) -> list[str]:
    result: list[str] = []
    current, first = "", False
    for arg in args:
        if arg.startswith("-"):
            current, first = (arg, True) if arg in repeatable else ("", False)
        elif current and not first:
            result.append(current)
        else:
            first = False
        result.append(arg)
    return result


def group(argument: str, *decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add options whose values the command gets as one dictionary.

    Args:
        argument: name of the dictionary among the arguments of the command.
        decorators: each adds an option, in the order of the help.
    """

    def decorate(function: F) -> F:
        def collector() -> None:
            """Collect the options."""

        for decorator in reversed(decorators):
            collector = decorator(collector)
        params: list[click.Parameter] = collector.__click_params__  # type: ignore[attr-defined]
        names = [str(param.name) for param in params]

        @wraps(function)
        def command(**values: Any) -> Any:  # noqa: ANN401 - as the command
            grouped = {name: values.pop(name) for name in names}
            return function(**{argument: grouped}, **values)

        others = getattr(function, "__click_params__", [])
        command.__click_params__ = [*others, *params]  # type: ignore[attr-defined]
        return command  # type: ignore[return-value]

    return decorate


def bands(function: F) -> F:
    """Add --bands."""
    return click.option(
        "--bands", type=Bands(),
        help="Numbers of the bands to read, from 1, in the order wanted: 3,2,1.  [default: all "
        "bands but transparency; `classify` matches the names of the model's bands first]",
    )(function)  # fmt: skip


def nodata(function: F) -> F:
    """Add --nodata."""
    return click.option(
        "--nodata", type=float, metavar="VALUE",
        help="Value of pixels without data.  [default: the nodata value of the file]",
    )(function)  # fmt: skip


def min_area(function: F) -> F:
    """Add --min-area."""
    return click.option(
        "--min-area", type=click.FloatRange(0), default=0.0, show_default=True, metavar="M2",
        help="Smallest area in m², 0 for no limit. Smaller areas are merged into the neighbour "
        "with the longest shared border, the smallest first. Areas that only nodata surrounds "
        "stay.",
    )(function)  # fmt: skip


def simplify(function: F) -> F:
    """Add --simplify."""
    return click.option(
        "--simplify", type=click.FloatRange(0), default=0.0, show_default=True, metavar="PX",
        help="Visvalingam-Whyatt tolerance in pixels, 0 for no simplification: vertices are "
        "removed whose triangle with their neighbours has less than the tolerance squared in "
        "area. Vertices where three polygons meet stay.",
    )(function)  # fmt: skip


def smooth(function: F) -> F:
    """Add --smooth."""
    return click.option(
        "--smooth", type=click.IntRange(0, 3), default=0, show_default=True, metavar="N",
        help="Rounds of corner cutting (Chaikin), 0 for none. Outlines move by less than half a "
        "pixel, and each round about doubles the number of vertices. Vertices where three "
        "polygons meet stay.",
    )(function)  # fmt: skip


def device(function: F) -> F:
    """Add --device."""
    return click.option(
        "--device", default="auto", show_default=True, metavar="[auto|cpu|cuda|cuda:N]",
        help="Device of the network. auto: a GPU if there is one, else the CPU.",
    )(function)  # fmt: skip


def seed(function: F) -> F:
    """Add --seed."""
    return click.option("--seed", default=0, show_default=True, help="Random seed.")(function)


def overwrite(function: F) -> F:
    """Add --overwrite, -f."""
    return click.option("-f", "--overwrite", is_flag=True, help="Replace an existing output.")(
        function
    )


def verbosity(function: F) -> F:
    """Add -q and -v."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Print only warnings and errors.")
    verbose = click.option("-v", "--verbose", is_flag=True, help="Print more details.")
    return quiet(verbose(function))
