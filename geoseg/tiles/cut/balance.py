"""A choice of tiles in which the classes have similar pixel counts."""

import numpy as np
from numpy.typing import NDArray


def balance_classes(counts: NDArray[np.int64], keep: int, seed: int) -> NDArray[np.int64]:
    """Choose tiles so that the classes have similar numbers of pixels.

    Tiles are chosen one by one. In each step, the class with the fewest pixels so far draws one of
    the remaining tiles, with a probability in proportion to its pixels in the tile; a class that
    is in no remaining tile draws no more. So all tiles with rare classes are chosen before common
    classes fill the rest, and common classes are also drawn from tiles that they do not fill.

    Args:
        counts: (tiles, classes) pixels of each class; each tile has at least one.
        keep: number of tiles to choose; all tiles if there are not more.
        seed: random seed.

    Returns:
        Indices of the chosen tiles, ascending.
    """
    if keep >= len(counts):
        return np.arange(len(counts))
    # Sorting by log(u) / weight is drawing one by one by weight (Efraimidis and Spirakis, 2006).
    log_u = np.log1p(-np.random.default_rng(seed).random(counts.shape))
    with np.errstate(divide="ignore"):
        keys = np.where(counts > 0, log_u / counts, -np.inf)
    draws = [
        iter(np.argsort(-keys[:, c], kind="stable")[: (counts[:, c] > 0).sum()].tolist())
        for c in range(counts.shape[1])
    ]
    pixels = dict.fromkeys(range(counts.shape[1]), 0)
    chosen: set[int] = set()
    while len(chosen) < keep:
        rarest = min(pixels, key=pixels.__getitem__)
        tile = next((t for t in draws[rarest] if t not in chosen), None)
        if tile is None:
            del pixels[rarest]
            continue
        chosen.add(tile)
        for c in pixels:
            pixels[c] += int(counts[tile, c])
    return np.array(sorted(chosen), np.int64)
