"""The functions of training: losses, learning rates, metrics, dropout."""

import math

import click
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.cli.commands.train import command
from geoseg.metrics import Confusion
from geoseg.model.networks.fast_dropout import FastDropout
from geoseg.tiles import IGNORE_INDEX
from geoseg.training.distributed import ProcessGroup
from geoseg.training.epoch_metrics import EpochMetrics
from geoseg.training.losses import class_weights, compute_loss
from geoseg.training.schedule import learning_rate
from tests.support.training import small

# The command.


def test_each_option_of_the_command_says_what_it_is():
    for option in (p for p in command.params if isinstance(p, click.Option)):
        assert option.help, option.name
        assert option.help.split("  [")[0].endswith("."), option.name


# Losses, by NumPy and by hand.


def drawn(seed, classes=4, size=6):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (3, classes, size, size)).astype(np.float32)
    labels = rng.integers(0, classes, (3, size, size)).astype(np.int64)
    labels[rng.random(labels.shape) < 0.3] = IGNORE_INDEX
    return logits, labels


def torch_loss(kind, logits, labels, weights=None):
    labels = torch.from_numpy(labels)
    labelled = (labels != IGNORE_INDEX).sum().clamp(min=1)
    weights = torch.ones(logits.shape[1]) if weights is None else weights
    return float(compute_loss(kind, torch.from_numpy(logits), labels, weights, labelled))


def scores_of_truth(logits, labels):
    """Scores (pixels, classes) and labels (pixels,) of the labelled pixels."""
    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(1, keepdims=True)
    labelled = labels != IGNORE_INDEX
    return np.moveaxis(shares, 1, -1)[labelled], labels[labelled]


@pytest.mark.parametrize("seed", range(4))
def test_losses_are_those_of_the_papers(seed):
    logits, labels = drawn(seed)
    shares, truth = scores_of_truth(logits, labels)
    true = shares[np.arange(len(truth)), truth]
    entropy = -np.log(true)
    assert torch_loss("ce", logits, labels) == pytest.approx(entropy.mean(), rel=1e-5)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    heavy = (entropy * weights.numpy()[truth]).mean()
    assert torch_loss("weighted", logits, labels, weights) == pytest.approx(heavy, rel=1e-5)
    focal = ((1 - true) ** 2 * entropy).mean()
    assert torch_loss("focal", logits, labels) == pytest.approx(focal, rel=1e-4)
    dice = [
        2 * shares[truth == c, c].sum() / (shares[:, c].sum() + (truth == c).sum())
        for c in np.unique(truth)
    ]
    both = entropy.mean() + 1 - np.mean(dice)
    assert torch_loss("dice", logits, labels) == pytest.approx(both, rel=1e-5)


@pytest.mark.parametrize("kind", ["ce", "weighted", "focal", "dice"])
def test_a_batch_without_labels_has_no_loss_and_no_gradient(kind):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    labels = torch.full((2, 4, 4), IGNORE_INDEX)
    loss = compute_loss(kind, logits, labels, torch.ones(3), torch.tensor(1))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("kind", ["ce", "weighted", "focal", "dice"])
def test_a_perfect_map_has_almost_no_loss(kind):
    _, labels = drawn(0)
    logits = np.full((3, 4, 6, 6), -30, np.float32)
    for value in range(4):
        logits[:, value][labels == value] = 30
    assert torch_loss(kind, logits, labels) < 1e-4


def test_a_class_that_is_not_in_the_batch_has_no_dice():
    logits = np.zeros((1, 3, 2, 2), np.float32)
    labels = np.array([[[0, 0], [1, 1]]])
    # Each score is 1/3: Dice of class 0 and 1 is 2 * 2/3 / (4/3 + 2) = 0.4, class 2 is absent.
    assert torch_loss("dice", logits, labels) == pytest.approx(math.log(3) + 1 - 0.4, rel=1e-6)


def test_rare_classes_weigh_more_and_a_mean_pixel_one():
    weights = class_weights(np.array([8, 0, 4]))
    assert weights.tolist() == [0.75, 0, 1.5]
    assert (8 * weights[0] + 4 * weights[2]) / 12 == 1


# Learning rates.


def rates(epochs, steps, val_losses=(), **changes):
    settings = small(epochs=epochs, lr=1.0, **changes)
    return [
        learning_rate(settings, step, steps, val_losses[: step // steps])
        for step in range(epochs * steps)
    ]


def test_a_constant_rate_stays_and_a_cosine_goes_down_by_half_a_wave():
    assert rates(3, 4) == [1.0] * 12
    found = rates(2, 3, schedule="cosine")
    wanted = [(1 + math.cos(math.pi * k / 6)) / 2 for k in range(6)]
    assert found == pytest.approx(wanted)


def test_a_warm_up_rises_in_equal_steps_and_then_the_schedule_begins():
    found = rates(3, 4, warmup=1, schedule="cosine")
    assert found[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert found[4:] == pytest.approx([(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)])
    assert rates(2, 4, warmup=0.5) == [0.5] + [1.0] * 7


def test_a_plateau_of_five_epochs_halves_the_rate():
    losses = [3, 2, *[2.5] * 5, 1, *[1] * 5, 1]
    found = rates(14, 1, losses, schedule="plateau")
    assert found == [1.0] * 7 + [0.5] * 6 + [0.25]


# Metrics of an epoch.


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6))
def test_epoch_metrics_sums_losses_and_confusion_matrices(seed, classes):
    metrics, whole = EpochMetrics(classes, torch.device("cpu")), Confusion.zeros(classes)
    total, pixels = 0.0, 0
    for part in range(3):
        logits, labels = drawn(seed + part, classes)
        labelled = int((labels != IGNORE_INDEX).sum())
        metrics.add(
            torch.tensor(2.0 * labelled), torch.from_numpy(logits), torch.from_numpy(labels)
        )
        mapped = logits.argmax(1).astype(np.uint8)
        whole += Confusion.of(mapped, labels.astype(np.uint8), classes, IGNORE_INDEX)
        total, pixels = total + 2.0 * labelled, pixels + labelled
    result = metrics.result(ProcessGroup())
    assert np.array_equal(result.confusion.counts, whole.counts)
    assert result.loss == pytest.approx(total / pixels)


# Dropout.


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_zeroes_its_share_and_keeps_the_mean(layout, dtype):
    torch.manual_seed(0)
    x = torch.ones(4, 16, 63, 65, dtype=dtype).contiguous(memory_format=layout).requires_grad_()
    y = FastDropout(0.1)(x)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=layout)
    dropped = float((y == 0).float().mean())
    assert dropped == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / x.numel()))
    assert set(y.detach().unique().tolist()) == {0.0, float(torch.tensor(1 / 0.9, dtype=dtype))}
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    # Neighbours are dropped independently.
    lost = (y == 0).float()
    both = float((lost[..., 1:] * lost[..., :-1]).mean())
    assert both == pytest.approx(0.01, abs=5 * math.sqrt(0.01 / x.numel()))


def test_dropout_does_nothing_where_a_map_is_made():
    x = torch.randn(2, 3, 4, 4)
    assert FastDropout(0.5).eval()(x) is x
    assert FastDropout(0.0).train()(x) is x


def test_several_processes_train_on_the_cpu_where_the_only_gpu_is_mps(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert str(ProcessGroup().device("auto")) == "mps"
    assert str(ProcessGroup(rank=1, world_size=2, local_rank=1).device("auto")) == "cpu"
