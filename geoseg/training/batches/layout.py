"""Which tiles are adjacent, so that a training window may be larger than a tile."""

import numpy as np
from numpy.typing import NDArray

MISSING = -1
"""In place of the index of a tile that is not in the set."""

_Place = tuple[int, int, int]
"""Number of the scene, first row and first column (px)."""


class TileLayout:
    """The places of n tiles, and the areas that adjacent tiles form.

    Two tiles are adjacent if they share a whole side. Tiles that overlap form several areas.
    """

    def __init__(self, size: int, tiles: int, places: NDArray[np.int64] | None) -> None:
        """Find the areas.

        Args:
            size: side of a tile (px).
            tiles: number of tiles, n.
            places: (n, 3) scene, row and column of each tile; None if none are adjacent.
        """
        if places is None:  # each tile in a scene of its own
            places = np.zeros((tiles, 3), np.int64)
            places[:, 0] = np.arange(tiles)
        self.size = size
        self._places = places
        self._index = {_as_place(row): index for index, row in enumerate(places.tolist())}
        self.extents = self._find_extents()
        """(n, 4) of the area of each tile, from the tile's upper left (px): first row, first
        column, end row, end column."""

    def block(self, tile: int, rows: range, cols: range) -> NDArray[np.int64]:
        """Return the indices of neighbours of a tile, `MISSING` where there is none.

        Args:
            tile: index of the tile.
            rows: steps down from the tile, 0 for its own row.
            cols: steps to the right.

        Returns:
            (rows, cols) int64.
        """
        scene, row, col = self._places[tile].tolist()
        size, index = self.size, self._index
        indices = [
            [index.get((scene, row + down * size, col + right * size), MISSING) for right in cols]
            for down in rows
        ]
        return np.array(indices, np.int64)

    def largest_window(self, multiple: int, most: int) -> int:
        """Return the side of the largest window that at least half of the areas can hold (px).

        Areas count by their tiles. The side is a multiple of ``multiple`` and at most ``most``; 0
        if there is none.
        """
        sides = np.minimum(
            self.extents[:, 2] - self.extents[:, 0], self.extents[:, 3] - self.extents[:, 1]
        )
        typical = int(np.median(sides)) if len(sides) else 0
        return min(typical, most) // multiple * multiple

    def _find_extents(self) -> NDArray[np.int64]:
        """Flood the tiles from neighbour to neighbour."""
        extents = np.zeros((len(self._places), 4), np.int64)
        seen: set[_Place] = set()
        for start in self._index:
            if start in seen:
                continue
            seen.add(start)
            area, border = [start], [start]
            while border:
                new = [p for place in border for p in self._adjacent(place) if p not in seen]
                border = list(dict.fromkeys(new))
                seen.update(border)
                area += border
            corners = np.array(area)[:, 1:]
            low, high = corners.min(axis=0), corners.max(axis=0) + self.size
            indices = [self._index[place] for place in area]
            extents[indices] = np.concatenate([low - corners, high - corners], axis=1)
        return extents

    def _adjacent(self, place: _Place) -> list[_Place]:
        scene, row, col = place
        steps = ((-self.size, 0), (self.size, 0), (0, -self.size), (0, self.size))
        places = [(scene, row + down, col + right) for down, right in steps]
        return [place for place in places if place in self._index]


def _as_place(row: list[int]) -> _Place:
    scene, first_row, first_col = row
    return scene, first_row, first_col
