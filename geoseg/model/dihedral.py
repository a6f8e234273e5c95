"""The eight symmetries of the square, on the last two axes of a tensor."""

import torch
from torch import Tensor

SYMMETRIES = 8


def apply_symmetry(x: Tensor, symmetry: int) -> Tensor:
    """Symmetry 0..7 of (..., s, s): quarter turns anticlockwise, from 4 on a flip after them."""
    x = torch.rot90(x, symmetry % 4, dims=(-2, -1))
    return x.flip(-1) if symmetry >= 4 else x


def invert_symmetry(x: Tensor, symmetry: int) -> Tensor:
    """The inverse: ``turn_back(turn(x, s), s) == x``."""
    x = x.flip(-1) if symmetry >= 4 else x
    return torch.rot90(x, -(symmetry % 4), dims=(-2, -1))
