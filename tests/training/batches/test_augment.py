"""Random changes of a batch."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.training.batches import Batch, change_images, flip
from tests.support.training import SIZE

MODULE = importlib.import_module("geoseg.training.batches.augment")
VALUE_RANGE = torch.tensor([[0.0, 10.0], [255.0, 110.0]])
COLOURS = {"BRIGHTNESS": 0.0, "BAND_GAIN": 0.0, "CONTRAST": 1.0, "SATURATION": 1.0, "GAMMA": 1.0}
"""Values of the constants with which colours do not change."""


def augment(kind, batch, value_range, rng):
    return change_images(kind, flip(kind, batch, rng), value_range, rng)


def drawn(seed):
    return torch.Generator().manual_seed(seed)


def random_batch(seed, n=6):
    labels = torch.randint(4, (n, SIZE, SIZE), generator=drawn(seed))
    images = 20 + 60 * torch.rand((n, 2, SIZE, SIZE), generator=drawn(seed + 1))
    return Batch(images, labels, torch.rand((n, SIZE, SIZE), generator=drawn(seed + 2)) < 0.9)


def without_colour(monkeypatch, *, blur=0.0):
    for name, value in {**COLOURS, "BLUR_SHARE": blur}.items():
        monkeypatch.setattr(MODULE, name, value)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_flips_move_labels_and_valid_mask_with_the_image(seed):
    labels = torch.randint(256, (6, SIZE, SIZE), generator=drawn(seed))
    images = labels[:, None].float().repeat(1, 2, 1, 1)
    turned = flip("flips", Batch(images, labels, labels > 100), drawn(seed))
    assert torch.equal(turned.images, turned.labels[:, None].float().repeat(1, 2, 1, 1))
    assert torch.equal(turned.valid, turned.labels > 100)
    assert torch.equal(turned.labels.flatten(1).sort()[0], labels.flatten(1).sort()[0])


def test_flips_draw_all_eight_symmetries():
    labels = torch.arange(SIZE * SIZE).view(1, SIZE, SIZE).repeat(200, 1, 1)
    batch = Batch(labels[:, None].float(), labels, labels >= 0)
    moved = flip("flips", batch, drawn(0)).labels
    assert len({tuple(tile.flatten().tolist()) for tile in moved}) == 8


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_colours_change_within_limits(seed):
    """An even image of the middle value stays even; each window and band changes on its own."""
    images = torch.tensor([127.5, 60.0]).view(1, 2, 1, 1).expand(6, 2, SIZE, SIZE).clone()
    labels = torch.full((6, SIZE, SIZE), 1)
    changed = augment("full", Batch(images, labels, labels > 0), VALUE_RANGE, drawn(seed))
    assert torch.equal(changed.labels, labels)
    assert len(changed.images[:, :, 0, 0].unique()) == 12
    assert float(changed.images.flatten(2).std(dim=2).max()) < 1e-2
    low, high = VALUE_RANGE[:, None, :, None, None]
    scaled = (changed.images - low) / (high - low)
    darkest, brightest = (0.5 - 0.15) * 0.9, (0.5 + 0.15) * 1.1
    assert float(scaled.min()) >= darkest**1.4 - 1e-4
    assert float(scaled.max()) <= brightest ** (1 / 1.4) + 1e-4


def test_without_changes_of_colour_and_without_blur_full_is_flips(monkeypatch):
    without_colour(monkeypatch)
    batch = random_batch(0)
    full, flips = (augment(kind, batch, VALUE_RANGE, drawn(3)) for kind in ("full", "flips"))
    assert torch.allclose(full.images, flips.images, atol=1e-3)
    assert torch.equal(full.labels, flips.labels)


def test_invalid_pixels_keep_their_value():
    batch = random_batch(1)
    batch = replace(batch, images=torch.where(batch.valid[:, None], batch.images, 10.0))
    changed = augment("full", batch, VALUE_RANGE, drawn(0))
    assert float(changed.images[~changed.valid[:, None].expand_as(changed.images)].unique()) == 10
    assert not torch.isclose(changed.images, torch.tensor(10.0))[
        changed.valid[:, None].expand_as(changed.images)
    ].any()


def test_a_blur_is_that_of_scipy(monkeypatch):
    ndimage = pytest.importorskip("scipy.ndimage")
    without_colour(monkeypatch, blur=1.0)
    images = torch.rand((3, 2, 32, 32), generator=drawn(0))
    labels = torch.zeros((3, 32, 32), dtype=torch.int64)
    batch = Batch(images, labels, labels == 0)
    blurred = change_images("full", batch, torch.tensor([[0.0, 0], [1, 1]]), drawn(5)).images
    # The numbers are drawn after those of the colours, whose changes are switched off.
    after = drawn(5)
    for size in ((3, 1),) * 3 + ((3, 2), (3, 1)):
        torch.rand(size, generator=after)
    torch.rand(3, generator=after)
    sigmas = (torch.rand(3, generator=after) * 1.5).clamp(min=0.1).tolist()
    for image, result, sigma in zip(images.numpy(), blurred.numpy(), sigmas, strict=True):
        expected = [ndimage.gaussian_filter(band, sigma, radius=3, mode="mirror") for band in image]
        assert np.abs(np.stack(expected) - result).max() < 1e-5


def test_no_augmentation_changes_nothing():
    batch = random_batch(0)
    assert augment("none", batch, VALUE_RANGE, drawn(0)) is batch


def test_the_same_generator_gives_the_same_changes():
    batch = random_batch(0)
    first, second, third = (augment("full", batch, VALUE_RANGE, drawn(s)) for s in (1, 1, 2))
    for name in ("images", "labels", "valid"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not torch.equal(first.images, third.images)


def test_the_blur_does_not_mix_pixels_without_data(monkeypatch):
    without_colour(monkeypatch, blur=1.0)
    valid = random_batch(0).valid
    images = torch.where(valid[:, None], 60.0, 0.0).repeat(1, 2, 1, 1)
    blurred = augment("full", Batch(images, valid.long(), valid), VALUE_RANGE, drawn(0))
    expected = torch.where(blurred.valid[:, None], 60.0, 0.0).repeat(1, 2, 1, 1)
    torch.testing.assert_close(blurred.images, expected)


def test_windows_smaller_than_the_kernel_are_blurred(monkeypatch):
    without_colour(monkeypatch, blur=1.0)
    images = 20 + 60 * torch.rand((4, 2, 2, 2), generator=drawn(0))
    batch = Batch(images, torch.zeros(4, 2, 2).long(), torch.ones(4, 2, 2) > 0)
    assert augment("full", batch, VALUE_RANGE, drawn(0)).images.isfinite().all()
