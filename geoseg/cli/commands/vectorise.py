"""``geoseg vectorise``."""

from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section


@click.command(
    "vectorise",
    cls=Command,
    epilog=options.examples("geoseg vectorise lulc.tif --out lulc.gpkg"),
)
@click.argument("lulc")
@section(
    "Output",
    click.option(
        "--out", required=True, metavar="FILE",
        help="File to write: .gpkg, .parquet, .fgb, .geojson or .pmtiles.",
    ),
    options.overwrite,
)  # fmt: skip
@section(
    "Map",
    click.option(
        "--legend", metavar="FILE",
        help="Class names and colours: CSV (value,name,color) or QGIS palette (.qml, .txt, .clr).  "
        "[default: those of LULC]",
    ),
    group("settings", options.nodata),
    click.option(
        "--confidence", metavar="FILE",
        help="Confidence raster of LULC, written by `geoseg classify`.  [default: no confidence]",
    ),
)  # fmt: skip
@options.cleaning
@section(
    "Computation",
    options.workers("threads"),
)  # fmt: skip
@config.option
@options.console
def command(
    lulc: str,
    out: str,
    legend: str | None,
    confidence: str | None,
    settings: dict[str, Any],
    cleaning: dict[str, Any],
    workers: int | None,
    overwrite: bool,
    console: Console,
) -> None:
    """Turn LULC, a class raster, into polygons.

    LULC has one band of whole numbers, 0 to 255: a map of geoseg, or any other. The polygons are
    a valid coverage: they have no gaps or overlaps, and sides that two polygons share have the same
    vertices. They cover exactly the valid pixels.

    --min-area, --simplify and --smooth are applied in this order and do not change LULC. The
    polygons stay a valid coverage. But --simplify and --smooth move outlines, also those at nodata
    and at the edge of the map: the polygons then cover slightly more or less than the valid
    pixels, and area_m2 and perimeter_m are those of the moved outlines.
    """
    from geoseg.vectorisation import Cleaning, VectoriseSettings, vectorise

    with console.progress() as progress:
        report = vectorise(
            lulc, out, legend=legend, confidence=confidence,
            settings=VectoriseSettings(**settings, cleaning=Cleaning(**cleaning)),
            workers=workers, overwrite=overwrite, progress=progress,
        )  # fmt: skip
    data = {"outputs": [out], **report.to_dict()}
    console.print_result(data, f"{out}: {report.polygons:,} polygons")
