"""Settings of `tile`."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from geoseg.errors import TileError, check_list
from geoseg.labels import IgnoreSpec
from geoseg.tiles.split import SPLITS, Split

Storage = Literal["files", "shards"]
STORAGES: tuple[Storage, ...] = get_args(Storage)


@dataclass(frozen=True, slots=True)
class TileSettings:
    """How to cut tiles.

    Raises:
        TileError: if a value is out of range.
        LabelError: if a colour to ignore is not of the form #rrggbb.
        GeosegError: if a list is given as one text.
    """

    size: int = 128
    """Side of a tile (px), at least 1."""
    stride: int | None = None
    """Distance between tiles (px), at least 1; None for the side, so that tiles do not overlap."""
    split: Split = "block"
    """How validation tiles are drawn: "block", "scene" or "random", see `assign_splits`."""
    val: float = 0.25
    """Share of the tiles for validation, at least 0 and below 1."""
    min_valid: float | None = None
    """Minimum share of a tile's pixels that are both valid and labelled, 0 to 1. None for 0.5; but
    for vector labels without a background, which are sparse, any such pixel is enough."""
    balance: int | None = None
    """Maximum number of training tiles, at least 1, chosen so that classes have similar pixel
    counts; None to keep all."""
    seed: int = 0
    """Random seed of the split and of balancing."""
    class_field: str | None = None
    """Field of vector labels that holds the class: names, or whole numbers."""
    layer: str | None = None
    """Layer of vector labels, such as in a GeoPackage; None for the first one with geometries."""
    background: str | None = None
    """Class of the pixels that no vector label covers: the name or value of a class, or that of a
    new class, see `geoseg.labels.background`; None for "not labelled"."""
    ignore: tuple[str, ...] = ()
    """Class names, values and colours (#rrggbb) in the labels that mean "not labelled", see
    `geoseg.labels.IgnoreSpec`."""
    preview: bool = True
    """Whether to draw preview.png: example tiles, and a map of the split."""
    store: Storage = "files"
    """How pixels are stored: "files" (pairs of GeoTIFFs) or "shards" (.npy files, which training
    reads about 50 times as fast)."""
    bands: tuple[int | str, ...] | None = None
    """Bands of the scenes, by number (from 1) or name, in this order; None for all but alpha."""
    nodata: float | None = None
    """Value of pixels without data; None for the scenes' own."""
    reflectance: bool = False
    """Whether tiles hold physical values (reflectance, temperature), as float32: stored value *
    scale + offset. Products and stacks have a scale and an offset. `classify` computes the same
    values for a model trained on such tiles."""
    resolution: float | None = None
    """Ground size of the pixels of the tiles (m), above 0, to which scenes are resampled; None for
    the pixels of the scenes."""

    def __post_init__(self) -> None:
        check_list("bands", self.bands)
        if self.resolution is not None and not 0 < self.resolution < math.inf:
            raise TileError(f"resolution is {self.resolution:g} m, it must be above 0")
        if self.size < 1 or (self.stride is not None and self.stride < 1):
            raise TileError(f"size {self.size} and stride {self.stride} must be at least 1 px")
        if self.min_valid is not None and not 0 <= self.min_valid <= 1:
            raise TileError(f"min_valid {self.min_valid} must be from 0 to 1")
        if not 0 <= self.val < 1:
            raise TileError(f"val {self.val} must be at least 0 and less than 1")
        if self.split not in SPLITS:
            raise TileError(f"unknown split {self.split!r}, use one of {', '.join(SPLITS)}")
        if self.balance is not None and self.balance < 1:
            raise TileError(f"{self.balance} training tiles cannot be balanced, keep at least 1")
        if self.store not in STORAGES:
            raise TileError(f"unknown store {self.store!r}, use one of {', '.join(STORAGES)}")
        IgnoreSpec.parse(self.ignore)

    @property
    def resolved_stride(self) -> int:
        """Distance between tiles (px)."""
        return self.stride or self.size


DEFAULTS = TileSettings()
