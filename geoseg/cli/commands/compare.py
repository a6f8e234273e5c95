"""``geoseg compare``."""

from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section


@click.command(
    "compare",
    cls=Command,
    epilog=options.examples(
        "geoseg compare lulc2019.tif lulc2024.tif --out changes",
        "geoseg compare lulc2019.tif lulc2024.tif points.gpkg --out areas",
    ),
)
@click.argument("a")
@click.argument("b")
@click.argument("reference", required=False)
@section(
    "Report",
    options.report_folder,
    group(
        "settings",
        click.option(
            "--polygons/--no-polygons", default=True, show_default=True,
            help="Write the polygons of change.tif to change.gpkg.",
        ),
        click.option(
            "--changed-only", is_flag=True,
            help="Leave pixels of the same class in both maps out of change.tif and its polygons, "
            "so that `geoseg sample` draws points only where the maps differ.",
        ),
    ),
    options.overwrite,
)  # fmt: skip
@section(
    "Maps",
    group(
        "settings",
        click.option(
            "--legend-a", metavar="FILE",
            help="Classes of A: CSV (value,name,color) or QGIS palette (.qml, .txt, .clr).  "
            "[default: palette and names of the map]",
        ),
        click.option(
            "--legend-b", metavar="FILE",
            help="Classes of B, a file as for --legend-a.  [default: names of the map, else the "
            "classes of A]",
        ),
        click.option(
            "--ignore", multiple=True, metavar="CLASS...",
            help="Classes that count as unlabelled in both maps and in the reference: names, "
            "values or colours (#rrggbb).  [default: none]",
        ),
    ),
)  # fmt: skip
@section(
    "Points",
    group(
        "settings",
        click.option(
            "--layer", metavar="NAME",
            help="Layer of the points in a file with several layers, such as a GeoPackage.  "
            "[default: the first layer with geometries]",
        ),
        click.option(
            "--reference-fields", multiple=True, metavar="NAME...",
            help="Fields of the points with the true classes: those at the dates of A and of B, or "
            "one field with changes or with classes.  [default: reference_a reference_b if the "
            "points have them, else reference]",
        ),
    ),
)  # fmt: skip
@section(
    "Computation",
    options.workers("windows that are compared at the same time"),
)  # fmt: skip
@config.option
@options.console
def command(
    a: str,
    b: str,
    reference: str | None,
    out: str,
    settings: dict[str, Any],
    workers: int | None,
    overwrite: bool,
    console: Console,
) -> None:
    """Compare two class maps A and B of one place, and write a report on their differences.

    A and B are of two dates, or of one date by two models. B may be on another grid. Classes are
    matched by name. The report has a page (report.html), data (report.json), tables (report.csv,
    matrix.csv, matrix_m2.csv, classes.csv), the changes as a raster (change.tif) and as polygons
    (change.gpkg).

    REFERENCE is a random sample of points that `geoseg sample DIR/change.tif --out FILE` drew, and
    whose true classes were filled in. If the points have the true classes at both dates (fields
    reference_a and reference_b), or the true changes ("forest to crop", field reference), the areas
    of change are estimated with 95 % intervals.

    If the points have the true class at one date (field reference), an exact paired test tells
    which of the two maps is better. Draw these points where the maps differ (--changed-only) and in
    proportion to area: `geoseg sample DIR/change.tif --out FILE --size N --allocation proportional
    --min-per-class 0 --reference-legend DIR/classes.csv`.
    """
    from geoseg.evaluation import CompareSettings, compare

    with console.progress() as progress:
        report = compare(
            a, b, out=out, reference=reference, settings=CompareSettings(**settings),
            workers=workers, overwrite=overwrite, progress=progress,
        )  # fmt: skip
    data = {"outputs": [out], **report.to_dict()}
    console.print_result(data, f"{out}/report.html: {' '.join(report.summary())}", report.notes)
