"""Runs that start from a model, and `score`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.errors import ModelError, OutputError, TileError
from geoseg.legend import LandCoverClass, Legend
from geoseg.model import Model
from geoseg.training import Monitor, score, train
from tests.support.paths import names_in
from tests.support.training import LEGEND, SMALL, make_tiles, run, small
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles
from tests.support.training import weights as weights_of


def start_from(model, tiles, out, **changes):
    settings = small(**{"epochs": 1, "encoder": None, "width": None, "depth": None, **changes})
    return train(
        tiles, out, settings=settings, start=model, device="cpu", monitor=Monitor(pictures=0)
    )


def test_a_run_starts_from_the_weights_of_a_model(tiles, tmp_path):
    first = run(tiles, tmp_path / "a.safetensors", lr=0.01)
    still = start_from(tmp_path / "a.safetensors", tiles, tmp_path / "b.safetensors", lr=1e-30)
    assert torch.equal(weights_of(still), weights_of(first))
    assert still.spec.width == SMALL["width"]
    assert still.training["start"] == first.hash
    assert first.training["start"] is None


def test_other_classes_get_a_new_last_layer_and_keep_the_rest(tiles, tmp_path):
    first = run(tiles, tmp_path / "a.safetensors")
    fewer = make_tiles(tmp_path / "two", legend=Legend.from_names(["wet", "dry", "other", "more"]))
    second = start_from(first, fewer, tmp_path / "b.safetensors", lr=1e-30)
    assert second.network.head.weight.shape[0] == 4
    kept = first.network.state_dict()
    for name, value in second.network.state_dict().items():
        assert ("head" in name) or torch.equal(value, kept[name])


def recoloured():
    """The classes of the tiles in other colours."""
    return Legend(tuple(LandCoverClass(c.value, c.name, "#123456") for c in LEGEND.classes))


def test_classes_in_other_colours_keep_the_last_layer(tiles, tmp_path):
    first = run(tiles, tmp_path / "a.safetensors")
    same = replace(tiles, legend=recoloured())
    second = start_from(first, same, tmp_path / "b.safetensors", lr=1e-30)
    assert torch.equal(weights_of(second), weights_of(first))
    assert second.legend == recoloured()


def test_classes_in_another_case_keep_the_last_layer(tiles, tmp_path):
    first = run(tiles, tmp_path / "a.safetensors")
    same = replace(tiles, legend=Legend.from_names([name.title() for name in LEGEND.names]))
    second = start_from(first, same, tmp_path / "b.safetensors", lr=1e-30)
    assert torch.equal(weights_of(second), weights_of(first))
    assert np.array_equal(*(score(first, of, device="cpu").counts for of in (tiles, same)))


@pytest.mark.parametrize(("name", "size"), [("width", 4), ("depth", 2)])
def test_a_width_or_depth_other_than_that_of_the_start_model_is_refused(
    tiles, tmp_path, name, size
):
    run(tiles, tmp_path / "a.safetensors", epochs=1)
    words = f"{name} is {size}, but the network of the start model .* has {name} {SMALL[name]}, "
    with pytest.raises(ModelError, match=words):
        start_from(tmp_path / "a.safetensors", tiles, tmp_path / "b.safetensors", **{name: size})
    sizes = {"width": SMALL["width"], "depth": SMALL["depth"]}
    model = start_from(tmp_path / "a.safetensors", tiles, tmp_path / "b.safetensors", **sizes)
    assert sizes.items() <= model.training["settings"].items()


def test_the_settings_of_a_model_have_numbers_for_width_and_depth(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors", epochs=1, width=None, depth=None)
    assert {"width": 16, "depth": 4}.items() <= model.training["settings"].items()
    assert (model.spec.width, model.spec.depth) == (16, 4)


def test_dropout_is_that_of_the_settings_and_not_of_the_start_model(tiles, tmp_path):
    run(tiles, tmp_path / "a.safetensors", epochs=1)
    model = start_from(tmp_path / "a.safetensors", tiles, tmp_path / "b.safetensors", dropout=0.3)
    assert model.spec.dropout == 0.3


def test_the_start_model_is_not_replaced(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    run(tiles, out, epochs=1)
    before = out.read_bytes()
    for start in (out, Model.load(out)):
        with pytest.raises(OutputError, match="is an input of this command"):
            run(tiles, out, epochs=1, start=start, overwrite=True)
    assert out.read_bytes() == before


def test_a_model_of_other_bands_is_no_start(tiles, tmp_path):
    with pytest.raises(
        ModelError, match="reads 3 bands of uint8, but the tiles have 2 of uint8, choose"
    ):
        start_from("default", tiles, tmp_path / "m.safetensors")
    assert names_in(tmp_path) == []


def test_the_score_of_a_model_is_that_of_its_validation(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors")
    validation = score(model, tiles, device="cpu").to_dict(LEGEND.names)
    assert validation == model.training["validation"]
    turned = score(model, tiles, device="cpu", tta=True)
    assert turned.total == validation["pixels"]
    assert not np.array_equal(turned.counts, validation["confusion"])
    with pytest.raises(TileError, match="no 'gap' tiles to score"):
        score(model, tiles, "gap", device="cpu")
    values = [replace(c, value=c.value + 10) for c in LEGEND.classes]
    for other, of in ((Model.load(), tiles), (model, replace(tiles, legend=Legend(tuple(values))))):
        with pytest.raises(TileError, match="other classes or bands"):
            score(other, of, device="cpu")


def test_the_score_takes_paths_and_does_not_look_at_colours(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors")
    wanted = score(model, tiles, device="cpu").counts
    by_paths = score(tmp_path / "m.safetensors", tiles.folder, device="cpu").counts
    other_colours = score(model, replace(tiles, legend=recoloured()), device="cpu").counts
    assert np.array_equal(by_paths, wanted)
    assert np.array_equal(other_colours, wanted)
