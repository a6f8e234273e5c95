"""Labelled scenes in, a set of training tiles out."""

import json
from collections.abc import Callable, Sequence, Sized
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import check_list, check_type
from geoseg.execute import Progress, ProgressCounter
from geoseg.execute.executor import Executor
from geoseg.files import atomic_folder, check_folder, output_lock, translate_write_errors
from geoseg.legend import Legend, read_legend
from geoseg.tiles.cut.pairing import find_pairs
from geoseg.tiles.cut.read_batches import count_tile_pixels, read_batches
from geoseg.tiles.cut.select import check_several_classes, select_tiles
from geoseg.tiles.cut.sources import Source, open_sources
from geoseg.tiles.cut.write import write_batch, write_batches
from geoseg.tiles.settings import DEFAULTS, TileSettings
from geoseg.tiles.store.geotiff_pairs import IMAGES, MASKS
from geoseg.tiles.store.index import INDEX, concat_counts
from geoseg.tiles.store.npy_shards import SHARDS, ShardStore
from geoseg.tiles.store.tileset import ABOUT, TileSet, open_tiles

if TYPE_CHECKING:
    import geopandas

PREVIEW = "preview.png"


def tile(  # noqa: PLR0913 - one call for the job, all but two by name
    scenes: Sequence[str | Path],
    labels: Sequence[str | Path] = (),
    *,
    out: str | Path,
    legend: Legend | str | Path | None = None,
    settings: TileSettings = DEFAULTS,
    workers: int | None = None,
    scheduler: str | None = None,
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
            or one vector file for all. A raster on another grid than its scene is warped onto it.
            Of overlapping features of a vector file, the later one in the file wins.
        out: folder to write; it appears when it is complete.
        legend: the classes, or a file of them; None to take them from the labels.
        settings: size, split and what to keep.
        workers: number of threads; None for the number of cores. The tiles do not depend on it.
        scheduler: address or file of a Dask scheduler, whose workers must see the same files; None
            to work in this process.
        overwrite: replace an existing set.
        progress: called as scenes are opened and tiles read and written, see
            `geoseg.execute.Progress`.

    Returns:
        The set of tiles, as `open_tiles` reads it.

    Raises:
        TileError: if scenes and labels do not match, no tile is left, the tiles have a single
            class, or they cannot be split.
        LabelError: if labels do not fit a scene or the legend.
        VectorError: if a vector file cannot be read, or cannot be placed on a scene.
        SceneError: if a scene cannot be read.
        OutputError: if the folder exists or cannot be written.
        InterruptedRun: if another process writes the same folder.
        GeosegError: if one text is given in place of a list, or settings are of another type.
    """
    check_list("scenes", scenes)
    check_list("labels", labels)
    check_type("settings", settings, TileSettings)
    pool = Executor(workers, scheduler)
    out = Path(out).resolve()
    with translate_write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with output_lock(out.with_name(f".{out.name}.lock"), out, "geoseg tile"):
        check_folder(out, ABOUT, "a tile set", overwrite=overwrite)
        pairs = find_pairs([str(s) for s in scenes], [str(s) for s in labels])
        classes = read_legend(legend) if isinstance(legend, str | Path) else legend
        opened = _counter(progress, "scenes opened", len(pairs))
        sources = open_sources(pairs, classes, settings, pool, opened)
        _write_tiles(out, sources, settings, pool, progress)
    return open_tiles(out)


def _write_tiles(
    out: Path,
    sources: Sequence[Source],
    settings: TileSettings,
    workers: Executor,
    progress: Progress | None,
) -> None:
    """Count what the tiles of all scenes hold, choose, and write the chosen ones."""
    legend = sources[0].labels.legend
    check_several_classes(legend.names, sources)
    parts = [
        part
        for number, source in enumerate(sources)
        for part in read_batches(source.scene, source.labels, number, settings.size, settings.step)
    ]
    read = _counter(progress, "tiles read", sum(map(len, parts)))
    found = concat_counts(workers.map(count_tile_pixels, parts, read), legend)
    index = select_tiles(found, sources, legend, settings)
    places = [(part, window) for part in parts for window in part.windows]
    with atomic_folder(out) as folder:
        shards = _plan_batches(folder, len(index), sources[0], settings)
        chosen = [places[number] for number in index.index]
        todo = list(write_batches(folder, index["tile"].tolist(), chosen, shards))
        written = _counter(progress, "tiles written", len(index))
        sums = workers.map(write_batch, todo, written)
        index["checksum"] = list(chain.from_iterable(sums))
        _write_metadata(folder, index, sources, settings)
        if settings.preview:
            _draw(folder, out.name)


def _counter(progress: Progress | None, unit: str, total: int) -> Callable[[Sized], None]:
    """A function that counts the items of each result."""
    counter = ProgressCounter(progress, unit, total)
    return lambda result: counter.add(len(result))


def _plan_batches(
    folder: Path, tiles: int, source: Source, settings: TileSettings
) -> ShardStore | None:
    """Make the folders that tiles go to."""
    names = (SHARDS,) if settings.store == "shards" else (IMAGES, MASKS)
    with translate_write_errors(folder):
        for name in names:
            (folder / name).mkdir()
    if settings.store == "files":
        return None
    shape = len(source.scene.bands), settings.size, settings.size
    return ShardStore(str(folder / SHARDS), tiles, shape, source.scene.dtype)


def _write_metadata(
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
    with translate_write_errors(folder):
        index.to_parquet(folder / INDEX, index=False)
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def _draw(folder: Path, title: str) -> None:
    from geoseg.tiles.preview import draw_tiles  # with matplotlib, which is slow to load

    figure = draw_tiles(open_tiles(folder), title)
    with translate_write_errors(folder):
        figure.savefig(folder / PREVIEW)
