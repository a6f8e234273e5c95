"""Tiles that a model was trained on, mixed into a training on few corrections."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine
from pyproj import Transformer

from geoseg.errors import ModelError, RunError, TileError
from geoseg.legend import Legend
from geoseg.training import Monitor, TrainSettings, score, train
from geoseg.training.batches import TileLayout, draw_epoch, epoch_size
from geoseg.training.plan import make_plan
from tests.support.commands import here
from tests.support.tilesets import apart
from tests.support.training import (
    Stopped,
    ground,
    make_tiles,
    small,
    small_standard,
    stop_after,
    weights,
)
from tests.support.training import one_thread as one_thread

SIZE = 16
OLD = np.array([[40, 120, 200], [20, 20, 20]])
NEW = np.array([[200, 40, 120], [220, 220, 220]])
"""Values of the classes in two bands: the first band means another class where the second is
bright."""


def scene_of(colours, tiles):
    labels = ground(2 * SIZE, tiles // 2 * SIZE)
    noise = np.random.default_rng(0).integers(-10, 10, (2, *labels.shape))
    return {"labels": labels, "pixels": (colours[:, labels] + noise).astype(np.uint8)}


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return make_tiles(tmp_path_factory.mktemp("old"), val=0.25, **scene_of(OLD, 24))


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    return make_tiles(tmp_path_factory.mktemp("new"), val=0, **scene_of(NEW, 4))


@pytest.fixture(scope="module")
def start(old, tmp_path_factory):
    out = tmp_path_factory.mktemp("start") / "m.safetensors"
    return train(old, out, settings=fast(12, width=4), device="cpu", monitor=Monitor(pictures=0))


def fast(epochs, **changes):
    """Settings that learn these tiles in few epochs."""
    return small(
        epochs=epochs, lr=0.005, optimizer="adam", sampling="classes", dropout=0.0, **changes
    )


def corrected(start, new, out, *, epochs=2, report=None, share=None, **options):
    settings = fast(epochs, width=None, encoder=None, depth=None, replay_share=share)
    return train(
        new, out, settings=settings, start=start, device="cpu",
        monitor=Monitor(pictures=0, report=report), **options,
    )  # fmt: skip


def accuracy(model, tiles, split):
    return score(model, tiles, split, device="cpu").accuracy


def test_replayed_tiles_are_not_forgotten(start, old, new, tmp_path):
    before = accuracy(start, old, "val")
    assert before > 0.95
    assert accuracy(start, new, "train") < 0.5
    plain = corrected(start, new, tmp_path / "plain.safetensors", epochs=40)
    assert accuracy(plain, new, "train") > 0.85
    assert accuracy(plain, old, "val") < before - 0.5
    replayed = corrected(start, new, tmp_path / "replayed.safetensors", epochs=40, replay=old)
    assert accuracy(replayed, new, "train") > 0.75
    assert accuracy(replayed, old, "val") > before - 0.1


def test_a_stopped_run_with_replay_resumes_to_the_same_weights(start, old, new, tmp_path):
    whole = corrected(start, new, tmp_path / "whole.safetensors", replay=old)
    out = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        corrected(start, new, out, replay=old, report=stop_after(1))
    for other, words in (
        ({}, "replay share was 0.5 and is None; other training tiles"),
        ({"replay": old, "share": 0.25}, "replay share was 0.5 and is 0.25"),
        ({"replay": replace(old, splits=("train",) * len(old))}, "other training tiles"),
    ):
        with pytest.raises(RunError, match=words):
            corrected(start, new, out, **other)
    resumed = corrected(start, new, out, replay=str(old.folder))
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.training["tiles"] == {"train": 4, "val": 0, "replayed": 18}
    assert resumed.training["settings"]["replay_share"] == 0.5
    assert "18 replayed" in here("info", out).stdout


def test_the_model_knows_the_pixel_sizes_of_all_tiles(old, new):
    settings = fast(1)
    assert make_plan(new, settings, None, None).pixel_sizes == new.pixel_size_range
    mixed, coarse = replace(new, pixel_size_range=(5, 30)), replace(old, pixel_size_range=(40, 50))
    assert make_plan(mixed, settings, None, None).pixel_sizes == (5, 30)
    assert make_plan(mixed, settings, None, None, coarse).pixel_sizes == (5, 50)
    assert make_plan(mixed, settings, None, (1, 2), coarse).pixel_sizes == (1, 2)


def test_validation_on_the_ground_of_replayed_tiles_is_told(old, tmp_path, caplog):
    x, y = Transformer.from_crs(32640, 4326, always_xy=True).transform(500000, 2800000)
    degrees = {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, x, 0, -9e-5, y)}
    for name, place in (("same", {}), ("degrees", degrees)):
        own = make_tiles(tmp_path / name, val=0.25, **place)
        caplog.clear()
        make_plan(own, fast(1), None, None, old)
        assert re.search(r"\d of \d validation tiles touch a replayed training tile", caplog.text)
        for other in (replace(old, crs=None), replace(old, splits=("val",) * len(old))):
            assert own.count_touching_training_of(other) == 0


def test_a_run_without_replay_has_the_settings_that_it_had_before():
    assert "replay_share" not in TrainSettings().to_dict()


def test_corrections_of_a_single_class_are_enough_with_replay(start, old, tmp_path):
    labels = np.repeat(np.array([[1, 1, 0]], np.uint8), SIZE, 1).repeat(SIZE, 0)
    pixels = np.full((2, *labels.shape), 7, np.uint8)
    tiles = make_tiles(tmp_path / "one", val=0, labels=labels, pixels=pixels)
    corrections = replace(tiles, splits=("train", "train", "gap"))
    with pytest.raises(TileError, match="only class 'grass' is labelled"):
        corrected(start, corrections, tmp_path / "m.safetensors")
    model = corrected(start, corrections, tmp_path / "m.safetensors", replay=old, epochs=8)
    assert accuracy(model, corrections, "train") > 0.9
    assert accuracy(model, old, "val") > 0.9


@pytest.mark.parametrize("share", [0.2, 0.75])
def test_a_share_of_the_windows_is_from_replayed_tiles(share):
    counts = np.random.default_rng(0).integers(1, 90, (40, 3))
    layout = TileLayout(16, apart(40))
    by_tile = small(replay_share=share)
    drawn = np.sort(draw_epoch(by_tile, layout, counts, 16, 0, replayed=30).tile)
    assert drawn[:10].tolist() == list(range(10))  # each own tile once
    assert len(drawn) == epoch_size(by_tile, 40, 16, 16, 30) == round(10 / (1 - share))
    by_class = small_standard(replay_share=share, batch_size=100)
    drawn = draw_epoch(by_class, layout, counts, 16, 0, replayed=30).tile
    assert np.mean(drawn >= 10) == pytest.approx(share, abs=0.03)  # three standard errors
    other = draw_epoch(by_class, layout, counts, 16, 1, replayed=30).tile
    assert not np.array_equal(drawn, other)


def test_with_a_large_share_old_tiles_are_drawn_more_than_once():
    counts = np.ones((12, 2), int)
    drawn = draw_epoch(small(replay_share=0.8), TileLayout(16, apart(12)), counts, 16, 0, 2).tile
    assert np.bincount(drawn)[:10].tolist() == [1] * 10
    assert np.bincount(drawn)[10:].sum() == 40


def test_tiles_that_do_not_fit_are_refused(start, old, new, tmp_path):
    out = tmp_path / "m.safetensors"
    larger = make_tiles(
        tmp_path / "larger", size=32, val=0, labels=np.tile(ground(32, 96), 1), pixels=None
    )
    with pytest.raises(TileError, match=r"have 32 px, 2 bands of uint8 .* cut both with the same"):
        corrected(start, new, out, replay=larger)
    names = Legend.from_names(["wet", "dry", "rock"])
    with pytest.raises(TileError, match=r"classes 0 wet, 1 dry, 2 rock, those of .* 0 water"):
        corrected(start, new, out, replay=replace(old, legend=names))
    with pytest.raises(TileError, match="no labelled training tiles to replay"):
        corrected(start, new, out, replay=replace(old, splits=("val",) * len(old)))
    with pytest.raises(ModelError, match="a replay share is given, but no tiles"):
        corrected(start, new, out, share=0.5)
    with pytest.raises(ModelError, match="replay share"):
        TrainSettings(replay_share=1.0)
    assert list(tmp_path.glob("m.*")) == []


def named(tiles, *bands):
    return replace(tiles, band_names=bands)


def test_bands_in_another_order_are_refused(start, old, new, tmp_path, caplog):
    model = replace(start, band_names=("red", "nir"))
    with pytest.raises(TileError, match=r"bands of the tiles of .* are nir, red, and those of mod"):
        score(model, named(old, "nir", "red"))
    assert score(model, named(old, "red", "nir")).accuracy == accuracy(start, old, "val")
    assert score(model, named(old, "", "nir08")).accuracy == accuracy(start, old, "val")
    out = tmp_path / "m.safetensors"
    tiles, replayed = named(new, "red", "nir"), named(old, "nir", "red")
    with pytest.raises(TileError, match=r"are nir, red, and those of .* red, nir, cut both"):
        corrected(start, tiles, out, replay=replayed)
    corrected(model, named(new, "nir", "red"), out)
    assert "are nir, red, and those of the start model red, nir: its weights" in caplog.text


def test_classes_to_ignore_may_be_values_or_in_other_case(start, old, new, tmp_path):
    digests = []
    for number, ignored in enumerate((("rock",), ("Rock",), ("2",))):
        out = tmp_path / f"{number}.safetensors"
        settings = fast(1, width=4, replay_share=0.5, ignore=ignored)
        model = train(new, out, settings=settings, device="cpu", replay=old)
        assert model.legend.names == ("water", "grass")
        digests.append(weights(model))
    assert all(torch.equal(digest, digests[0]) for digest in digests)


def test_own_tiles_without_labels_are_for_pseudo_labels_only(start, old, new, tmp_path):
    none = replace(new, counts=np.zeros_like(new.counts))
    with pytest.raises(TileError, match=r"no pixel of the train tiles of .* has a class"):
        corrected(start, none, tmp_path / "m.safetensors", replay=old)
    settings = small_standard(pseudo_labels=True, replay_share=0.5, epochs=1)
    train(none, tmp_path / "m.safetensors", settings=settings, device="cpu", replay=old)
