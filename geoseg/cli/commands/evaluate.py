"""``geoseg evaluate``."""

from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section
from geoseg.errors import count_of


@click.command(
    "evaluate",
    cls=Command,
    epilog=options.examples("geoseg evaluate lulc.tif points.gpkg --out report"),
)
@click.argument("lulc", required=False)
@click.argument("reference", required=False)
@section(
    "Report",
    options.report_folder,
    group(
        "settings",
        click.option(
            "--boundary", type=float, metavar="M",
            help="Distance in metres, above 0: boundary IoU is computed from the pixels within "
            "this distance of an outline of a class.  [default: 3 pixels]",
        ),
        click.option(
            "--confidence", metavar="FILE",
            help="Confidence raster that `geoseg classify --confidence` wrote with the map; adds "
            "the calibration of the confidence to the report.  [default: no calibration]",
        ),
        click.option(
            "--image", metavar="FILE",
            help="Image to show beside the map.  [default: the scene that the map was made from]",
        ),
    ),
    options.overwrite,
)  # fmt: skip
@section(
    "Map and reference",
    group(
        "settings",
        options.map_legend,
        click.option(
            "--reference-legend", metavar="FILE",
            help="Classes of the reference, if its values or colours differ from the map's; "
            "classes are matched by name.  [default: names of the reference, else the classes of "
            "the map]",
        ),
        click.option(
            "--ignore", multiple=True, metavar="CLASS...",
            help="Classes that count as unlabelled in the map and in the reference: names, values "
            "or colours (#rrggbb).  [default: none]",
        ),
        click.option(
            "--layer", metavar="NAME",
            help="Layer of the polygons or points in a file with several layers, such as a "
            "GeoPackage.  [default: the first layer with geometries]",
        ),
        click.option(
            "--class-field", metavar="NAME",
            help="Field of the polygons or points that holds the class.  [default: reference]",
        ),
    ),
)  # fmt: skip
@section(
    "Sample",
    group(
        "settings",
        click.option(
            "--sampled", is_flag=True,
            help="Treat the labelled pixels of a raster or of polygons as a random sample within "
            "each class of the map, and estimate accuracy and areas of the whole map from them.",
        ),
        click.option(
            "--strata", metavar="FILE",
            help="Raster of the strata that points were drawn from; each value is a stratum.  "
            "[default: the classes of the map]",
        ),
        click.option(
            "--strata-legend", metavar="FILE",
            help="Names of the strata, a file as for --legend.  [default: names of the raster, "
            "else the map's class names if the map has all its values, else 'stratum N' with the "
            "value N]",
        ),
    ),
)  # fmt: skip
@section(
    "Error matrix",
    click.option(
        "--matrix", metavar="FILE",
        help="Report on an error matrix instead of LULC and REFERENCE: CSV of counts with a row "
        "per mapped class and a column per reference class. The first row and the first column "
        "hold the class names.  [default: compare LULC and REFERENCE]",
    ),
    click.option(
        "--areas", metavar="FILE",
        help="With --matrix: CSV with a header and the mapped area of each class in hectares "
        "(class,area_ha). Accuracy and areas of the whole map are then estimated.  "
        "[default: no estimate]",
    ),
)  # fmt: skip
@section(
    "Computation",
    options.workers("windows that are compared at the same time"),
)  # fmt: skip
@config.option
@options.console
def command(
    lulc: str | None,
    reference: str | None,
    out: str,
    settings: dict[str, Any],
    matrix: str | None,
    areas: str | None,
    workers: int | None,
    overwrite: bool,
    console: Console,
) -> None:
    """Compare the class map LULC with REFERENCE and write a report on its accuracy.

    REFERENCE is a class raster, polygons or points. A raster or polygons are compared with the map
    pixel by pixel. Points are a stratified random sample (see `geoseg sample`): accuracy and areas
    of the whole map are estimated from them, with 95 % confidence intervals.

    The report is a page (report.html), data (report.json) and tables (report.csv, matrix.csv).
    """
    from geoseg.evaluation import EvaluateSettings, evaluate, evaluate_matrix

    if matrix is not None:
        if lulc is not None:
            raise click.UsageError("Give either LULC and REFERENCE or --matrix.")
        for name in (name for name, value in settings.items() if value and name != "legend"):
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} has no effect with --matrix, leave it out.")
        report = evaluate_matrix(
            matrix, out, areas=areas, legend=settings["legend"], overwrite=overwrite
        )
    else:
        if lulc is None or reference is None:
            raise click.UsageError("Give either LULC and REFERENCE or --matrix.")
        if areas is not None:
            raise click.UsageError("--areas needs --matrix, leave it out.")
        with console.progress() as progress:
            report = evaluate(
                lulc, reference, out, settings=EvaluateSettings(**settings), workers=workers,
                overwrite=overwrite, progress=progress,
            )  # fmt: skip
    data = {"outputs": [out], **report.to_dict()}
    console.print_result(data, f"{out}/report.html: {_summary(data)}", report.notes)


def _summary(report: dict[str, Any]) -> str:
    adjusted = report["area_adjusted"]
    compared = count_of(report["compared"], report["unit"].removesuffix("s"))
    if adjusted is None:
        classes = count_of(len(report["mean_iou_classes"]), "class")
        left_out = ", ".join(report["mean_iou_left_out"])
        return (
            f"overall accuracy {report['overall_accuracy']:.1%}, mean IoU {report['mean_iou']:.3f} "
            f"over {classes} of the reference"
            f"{f' (left out, as the reference lacks it: {left_out})' if left_out else ''}, "
            f"{compared} compared"
        )
    half_width = adjusted["overall_accuracy_ci95"]
    interval = "" if half_width is None else f" ± {100 * half_width:.1f}"
    return (
        f"overall accuracy {100 * adjusted['overall_accuracy']:.1f}{interval} % of the area, from "
        f"{compared}"
    )
