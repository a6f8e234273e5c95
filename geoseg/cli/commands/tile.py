"""``geoseg tile``."""

from pathlib import Path
from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section


def _parse_labels(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...] | dict[str, str]:
    """Return paths of labels, or a vector file for each class name: ``building=a.gpkg``."""
    of_classes = [text.partition("=")[::2] for text in texts if _has_class(text)]
    if not of_classes:
        return texts
    if len(of_classes) < len(texts):
        plain = next(text for text in texts if not _has_class(text))
        raise click.BadParameter(
            f"{plain!r} has no class, but other files have one, give CLASS=FILE for each file"
        )
    files = dict(of_classes)
    if len(files) < len(of_classes):
        names = [name for name, _ in of_classes]
        twice = next(name for name in names if names.count(name) > 1)
        raise click.BadParameter(
            f"class {twice!r} has several files, merge them into one file (ogrmerge)"
        )
    return files


def _has_class(text: str) -> bool:
    """Return whether a text is CLASS=FILE; an existing file or a URL is no class."""
    name, equals, _ = text.partition("=")
    is_path = name.startswith("/") or "://" in name or Path(text).exists()
    return bool(equals) and not is_path


@click.command(
    "tile",
    cls=Command,
    epilog=options.examples(
        "geoseg tile scene.tif --labels fields.gpkg --class-field crop \\\n--out tiles",
        "geoseg tile scene.tif --labels building=houses.gpkg road=roads.gpkg \\\n"
        "--background other --out tiles",
        "geoseg tile S2A_MSIL2A_20220125.SAFE --bands nir,red,green --reflectance \\\n"
        "--labels fields.gpkg --class-field crop --out tiles",
    ),
)
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@section(
    "Outputs",
    click.option("--out", required=True, metavar="DIR", help="Output folder."),
    group(
        "settings",
        click.option(
            "--store", type=click.Choice(["files", "shards"]), default="files", show_default=True,
            help="files: two GeoTIFFs for each tile, which other programs can read. shards: .npy "
            "files of about 1,000 tiles, which `geoseg train` reads about 50 times as fast."),
        click.option(
            "--preview/--no-preview", default=True, show_default=True,
            help="Draw preview.png: example tiles, and a map of the split."),
    ),
    options.overwrite,
)  # fmt: skip
@section(
    "Scenes",
    options.stack,
    group(
        "settings",
        options.bands,
        options.nodata,
        click.option(
            "--reflectance", is_flag=True,
            help="Apply the scale and the offset of the bands, so that tiles hold reflectance (or "
            "temperature, or another physical value) as 32-bit floats. `geoseg classify` then does "
            "the same for a model trained on them. For scenes that have a scale: products and "
            "stacks."),
        click.option(
            "--resolution", type=click.FloatRange(0, min_open=True), metavar="METRES",
            help="Ground size of the pixels of the tiles in metres, above 0, to which scenes and "
            "labels are resampled.  [default: the pixels of each scene]"),
    ),
)  # fmt: skip
@section(
    "Labels",
    click.option(
        "--labels", multiple=True, metavar="[CLASS=]PATH...", callback=_parse_labels,
        help="Labels: class rasters, colour masks, folders of these, or vector files. Give one for "
        "each scene, or one vector file for all scenes. Of overlapping polygons the later one in "
        "the file wins. Or vector files of one class each, for all scenes: CLASS=FILE, such as "
        "building=a.gpkg road=b.gpkg; where they overlap the later file wins.  [default: each "
        "SCENE is a folder with images/ and masks/ in or below it]",
    ),
    click.option(
        "--legend", metavar="FILE",
        help="Classes: a CSV file (value,name,color) or a QGIS palette (.qml, .txt, .clr).  "
        "[default: the classes of the labels]",
    ),
    group(
        "settings",
        click.option(
            "--class-field", metavar="NAME",
            help="Field of vector labels that holds class names, or class values from 0 to 254. "
            "`geoseg info FILE` lists the fields.  [default: none; vector labels need it, but not "
            "as CLASS=FILE]"),
        click.option(
            "--layer", metavar="NAME",
            help="Layer of vector labels, if the file has several; the same for each file.  "
            "[default: the first with geometries]"),
        click.option(
            "--background", metavar="CLASS",
            help="Class of the pixels that no polygon covers: a class of the labels or of "
            "--legend, or a new class. Use it only if the polygons show all there is in the "
            "scenes, such as all buildings. Only for vector labels. Features of ignored classes "
            "are not background.  [default: pixels that no polygon covers are not labelled]"),
        click.option(
            "--ignore", multiple=True, metavar="CLASS...",
            help="Classes that mean 'not labelled': names, values, or colours of a mask "
            "('#rrggbb'). Without --legend, colour masks have the built-in Dubai legend, and black "
            "is ignored.  [default: none]"),
    ),
)  # fmt: skip
@section(
    "Tiles",
    group(
        "settings",
        click.option(
            "--size", default=128, show_default=True, help="Side of a tile (px), at least 1."),
        click.option(
            "--stride", type=int, metavar="PX",
            help="Distance between the left (or upper) edges of neighbouring tiles (px), at least "
            "1. Tiles overlap if it is smaller than --size.  [default: --size]"),
        click.option(
            "--min-valid", type=float, metavar="SHARE",
            help="Smallest share of the pixels of a tile that are both valid and labelled, 0 to 1. "
            "Tiles without any such pixel are always left out.  [default: 0.5; for vector labels "
            "without --background one such pixel is enough]"),
        click.option(
            "--balance", type=int, metavar="N",
            help="Largest number of training tiles, at least 1. They are chosen one by one so that "
            "all classes get similar numbers of pixels. Validation tiles are all kept.  "
            "[default: keep all]"),
        click.option(
            "--split", type=click.Choice(["block", "scene", "random"]), default="block",
            show_default=True,
            help="How to choose validation tiles. block: random blocks of 4 x 4 tiles. scene: "
            "whole scenes (or folders). random: single tiles; scores are then too good, because "
            "neighbouring tiles look alike. With block and scene, tiles within one tile side of a "
            "validation tile are not used for training (their split is 'gap')."),
        click.option(
            "--val", default=0.25, show_default=True,
            help="Share of the tiles for validation, at least 0 and below 1."),
        options.seed,
    ),
)  # fmt: skip
@section(
    "Computation",
    options.workers("threads"),
    click.option(
        "--scheduler", metavar="ADDRESS",
        help="Address (tcp://...) or scheduler file of a Dask cluster, whose workers must see the "
        "same files.  [default: work in this process]",
    ),
)  # fmt: skip
@config.option
@options.console
def command(
    scenes: tuple[str, ...],
    stack: bool,
    labels: tuple[str, ...] | dict[str, str],
    out: str,
    legend: str | None,
    settings: dict[str, Any],
    workers: int | None,
    scheduler: str | None,
    overwrite: bool,
    console: Console,
) -> None:
    """Cut labelled scenes into training tiles.

    A scene is any raster that GDAL opens, a product of Sentinel-2 (SAFE) or Landsat, a STAC item,
    or a folder of scenes; with --stack, a folder of the bands of one scene.

    @list.txt stands for the scenes in a text file, one in each line, and "scenes/*.tif" in quotes
    for all files that match; ** stands for any number of folders.

    The output folder gets the tiles, an index with their footprints (tiles.parquet, which QGIS
    opens) and a picture for checking them (preview.png).
    """
    from geoseg.raster import Stack, expand_scenes
    from geoseg.tiles import TileSettings, tile

    paths = expand_scenes(scenes)
    with console.progress() as progress:
        tiles = tile(
            [Stack(tuple(paths))] if stack else paths, labels, out=out, legend=legend,
            settings=TileSettings(**settings), workers=workers, scheduler=scheduler,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
    splits = ", ".join(f"{tiles.count(s):,} {s}" for s in ("train", "val", "gap") if tiles.count(s))
    data = {"outputs": [out], **tiles.to_dict()}
    console.print_result(data, f"{out}: {len(tiles):,} tiles of {tiles.size} px ({splits})")
