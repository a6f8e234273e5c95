"""Draw uncertain patches that differ from one another and are not close together."""

import numpy as np
from numpy.typing import NDArray

from geoseg.suggestion.patches import Patches


def describe_patches(patches: Patches) -> NDArray[np.float64]:
    """Return a vector for each patch: the more two patches differ, the larger is their distance.

    Classes, uncertainty and bands are groups of about equal weight. The shares of classes and of
    bins are stored as square roots, so that their distance is the square root of 2 times the
    Hellinger distance, at most the square root of 2. Mean and standard deviation of the bands are
    standardised over the patches.

    Returns:
        (n, classes + 8 + 2 * bands).
    """
    pixels = patches.classes.sum(1, keepdims=True)
    groups = [np.sqrt(patches.classes / pixels), np.sqrt(patches.bins / pixels)]
    if patches.bands.shape[1]:
        # A patch without data, or a band with the same value everywhere, gets the number 0.
        known = np.isfinite(patches.bands)
        number = np.maximum(known.sum(0), 1)
        mean = np.where(known, patches.bands, 0).sum(0) / number
        centred = np.where(known, patches.bands - mean, 0)
        deviation = np.sqrt((centred**2).sum(0) / number)
        scaled = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)
        groups.append(scaled / np.sqrt(scaled.shape[1]))
    return np.concatenate(groups, axis=1)


def draw_patches(
    patches: Patches, number: int, distance: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw different patches one after the other, as k-means++ draws centres.

    The chance of a patch is proportional to its sum of uncertainty, times the squared distance of
    its features to those of the most similar patch that is drawn already. A patch that is closer to
    a drawn one than ``distance`` has no chance. A draw of fewer patches gives the first patches of
    a draw of more.

    Args:
        patches: (n,) to draw from.
        number: number of patches.
        distance: smallest distance of two patches along rows or along columns (px).
        rng: source of all random numbers.

    Returns:
        Indices in the order of the draw; fewer than ``number`` if no patch remains.
    """
    vectors, uncertainty = describe_patches(patches), patches.total_uncertainty
    novelty, allowed = np.ones(len(patches)), np.ones(len(patches), bool)
    drawn: list[int] = []
    while len(drawn) < number and allowed.any():
        chances = uncertainty * novelty * allowed
        # If all have the same features, draw by uncertainty; if that is 0 too, draw any of them.
        for fallback in (uncertainty * allowed, allowed.astype(float)):
            chances = chances if chances.sum() > 0 else fallback
        index = int(rng.choice(len(patches), p=chances / chances.sum()))
        squared = ((vectors - vectors[index]) ** 2).sum(1)
        novelty = np.minimum(novelty, squared) if drawn else squared
        distances = np.maximum(
            np.abs(patches.row - patches.row[index]), np.abs(patches.col - patches.col[index])
        )
        allowed &= distances >= max(distance, 1)
        drawn.append(index)
    return np.array(drawn, np.int64)
