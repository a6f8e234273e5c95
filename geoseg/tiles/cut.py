"""Labelled scenes in, a set of training tiles out."""

import json
from collections.abc import Callable, Sequence, Sized
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.execute import Progress, ProgressCounter
from geoseg.legend import Legend, read_legend
from geoseg.raster import writing
from geoseg.tiles.blocks import blocks, survey
from geoseg.tiles.choose import choose
from geoseg.tiles.files import IMAGES, MASKS
from geoseg.tiles.folder import appearing, check_free
from geoseg.tiles.index import INDEX, stacked
from geoseg.tiles.pairs import find_pairs
from geoseg.tiles.settings import DEFAULTS, TileSettings
from geoseg.tiles.shards import SHARDS, Shards
from geoseg.tiles.sources import Source, open_sources
from geoseg.tiles.tileset import ABOUT, TileSet, open_tiles
from geoseg.tiles.workers import Workers
from geoseg.tiles.write import batches, write_batch

if TYPE_CHECKING:
    import geopandas

PREVIEW = "preview.png"


def tile(
    scenes: Sequence[str | Path],
    labels: Sequence[str | Path] = (),
    *,
    out: str | Path,
    legend: Legend | str | Path | None = None,
    settings: TileSettings = DEFAULTS,
    workers: Workers | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TileSet:
    """Cut labelled scenes into square training tiles.

    Every scene is read twice: once to count what its tiles hold, and once, when it is decided
    which tiles are kept and what each is for, to write them.

    Args:
        scenes: rasters, or folders of rasters; without labels, folders that hold images/ and
            masks/ somewhere below them.
        labels: class rasters, colour masks, folders of them, or vector files; one for each scene,
            or one vector file for all. What has another grid than its scene is warped onto it.
        out: folder to write; it appears when it is complete.
        legend: the classes, or a file of them; None to take them from the labels.
        settings: size, split and what to keep.
        workers: how many, and where; the tiles are the same.
        overwrite: replace an existing set.
        progress: called as scenes are opened and tiles read and written, see
            `geoseg.execute.Progress`.

    Returns:
        The set of tiles, as `open_tiles` reads it.

    Raises:
        TileError: if scenes and labels do not match, no tile is left, or they cannot be split.
        LabelError: if labels do not fit a scene or the legend.
        SceneError: if a scene cannot be read.
        OutputError: if the folder exists or cannot be written.
    """
    out = Path(out).resolve()
    check_free(out, ABOUT, "a tile set", overwrite=overwrite)
    pairs = find_pairs([str(s) for s in scenes], [str(s) for s in labels])
    classes = read_legend(legend) if isinstance(legend, str | Path) else legend
    workers = workers or Workers()
    opened = _counting(progress, "scenes opened", len(pairs))
    sources = open_sources(pairs, classes, settings, workers, opened)
    parts = [
        part
        for number, source in enumerate(sources)
        for part in blocks(source.scene, source.labels, number, settings.size, settings.step)
    ]
    read = _counting(progress, "tiles read", sum(map(len, parts)))
    classes = sources[0].labels.legend
    found = stacked(workers.map(survey, parts, read), classes)
    index = choose(found, sources, classes, settings)
    places = [(part, window) for part in parts for window in part.windows]
    with appearing(out) as folder:
        shards = _prepare(folder, len(index), sources[0], settings)
        chosen = [places[number] for number in index.index]
        todo = list(batches(folder, index["tile"].tolist(), chosen, shards))
        written = _counting(progress, "tiles written", len(index))
        sums = workers.map(write_batch, todo, written)
        index["checksum"] = list(chain.from_iterable(sums))
        _describe(folder, index, sources, settings)
        if settings.preview:
            _draw(folder, out.name)
    return open_tiles(out)


def _counting(progress: Progress | None, unit: str, total: int) -> Callable[[Sized], None]:
    """A function that counts the items of each result."""
    counter = ProgressCounter(progress, unit, total)
    return lambda result: counter.add(len(result))


def _prepare(folder: Path, tiles: int, source: Source, settings: TileSettings) -> Shards | None:
    """Make the folders that tiles go to."""
    names = (SHARDS,) if settings.store == "shards" else (IMAGES, MASKS)
    with writing(folder):
        for name in names:
            (folder / name).mkdir()
    if settings.store == "files":
        return None
    shape = len(source.scene.bands), settings.size, settings.size
    return Shards(str(folder / SHARDS), tiles, shape, source.scene.dtype)


def _describe(
    folder: Path,
    index: "geopandas.GeoDataFrame",
    sources: Sequence[Source],
    settings: TileSettings,
) -> None:
    """Write the index, and what holds for all tiles."""
    scene, legend = sources[0].scene, sources[0].labels.legend
    about = {
        "size": settings.size,
        "stride": settings.step,
        "split": settings.split,
        "val": settings.val,
        "seed": settings.seed,
        "store": settings.store,
        "bands": list(scene.band_names),
        "dtype": scene.dtype,
        "pixel_size": scene.pixel_size,
        "crs": index.crs and index.crs.to_wkt(),
        "bounds": index.total_bounds.tolist(),
        **legend.to_dict(),
    }
    with writing(folder):
        index.to_parquet(folder / INDEX, index=False)
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def _draw(folder: Path, title: str) -> None:
    from geoseg.tiles.preview import draw_tiles  # with matplotlib, which is slow to load

    figure = draw_tiles(open_tiles(folder), title)
    with writing(folder):
        figure.savefig(folder / PREVIEW)
