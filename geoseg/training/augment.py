"""Random changes to a batch that leave its classes as they are."""

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from geoseg.model import SYMMETRIES, apply_symmetry
from geoseg.training.settings import Augment

MAX_ZOOM = 1.5
GAIN, BAND_GAIN, OFFSET = 0.2, 0.1, 0.1
"""Largest change of brightness of all bands, of one band, and of the level (share of the range)."""


def augment(
    how: Augment, images: Tensor, labels: Tensor, spread: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw and apply random changes.

    Args:
        how: "none"; "flips": one of the eight symmetries for each tile; "full": also colour (gain
            and offset, together and by band) for each tile and a zoom for the batch.
        images: (n, bands, s, s) float32 in scene values.
        labels: (n, s, s) int64.
        spread: (bands,) range of the scene values that the network sees as 0 to 1.
        rng: the only source of chance.

    Returns:
        Images and labels of the same shapes.
    """
    if how == "none":
        return images, labels
    images, labels = _flips(images, labels, rng)
    if how == "full":
        images, labels = _zoom(_color(images, spread, rng), labels, rng)
    return images, labels


def _flips(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    drawn = torch.randint(SYMMETRIES, (len(images),), generator=rng)
    turned = [apply_symmetry(x, s) for x, s in zip(images, drawn.tolist(), strict=True)]
    masks = [apply_symmetry(y, s) for y, s in zip(labels, drawn.tolist(), strict=True)]
    return torch.stack(turned), torch.stack(masks)


def _color(images: Tensor, spread: Tensor, rng: torch.Generator) -> Tensor:
    n, bands = images.shape[:2]

    def draw(size: tuple[int, int], most: float) -> Tensor:
        return ((torch.rand(size, generator=rng) * 2 - 1) * most).to(images.device)[..., None, None]

    gain = (1 + draw((n, 1), GAIN)) * (1 + draw((n, bands), BAND_GAIN))
    return images * gain + draw((n, 1), OFFSET) * spread.view(1, -1, 1, 1)


def _zoom(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    size = images.shape[-1]
    big = round(size * float(1 + torch.rand((), generator=rng) * (MAX_ZOOM - 1)))
    row, col = torch.randint(big - size + 1, (2,), generator=rng).tolist()
    part = (..., slice(row, row + size), slice(col, col + size))
    images = F.interpolate(images, size=(big, big), mode="bilinear", align_corners=False)[part]
    bigger = F.interpolate(labels[:, None].float(), size=(big, big), mode="nearest-exact")[part]
    return images, bigger[:, 0].long()
