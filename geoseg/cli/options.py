"""Options, parameter types and decorators that several commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def examples(*commands: str) -> str:
    """Return the examples at the end of a command's help, ready to be copied.

    Args:
        commands: one command each; break a long one with a backslash and a line break.
    """
    lines = "\n\n".join("\b\n" + command.replace("\n", "\n    ") for command in commands)
    return f"Example{'s' if len(commands) > 1 else ''}:\n\n{lines}"


class Bands(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """Band numbers, from 1, separated by commas: ``3,2,1``."""

    name = "bands"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Return the band numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(band) for band in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of band numbers like 1,2,3", param, ctx)


class Fraction(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """Shard i of n, from 1: ``3/8``."""

    name = "i/n"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (i, n)."""
        if isinstance(value, tuple):
            return value
        number, slash, count = value.partition("/")
        if not (slash and number.isdigit() and count.isdigit()):
            self.fail(f"{value!r} is not a shard like 3/8", param, ctx)
        return int(number), int(count)


class ManyValues(click.Command):
    """A command whose repeatable options also accept several values in a row.

    ``--labels a.png b.png`` means ``--labels a.png --labels b.png``, so that the ``*`` of a shell
    works.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option name before each value, then parse as usual."""
        repeatable = {
            name
            for param in self.params
            if isinstance(param, click.Option) and param.multiple
            for name in param.opts
        }
        return super().parse_args(ctx, repeat_names(args, repeatable))


def repeat_names(args: list[str], repeatable: set[str]) -> list[str]:
    """Return ``args`` with the name of each repeatable option before each of its values."""
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


def group(argument: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Add options whose values the command gets as one dictionary.

    The names of the options are kept in ``option_groups`` of the command's callback; a test
    compares them with the fields of the settings class.

    Args:
        argument: name of the dictionary among the arguments of the command.
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
            return function(**{argument: grouped}, **values)

        params_after = getattr(function, "__click_params__", [])
        groups = getattr(function, "option_groups", {})
        command.__click_params__ = [*params_after, *params]  # type: ignore[attr-defined]
        command.option_groups = {**groups, argument: names}  # type: ignore[attr-defined]
        return command  # type: ignore[return-value]

    return decorate


def bands(function: F) -> F:
    """Add --bands."""
    return click.option(
        "--bands", type=Bands(),
        help="Bands to read, in this order: numbers from 1, separated by commas, such as 3,2,1.  "
        "[default: all bands except transparency (alpha); `classify` first tries the band names of "
        "the model]",
    )(function)  # fmt: skip


def nodata(function: F) -> F:
    """Add --nodata."""
    return click.option(
        "--nodata", type=float, metavar="VALUE",
        help="Pixel value that means no data: any number.  [default: the nodata value of the file]",
    )(function)  # fmt: skip


def min_area(function: F) -> F:
    """Add --min-area."""
    return click.option(
        "--min-area", type=click.FloatRange(0), default=0.0, show_default=True, metavar="M2",
        help="Smallest area of a polygon in m², at least 0; 0 means no limit. A smaller polygon is "
        "merged into the neighbour with the longest shared border; the smallest is merged first. "
        "A polygon that has no neighbour stays.",
    )(function)  # fmt: skip


def simplify(function: F) -> F:
    """Add --simplify."""
    return click.option(
        "--simplify", type=click.FloatRange(0), default=0.0, show_default=True, metavar="PX",
        help="Tolerance of the simplification (Visvalingam-Whyatt) in pixels, at least 0; 0 means "
        "no simplification. A vertex is removed if the triangle that it forms with the vertices "
        "before and after it is smaller than the square of the tolerance. Vertices where three "
        "polygons meet stay.",
    )(function)  # fmt: skip


def smooth(function: F) -> F:
    """Add --smooth."""
    return click.option(
        "--smooth", type=click.IntRange(0, 3), default=0, show_default=True, metavar="N",
        help="Rounds of corner cutting (Chaikin), 0 to 3; 0 means no smoothing. Outlines move by "
        "less than half a pixel. Each round about doubles the number of vertices. Vertices where "
        "three polygons meet stay.",
    )(function)  # fmt: skip


def device(function: F) -> F:
    """Add --device."""
    return click.option(
        "--device", default="auto", show_default=True, metavar="[auto|cpu|cuda|cuda:N]",
        help="Device that runs the network. auto: a GPU if the machine has one, else the CPU.",
    )(function)  # fmt: skip


def seed(function: F) -> F:
    """Add --seed."""
    return click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
        help="Random seed, at least 0. The same seed gives the same result.",
    )(function)  # fmt: skip


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
