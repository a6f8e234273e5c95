"""``geoseg view``."""

from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section
from geoseg.errors import redact


@click.command(
    "view",
    cls=Command,
    epilog=options.examples(
        "geoseg view scene.tif lulc.tif --confidence confidence.tif",
        "geoseg view scene.tif lulc.tif --corrections corrections.gpkg --author Ada",
        "geoseg view scene.tif lulc.tif --places patches.gpkg --corrections c.gpkg",
        "geoseg view scene.tif lulc.tif --save map.html",
    ),
)
@click.argument("scene")
@click.argument("lulc", required=False)
@section(
    "Scene and map",
    group(
        "settings",
        options.view_bands,
        options.nodata,
        options.map_legend,
        click.option(
            "--confidence",
            metavar="FILE",
            help="Raster of the confidence of the map. The page shows it and lists its least "
            "certain places.  [default: none]",
        ),
        click.option(
            "--probabilities",
            metavar="FILE",
            help="Raster of the probabilities of the classes. The page shows those of a pixel that "
            "is clicked.  [default: none]",
        ),
        click.option(
            "--polygons",
            metavar="FILE",
            help="Polygons to draw over the map: GeoPackage or FlatGeobuf in the CRS of the map.  "
            "[default: none]",
        ),
        click.option(
            "--places",
            metavar="FILE",
            help="Places to look at one after another: a vector file in any CRS, such as that of "
            "`geoseg suggest`.  [default: the least certain places of --confidence]",
        ),
        click.option(
            "--compare",
            metavar="LULC2",
            help="A second map of the same place, on any grid.  [default: none]",
        ),
    ),
)  # fmt: skip
@section(
    "Corrections",
    click.option(
        "--corrections",
        metavar="FILE",
        help="GeoPackage (.gpkg) for corrections of the map that are drawn on the page. They are "
        "added to those of an existing file.  [default: no corrections]",
    ),
    click.option(
        "--author",
        default="",
        metavar="NAME",
        help="Name that is written with each correction.  [default: none]",
    ),
)  # fmt: skip
@section(
    "Page",
    click.option(
        "--save",
        metavar="FILE",
        help="Write one HTML file (.html) with scene, map and legend at 2,000 px a side at most, "
        "instead of serving the page.  [default: serve the page until Ctrl-C]",
    ),
    options.overwrite,
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        metavar="N",
        help="Number of the port of this machine, 0 to 65535; 0 means any free port.  [default: 0]",
    ),
    click.option(
        "--no-browser",
        is_flag=True,
        help="Print the address of the page, but do not open it in a browser.",
    ),
)  # fmt: skip
@config.option
@options.console
def command(
    scene: str,
    lulc: str | None,
    settings: dict[str, Any],
    corrections: str | None,
    author: str,
    save: str | None,
    port: int,
    no_browser: bool,
    overwrite: bool,
    console: Console,
) -> None:
    """Show SCENE and its map LULC in the browser, and correct the map there.

    The page is served to this machine only, at a secret address. It shows the stored pixels,
    without reprojection. Press ? on the page for a list of keys. To train a model with the
    corrections: `geoseg tile SCENE --labels corrections.gpkg --class-field class --out tiles`.
    """
    from geoseg.view import ViewSettings, open_browser, save_page, serve

    view_settings = ViewSettings(**settings)
    if save is not None:
        shown_live = ("confidence", "probabilities", "polygons", "places")
        _check_save(
            corrections=corrections, author=author, port=port, no_browser=no_browser,
            **{name: settings.get(name) for name in shown_live},
        )  # fmt: skip
        save_page(scene, lulc, save, settings=view_settings, overwrite=overwrite)
        paths = (scene, lulc, view_settings.compare)
        shown = [str(path) for path in paths if path is not None]
        console.print_result({"outputs": [save]}, redact(f"{save}: page of {', '.join(shown)}"))
        return

    def started(address: str) -> None:
        text = f"{address}\nCtrl-C ends the page."
        console.print_result({"address": address}, text, always=True)
        if not (no_browser or open_browser(address)):
            click.echo("There is no display here: open the address in a browser.", err=True)

    serve(
        scene, lulc, settings=view_settings, corrections=corrections, author=author,
        port=port, started=started,
    )  # fmt: skip


def _check_save(**options: object) -> None:
    """Refuse options that a saved page does not have."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise click.UsageError(f"--save cannot be combined with {', '.join(given)}, leave them out")
