"""``geoseg vectorise``."""

import click

from geoseg.cli import options


@click.command("vectorise", epilog=options.examples("geoseg vectorise lulc.tif --out lulc.gpkg"))
@click.argument("labels")
@click.option(
    "--out", required=True, metavar="FILE", help=".gpkg, .parquet, .fgb, .geojson or .pmtiles."
)
@click.option("--legend", metavar="FILE", help="Names and colours; default: the raster's own.")
@click.option("--confidence", metavar="FILE", help="Of the map, as classify writes it.")
@options.nodata
@options.min_area
@options.simplify
@options.smooth
@click.option("--workers", type=click.IntRange(1), help="Threads.  [default: processors]")
@options.overwrite
@options.verbosity
def command(  # noqa: PLR0913 - the options of the command
    labels: str,
    out: str,
    legend: str | None,
    confidence: str | None,
    nodata: float | None,
    min_area: float,
    simplify: float,
    smooth: int,
    workers: int | None,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Outline the classes of LABELS, a class raster, as polygons.

    LABELS has one band of integers, 0 to 255: a map of geoseg, or any other. The polygons are one
    coverage: they cover exactly its valid pixels, without gap or overlap, and sides that two of
    them share have the same vertices. --min-area, --simplify and --smooth work in this order and
    keep that; they do not change LABELS.
    """
    from geoseg.cli.report import Progress, set_up
    from geoseg.vectorisation import Cleaning, vectorise

    set_up(quiet=quiet, verbose=verbose)
    progress = Progress(quiet=quiet)
    count = vectorise(
        labels, out, legend=legend, confidence=confidence, nodata=nodata,
        cleaning=Cleaning(min_area, simplify, smooth), workers=workers, overwrite=overwrite,
        progress=progress,
    )  # fmt: skip
    progress.close()
    if not quiet:
        click.echo(f"{out}: {count:,} polygons")
