"""A set of training tiles on disk: an output of `tile`, or a folder of images and masks."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import LabelError, TileError, count_of
from geoseg.labels import IgnoreSpec, LabelOpener
from geoseg.legend import DUBAI, Legend, as_legend, class_key
from geoseg.longitudes import turn_of
from geoseg.raster import have_other_names, list_bands, open_scene
from geoseg.tiles.cut.pairing import find_pairs
from geoseg.tiles.leakage import touching_validation
from geoseg.tiles.split import Split, draw_validation
from geoseg.tiles.store.dataset import TileDataset
from geoseg.tiles.store.geotiff_pairs import IMAGES, MASKS, GeoTiffStore
from geoseg.tiles.store.index import (
    INDEX,
    TileSums,
    pixel_columns,
    read_columns,
    read_footprints,
)
from geoseg.tiles.store.joined import JoinedStore
from geoseg.tiles.store.npy_shards import SHARDS, ShardStore

METADATA = "tiles.json"


@dataclass(frozen=True, slots=True, repr=False)
class TileSet:
    """The index of n tiles; `dataset` reads their pixels."""

    folder: str
    names: tuple[str, ...]
    groups: tuple[str, ...]
    """Group of each tile: its scene, or the folder of its images and masks."""
    splits: tuple[str, ...]
    """"train", "val", "gap" or "" (not yet split) for each tile."""
    size: int
    """Side of a tile (px)."""
    legend: Legend
    band_names: tuple[str, ...]
    dtype: str
    pixel_size: float | None
    """Ground size of a pixel of the first scene (m), None where it is unknown."""
    store: GeoTiffStore | ShardStore
    """Reads the pixels."""
    checksums: tuple[str, ...] | None = None
    """Of the pixels of each tile; None for a folder of images and masks."""
    counts: NDArray[np.int64] | None = field(default=None, compare=False)
    """Pixels of each class in each tile (tiles, classes); None for a folder of images and masks."""
    places: NDArray[np.int64] | None = field(default=None, compare=False)
    """Number of the scene, first row and first column (px) of each tile (tiles, 3); None for a
    folder of images and masks."""
    crs: str | None = None
    """CRS of ``bounds``, WKT; EPSG:4326 if the scenes differ; None if there is none."""
    bounds: tuple[float, ...] | None = None
    """Left, bottom, right and top of all tiles (CRS units); None for a folder of images and
    masks."""
    pixel_size_range: tuple[float, float] | None = None
    """Smallest and largest ground size of a pixel (m). None means `pixel_size` twice, or unknown
    if that is None."""

    def __post_init__(self) -> None:
        if self.pixel_size_range is None and self.pixel_size is not None:
            object.__setattr__(self, "pixel_size_range", (self.pixel_size, self.pixel_size))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"TileSet({self.folder!r}, {count_of(len(self), 'tile')} of {self.tile_format})"

    @property
    def written_by_tile(self) -> bool:
        """Whether `tile` wrote the set; otherwise it is a folder of images and masks."""
        return self.checksums is not None

    @property
    def tile_format(self) -> str:
        """Size, bands, dtype and classes in words; sets that are read together must agree in it."""
        classes = ", ".join(f"{c.value} {c.name}" for c in self.legend.classes)
        bands = count_of(len(self.band_names), "band")
        return f"{self.size} px, {bands} of {self.dtype} and the classes {classes}"

    def count(self, split: str) -> int:
        """Count the tiles of one split."""
        return self.splits.count(split)

    def count_touching(self) -> int:
        """Count the validation tiles that touch or overlap a training tile of their scene."""
        if self.places is None:
            return 0
        corners = self.places[:, None, 1:] + np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * self.size
        splits = np.array(self.splits)
        return len(touching_validation(corners.astype(float), splits, self.places[:, 0]))

    def count_touching_training_of(self, other: "TileSet") -> int:
        """Count the validation tiles that touch or overlap a training tile of another set.

        0 where it is unknown, because a set has no footprints or no CRS.
        """
        if self.crs is None or other.crs is None:
            return 0
        own, theirs = (read_footprints(Path(tiles.folder) / INDEX)[0] for tiles in (self, other))
        try:
            to_own = Transformer.from_crs(other.crs, self.crs, always_xy=True)
            x, y = to_own.transform(theirs[..., 0], theirs[..., 1], errcheck=True)
        except ProjError:
            return 0
        splits = np.array([
            *("val" if split == "val" else "gap" for split in self.splits),
            *("train" if split == "train" else "gap" for split in other.splits),
        ])  # fmt: skip
        corners = np.concatenate([own, np.stack([x, y], axis=-1)])
        systems = np.zeros(len(corners), np.int64)
        return len(touching_validation(corners, splits, systems, turn_of(self.crs)))

    def resplit(self, how: Split, val: float, seed: int) -> "TileSet":
        """Return the same tiles, split by ``how`` ("random" or "scene").

        Raises:
            TileError: if they cannot be split that way.
        """
        if how == "block":
            raise TileError(
                "tiles that are already cut cannot be split by block, cut the scenes again with "
                "`geoseg tile --split block`"
            )
        by_tile = how == "random"
        units, noun = (np.arange(len(self)), "tile") if by_tile else (np.array(self.groups), how)
        splits = draw_validation(units, noun, val=val, seed=seed)
        return replace(self, splits=tuple(splits.tolist()))

    def ignoring(self, classes: Sequence[str]) -> "TileSet":
        """Return the same tiles without these classes: their pixels count as not labelled.

        Args:
            classes: names, values or colours, see `IgnoreSpec`.

        Raises:
            LabelError: if the legend has no such class, or no other one.
        """
        spec = IgnoreSpec.parse(classes)
        for text in spec.unmatched_in(self.legend):
            raise LabelError(
                f"{text!r} is no class of {self.folder} ({', '.join(self.legend.names)}), "
                "correct it (--ignore)"
            )
        kept = set(self.legend.values) - spec.values_in(self.legend)
        if not kept:
            raise LabelError(f"all classes of {self.folder} are ignored, keep two (--ignore)")
        return self.keeping(kept)

    def keeping(self, values: Collection[int]) -> "TileSet":
        """Return the same tiles with only the classes of these values, at least one of them.

        Pixels of other classes count as not labelled.
        """
        kept = [index for index, value in enumerate(self.legend.values) if value in values]
        legend = replace(self.legend, classes=tuple(self.legend.classes[index] for index in kept))
        counts = None if self.counts is None else self.counts[:, kept]
        return replace(self, legend=legend, counts=counts)

    def dataset(self, split: str) -> TileDataset:
        """Return the tiles of one split: "train", "val", "gap" or "" (not yet split)."""
        return self.subset([index for index, s in enumerate(self.splits) if s == split])

    def subset(self, indices: Sequence[int]) -> TileDataset:
        """Return the tiles with these indices, from 0."""
        rows, sums = np.array(indices, np.int64), None
        if self.checksums is not None and self.counts is not None:
            sums = TileSums(tuple(self.checksums[i] for i in indices), self.counts[rows])
        names = [self.names[i] for i in indices]
        places = None if self.places is None else self.places[rows]
        return TileDataset(self.store, rows, names, self.legend, sums=sums, places=places)

    def dataset_with(self, split: str, other: "TileSet", other_split: str) -> TileDataset:
        """Return the tiles of a split, followed by those of a split of another set.

        Tiles of different sets are not neighbours.

        Raises:
            TileError: if the tiles differ in size, bands, dtype or classes.
        """
        if class_key(self.tile_format) != class_key(other.tile_format):
            raise TileError(
                f"tiles of {other.folder} have {other.tile_format}, those of {self.folder} "
                f"{self.tile_format}, cut both with the same size, bands and legend"
            )
        if have_other_names(other.band_names, self.band_names):
            raise TileError(
                f"the bands of the tiles of {other.folder} are {list_bands(other.band_names)}, and "
                f"those of {self.folder} {list_bands(self.band_names)}, cut both with the same "
                "bands in the same order (--bands)"
            )
        first, second = self.dataset(split), other.dataset(other_split)
        indices, others = (
            np.flatnonzero(np.array(tiles.splits) == name)
            for tiles, name in ((self, split), (other, other_split))
        )
        sums = None
        if self.checksums and other.checksums:
            checksums = [self.checksums[i] for i in indices] + [other.checksums[i] for i in others]
            counts = np.concatenate([first.tile_counts, second.tile_counts])
            sums = TileSums(tuple(checksums), counts)
        places = second.places.copy()
        places[:, 0] += first.places[:, 0].max(initial=-1) + 1
        return TileDataset(
            JoinedStore(self.store, other.store, offset=len(self)),
            np.concatenate([indices, others + len(self)]), (*first.names, *second.names),
            self.legend, sums=sums, places=np.concatenate([first.places, places]),
        )  # fmt: skip

    def load(self, split: str) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        """Read all tiles of a split into memory, as `TileDataset.read` does.

        Raises:
            GeosegError: if a tile is missing, damaged or of another shape.
        """
        tiles = self.dataset(split)
        return tiles.read(np.arange(len(tiles)))

    def moved_to(self, folder: Path) -> "TileSet":
        """Return the same set after `tile` has renamed its folder."""
        storage = "shards" if isinstance(self.store, ShardStore) else "files"
        store = _open_store(folder, storage, self.names, self.store.shape, self.dtype)
        return replace(self, folder=str(folder), store=store)

    def to_dict(self) -> dict[str, Any]:
        """A summary as plain data, for JSON."""
        return {
            "folder": self.folder,
            "tiles": len(self),
            "splits": {s: self.count(s) for s in sorted(set(self.splits))},
            "scenes": len(set(self.groups)),
            "size": self.size,
            "bands": list(self.band_names),
            "dtype": self.dtype,
            "pixel_size": self.pixel_size,
            "pixel_size_range": self.pixel_size_range and list(self.pixel_size_range),
            **self.legend.to_dict(),
        }


def open_tiles(folder: str | Path, legend: Legend | str | Path | None = None) -> TileSet:
    """Open a set of tiles: what `geoseg tile` wrote, or a folder with images/ and masks/.

    Args:
        folder: of the set.
        legend: the classes of a folder of images and masks, or a file of them; None to take them
            from the first mask. For a set that `tile` wrote: other names and colours of its values.

    Raises:
        TileError: if the folder has no tiles, or they are damaged.
        LabelError: if the legend cannot be read, or a set that `tile` wrote has other values.
    """
    folder, classes = Path(folder), as_legend(legend)
    if not folder.is_dir():
        raise TileError(f"{folder} does not exist, give a folder that `geoseg tile` wrote")
    if not (folder / METADATA).is_file():
        return _open_images_and_masks(folder, classes)
    tiles = _open_tile_output(folder)
    if classes is None:
        return tiles
    if classes.values != tiles.legend.values:
        wanted, own = (", ".join(map(str, of.values)) for of in (classes, tiles.legend))
        raise LabelError(
            f"the legend has the values {wanted}, but tile set {folder} was cut with {own}, tile "
            "the scenes again with it"
        )
    return replace(tiles, legend=classes)


def _open_images_and_masks(folder: Path, legend: Legend | None) -> TileSet:
    pairs = find_pairs([str(folder)], [])
    first = open_scene(pairs[0].scene)
    if first.height != first.width:
        raise TileError(
            f"{first.path} is {first.height} x {first.width} px, not a square tile, "
            f"cut tiles first: geoseg tile {folder} --out tiles"
        )
    legend = legend or _legend_of_mask(str(pairs[0].labels))
    shape = len(first.bands), first.height, first.width
    images, masks = zip(*((str(pair.scene), str(pair.labels)) for pair in pairs), strict=True)
    return TileSet(
        folder=str(folder),
        names=tuple(pair.name for pair in pairs),
        groups=tuple(pair.group for pair in pairs),
        splits=("",) * len(pairs),
        size=first.height,
        legend=legend,
        band_names=first.band_names,
        dtype=first.dtype,
        pixel_size=first.pixel_size,
        store=GeoTiffStore(images, masks, shape, first.dtype, legend),
    )


def _legend_of_mask(mask: str) -> Legend:
    """The classes that a mask stores, or the Dubai legend for class values without names."""
    try:
        return LabelOpener().open(mask, open_scene(mask)).legend
    except LabelError:
        return DUBAI


def _open_tile_output(folder: Path) -> TileSet:
    try:
        metadata = json.loads((folder / METADATA).read_text())
        legend = Legend.from_dict(metadata)
        pixels = pixel_columns(legend)
        columns = ["tile", "group", "split", "checksum", "scene", "row", "col", *pixels]
        index = read_columns(folder / INDEX, columns)
        size, dtype = int(metadata["size"]), np.dtype(metadata["dtype"]).name
        shape = len(metadata["bands"]), size, size
        return TileSet(
            folder=str(folder),
            names=tuple(index["tile"]),
            groups=tuple(index["group"]),
            splits=tuple(index["split"]),
            size=size,
            legend=legend,
            band_names=tuple(metadata["bands"]),
            dtype=dtype,
            pixel_size=metadata["pixel_size"],
            store=_open_store(folder, metadata["store"], index["tile"], shape, dtype),
            checksums=tuple(index["checksum"]),
            counts=np.array([index[column] for column in pixels], np.int64).T,
            places=_number_scenes(index["scene"], index["row"], index["col"]),
            crs=metadata["crs"],
            bounds=tuple(metadata["bounds"]),
            # Sets of earlier versions do not have it.
            pixel_size_range=tuple(metadata.get("pixel_size_range") or ()) or None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, LabelError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise TileError(
            f"tile set {folder} is damaged or of another version ({reason}), tile the scenes again"
        ) from None


def _number_scenes(scenes: list[str], rows: list[int], cols: list[int]) -> NDArray[np.int64]:
    """Return `TileSet.places`. A scene that was given twice, with other labels, counts as two."""
    copies: Counter[tuple[str, int, int]] = Counter()
    numbers: dict[tuple[str, int], int] = {}
    places = []
    for scene, row, col in zip(scenes, rows, cols, strict=True):
        copy = scene, copies[scene, row, col]
        copies[scene, row, col] += 1
        places.append((numbers.setdefault(copy, len(numbers)), row, col))
    return np.array(places, np.int64).reshape(-1, 3)


def _open_store(
    folder: Path, storage: str, names: Sequence[str], shape: tuple[int, int, int], dtype: str
) -> GeoTiffStore | ShardStore:
    if storage == "shards":
        return ShardStore(str(folder / SHARDS), len(names), shape, dtype)
    images, masks = (
        tuple(str(folder / subfolder / f"{name}.tif") for name in names)
        for subfolder in (IMAGES, MASKS)
    )
    return GeoTiffStore(images, masks, shape, dtype)
