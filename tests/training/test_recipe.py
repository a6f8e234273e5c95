"""The recipe "standard": windows, the average of the weights, pseudo-labels, encoders."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from geoseg.errors import GeosegError, LabelError, ModelError
from geoseg.legend import Legend
from geoseg.model import Model, UNetSpec, make_network
from geoseg.tiles import IGNORE_INDEX
from geoseg.training import RECIPES, Monitor, score, train
from geoseg.training.average import update_average
from geoseg.training.batches import Batch
from geoseg.training.context import TrainableNetwork
from geoseg.training.pseudo_labels import make_pseudo_labels, pseudo_loss
from tests.support.commands import here
from tests.support.training import (
    LEGEND,
    SIZE,
    ground,
    history_of,
    make_tiles,
    picture,
    run,
    small_standard,
    stopped_run,
    weights,
)
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles

LITE = {
    "recipe": small_standard, "encoder": "efficientnet-lite0", "depth": None, "window": 32,
    "encoder_weights": "none", "epochs": 1,
}  # fmt: skip
"""A training of the smallest network with EfficientNet-Lite0."""


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr("geoseg.training.batches.draw.MIN_STEPS", 6)


@pytest.fixture(scope="module")
def lite_tiles(tmp_path_factory):
    """Two rows of six tiles of 16 px; windows of 32 px join four of them."""
    return make_tiles(tmp_path_factory.mktemp("lite"), val=0)


# Whole trainings.


def test_the_standard_recipe_learns_more_than_it_knew(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors", recipe=small_standard, epochs=4, lr=0.01)
    rows = history_of(tmp_path / "m.safetensors")
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert model.training["settings"] == small_standard(
        epochs=4, lr=0.01, ignore=(), window=SIZE, encoder_weights="none"
    ).to_dict()  # fmt: skip


@pytest.mark.parametrize("changes", [{}, LITE])
def test_a_stopped_training_comes_to_the_same_file(lite_tiles, tmp_path, changes):
    check_resume(lite_tiles, tmp_path, {**changes, "val": 0.25})


def test_a_stopped_training_with_pseudo_labels_comes_to_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.training.pseudo_labels.MIN_SCORE", 0.4)
    monkeypatch.setattr("geoseg.training.run.START_SHARE", 0.25)
    labels = ground(2 * SIZE, 6 * SIZE)
    sparse = np.where(np.indices(labels.shape)[0] % 8, 255, labels)
    tiles = make_tiles(tmp_path / "set", labels=sparse, pixels=picture(labels))
    check_resume(tiles, tmp_path, {"pseudo_labels": True})


def test_a_stopped_training_from_a_start_model_comes_to_the_same_file(lite_tiles, tmp_path):
    start = run(lite_tiles, tmp_path / "start.safetensors", **LITE)
    same = {"encoder": None, "width": None, "depth": None, "window": 32}
    check_resume(lite_tiles, tmp_path, {**same, "start": start, "val": 0.25})


def check_resume(tiles, tmp_path, changes):
    changes = {"recipe": small_standard, **changes, "epochs": 3}
    whole = run(tiles, tmp_path / "whole.safetensors", **changes)
    out = stopped_run(tiles, tmp_path, 2, **changes)
    assert run(tiles, out, **changes).hash == whole.hash


def test_the_average_is_validated_and_kept(tiles, tmp_path):
    kept, plain = (
        run(tiles, tmp_path / f"{n}.safetensors", recipe=small_standard, average=average, epochs=1)
        for n, average in enumerate((0.9, 0.0))
    )
    assert not torch.equal(weights(kept), weights(plain))
    slow = run(tiles, tmp_path / "slow.safetensors", recipe=small_standard, average=0.9, lr=1e-9,
               epochs=1)  # fmt: skip
    start = run(tiles, tmp_path / "start.safetensors", recipe=small_standard, average=0.0, lr=1e-9,
                epochs=1)  # fmt: skip
    assert torch.allclose(weights(slow), weights(start), atol=1e-6)


def test_windows_become_smaller_where_tiles_have_no_neighbours(tmp_path, caplog):
    labels = np.full((3 * SIZE, 7 * SIZE), IGNORE_INDEX, np.uint8)
    for col in range(0, 7, 2):  # four tiles that do not touch
        labels[:SIZE, col * SIZE : (col + 1) * SIZE] = ground(SIZE, SIZE)
    tiles = make_tiles(tmp_path, labels=labels, pixels=picture(ground(*labels.shape)), val=0)
    with caplog.at_level("INFO"):
        model = run(tiles, tmp_path / "m.safetensors", recipe=small_standard, window=64, depth=3,
                    epochs=1)  # fmt: skip
    assert model.spec.window == SIZE
    assert "windows have 16 px and not 64" in caplog.text


def test_tiles_of_any_side_can_be_trained_on_if_they_are_adjacent(tmp_path):
    labels = ground(48, 96)
    tiles = make_tiles(tmp_path, size=12, labels=labels, val=0.2)
    model = run(tiles, tmp_path / "m.safetensors", recipe=small_standard, window=16, epochs=1)
    assert model.spec.window == 16
    assert model.training["validation"]["pixels"] == tiles.count("val") * 144


def test_a_class_named_unlabelled_is_no_class_of_the_model(tmp_path):
    legend = Legend.from_names(["water", "grass", "Unlabelled"])
    tiles = make_tiles(tmp_path, legend=legend)
    model = run(tiles, tmp_path / "m.safetensors", recipe=small_standard, epochs=1)
    assert model.legend.names == ("water", "grass")
    with pytest.raises(LabelError, match="'sand' is no class"):
        run(tiles, tmp_path / "n.safetensors", recipe=small_standard, ignore=("sand",))


def test_the_command_keeps_a_class_named_unlabelled_on_request(tmp_path):
    tiles = make_tiles(tmp_path, legend=Legend.from_names(["water", "grass", "unlabelled"]))
    out = tmp_path / "m.safetensors"
    done = here(
        "train", tiles.folder, "--out", out, "--encoder", "lab", "--width", 2, "--depth", 1,
        "--window", 16, "--epochs", 1, "--ignore", "", "--pictures", 0, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Model.load(out).legend.names == ("water", "grass", "unlabelled")


def test_an_encoder_is_trained_and_can_be_started_from(lite_tiles, tmp_path):
    first = run(lite_tiles, tmp_path / "a.safetensors", **LITE)
    assert (first.spec.encoder, first.spec.depth, first.spec.window) == (LITE["encoder"], 5, 32)
    settings = small_standard(encoder=None, width=None, depth=None, window=32, epochs=1, lr=1e-9)
    second = train(lite_tiles, tmp_path / "b.safetensors", settings=settings, start=first,
                   device="cpu", monitor=Monitor(pictures=0))  # fmt: skip
    assert second.spec == first.spec
    assert torch.allclose(weights(second), weights(first), atol=1e-6)


def test_a_start_model_keeps_its_statistics_of_batch_normalisation(lite_tiles, tmp_path):
    first = run(lite_tiles, tmp_path / "a.safetensors", **LITE)
    second = run(
        lite_tiles, tmp_path / "b.safetensors", start=first, recipe=small_standard, encoder=None,
        width=None, depth=None, window=32, epochs=1, lr=0.01, batch_size=1,
    )  # fmt: skip
    before, after = first.network.state_dict(), second.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "encoder.stem.norm.weight" in changed
    assert not [name for name in changed if "running_" in name]


def test_a_pretrained_encoder_learns_slowly(lite_tiles, tmp_path):
    """With the smallest relative rate the encoder stays what it was, and the decoder moves."""
    spec = UNetSpec(bands=2, classes=3, width=2, depth=5, window=32, encoder="efficientnet-lite0")
    torch.manual_seed(7)
    network = make_network(spec)
    path = tmp_path / "encoder.pth"
    torch.save(network.encoder.state_dict(), path)
    changes = {**LITE, "encoder_weights": str(path), "encoder_lr": 1e-9, "average": 0.0}
    model = run(lite_tiles, tmp_path / "m.safetensors", **changes)
    for name, value in model.network.encoder.named_parameters():
        assert torch.allclose(value, network.encoder.get_parameter(name), atol=1e-6), name
    assert model.training["settings"]["encoder_weights"] == "encoder.pth"
    torch.save({n: v + 1 for n, v in network.encoder.state_dict().items()}, path)
    with pytest.raises(GeosegError, match="other encoder weights"):
        run(lite_tiles, tmp_path / "m.safetensors", **{**changes, "epochs": 2})


# The average.


def test_an_average_of_many_steps_is_exponential():
    average, network = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
    torch.nn.init.zeros_(average.weight)
    values = [3.0, -1.0, 4.0]
    expected = 0.0
    for step, value in enumerate(values, 1000):
        torch.nn.init.constant_(network.weight, value)
        update_average(average, network, 0.9, step)
        expected = 0.9 * expected + 0.1 * value
    assert average.weight.item() == pytest.approx(expected)


def test_the_first_steps_count_more():
    average, network = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
    torch.nn.init.zeros_(average.weight)
    torch.nn.init.ones_(network.weight)
    update_average(average, network, 0.998, 1)
    assert average.weight.item() == pytest.approx(9 / 11)


def test_statistics_of_batches_are_averaged_too():
    average, network = torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    network.running_mean += 1
    update_average(average, network, 0.5, 10**6)
    assert average.running_mean.tolist() == [0.5, 0.5]


# Pseudo-labels.


def test_sure_pixels_without_label_get_the_class():
    scores = torch.tensor([[0.95, 0.05], [0.85, 0.15], [0.02, 0.98], [0.95, 0.05], [0.95, 0.05]])
    logits = scores.log().T.reshape(1, 2, 1, 5)
    labels = torch.tensor([IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX, 1, IGNORE_INDEX])
    valid = torch.tensor([True, True, True, True, False])
    batch = Batch(torch.zeros(1, 1, 1, 5), labels.view(1, 1, 5), valid.view(1, 1, 5))
    pseudo = make_pseudo_labels(logits, batch)
    assert pseudo.flatten().tolist() == [0, IGNORE_INDEX, 1, IGNORE_INDEX, IGNORE_INDEX]
    loss = pseudo_loss(logits, pseudo, torch.tensor(4))
    assert float(loss) == pytest.approx(-(np.log(0.95) + np.log(0.98)) / 4, rel=1e-5)


def test_the_averaged_network_reads_images_before_their_colours_change(tmp_path, monkeypatch):
    seen = {False: [], True: []}
    logits = TrainableNetwork.logits

    def look(self, network, images):
        seen[network is self.averaged].append(images)
        return logits(self, network, images)

    monkeypatch.setattr(TrainableNetwork, "logits", look)
    monkeypatch.setattr("geoseg.training.run.START_SHARE", 0.0)
    monkeypatch.setattr(
        "geoseg.training.run.change_images",
        lambda kind, batch, *_: replace(batch, images=batch.images + 1000),
    )
    labels = ground(2 * SIZE, 6 * SIZE)
    tiles = make_tiles(tmp_path / "set", labels=np.where(labels == 0, 255, labels), val=0)
    run(tiles, tmp_path / "m.safetensors", recipe=small_standard, pseudo_labels=True, epochs=1)
    assert len(seen[True]) == len(seen[False]) > 0
    for plain, changed in zip(seen[True], seen[False], strict=True):
        assert torch.equal(plain + 1000, changed)


def test_pseudo_labels_need_pixels_without_label_and_a_warm_up(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.training.pseudo_labels.MIN_SCORE", 0.4)
    monkeypatch.setattr("geoseg.training.run.START_SHARE", 0.0)
    labels = ground(2 * SIZE, 6 * SIZE)
    full = make_tiles(tmp_path / "full", labels=labels)
    sparse = make_tiles(
        tmp_path / "sparse", labels=np.where(np.indices(labels.shape)[0] % 8, 255, labels),
        pixels=picture(labels),
    )  # fmt: skip

    def trained(tiles, name, **changes):
        changes = {"recipe": small_standard, "epochs": 3, "sampling": "tiles", **changes}
        return weights(run(tiles, tmp_path / f"{name}.safetensors", **changes))

    def pair(tiles, name, **changes):
        return [trained(tiles, f"{name}{p}", pseudo_labels=p, **changes) for p in (False, True)]

    assert torch.equal(*pair(full, "a"))  # every pixel is labelled
    assert not torch.equal(*pair(sparse, "b"))
    monkeypatch.setattr("geoseg.training.run.START_SHARE", 1.0)
    drawn = [run(sparse, tmp_path / f"{p}.safetensors", recipe=small_standard, pseudo_labels=p,
                 sampling="tiles", epochs=3) for p in (False, True)]  # fmt: skip
    assert torch.equal(*map(weights, drawn))


def test_pseudo_labels_without_an_average_are_refused():
    with pytest.raises(ModelError, match=r"pseudo-labels need the average of the weights"):
        replace(RECIPES["lab"], pseudo_labels=True)


# Settings that do not fit.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder": "resnet"}, "unknown encoder 'resnet', use lab, efficientnet-lite0 or smp:"),
        ({"encoder": "efficientnet-lite0", "depth": 4, "window": 32}, "has 5 levels, leave depth"),
        ({"encoder": "efficientnet-lite0", "depth": None, "window": 40, "encoder_weights": "none"},
         "windows of 40 px do not fit tiles of 16 px .* a multiple of 32 px"),
        ({"encoder_weights": "imagenet"}, "no weights for encoder lab, leave"),
        ({"encoder": "smp:resnet18", "depth": None, "window": 32, "encoder_weights": "imagenet"},
         "no ImageNet weights for encoder smp:resnet18, give a file"),
        ({"encoder": "efficientnet-lite0", "depth": None, "window": 32,
          "encoder_weights": "nowhere.pth"}, "encoder weights nowhere.pth cannot be read"),
        ({"encoder_lr": 0.0}, "encoder lr is 0.0, give a number above 0"),
        ({"average": 1.0}, "average is 1.0, give a number of at least 0 and below 1"),
        ({"sampling": "pixels"}, "unknown sampling 'pixels', use one of tiles, classes"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(lite_tiles, tmp_path, changes, words):
    with pytest.raises(GeosegError, match=words):
        run(lite_tiles, tmp_path / "m.safetensors", recipe=small_standard, **changes)
    assert not list(tmp_path.glob("m.*"))


def test_weights_for_the_encoder_and_a_start_model_exclude_each_other(lite_tiles, tmp_path):
    start = Model(make_network(UNetSpec(bands=2, classes=3, width=2, depth=1, window=16)), LEGEND,
                  ("band 1", "band 2"))  # fmt: skip
    settings = small_standard(encoder_weights="x.pth")
    with pytest.raises(ModelError, match=r"the start model .* has its own, leave one of them out"):
        train(lite_tiles, tmp_path / "m.safetensors", settings=settings, start=start, device="cpu")


def test_the_saved_model_has_no_counters(lite_tiles, tmp_path):
    run(lite_tiles, tmp_path / "m.safetensors", **LITE)
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        names = list(file.keys())
    assert "encoder.stem.norm.running_mean" in names
    assert not [name for name in names if "num_batches" in name]


def test_a_single_window_that_cannot_be_normalised_is_refused(lite_tiles, tmp_path):
    with pytest.raises(ModelError, match="would normalise a single window of 32 px, give larger"):
        run(lite_tiles, tmp_path / "m.safetensors", **{**LITE, "batch_size": 1})


@pytest.mark.parametrize("names", [("water", "rock"), ("1", "3")])
def test_a_model_without_a_class_is_scored_on_the_tiles_it_was_trained_on(tmp_path, names):
    legend = Legend.from_names([names[0], "unlabelled", names[1]])  # of the value 1
    tiles = make_tiles(tmp_path, legend=legend)
    model = run(tiles, tmp_path / "m.safetensors", recipe=small_standard, epochs=1)
    scores = score(model, tiles, device="cpu").to_dict(names)
    assert scores["pixels"] == model.training["validation"]["pixels"]


def test_tiles_larger_than_a_window_are_validated_by_windows(tmp_path):
    tiles = make_tiles(tmp_path, size=40, labels=ground(80, 160), val=0.3)
    model = run(tiles, tmp_path / "m.safetensors", recipe=small_standard, window=16, epochs=1)
    assert model.training["validation"]["pixels"] == tiles.count("val") * 1600
