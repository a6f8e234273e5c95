"""``geoseg evaluate``."""

from typing import Any

import click

from geoseg.cli import options
from geoseg.errors import count_of


@click.command(
    "evaluate",
    cls=options.ManyValues,
    epilog="Example: geoseg evaluate lulc.tif points.gpkg --out report",
)
@click.argument("labels", required=False)
@click.argument("reference", required=False)
@click.option("--out", required=True, metavar="DIR", help="Folder to write.")
@click.option(
    "--class-field", metavar="NAME",
    help="Field of polygons or points with the class.  [default: reference]",
)  # fmt: skip
@click.option(
    "--legend", metavar="FILE", help="Classes of the map: CSV (value,name,color) or QGIS palette."
)
@click.option(
    "--reference-legend", metavar="FILE",
    help="Classes of the reference, where its codes or colours are others; matched by name.",
)  # fmt: skip
@click.option(
    "--ignore", multiple=True, metavar="CLASS...",
    help="Class, value or colour, on either side, that means not labelled.",
)  # fmt: skip
@click.option(
    "--sampled", is_flag=True,
    help="The labelled pixels of a raster, or of polygons, are a random sample within each mapped "
    "class: estimate accuracy and areas of the whole map, as from points.",
)  # fmt: skip
@click.option(
    "--strata", metavar="FILE",
    help="Raster of the strata that points were drawn from.  [default: the map]",
)  # fmt: skip
@click.option(
    "--strata-legend", metavar="FILE",
    help="Names of the strata: CSV (value,name,color) or QGIS palette. [default: the names in the "
    "raster or beside it; else the map's class names, if the map has all values; else 'stratum 7']",
)  # fmt: skip
@click.option(
    "--boundary", type=float, metavar="M",
    help="Metres from an outline that boundary IoU looks at.  [default: 3 px]",
)  # fmt: skip
@click.option("--confidence", metavar="FILE", help="Raster of `classify --confidence`.")
@click.option(
    "--image", metavar="FILE", help="Scene to show.  [default: the one the map was made from]"
)
@click.option(
    "--matrix", metavar="FILE",
    help="Instead of a map and a reference: a CSV of counts, its first column the mapped class, "
    "its first row the reference.",
)  # fmt: skip
@click.option(
    "--areas", metavar="FILE", help="With --matrix: a CSV of the mapped area (ha) of each class."
)
@click.option("--workers", type=click.IntRange(1), help="Windows at a time.  [default: the cores]")
@options.overwrite
@options.verbosity
def command(
    labels: str | None,
    reference: str | None,
    out: str,
    matrix: str | None,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,  # noqa: ANN401 - the fields of EvaluateSettings, and what is popped below
) -> None:
    """Compare the label map LABELS with REFERENCE: a raster, polygons or points.

    The folder gets report.html to look at and to print, report.json, report.csv, and the error
    matrix as matrix.csv.
    """
    from geoseg.cli.report import Progress, set_up
    from geoseg.evaluation import EvaluateSettings, evaluate, evaluate_matrix

    set_up(quiet=quiet, verbose=verbose)
    workers, areas = settings.pop("workers"), settings.pop("areas")
    if matrix is not None:
        if labels is not None:
            raise click.UsageError("Give either LABELS and REFERENCE or --matrix.")
        legend = settings["legend"]
        report = evaluate_matrix(matrix, areas, out=out, legend=legend, overwrite=overwrite)
    else:
        if labels is None or reference is None:
            raise click.UsageError("Missing LABELS and REFERENCE, or --matrix.")
        progress = Progress(quiet=quiet)
        report = evaluate(
            labels, reference, out=out, settings=EvaluateSettings(**settings), workers=workers,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
        progress.close()
    click.echo(f"{out}/report.html: {_summary(report)}")
    for note in report["notes"]:
        click.echo(f"geoseg: {note}", err=True)


def _summary(report: dict[str, Any]) -> str:
    adjusted = report["area_adjusted"]
    if adjusted is None:
        classes = count_of(len(report["mean_iou_classes"]), "class")
        left_out = ", ".join(report["mean_iou_left_out"])
        return (
            f"overall accuracy {report['overall_accuracy']:.1%}, mean IoU {report['mean_iou']:.3f} "
            f"over {classes} of the reference"
            f"{f' (left out, as the reference lacks it: {left_out})' if left_out else ''}, "
            f"{report['compared']:,} {report['unit']} compared"
        )
    within = adjusted["overall_accuracy_ci95"]
    interval = "" if within is None else f" ± {100 * within:.1f}"
    return (
        f"overall accuracy {100 * adjusted['overall_accuracy']:.1f}{interval} % of the area, from "
        f"{report['compared']:,} {report['unit']}"
    )
