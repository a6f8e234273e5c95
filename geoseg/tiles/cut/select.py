"""Which of all the tiles that could be cut are kept, and what each is for."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.legend import Legend
from geoseg.tiles.cut.balance import balance_classes
from geoseg.tiles.cut.sources import Source
from geoseg.tiles.leakage import touching_validation
from geoseg.tiles.settings import TileSettings
from geoseg.tiles.split import assign_splits, check_split
from geoseg.tiles.store.index import (
    common_crs,
    crs_code,
    pixel_columns,
    tile_corners,
    tile_transform,
)

if TYPE_CHECKING:
    import geopandas

log = logging.getLogger(__name__)


def select_tiles(
    found: NDArray[np.int64], sources: Sequence[Source], legend: Legend, settings: TileSettings
) -> "geopandas.GeoDataFrame":
    """Drop tiles with too little in them, split the rest, and balance what trains.

    Args:
        found: (tiles, 4 + classes) what `survey` found in all of them.
        sources: what they are cut from.
        legend: the classes.
        settings: what to keep, and how to split it.

    Returns:
        The index of the set, but for checksums: scene by scene, in each row by row; its labels
        are the tiles' places in ``found``.

    Raises:
        TileError: if no tile is left, all are of one class, or they cannot be split.
    """
    import geopandas

    kept = _enough_labels(found, sources, settings)
    number, row, col, valid = found[kept, :4].T
    counts = found[kept, 4:]
    present = [
        name for name, pixels in zip(legend.names, counts.sum(axis=0), strict=True) if pixels
    ]
    check_several_classes(present, sources)
    scenes = [source.scene for source in sources]
    crs = common_crs(scenes)
    placed = [
        tile_corners(scenes[n], row[number == n], col[number == n], settings.size, crs)
        for n in np.unique(number)
    ]
    places = np.concatenate(placed)
    apart = number if crs is None else np.zeros_like(number)
    groups = np.array([source.group for source in sources])[number]
    splits = assign_splits(
        places, apart, groups, how=settings.split, val=settings.val, seed=settings.seed
    )
    codes = {scene_crs: crs_code(scene_crs) for scene_crs in {scene.crs for scene in scenes}}
    cut = list(zip(number.tolist(), row.tolist(), col.tolist(), strict=True))
    index = geopandas.GeoDataFrame(
        {
            "tile": [f"{sources[n].name}_{r:06d}_{c:06d}" for n, r, c in cut],
            "split": splits,
            "scene": [scenes[n].path for n, _, _ in cut],
            "group": groups,
            "row": row,
            "col": col,
            "valid": np.round(valid / settings.size**2, 6),
            "labelled": np.round(counts.sum(axis=1) / settings.size**2, 6),
            **dict(zip(pixel_columns(legend), counts.T, strict=True)),
            "crs": [codes[scenes[n].crs] for n, _, _ in cut],
            "transform": [tile_transform(scenes[n], r, c) for n, r, c in cut],
        },
        geometry=shapely.polygons(places), crs=crs, index=kept,
    )  # fmt: skip
    if settings.split == "random":
        _warn_about_neighbours(
            touching_validation(places, splits, apart), int((splits == "val").sum())
        )
    else:
        check_split(index)
    return _balanced(index, counts, legend, settings)


def check_several_classes(names: Sequence[str], sources: Sequence[Source]) -> None:
    """Refuse labels of a single class: any model is right about them, and maps that class only.

    Args:
        names: of the classes.
        sources: what the tiles are cut from.

    Raises:
        TileError: if there is one class.
    """
    if len(names) == 1:
        others = " and of other scenes" if len(sources) > 1 else ""
        raise TileError(
            f"the labels of {sources[0].scene.path}{others} have the class {names[0]!r} only, so "
            "there is nothing to tell it from, label at least one more class; ground outside of "
            "the labels may be drawn as polygons of a class of its own, placed first in the file"
        )


def _enough_labels(
    found: NDArray[np.int64], sources: Sequence[Source], settings: TileSettings
) -> NDArray[np.int64]:
    """Numbers of the tiles with enough labelled pixels, in the order of the set."""
    size = settings.size
    if not len(found):
        raise TileError(
            f"no tile of {size} px fits into {sources[0].scene.path}, "
            f"{sources[0].scene.height} x {sources[0].scene.width} px, or another scene, "
            "lower --size"
        )
    for scene in (source.scene for source in sources):
        if min(scene.height, scene.width) < size:
            log.warning(
                "scene %s is left out: it has %d x %d px, less than a tile of %d px",
                scene.path, scene.height, scene.width, size,
            )  # fmt: skip
    share = found[:, 4:].sum(axis=1) / size**2
    if not share.any():
        raise TileError(
            f"no pixel of {sources[0].scene.path}, or of another scene, is both valid and "
            "labelled, check that the labels lie where the scenes do, and --ignore"
        )
    if share.max() < settings.min_valid:
        raise TileError(
            f"no tile of {size} px has {settings.min_valid:.0%} valid and labelled pixels, the "
            f"best has {share.max():.2%}, lower --min-valid or --size"
        )
    kept = np.flatnonzero((share > 0) & (share >= settings.min_valid))
    return kept[np.lexsort(found[kept, 2::-1].T)]


def _warn_about_neighbours(beside: NDArray[np.int64], validation: int) -> None:
    what = (
        f"{len(beside):,} of {validation:,} validation tiles touch a training tile"
        if len(beside)
        else "tiles drawn at random may be neighbours"
    )
    log.warning("%s, so their scores flatter; --split block keeps them apart", what)


def _balanced(
    index: "geopandas.GeoDataFrame",
    counts: NDArray[np.int64],
    legend: Legend,
    settings: TileSettings,
) -> "geopandas.GeoDataFrame":
    """The index with no more training tiles than asked for."""
    train = np.flatnonzero(index["split"] == "train")
    kept = np.arange(len(train))
    if settings.balance is not None and settings.balance < len(train):
        kept = balance_classes(counts[train], settings.balance, settings.seed)
        before, after = (_class_shares(counts[some]) for some in (train, train[kept]))
        told = zip(legend.names, before, after, strict=True)
        log.info(
            "%s of %s training tiles kept: %s", f"{len(kept):,}", f"{len(train):,}",
            ", ".join(f"{name} {one:.1%} to {other:.1%}" for name, one, other in told),
        )  # fmt: skip
    pixels = counts[train[kept]].sum(axis=0)
    missing = [name for name, some in zip(legend.names, pixels, strict=True) if not some]
    if missing:
        log.warning("no training tile has a pixel of %s", ", ".join(missing))
    return index.drop(index.index[np.delete(train, kept)])


def _class_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts.sum(axis=0) / counts.sum()
    return shares
