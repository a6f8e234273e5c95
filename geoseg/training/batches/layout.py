"""Which tiles are adjacent, so that a training window may be larger than a tile."""

import numpy as np
from numpy.typing import NDArray

MISSING = -1
"""In place of the index of a tile that is not in the set."""

_COVERED = 0.75
"""Smallest mean share of a window that tiles cover."""
_SAMPLED = 1000
"""About how many tiles that mean is taken over."""

_Place = tuple[int, int, int]
"""Number of the scene, first row and first column (px)."""


class TileLayout:
    """The places of n tiles, and which of them are connected by adjacent tiles.

    Two tiles are adjacent if they share a whole side. Tiles that overlap are not adjacent.
    """

    def __init__(self, size: int, places: NDArray[np.int64]) -> None:
        """Find the connected tiles.

        Args:
            size: side of a tile (px).
            places: (n, 3) number of the scene, first row and first column (px) of each tile.
        """
        self.size = size
        self.places = places
        """(n, 3) number of the scene, first row and first column (px)."""
        self._index = {_as_place(row): index for index, row in enumerate(places.tolist())}
        self.extents = self._find_extents()
        """(n, 4) of the rectangle around the tiles that are connected to each tile, from the upper
        left of that tile (px): first row, first column, end row, end column."""

    def neighbours(self, tile: int, rows: range, cols: range) -> NDArray[np.int64]:
        """Return the indices of tiles around a tile, `MISSING` where there is none.

        Args:
            tile: index of the tile.
            rows: steps down from the tile, 0 for its own row.
            cols: steps to the right.

        Returns:
            (rows, cols) int64.
        """
        scene, row, col = self.places[tile].tolist()
        size, index = self.size, self._index
        indices = [
            [index.get((scene, row + down * size, col + right * size), MISSING) for right in cols]
            for down in rows
        ]
        return np.array(indices, np.int64)

    def touched(self, tile: int, row: int, col: int, side: int) -> NDArray[np.int64]:
        """Return the indices of the tiles that a window touches (rows, cols).

        Args:
            tile: index of a tile.
            row: first row of the window, from that of the tile (px).
            col: first column of the window, from that of the tile (px).
            side: of the window (px).
        """
        size = self.size
        return self.neighbours(
            tile,
            range(row // size, (row + side - 1) // size + 1),
            range(col // size, (col + side - 1) // size + 1),
        )

    def largest_window(self, multiple: int, most: int) -> int:
        """Return the side of the largest windows of which tiles cover most (px).

        It is a multiple of ``multiple``, at most ``most``, and such that tiles cover at least
        `_COVERED` of a window on average, if each tile is in the middle of a window as far as its
        connected tiles allow. 0 if there is no such side.
        """
        tiles = range(0, len(self.places), max(1, len(self.places) // _SAMPLED))
        for window in range(most // multiple * multiple, 0, -multiple):
            if window <= self.size or np.mean([self._covered(t, window) for t in tiles]) > _COVERED:
                return window
        return 0

    def _covered(self, tile: int, window: int) -> float:
        """Return the share of the window around a tile that tiles cover."""
        middle = -(window - self.size) // 2
        first_row, first_col, end_row, end_col = self.extents[tile].tolist()
        row = max(first_row, min(middle, end_row - window))
        col = max(first_col, min(middle, end_col - window))
        there = self.touched(tile, row, col, window) != MISSING
        heights, widths = (
            _overlaps(start, window, self.size, number)
            for start, number in zip((row, col), there.shape, strict=True)
        )
        return float(heights @ there @ widths) / window**2

    def _find_extents(self) -> NDArray[np.int64]:
        """Flood the tiles from neighbour to neighbour."""
        extents = np.tile(np.array([0, 0, self.size, self.size]), (len(self.places), 1))
        seen: set[_Place] = set()
        for start in self._index:
            if start in seen:
                continue
            seen.add(start)
            connected, border = [start], [start]
            while border:
                new = [p for place in border for p in self._adjacent(place) if p not in seen]
                border = list(dict.fromkeys(new))
                seen.update(border)
                connected += border
            corners = np.array(connected)[:, 1:]
            low, high = corners.min(axis=0), corners.max(axis=0) + self.size
            indices = [self._index[place] for place in connected]
            extents[indices] = np.concatenate([low - corners, high - corners], axis=1)
        return extents

    def _adjacent(self, place: _Place) -> list[_Place]:
        scene, row, col = place
        steps = ((-self.size, 0), (self.size, 0), (0, -self.size), (0, self.size))
        places = [(scene, row + down, col + right) for down, right in steps]
        return [place for place in places if place in self._index]


def _overlaps(start: int, window: int, size: int, tiles: int) -> NDArray[np.int64]:
    """Return how many of the pixels of an axis of a window are in each tile that it touches."""
    edges = np.arange(tiles + 1) * size - start % size
    inside = np.clip(edges, 0, window)
    return inside[1:] - inside[:-1]


def _as_place(row: list[int]) -> _Place:
    scene, first_row, first_col = row
    return scene, first_row, first_col
