"""Select the tiles of a set, and split them."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from geoseg.errors import TileError, redact
from geoseg.legend import Legend
from geoseg.longitudes import turn_of
from geoseg.tiles.cut.balance import balance_classes
from geoseg.tiles.cut.labelled_scenes import LabelledScene
from geoseg.tiles.cut.read_batches import TileCounts
from geoseg.tiles.leakage import touching_validation
from geoseg.tiles.settings import TileSettings
from geoseg.tiles.split import assign_splits, check_split
from geoseg.tiles.store.index import common_crs, crs_code, pixel_columns, tile_corners

if TYPE_CHECKING:
    import geopandas

log = logging.getLogger(__name__)


def select_tiles(
    counts: TileCounts, sources: Sequence[LabelledScene], legend: Legend, settings: TileSettings
) -> "geopandas.GeoDataFrame":
    """Drop tiles with too few labelled pixels, split the others, and balance the training tiles.

    Returns:
        The index of the set without checksums, ordered by scene, row and column; its row labels
        are the indices of the tiles in ``counts``.

    Raises:
        TileError: if no tile is left, all are of one class, or they cannot be split.
    """
    kept = _enough_labels(counts, sources, settings)
    scene_index, row, col = counts.scene_index[kept], counts.row[kept], counts.col[kept]
    pixels = counts.pixels[kept]
    present = [name for name, n in zip(legend.names, pixels.sum(axis=0), strict=True) if n]
    check_several_classes(present, sources)
    scenes = [source.scene for source in sources]
    crs = common_crs(scenes)
    of_scenes = [
        tile_corners(scenes[n], row[scene_index == n], col[scene_index == n], settings.size, crs)
        for n in np.unique(scene_index)
    ]
    corners = np.concatenate(of_scenes)
    # Without CRS, each scene has coordinates of its own; it may be given twice, with other labels.
    _, system_of_scene = np.unique([scene.path for scene in scenes], return_inverse=True)
    systems = system_of_scene[scene_index] if crs is None else np.zeros_like(scene_index)
    groups, turn = np.array([source.group for source in sources])[scene_index], turn_of(crs)
    splits = assign_splits(
        corners, systems, groups,
        how=settings.split, val=settings.val, seed=settings.seed, turn=turn,
    )  # fmt: skip
    index = _make_index(counts, kept, sources, legend, corners, splits, settings.size)
    if settings.split == "random":
        _warn_of_touching_tiles(corners, splits, systems, turn)
    else:
        check_split(index)
    return _balanced(index, pixels, legend, settings)


def _make_index(
    counts: TileCounts,
    kept: NDArray[np.int64],
    sources: Sequence[LabelledScene],
    legend: Legend,
    corners: NDArray[np.float64],
    splits: NDArray[np.str_],
    size: int,
) -> "geopandas.GeoDataFrame":
    """Return a row for each tile that is kept: its names, place, pixels and outline.

    Args:
        counts: of all tiles.
        kept: (n,) indices of the tiles in ``counts``.
        sources: the scenes with their labels.
        legend: classes of the labels.
        corners: (n, 4, 2) corners of the tiles in a common CRS, if there is one.
        splits: (n,) split of each tile.
        size: side of a tile (px).
    """
    import geopandas

    scenes, pixels = [source.scene for source in sources], counts.pixels[kept]
    scene_index, row, col = counts.scene_index[kept], counts.row[kept], counts.col[kept]
    codes = {crs: crs_code(crs) for crs in {scene.crs for scene in scenes}}
    tiles = list(zip(scene_index.tolist(), row.tolist(), col.tolist(), strict=True))
    return geopandas.GeoDataFrame(
        {
            "tile": [f"{sources[n].name}_{r:06d}_{c:06d}" for n, r, c in tiles],
            "split": splits,
            "scene": [redact(scenes[n].path) for n, _, _ in tiles],
            "group": [sources[n].group for n, _, _ in tiles],
            "row": row,
            "col": col,
            "valid": np.round(counts.valid[kept] / size**2, 6),
            "labelled": np.round(pixels.sum(axis=1) / size**2, 6),
            **dict(zip(pixel_columns(legend), pixels.T, strict=True)),
            "crs": [codes[scenes[n].crs] for n, _, _ in tiles],
            "transform": [
                list(scenes[n].affine @ Affine.translation(c, r))[:6] for n, r, c in tiles
            ],
        },
        geometry=shapely.polygons(corners), crs=common_crs(scenes), index=kept,
    )  # fmt: skip


def _warn_of_touching_tiles(
    corners: NDArray[np.float64], splits: NDArray[np.str_], systems: NDArray[np.int64], turn: float
) -> None:
    """Warn that validation tiles drawn at random have neighbours among the training tiles."""
    val = (splits == "val").sum()
    if not val:
        return
    touching = len(touching_validation(corners, splits, systems, turn))
    log.warning(
        "%s, so validation scores are too good; --split block keeps them apart",
        f"{touching:,} of {val:,} validation tiles touch a training tile" if touching
        else "tiles drawn at random may be neighbours",
    )  # fmt: skip


def check_several_classes(names: Sequence[str], sources: Sequence[LabelledScene]) -> None:
    """Refuse labels of a single class: any model is right about them, and maps that class only.

    Raises:
        TileError: if there is one class name.
    """
    if len(names) == 1:
        others = " and of other scenes" if len(sources) > 1 else ""
        raise TileError(
            f"the labels of {sources[0].scene.path}{others} have the class {names[0]!r} only, so "
            "a model cannot learn to distinguish it, label at least one more class; if polygons "
            "show all there is of the class, --background names the class outside of them"
        )


def _enough_labels(
    counts: TileCounts, sources: Sequence[LabelledScene], settings: TileSettings
) -> NDArray[np.int64]:
    """Indices of the tiles with enough labelled pixels, in the order of the set."""
    size = settings.size
    if not len(counts):
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
    labelled = counts.pixels.sum(axis=1) / size**2
    if not labelled.any():
        raise TileError(
            f"no pixel of {sources[0].scene.path}, or of another scene, is both valid and "
            "labelled, check that the labels lie where the scenes do, and --ignore"
        )
    min_valid = np.array([source.min_valid for source in sources])[counts.scene_index]
    kept = np.flatnonzero((labelled > 0) & (labelled >= min_valid))
    if not len(kept):
        best = labelled.argmax()
        raise TileError(
            f"no tile of {size} px has {min_valid[best]:.0%} valid and labelled pixels, the "
            f"best has {labelled[best]:.2%}, lower --min-valid or --size"
        )
    return kept[np.lexsort((counts.col[kept], counts.row[kept], counts.scene_index[kept]))]


def _balanced(
    index: "geopandas.GeoDataFrame",
    pixels: NDArray[np.int64],
    legend: Legend,
    settings: TileSettings,
) -> "geopandas.GeoDataFrame":
    """Return the index with at most ``settings.balance`` training tiles."""
    train = np.flatnonzero(index["split"] == "train")
    kept = np.arange(len(train))
    if settings.balance is not None and settings.balance < len(train):
        kept = balance_classes(pixels[train], settings.balance, settings.seed)
        before, after = pixels[train].sum(axis=0), pixels[train[kept]].sum(axis=0)
        shares = zip(legend.names, before / before.sum(), after / after.sum(), strict=True)
        log.info(
            "%s of %s training tiles kept: %s", f"{len(kept):,}", f"{len(train):,}",
            ", ".join(f"{name} {old:.1%} to {new:.1%}" for name, old, new in shares),
        )  # fmt: skip
    of_class = pixels[train[kept]].sum(axis=0)
    missing = [name for name, n in zip(legend.names, of_class, strict=True) if not n]
    if missing:
        log.warning("no training tile has a pixel of %s", ", ".join(missing))
    return index.drop(index.index[np.delete(train, kept)])
