"""Random changes of a batch that keep its classes."""

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from geoseg.model import SYMMETRIES, apply_symmetry
from geoseg.training.batches.loader import Batch, average_valid
from geoseg.training.settings import Augment

BRIGHTNESS, BAND_GAIN = 0.15, 0.1
"""Largest change of the brightness (as a share of the value range), and of the gain of a band."""
CONTRAST, SATURATION, GAMMA = 1.4, 1.5, 1.4
"""Largest factor of the contrast, the saturation and the gamma; the smallest is its inverse."""
BLUR_SHARE, BLUR_SIGMA = 0.2, 1.5
"""Share of the windows that are blurred, and the largest standard deviation (px)."""
_BLUR_RADIUS = 3
"""Of the kernel of the blur (px)."""


def flip(kind: Augment, batch: Batch, rng: torch.Generator) -> Batch:
    """Apply one of the eight symmetries of the square to each window; not with "none".

    Args:
        kind: the augmentation; `draw_epoch` has drawn the scales of "full".
        batch: windows.
        rng: random number generator; no other source of randomness is used.
    """
    if kind == "none":
        return batch
    symmetries = torch.randint(SYMMETRIES, (len(batch.labels),), generator=rng).tolist()

    def transform(tensor: Tensor) -> Tensor:
        pairs = zip(tensor, symmetries, strict=True)
        return torch.stack([apply_symmetry(x, symmetry) for x, symmetry in pairs])

    return batch.map(transform)


def change_images(kind: Augment, batch: Batch, value_range: Tensor, rng: torch.Generator) -> Batch:
    """Change the colours of all windows and blur some of them, with "full" only.

    Args:
        kind: the augmentation.
        batch: windows.
        value_range: (2, bands) scene values that the network reads as 0 and 1.
        rng: random number generator; no other source of randomness is used.
    """
    if kind != "full":
        return batch
    low, high = value_range[:, :, None, None]
    images = _change_colour((batch.images - low) / (high - low), rng)
    images = _blur(images, batch.valid, rng) * (high - low) + low
    # The network sees the same value where a scene has no data.
    return replace(batch, images=torch.where(batch.valid[:, None], images, batch.images))


def _change_colour(x: Tensor, rng: torch.Generator) -> Tensor:
    """Change images (n, bands, s, s), of which most values are from 0 to 1."""
    n, bands = x.shape[:2]

    def draw(limit: float, size: int = 1) -> Tensor:
        """Draw numbers from -limit to limit (n, size, 1, 1)."""
        values = (torch.rand((n, size), generator=rng) * 2 - 1) * limit
        return values.to(x.device)[..., None, None]

    def factor(largest: float) -> Tensor:
        return torch.exp(draw(torch.tensor(largest).log().item()))

    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * factor(CONTRAST) + mean + draw(BRIGHTNESS)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * factor(SATURATION) + grey if bands > 1 else x
    x = x * (1 + draw(BAND_GAIN, bands))
    return torch.sign(x) * x.abs() ** factor(GAMMA)


def _blur(x: Tensor, valid: Tensor, rng: torch.Generator) -> Tensor:
    """Blur some images (n, bands, s, s) by a Gaussian kernel; ``valid`` (n, s, s) pixels count."""
    radius = min(_BLUR_RADIUS, x.shape[-1] - 1)
    chosen = (torch.rand(len(x), generator=rng) < BLUR_SHARE).nonzero()[:, 0]
    sigmas = (torch.rand(len(x), generator=rng) * BLUR_SIGMA).clamp(min=0.1)
    for index in chosen.tolist():
        offsets = torch.arange(-radius, radius + 1.0)
        kernel = torch.exp(-((offsets / sigmas[index]) ** 2) / 2)
        smooth = partial(_convolve, kernel=(kernel / kernel.sum()).to(x).view(1, 1, -1, 1))
        whole = valid[index].all()
        x[index] = smooth(x[index]) if whole else average_valid(x[index], valid[index], smooth)
    return x


def _convolve(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each band of an image (bands, s, s) by a column (1, 1, k, 1) along both axes."""
    padded = F.pad(image[:, None], (kernel.shape[2] // 2,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]
