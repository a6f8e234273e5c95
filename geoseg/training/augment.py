"""Random changes of a batch that keep its classes."""

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from geoseg.model import SYMMETRIES, apply_symmetry
from geoseg.training.settings import Augment

MAX_ZOOM = 1.5
"""Largest magnification; the smallest is 1."""
GAIN, BAND_GAIN, OFFSET = 0.2, 0.1, 0.1
"""Largest change of the gain of all bands, of the gain of a band, and of the offset (as a share of
the value range)."""


def augment(
    kind: Augment, images: Tensor, labels: Tensor, value_range: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw and apply random changes.

    Args:
        kind: "none"; "flips": one of the eight symmetries of the square for each tile; "full":
            also gain and offset of the values for each tile, and one zoom for the batch.
        images: (n, bands, s, s) float32 in scene values.
        labels: (n, s, s) int64.
        value_range: (bands,) range of the scene values that the network reads as 0 to 1.
        rng: random number generator; no other source of randomness is used.

    Returns:
        Images and labels of the same shapes.
    """
    if kind == "none":
        return images, labels
    images, labels = _flip(images, labels, rng)
    if kind == "full":
        images, labels = _zoom(_change_colour(images, value_range, rng), labels, rng)
    return images, labels


def _flip(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    symmetries = torch.randint(SYMMETRIES, (len(images),), generator=rng).tolist()
    pairs = [[apply_symmetry(x, s) for x, s in zip(t, symmetries, strict=True)]
             for t in (images, labels)]  # fmt: skip
    return torch.stack(pairs[0]), torch.stack(pairs[1])


def _change_colour(images: Tensor, value_range: Tensor, rng: torch.Generator) -> Tensor:
    n, bands = images.shape[:2]

    def draw(size: tuple[int, int], limit: float) -> Tensor:
        values = (torch.rand(size, generator=rng) * 2 - 1) * limit
        return values.to(images.device)[..., None, None]

    gain = (1 + draw((n, 1), GAIN)) * (1 + draw((n, bands), BAND_GAIN))
    return images * gain + draw((n, 1), OFFSET) * value_range.view(1, -1, 1, 1)


def _zoom(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    size = images.shape[-1]
    zoomed = round(size * float(1 + torch.rand((), generator=rng) * (MAX_ZOOM - 1)))
    row, col = torch.randint(zoomed - size + 1, (2,), generator=rng).tolist()
    crop = (..., slice(row, row + size), slice(col, col + size))
    shape = (zoomed, zoomed)
    images = F.interpolate(images, size=shape, mode="bilinear", align_corners=False)[crop]
    masks = F.interpolate(labels[:, None].float(), size=shape, mode="nearest-exact")[crop]
    return images, masks[:, 0].long()
