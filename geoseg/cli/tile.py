"""``geoseg tile``."""

from typing import Any

import click

from geoseg.cli import options


@click.command(
    "tile",
    cls=options.ManyValues,
    epilog=options.examples(
        "geoseg tile scene.tif --labels fields.gpkg --class-field crop \\\n--out tiles"
    ),
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
    "--ignore", multiple=True, metavar="CLASS...",
    help="Class, value or colour ('#000000') in the labels that means not labelled. Without a "
    "legend of your own, colours are the lab's and black is ignored.",
)  # fmt: skip
@click.option(
    "--split", type=click.Choice(["block", "scene", "random"]), default="block", show_default=True,
    help="What is drawn for validation: blocks of 4 x 4 tiles, whole scenes (or folders), or "
    "tiles. With blocks and scenes, training tiles within a tile's side of a validation tile are "
    "set aside as a gap, also where scenes overlap.",
)  # fmt: skip
@click.option("--val", default=0.25, show_default=True, help="Share for validation.")
@click.option(
    "--min-valid", default=0.5, show_default=True, help="Least labelled share of a tile's pixels."
)
@click.option(
    "--balance", type=int, metavar="N",
    help="Keep at most N training tiles, so that classes even out: again and again the class "
    "with the fewest pixels so far draws a tile, the likelier the more of it is there. Validation "
    "keeps the true shares.",
)  # fmt: skip
@click.option(
    "--store", type=click.Choice(["files", "shards"]), default="files", show_default=True,
    help="A pair of GeoTIFFs a tile, for other programs; or .npy files of about 1,000 tiles, which "
    "train reads about 40 times as fast.",
)  # fmt: skip
@click.option(
    "--preview/--no-preview", default=True, show_default=True,
    help="Draw preview.png: sample tiles, and the split on the map.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1), metavar="N",
    help="Blocks of tiles at a time.  [default: the cores]",
)  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler, or its scheduler file.")
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
    **settings: Any,  # noqa: ANN401 - the fields of TileSettings, and two of Workers
) -> None:
    """Cut labelled scenes into training tiles.

    The folder gets the tiles, an index of them with footprints (tiles.parquet, for QGIS), and a
    sheet to look at (preview.png).
    """
    from geoseg.cli.report import Progress, set_up
    from geoseg.tiles import TileSettings, Workers, tile

    set_up(quiet=quiet, verbose=verbose)
    progress = Progress(quiet=quiet)
    workers = Workers(settings.pop("workers"), settings.pop("scheduler"))
    tiles = tile(
        scenes, labels, out=out, legend=legend, settings=TileSettings(**settings),
        workers=workers, overwrite=overwrite, progress=progress,
    )  # fmt: skip
    progress.close()
    splits = ", ".join(f"{tiles.count(s):,} {s}" for s in ("train", "val", "gap") if tiles.count(s))
    click.echo(f"{out}: {len(tiles):,} tiles of {tiles.size} px ({splits})")
