"""``geoseg sample``."""

from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section
from geoseg.errors import count_of


def _parse_expected(text: str) -> tuple[str, float]:
    """Read an accuracy of one class, water=0.95, or of all classes, 0.8, whose name is ""."""
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither like 0.8 nor like water=0.95") from None


@click.command(
    "sample",
    cls=Command,
    epilog=options.examples(
        "geoseg sample lulc.tif --out points.gpkg --standard-error 0.01 \\\n"
        "--expected 0.85 water=0.98"
    ),
)
@click.argument("lulc")
@section(
    "Output",
    click.option("--out", required=True, metavar="FILE", help="GeoPackage of the points, .gpkg."),
    options.overwrite,
)  # fmt: skip
@section(
    "Map",
    group(
        "settings",
        options.map_legend,
        click.option(
            "--ignore", multiple=True, metavar="CLASS...",
            help="Classes from which no points are drawn: names or values.  [default: none]",
        ),
        click.option(
            "--reference-legend", metavar="FILE",
            help="Classes that the form in QGIS lists for the field `reference`, a file as for "
            "--legend. If LULC is the change.tif of `geoseg compare`, and the points are to show "
            "which map is better, give the classes.csv of the same folder.  [default: the classes "
            "of LULC]",
        ),
    ),
)  # fmt: skip
@section(
    "Number of points",
    group(
        "settings",
        click.option(
            "--size", type=int, metavar="N",
            help="Number of points, at least 1.  [default: computed from --standard-error]",
        ),
        click.option(
            "--standard-error", type=float, metavar="S",
            help="Standard error of the overall accuracy that the sample should reach, above 0 and "
            "below 1. 0.02 gives a 95 % interval of about ± 4 percentage points.  [default: 0.02]"
        ),
        click.option(
            "--expected", type=_parse_expected, multiple=True, metavar="[CLASS=]ACCURACY...",
            help="Expected user's accuracy, 0 to 1, from which the number of points is computed: "
            "one value for all classes, and CLASS=VALUE for classes that differ.  [default: 0.8]",
        ),
        click.option(
            "--allocation", type=click.Choice(["proportional", "equal", "mixed"]), default="mixed",
            show_default=True,
            help="Points per class: proportional to the area of the class, equal, or the mean of "
            "both.",
        ),
        click.option(
            "--min-per-class", default=50, show_default=True,
            help="Minimum number of points per class, at least 0. Of a class with fewer pixels, "
            "all pixels are drawn.",
        ),
        options.seed,
    ),
)  # fmt: skip
@config.option
@options.console
def command(
    lulc: str,
    out: str,
    settings: dict[str, Any],
    overwrite: bool,
    console: Console,
) -> None:
    """Draw a stratified random sample of points from the class map LULC.

    Fill in the true class of each point in the field `reference`, for instance in QGIS, where a
    form lists the classes. Then estimate the accuracy of the map with
    `geoseg evaluate LULC points.gpkg --out report`.

    Accuracy can be estimated only from such a random sample. `geoseg suggest` finds places to label
    for training; accuracy cannot be estimated from these.
    """
    from geoseg.evaluation import SampleSettings, sample

    accuracies = dict(settings.pop("expected"))
    settings["expected"] = accuracies.pop("", SampleSettings().expected)
    settings["expected_by_class"] = tuple(accuracies.items())
    report = sample(lulc, out, settings=SampleSettings(**settings), overwrite=overwrite)
    listed = ", ".join(f"{s.points:,} {s.name}" for s in report.strata if s.points)
    data = {"outputs": [out], **report.to_dict()}
    console.print_result(data, f"{out}: {count_of(report.points, 'point')} ({listed})")
