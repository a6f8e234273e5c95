"""The eight symmetries of the square (dihedral group D4), on the last two axes of a tensor."""

import torch
from torch import Tensor

SYMMETRIES = 8


def apply_symmetry(x: Tensor, symmetry: int) -> Tensor:
    """Apply symmetry 0 to 7 to (..., s, s): quarter turns anticlockwise, from 4 on then a flip."""
    x = torch.rot90(x, symmetry % 4, dims=(-2, -1))
    return x.flip(-1) if symmetry >= 4 else x


def invert_symmetry(x: Tensor, symmetry: int) -> Tensor:
    """Undo `apply_symmetry` with the same symmetry."""
    x = x.flip(-1) if symmetry >= 4 else x
    return torch.rot90(x, -(symmetry % 4), dims=(-2, -1))
