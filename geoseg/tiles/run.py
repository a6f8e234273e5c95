"""Labelled scenes in, a set of training tiles out."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import TileError, check_list, check_type, redact
from geoseg.execute import Executor, Progress, ProgressCounter
from geoseg.files import atomic_folder, check_folder, output_lock, translate_write_errors
from geoseg.labels import ClassFiles
from geoseg.legend import Legend, as_legend
from geoseg.raster import Mosaic, Stack, source_paths
from geoseg.tiles.cut.labelled_scenes import LabelledScene, open_labelled_scenes
from geoseg.tiles.cut.pairing import find_pairs
from geoseg.tiles.cut.read_batches import TileCounts, count_tile_pixels, plan_read_batches
from geoseg.tiles.cut.select import check_several_classes, select_tiles
from geoseg.tiles.cut.write import plan_write_batches, write_batch
from geoseg.tiles.settings import DEFAULTS, TileSettings
from geoseg.tiles.store.geotiff_pairs import IMAGES, MASKS
from geoseg.tiles.store.index import INDEX
from geoseg.tiles.store.npy_shards import SHARDS, ShardStore
from geoseg.tiles.store.tileset import METADATA, TileSet, open_tiles

if TYPE_CHECKING:
    import geopandas

PREVIEW = "preview.png"


def tile(  # noqa: PLR0913 - all but the first two by name
    scenes: Sequence[str | Path | Stack],
    labels: Sequence[str | Path] | Mapping[str, str | Path] = (),
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

    Every scene is read twice: first where it has labels, to count the pixels of each class in its
    tiles, from which the tiles are selected and split, then to write the selected tiles.

    Args:
        scenes: rasters, products of Sentinel-2 or Landsat, STAC items, stacks, or folders of
            scenes; without labels, folders with images/ and masks/ in or below them. A folder of
            the bands of one scene is ``Stack((folder,))``.
        labels: class rasters, colour masks, folders of them, or vector files; one for each scene,
            or one vector file for all. A raster on another grid than its scene is warped onto it.
            Of overlapping features of a vector file, the later one in the file wins. Or a mapping
            of class names to vector files, for all scenes: all features of a file are of its
            class, and where files overlap the later one wins.
        out: folder to write; it appears when it is complete.
        legend: the classes, or a file of them; None to take them from the labels.
        settings: size and stride, split, and which tiles to keep.
        workers: number of threads, at least 1; None for the number of cores. The tiles do not
            depend on it.
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
        LabelError: if labels do not fit a scene or the legend, or a class to ignore is unknown.
        VectorError: if a vector file cannot be read, or cannot be placed on a scene.
        SceneError: if a scene cannot be read.
        OutputError: if the folder exists or cannot be written.
        InterruptedRun: if another process writes the same folder.
        GeosegError: if one text is given in place of a list, settings are of another type, or the
            number of workers is not positive.
    """
    check_list("scenes", scenes)
    check_list("labels", labels)
    check_type("settings", settings, TileSettings)
    executor = Executor(workers, scheduler)
    out = Path(out).resolve()
    with translate_write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with output_lock(out.with_name(f".{out.name}.lock"), out, "geoseg tile"):
        stacks = [_as_scene(scene) for scene in scenes]
        files = (
            ClassFiles.of(labels) if isinstance(labels, Mapping) else [str(path) for path in labels]
        )
        given = labels.values() if isinstance(labels, Mapping) else labels
        inputs = [*(path for scene in stacks for path in source_paths(scene)), *given, legend]
        check_folder(out, METADATA, "a tile set", overwrite=overwrite, inputs=inputs)
        pairs = find_pairs(stacks, files)
        sources = open_labelled_scenes(pairs, as_legend(legend), settings, executor, progress)
        return _write_tiles(out, sources, settings, executor, progress)


def _as_scene(scene: str | Path | Stack | Mosaic) -> str | Stack:
    """Return a path as a text, and a stack as it is."""
    if isinstance(scene, Mosaic):
        raise TileError(f"{scene.name} cannot be cut into tiles, give its scenes one by one")
    return scene if isinstance(scene, Stack) else str(scene)


def _write_tiles(
    out: Path,
    sources: Sequence[LabelledScene],
    settings: TileSettings,
    executor: Executor,
    progress: Progress | None,
) -> TileSet:
    legend = sources[0].labels.legend
    check_several_classes(legend.names, sources)
    batches = [
        batch
        for number, source in enumerate(sources)
        for batch in plan_read_batches(
            source.scene, source.labels, number, settings.size, settings.resolved_stride
        )
    ]
    read = ProgressCounter(progress, "tiles read", sum(map(len, batches)))
    counts = executor.map(count_tile_pixels, batches, lambda part: read.add(len(part)))
    index = select_tiles(TileCounts.concat(counts, len(legend)), sources, legend, settings)
    places = [(batch, window) for batch in batches for window in batch.windows]
    selected = [places[number] for number in index.index]
    with atomic_folder(out) as folder:
        shards = _make_store(folder, len(index), sources[0], settings)
        todo = list(plan_write_batches(folder, index["tile"].tolist(), selected, shards))
        written = ProgressCounter(progress, "tiles written", len(index))
        checksums = executor.map(write_batch, todo, lambda part: written.add(len(part)))
        index["checksum"] = list(chain.from_iterable(checksums))
        _write_metadata(folder, index, sources, settings)
        tiles = open_tiles(folder)
        if settings.preview:
            from geoseg.tiles.preview import draw_tiles  # imports matplotlib, which is slow

            figure = draw_tiles(tiles, out.name)
            with translate_write_errors(folder):
                figure.savefig(folder / PREVIEW)
    return tiles.moved_to(out)


def _make_store(
    folder: Path, tiles: int, source: LabelledScene, settings: TileSettings
) -> ShardStore | None:
    """Make the folders of the pixels; return the store of shards, None for files."""
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
    sources: Sequence[LabelledScene],
    settings: TileSettings,
) -> None:
    scene, legend = sources[0].scene, sources[0].labels.legend
    cut = set(index["scene"])
    sizes = [s.scene.pixel_size for s in sources if redact(s.scene.path) in cut]
    known = [size for size in sizes if size is not None]
    metadata = {
        "size": settings.size,
        "stride": settings.resolved_stride,
        "split": settings.split,
        "val": settings.val,
        "seed": settings.seed,
        "store": settings.store,
        "bands": list(scene.band_names),
        "dtype": scene.dtype,
        "pixel_size": scene.pixel_size,
        "pixel_size_range": [min(known), max(known)] if known else None,
        "crs": index.crs and index.crs.to_wkt(),
        "bounds": index.total_bounds.tolist(),
        **legend.to_dict(),
    }
    with translate_write_errors(folder):
        index.to_parquet(folder / INDEX, index=False)
        (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
