"""``geoseg suggest``."""

from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section


@click.command(
    "suggest",
    cls=Command,
    epilog=options.examples("geoseg suggest lulc.tif --out patches.gpkg --uncertainty unc.tif"),
)
@click.argument("lulc")
@section(
    "Output",
    click.option("--out", required=True, metavar="FILE", help="GeoPackage of the patches, .gpkg."),
    options.overwrite,
)  # fmt: skip
@section(
    "Map",
    group("settings", options.map_legend),
    click.option(
        "--uncertainty", metavar="FILE",
        help="Uncertainty raster that `geoseg classify --uncertainty` wrote with the map.  "
        "[default: all pixels count as equally uncertain]",
    ),
    click.option(
        "--confidence", metavar="FILE",
        help="Confidence raster of the map, in place of --uncertainty.  [default: no confidence]",
    ),
    click.option(
        "--scene", metavar="FILE",
        help="Raster of the same place, on any grid. Patches with different values of its bands "
        "are preferred.  [default: patches differ in classes and uncertainty only]",
    ),
)  # fmt: skip
@section(
    "Patches",
    group(
        "settings",
        click.option(
            "--number", default=50, show_default=True, metavar="N",
            help="Number of patches, at least 1.",
        ),
        click.option(
            "--size", default=128, show_default=True, metavar="PX",
            help="Side of a patch in pixels, 16 to 4096.",
        ),
        click.option(
            "--distance", type=int, metavar="PX",
            help="Smallest distance between the centres of two patches along rows or along "
            "columns, in pixels, 0 to 32 times the size.  [default: twice the size]",
        ),
    ),
    click.option(
        "--exclude", multiple=True, metavar="FILE...",
        help="Vector files of places that are labelled already, such as earlier suggestions; "
        "patches that they overlap are left out.  [default: none]",
    ),
    group("settings", options.seed),
)  # fmt: skip
@config.option
@options.console
def command(
    lulc: str,
    out: str,
    uncertainty: str | None,
    confidence: str | None,
    scene: str | None,
    exclude: tuple[str, ...],
    settings: dict[str, Any],
    overwrite: bool,
    console: Console,
) -> None:
    """Suggest patches of the class map LULC to label next.

    The model is unsure in these patches. They differ from one another in classes and colours, and
    are not close together. Label them, cut tiles from the labels with `geoseg tile`, and train the
    model further with `geoseg train --start`.

    The accuracy of the map cannot be estimated from suggested patches, because they are chosen
    where the model is unsure. For this, draw a random sample with `geoseg sample`.
    """
    from geoseg.errors import count_of
    from geoseg.suggestion import SuggestSettings, suggest

    with console.progress() as progress:
        report = suggest(
            lulc, out, uncertainty=uncertainty, confidence=confidence, scene=scene,
            exclude=exclude, settings=SuggestSettings(**settings), overwrite=overwrite,
            progress=progress,
        )  # fmt: skip
    listed = ", ".join(f"{count:,} {name}" for name, count in report.classes.items())
    data = {"outputs": [out], **report.to_dict()}
    console.print_result(data, f"{out}: {count_of(report.patches, 'patch')} ({listed})")
