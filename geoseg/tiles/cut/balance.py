"""Fewer tiles, with more even classes."""

import numpy as np
from numpy.typing import NDArray


def balance_classes(counts: NDArray[np.int64], keep: int, seed: int) -> NDArray[np.int64]:
    """Choose tiles so that the classes' shares of the pixels even out.

    Again and again the class with the fewest pixels so far draws one of the tiles left, the
    likelier the more of the class is in it. A class that is in no tile left draws no more. So
    tiles with rare classes are all taken before common ones fill the rest, yet common ones are
    seen in every setting, not only where they fill a tile.

    Args:
        counts: (tiles, classes) pixels of each class; each tile has some.
        keep: tiles to choose; all of them where there are not more.
        seed: of the draw.

    Returns:
        Numbers of the tiles chosen, ascending.
    """
    if keep >= len(counts):
        return np.arange(len(counts))
    # Sorting by log(u) / weight is drawing one by one by weight (Efraimidis and Spirakis, 2006).
    luck = np.log1p(-np.random.default_rng(seed).random(counts.shape))
    with np.errstate(divide="ignore"):
        keys = np.where(counts > 0, luck / counts, -np.inf)
    turns = [
        iter(np.argsort(-keys[:, c], kind="stable")[: (counts[:, c] > 0).sum()].tolist())
        for c in range(counts.shape[1])
    ]
    pixels = dict.fromkeys(range(counts.shape[1]), 0)
    chosen: set[int] = set()
    while len(chosen) < keep:
        rarest = min(pixels, key=pixels.__getitem__)
        tile = next((t for t in turns[rarest] if t not in chosen), None)
        if tile is None:
            del pixels[rarest]
            continue
        chosen.add(tile)
        for c in pixels:
            pixels[c] += int(counts[tile, c])
    return np.array(sorted(chosen), np.int64)
