"""``geoseg sample``."""

from typing import Any

import click

from geoseg.cli import options


class Expected(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """An accuracy, 0.8, or that of a class, water=0.95."""

    name = "[class=]accuracy"

    def convert(
        self,
        value: str | tuple[str, float],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, float]:
        """The class, "" for all, and the accuracy."""
        if isinstance(value, tuple):
            return value
        name, _, number = value.rpartition("=")
        try:
            return name, float(number)
        except ValueError:
            self.fail(f"{value!r} is neither like 0.8 nor like water=0.95", param, ctx)


@click.command(
    "sample",
    cls=options.ManyValues,
    epilog=options.examples(
        "geoseg sample lulc.tif --out points.gpkg --standard-error 0.01 \\\n"
        "--expected 0.85 water=0.98"
    ),
)
@click.argument("labels")
@click.option("--out", required=True, metavar="FILE", help="Points to write, .gpkg.")
@click.option(
    "--size", type=int, metavar="N", help="Points in all.  [default: from the standard error]"
)
@click.option(
    "--standard-error", type=float, metavar="S",
    help="Of the overall accuracy that the points will give.  [default: 0.02]",
)  # fmt: skip
@click.option(
    "--expected", type=Expected(), multiple=True,
    help="Share of a mapped class that is likely right, for the size: of all classes, or of one.  "
    "[default: 0.8]",
)  # fmt: skip
@click.option(
    "--allocation", type=click.Choice(["proportional", "equal", "mixed"]), default="mixed",
    show_default=True, help="To classes: by area, the same for each, or the mean of both.",
)  # fmt: skip
@click.option(
    "--min-per-class", "least", default=50, show_default=True, help="Points of a class at least."
)
@click.option("--legend", metavar="FILE", help="Classes of the map: CSV or QGIS palette.")
@click.option(
    "--ignore", multiple=True, metavar="CLASS...", help="Class from which nothing is drawn."
)
@options.seed
@options.overwrite
@options.verbosity
def command(
    labels: str,
    out: str,
    expected: tuple[tuple[str, float], ...],
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,  # noqa: ANN401 - the other fields of SampleSettings
) -> None:
    """Draw a stratified random sample of the label map LABELS, for collecting a reference.

    Fill in the field `reference` of the points, in QGIS for instance, whose form offers the
    classes. Then: geoseg evaluate LABELS points.gpkg --out report
    """
    from geoseg.cli.report import set_up
    from geoseg.evaluation import SampleSettings, sample

    set_up(quiet=quiet, verbose=verbose)
    settings["expected_of"] = tuple(pair for pair in expected if pair[0])
    settings["expected"] = dict(expected).get("", SampleSettings().expected)
    drawn = sample(labels, out=out, settings=SampleSettings(**settings), overwrite=overwrite)
    listed = ", ".join(f"{s['points']:,} {s['name']}" for s in drawn["strata"] if s["points"])
    click.echo(f"{out}: {drawn['points']:,} points ({listed})")
