"""A set of training tiles on disk: read what `tile` wrote, or folders of images and masks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError, TileError
from geoseg.labels import IgnoreSpec, LabelOpener
from geoseg.legend import DUBAI, Legend, read_legend
from geoseg.raster import open_scene
from geoseg.tiles.cut.pairing import find_pairs
from geoseg.tiles.split import Split, draw_validation
from geoseg.tiles.store.dataset import TileDataset
from geoseg.tiles.store.geotiff_pairs import IMAGES, MASKS, GeoTiffStore
from geoseg.tiles.store.index import INDEX, pixel_columns, read_columns
from geoseg.tiles.store.npy_shards import SHARDS, ShardStore

ABOUT = "tiles.json"


@dataclass(frozen=True, slots=True)
class TileSet:
    """Where the tiles are and what they are made of; pixels are read by `samples`."""

    folder: str
    names: tuple[str, ...]
    scenes: tuple[str, ...]
    """Scene (or group of scenes) of each tile."""
    splits: tuple[str, ...]
    """"train", "val", "gap" or "" (not yet split) for each tile."""
    size: int
    """Side of a tile (px)."""
    legend: Legend
    band_names: tuple[str, ...]
    dtype: str
    pixel_size: float | None
    """Ground size of a pixel (m), None where not known."""
    store: GeoTiffStore | ShardStore
    """Reads the pixels."""
    checksums: tuple[str, ...] | None = None
    """Of the pixels of each tile, None where there is no index of them."""
    counts: NDArray[np.int64] | None = field(default=None, compare=False)
    """Pixels of each class in each tile (tiles, classes), None where there is no index."""
    crs: str | None = None
    """Of `bounds`, WKT; EPSG:4326 where the scenes differ; None where there is none."""
    bounds: tuple[float, ...] | None = None
    """Left, bottom, right and top of all tiles (CRS units), None where there is no index."""
    ignored: tuple[int, ...] = ()
    """Values of classes whose pixels count as not labelled."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def own(self) -> bool:
        """Whether `tile` wrote it."""
        return self.checksums is not None

    def count(self, split: str) -> int:
        """Tiles of one split."""
        return self.splits.count(split)

    def split_again(self, how: Split, val: float, seed: int) -> "TileSet":
        """The same tiles, split by ``how`` ("random" or "scene").

        Raises:
            TileError: if they cannot be split that way.
        """
        if how == "block":
            raise TileError("blocks are cut by `geoseg tile --split block`, tile the scenes again")
        units = np.arange(len(self)) if how == "random" else np.array(self.scenes)
        return replace(self, splits=tuple(draw_validation(units, how, val=val, seed=seed).tolist()))

    def ignoring(self, classes: Sequence[str]) -> "TileSet":
        """The same tiles, read as if pixels of these classes were not labelled.

        Args:
            classes: names, values or colours, see `IgnoreSpec`; the legend keeps them.

        Raises:
            LabelError: if the legend has no such class.
        """
        spec = IgnoreSpec.parse(classes)
        for text in spec.unmatched_in(self.legend):
            raise LabelError(
                f"{text!r} is no class of {self.folder}, ignore some of: "
                f"{', '.join(self.legend.names)}"
            )
        return replace(self, ignored=tuple(sorted({*self.ignored, *spec.values_in(self.legend)})))

    def samples(self, split: str) -> TileDataset:
        """The tiles of one split, read when asked for: "train", "val", "gap" or "" (no split)."""
        return self.take([number for number, s in enumerate(self.splits) if s == split])

    def take(self, numbers: Sequence[int]) -> TileDataset:
        """The tiles with these numbers in the set, from 0."""
        return TileDataset(self, np.array(numbers, np.int64))

    def load(self, split: str) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        """Read all tiles of a split into memory, as `Samples.read` does.

        Raises:
            GeosegError: if a tile is missing, damaged or of another shape.
        """
        samples = self.samples(split)
        return samples.read(np.arange(len(samples)))

    def to_dict(self) -> dict[str, Any]:
        """A summary as plain data, for JSON."""
        return {
            "folder": self.folder,
            "tiles": len(self),
            "splits": {s: self.count(s) for s in sorted(set(self.splits))},
            "scenes": len(set(self.scenes)),
            "size": self.size,
            "bands": list(self.band_names),
            "dtype": self.dtype,
            "pixel_size": self.pixel_size,
            **self.legend.to_dict(),
        }


