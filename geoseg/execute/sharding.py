"""Shares of a list of items, for job arrays."""

from collections.abc import Sequence
from typing import TypeVar

from geoseg.errors import RunError

Item = TypeVar("Item")


def shard(items: Sequence[Item], share: tuple[int, int]) -> list[Item]:
    """The i-th of n shares, i from 1: every n-th item, so that all shares cost about the same.

    Law: the n shares are disjoint and together all items.

    Raises:
        RunError: if i is not in 1..n.
    """
    number, of = share
    if not 1 <= number <= of:
        raise RunError(f"shard {number}/{of} does not exist, count from 1/{of} to {of}/{of}")
    return list(items[number - 1 :: of])
