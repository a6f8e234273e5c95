"""Labelled scenes in, a set of training tiles out."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import OutputError, TileError
from geoseg.grid import Window, bounds
from geoseg.legend import NODATA, Legend, read_legend
from geoseg.raster import Scene, describe, read, write_tile, writing
from geoseg.tiles.index import checksum, class_pixels
from geoseg.tiles.labels import Labels, open_labels
from geoseg.tiles.pairs import Pair, find_pairs
from geoseg.tiles.split import SPLITS, Split, assign
from geoseg.tiles.store import ABOUT, INDEX, TileSet, open_tiles

_ROWS_AT_ONCE = 8
"""Tiles are read in bands of this many rows of tiles, which bounds memory for wide scenes."""


@dataclass(frozen=True, slots=True)
class TileSettings:
    """How to cut tiles.

    Raises:
        TileError: if a number is out of range.
    """

    size: int = 128
    """Side of a tile (px)."""
    stride: int | None = None
    """Distance between tiles (px); None for the side, so that tiles do not overlap."""
    split: Split = "block"
    val: float = 0.25
    """Share of the tiles for validation."""
    min_valid: float = 0.5
    """Least share of a tile's pixels that are valid and labelled."""
    seed: int = 0
    class_field: str | None = None
    """Field of vector labels that holds the class."""
    bands: tuple[int, ...] | None = None
    nodata: float | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or (self.stride is not None and self.stride < 1):
            raise TileError(f"size {self.size} and stride {self.stride} must be at least 1 px")
        if not 0 <= self.min_valid <= 1:
            raise TileError(f"the least valid share {self.min_valid} is not in [0, 1]")
        if not 0 <= self.val < 1:
            raise TileError(f"validation share {self.val} is not in [0, 1)")
        if self.split not in SPLITS:
            raise TileError(f"unknown split {self.split!r}, use one of {', '.join(SPLITS)}")