def open_tiles(folder: str | Path, legend: Legend | str | Path | None = None) -> TileSet:
    """Open a set of tiles: what `geoseg tile` wrote, or a folder with images/ and masks/.

    Args:
        folder: of the set.
        legend: the classes of a folder of images and masks, or a file of them; None to take them
            from the first mask. For a set that `tile` wrote: other names and colours of its values.

    Raises:
        TileError: if there are none, or they are damaged.
        LabelError: if the legend cannot be read, or a set that `tile` wrote has other values.
    """
    folder = Path(folder)
    classes = read_legend(legend) if isinstance(legend, str | Path) else legend
    if (folder / ABOUT).is_file():
        return _renamed(_open_own(folder), classes)
    if not folder.is_dir():
        raise TileError(f"{folder} does not exist, give a folder that `geoseg tile` wrote")
    pairs = find_pairs([str(folder)], [])
    first = open_scene(pairs[0].scene)
    if first.height != first.width:
        raise TileError(
            f"{first.path} is {first.height} x {first.width} px, not a square tile, "
            f"cut tiles first: geoseg tile {folder} --out tiles"
        )
    classes = classes or _legend_of_masks(pairs[0].labels)
    shape = len(first.bands), first.height, first.width
    scenes, labels = zip(*((p.scene, p.labels) for p in pairs), strict=True)
    return TileSet(
        folder=str(folder),
        names=tuple(p.name for p in pairs),
        scenes=tuple(p.group for p in pairs),
        splits=("",) * len(pairs),
        size=first.height,
        legend=classes,
        band_names=first.band_names,
        dtype=first.dtype,
        pixel_size=first.pixel_size,
        store=GeoTiffStore(scenes, labels, shape, first.dtype, classes),
    )


def _legend_of_masks(mask: str) -> Legend:
    try:
        labels = LabelOpener().open(mask, open_scene(mask))
    except LabelError:  # class values without a palette, as in the reference Keras tiles
        return DUBAI
    return labels.legend


def _renamed(tiles: TileSet, legend: Legend | None) -> TileSet:
    if legend is None:
        return tiles
    if legend.values != tiles.legend.values:
        raise LabelError(
            f"the legend has the values {_listed(legend)}, but tile set {tiles.folder} was cut "
            f"with {_listed(tiles.legend)}, tile the scenes again with it"
        )
    return replace(tiles, legend=legend)


def _listed(legend: Legend) -> str:
    return ", ".join(map(str, legend.values))


def _open_own(folder: Path) -> TileSet:
    try:
        about = json.loads((folder / ABOUT).read_text())
        legend = Legend.from_dict(about)
        pixels = pixel_columns(legend)
        index = read_columns(folder / INDEX, ["tile", "group", "split", "checksum", *pixels])
        shape = len(about["bands"]), about["size"], about["size"]
        return TileSet(
            folder=str(folder),
            names=tuple(index["tile"]),
            scenes=tuple(index["group"]),
            splits=tuple(index["split"]),
            size=about["size"],
            legend=legend,
            band_names=tuple(about["bands"]),
            dtype=about["dtype"],
            pixel_size=about["pixel_size"],
            store=_store(folder, about["store"], index["tile"], shape, about["dtype"]),
            checksums=tuple(index["checksum"]),
            counts=np.array([index[column] for column in pixels], np.int64).T,
            crs=about["crs"],
            bounds=tuple(about["bounds"]),
        )
    except (OSError, ValueError, KeyError, LabelError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise TileError(
            f"tile set {folder} is damaged or of another version ({reason}), tile the scenes again"
        ) from None


def _store(
    folder: Path, kind: str, names: Sequence[str], shape: tuple[int, int, int], dtype: str
) -> GeoTiffStore | ShardStore:
    if kind == "shards":
        return ShardStore(str(folder / SHARDS), len(names), shape, dtype)
    images, masks = (
        tuple(str(folder / place / f"{name}.tif") for name in names) for place in (IMAGES, MASKS)
    )
    return GeoTiffStore(images, masks, shape, dtype)
