"""``geoseg tile``."""

from typing import Any

import click

from geoseg.cli import options


@click.command(
    "tile",
    cls=options.ManyValues,
    epilog="Example: geoseg tile scene.tif --labels fields.gpkg --class-field crop --out tiles",
)
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@click.option(
    "--labels", multiple=True, metavar="PATH...",
    help="Class rasters, colour masks, folders of them, or vectors; one a scene, or one vector for "
    "all. Without it, each SCENE is a folder with images/ and masks/ below it.",
)  # fmt: skip
@click.option("--out", required=True, metavar="DIR", help="Folder to write.")
@click.option("--size", default=128, show_default=True, help="Side of a tile (px).")
@click.option("--stride", type=int, help="Distance between tiles (px).  [default: the size]")
@click.option("--legend", metavar="FILE", help="Classes: CSV (value,name,color) or QGIS palette.")
@click.option("--class-field", metavar="NAME", help="Field of vector labels with the class.")
@click.option(
    "--split", type=click.Choice(["block", "scene", "random"]), default="block", show_default=True,
    help="What is drawn for validation: blocks of tiles with a gap around, whole scenes, tiles.",
)  # fmt: skip
@click.option("--val", default=0.25, show_default=True, help="Share for validation.")
@click.option(
    "--min-valid", default=0.5, show_default=True, help="Least labelled share of a tile's pixels."
)
@options.bands
@options.nodata
@options.seed
@options.overwrite
@options.verbosity
def command(
    scenes: tuple[str, ...],
    labels: tuple[str, ...],
    out: str,
    legend: str | None,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,  # noqa: ANN401 - the fields of TileSettings
) -> None:
    """Cut labelled scenes into training tiles."""
    from geoseg.cli.report import Progress, set_up
    from geoseg.tiles import TileSettings, tile

    set_up(quiet=quiet, verbose=verbose)
    tiles = tile(
        scenes, labels, out=out, legend=legend, settings=TileSettings(**settings),
        overwrite=overwrite, tick=Progress("scenes", quiet=quiet),
    )  # fmt: skip
    splits = ", ".join(f"{tiles.count(s)} {s}" for s in ("train", "val", "gap") if tiles.count(s))
    click.echo(f"{out}: {len(tiles)} tiles of {tiles.size} px ({splits})")
