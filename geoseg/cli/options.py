"""Options, parameter types and decorators that several commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from geoseg.cli.console import Console
from geoseg.cli.sections import GENERAL, F, group, section


def examples(*commands: str) -> str:
    """Return the examples at the end of a command's help, ready to be copied.

    Args:
        commands: one command each; break a long one with a backslash and a line break.
    """
    lines = "\n\n".join("\b\n" + command.replace("\n", "\n    ") for command in commands)
    return f"Example{'s' if len(commands) > 1 else ''}:\n\n{lines}"


def parse_shard(text: str) -> tuple[int, int]:
    """Read (i, n) of shard i of n, from 1: ``3/8``."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdigit() and count.isdigit()):
        raise click.BadParameter(f"{text!r} is not a shard like 3/8")
    return int(number), int(count)


def parse_numbers(text: str) -> tuple[float, ...]:
    """Read numbers that are separated by commas: ``0.5,0.25``."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers like 0.5,0.25") from None


def parse_resolution(text: str) -> float | str:
    """Read a pixel size in metres, ``scene`` or ``model``."""
    if text in ("scene", "model"):
        return text
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not scene, model or a number of metres like 0.9"
        ) from None


def parse_bbox(text: str) -> tuple[float, ...]:
    """Read west, south, east and north, separated by commas."""
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a box like 7.5,46.9,7.6,47.0") from None
    return west, south, east, north


def parse_creation_options(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str] | None:
    """Return the values of creation options by name: COMPRESS=ZSTD."""
    for text in texts:
        if not all(text.partition("=")):
            raise click.BadParameter(f"{text!r} is not an option like COMPRESS=ZSTD")
    return {name: value for name, _, value in (text.partition("=") for text in texts)} or None


def _parse_bands(text: str) -> tuple[int | str, ...]:
    """Read numbers (from 1) or names of bands, separated by commas: ``3,2,1`` or ``nir,red``."""
    bands = [band.strip() for band in text.split(",")]
    if not all(bands):
        raise click.BadParameter(f"{text!r} is not a list of bands like 3,2,1 or nir,red,green")
    return tuple(int(band) if band.isdecimal() else band for band in bands)


bands = click.option(
    "--bands", type=_parse_bands, metavar="BANDS",
    help="Bands to read, in this order: numbers from 1, or names (`geoseg info SCENE` lists them), "
    "separated by commas, such as 3,2,1 or nir,red,green.  [default: all bands except transparency "
    "(alpha); `classify` first tries the band names of the model]",
)  # fmt: skip
stack = click.option(
    "--stack", is_flag=True,
    help="Read the bands of all SCENES as one scene, in this order. Coarser bands are resampled "
    "onto the finest grid.",
)  # fmt: skip
view_bands = click.option(
    "--bands", type=_parse_bands, metavar="BANDS",
    help="Bands of the scene, by number (from 1) or name, separated by commas, such as 3,2,1 or "
    "nir,red,green. The first three are shown as red, green and blue.  [default: all bands, of "
    "which those named red, green and blue are shown, or the first three]",
)  # fmt: skip
map_legend = click.option(
    "--legend", metavar="FILE",
    help="Classes of the map: CSV (value,name,color) or QGIS palette (.qml, .txt, .clr).  "
    "[default: palette and names of the map]",
)  # fmt: skip
nodata = click.option(
    "--nodata", type=float, metavar="VALUE",
    help="Pixel value that means no data: any number.  [default: the nodata value of the file]",
)  # fmt: skip
_min_area = click.option(
    "--min-area", type=click.FloatRange(0), default=0.0, show_default=True, metavar="M2",
    help="Smallest area of a polygon in m², at least 0; 0 means no limit. A smaller polygon is "
    "merged into the class with which it shares the longest border; the smallest is merged first. "
    "A polygon that has no neighbour stays.",
)  # fmt: skip
_simplify = click.option(
    "--simplify", type=click.FloatRange(0), default=0.0, show_default=True, metavar="PX",
    help="Tolerance of the simplification (Visvalingam-Whyatt) in pixels, at least 0; 0 means "
    "no simplification. A vertex is removed if the triangle that it forms with the vertices "
    "before and after it is smaller than the square of the tolerance. Vertices where three "
    "polygons meet stay.",
)  # fmt: skip
_smooth = click.option(
    "--smooth", type=click.IntRange(0, 3), default=0, show_default=True, metavar="N",
    help="Rounds of corner cutting (Chaikin), 0 to 3; 0 means no smoothing. Outlines move by "
    "less than half a pixel. Each round about doubles the number of vertices. Vertices where "
    "three polygons meet stay.",
)  # fmt: skip
cleaning = section("Polygons", group("cleaning", _min_area, _simplify, _smooth))
device = click.option(
    "--device", default="auto", show_default=True, metavar="[auto|cpu|cuda|cuda:N|mps]",
    help="Device that runs the network; mps is the GPU of an Apple computer. auto: cuda, else mps, "
    "else the CPU, whichever the machine has.",
)  # fmt: skip
seed = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
    help="Random seed, at least 0. The same seed gives the same result.",
)  # fmt: skip


def workers(items: str) -> Callable[[F], F]:
    """Add --workers, the number of ``items`` that run at the same time."""
    return click.option(
        "--workers", type=click.IntRange(1), metavar="N",
        help=f"Number of {items}, at least 1.  [default: the number of cores]",
    )  # fmt: skip


report_folder = click.option(
    "--out", required=True, metavar="DIR", help="Folder of the report; it is created."
)
overwrite = click.option("-f", "--overwrite", is_flag=True, help="Replace an existing output.")


def _pixel_sizes(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Return the smallest and the largest size of "0.3" or "0.1,0.5" (m)."""
    try:
        sizes = tuple(map(float, value.split(","))) if value is not None else None
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a size in metres like 0.3 or 0.1,0.5") from None
    return sizes * 2 if sizes and len(sizes) == 1 else sizes


def pixel_size(default: str) -> Callable[[F], F]:
    """Add --pixel-size of a model to be written; ``default`` is its value without the option."""
    return click.option(
        "--pixel-size", "pixel_size_range", callback=_pixel_sizes, metavar="M|LOW,HIGH",
        help="Ground size of the pixels in metres, or the smallest and the largest. `geoseg "
        "classify` warns of scenes with pixels below half of the smallest or above twice the "
        f"largest.  [default: {default}]",
    )  # fmt: skip


_CONSOLE = (
    click.option(
        "--json", "as_json", is_flag=True,
        help="Print the result as JSON on stdout, and nothing else there, also with -q.",
    ),
    click.option(
        "--log-file", metavar="FILE",
        help="Text file to which all messages are appended with their time, also those that only "
        "-v prints, and the error that ends the command.  [default: no file]",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print only warnings and errors."),
    click.option("-v", "--verbose", is_flag=True, help="Print more details."),
)  # fmt: skip


def console(function: F) -> F:
    """Add --json, --log-file, -q and -v; the command gets them as one `Console`.

    The log goes to stderr and to the log file while the command runs.
    """

    @wraps(function)
    def command(
        *, quiet: bool, verbose: bool, as_json: bool, log_file: str | None,
        **values: Any,  # noqa: ANN401 - as the command
    ) -> Any:  # noqa: ANN401 - as the command  # fmt: skip
        console = Console(quiet, verbose, as_json, log_file)
        with console.logging_on():
            return function(console=console, **values)

    return section(GENERAL, *_CONSOLE)(command)  # type: ignore[return-value]