def tile(
    scenes: Sequence[str | Path],
    labels: Sequence[str | Path] = (),
    *,
    out: str | Path,
    legend: Legend | str | Path | None = None,
    settings: TileSettings = TileSettings(),
    overwrite: bool = False,
    tick: Callable[[int, int], None] | None = None,
) -> TileSet:
    """Cut labelled scenes into square training tiles.

    Args:
        scenes: rasters, or folders of rasters; without labels, folders that hold images/ and
            masks/ somewhere below them.
        labels: class rasters, colour masks, folders of them, or vector files; one for each scene,
            or one vector file for all.
        out: folder to write; it appears when it is complete.
        legend: the classes, or a file of them; None to take them from the labels.
        settings: size, split and what to keep.
        overwrite: replace an existing set.
        tick: called with scenes done and scenes in all.

    Returns:
        The set of tiles, as `open_tiles` reads it.

    Raises:
        TileError: if scenes and labels do not match, or no tile is left.
        LabelError: if labels do not fit a scene or the legend.
        SceneError: if a scene cannot be read.
        OutputError: if the folder exists or cannot be written.
    """
    out = Path(out)
    _check_free(out, overwrite=overwrite)
    pairs = find_pairs([str(s) for s in scenes], [str(s) for s in labels])
    classes = read_legend(legend) if isinstance(legend, str | Path) else legend
    beside, old = (out.with_name(f".{out.name}.{kind}") for kind in ("tiling", "old"))
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with writing(out):
            (beside / "images").mkdir(parents=True)
            (beside / "masks").mkdir()
        rows, first, classes = _cut_all(pairs, classes, settings, beside, tick)
        _write_index(beside, rows, first, classes, settings)
        with writing(out):
            if out.exists():
                out.replace(old)
            beside.replace(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return open_tiles(out)


def _check_free(out: Path, *, overwrite: bool) -> None:
    if not out.exists():
        return
    if not overwrite:
        raise OutputError(f"{out} exists, use -f to replace it or another --out")
    if not (out / ABOUT).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputError(f"{out} is not a tile set, so -f does not replace it, use another --out")


def _cut_all(
    pairs: list[Pair],
    legend: Legend | None,
    settings: TileSettings,
    out: Path,
    tick: Callable[[int, int], None] | None,
) -> tuple[list[dict[str, Any]], Scene, Legend]:
    rows: list[dict[str, Any]] = []
    first: Scene | None = None
    names = [pair.name for pair in pairs]
    if len(set(names)) < len(names):
        names = [f"{number:04d}_{name}" for number, name in enumerate(names)]
    for number, pair in enumerate(pairs):
        scene = describe(pair.scene, bands=settings.bands, nodata=settings.nodata)
        first = first or scene
        if (len(scene.bands), scene.dtype) != (len(first.bands), first.dtype):
            raise TileError(
                f"{scene.path} has {len(scene.bands)} bands of {scene.dtype}, {first.path} has "
                f"{len(first.bands)} of {first.dtype}, tile scenes of one kind together"
            )
        source = open_labels(pair.labels, scene, legend, settings.class_field)
        legend = legend or source.legend
        if source.legend != legend:
            raise TileError(f"labels {pair.labels} have other classes, give all of them: --legend")
        found = _cut_one(names[number], scene, source, settings, out)
        rows += [
            {**row, "scene": pair.scene, "group": pair.group, "number": number} for row in found
        ]
        if tick is not None:
            tick(number + 1, len(pairs))
    if first is None or legend is None or not rows:
        raise TileError(
            f"no tile of {settings.size} px has {settings.min_valid:.0%} valid and labelled "
            "pixels, lower --min-valid or --size"
        )
    return rows, first, legend


def _cut_one(
    stem: str, scene: Scene, source: Labels, settings: TileSettings, out: Path
) -> list[dict[str, Any]]:
    size, stride = settings.size, settings.stride or settings.size
    cols = range(0, scene.width - size + 1, stride)
    all_rows = range(0, scene.height - size + 1, stride)
    found = []
    for first in range(0, len(all_rows), _ROWS_AT_ONCE):
        some = [
            Window(row, col, size, size)
            for row in all_rows[first : first + _ROWS_AT_ONCE]
            for col in cols
        ]
        if not some:
            continue
        area = bounds(some)
        pixels, valid = read(scene, area)
        labels = np.where(valid, source.read(area), NODATA).astype(np.uint8)
        for window in some:
            place = window.relative_to(area)
            share = float((labels[place] != NODATA).mean())
            if share < settings.min_valid or share == 0:
                continue
            name = f"{stem}_{window.row:06d}_{window.col:06d}"
            _write_pair(out, name, scene, window, (pixels[:, *place], valid[place], labels[place]))
            found.append(
                {
                    "tile": name, "row": window.row, "col": window.col,
                    "labelled": round(share, 6), "geometry": _footprint(scene, window),
                    "crs": scene.crs,
                    "checksum": checksum(pixels[:, *place], valid[place], labels[place]),
                    "pixels": class_pixels(labels[place], source.legend),
                }
            )  # fmt: skip
    return found


def _write_pair(
    out: Path,
    name: str,
    scene: Scene,
    window: Window,
    arrays: tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]],
) -> None:
    pixels, valid, labels = arrays
    transform = scene.affine @ scene.affine.translation(window.col, window.row)
    write_tile(
        out / "images" / f"{name}.tif", pixels, transform=transform, crs=scene.crs, valid=valid
    )
    write_tile(
        out / "masks" / f"{name}.tif", labels[None], transform=transform, crs=scene.crs,
        nodata=NODATA,
    )  # fmt: skip


def _footprint(scene: Scene, window: Window) -> shapely.Polygon:
    corners = [
        (window.col, window.row), (window.col_end, window.row),
        (window.col_end, window.row_end), (window.col, window.row_end),
    ]  # fmt: skip
    return shapely.Polygon([scene.affine @ xy for xy in corners])


def _write_index(
    out: Path, rows: list[dict[str, Any]], first: Scene, legend: Legend, settings: TileSettings
) -> None:
    crs = {row.pop("crs") for row in rows}
    one_crs = first.crs if len(crs) == 1 else None
    frame = geopandas.GeoDataFrame(rows, geometry="geometry", crs=one_crs)
    groups, group = np.unique(frame["group"], return_inverse=True)
    frame["split"] = assign(
        group if settings.split == "scene" else frame["number"].to_numpy(),
        frame["row"].to_numpy(),
        frame["col"].to_numpy(),
        size=settings.size,
        how=settings.split,
        val=settings.val,
        seed=settings.seed,
    )
    about = {
        "size": settings.size,
        "stride": settings.stride or settings.size,
        "split": settings.split,
        "val": settings.val,
        "seed": settings.seed,
        "groups": groups.tolist(),
        "bands": list(first.band_names),
        "dtype": first.dtype,
        "pixel_size": first.pixel_size,
        **legend.to_dict(),
    }
    with writing(out):
        frame.drop(columns="number").to_parquet(out / INDEX)
        (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
