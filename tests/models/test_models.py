"""Models by name: those that come with geoseg, and those in the folder of the user."""

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg import Model, list_models
from geoseg.errors import ModelError
from geoseg.models import find_model, is_bundled, is_model_name, read_window, user_folder
from tests.support.commands import here
from tests.support.models import TRAINING, save_model, tiny_model
from tests.support.onnx_files import DEEPNESS, conv_onnx
from tests.support.rasters import random_pixels, write_raster


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the user, and an empty working folder."""
    monkeypatch.setenv("GEOSEG_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "models"


def test_the_bundled_model_is_the_first_and_says_what_it_is(folder):
    model, lab = list_models()
    assert (lab.name, lab.bundled) == ("lab", True)
    loaded = Model.load("default")
    assert (model.name, model.bundled, model.readable) == ("default", True, True)
    assert model.path == loaded.path
    assert model.classes == loaded.legend.names
    assert (model.bands, model.window) == (loaded.band_names, loaded.spec.window)
    assert model.pixel_size_range == loaded.pixel_size_range
    assert model.accuracy == loaded.training["validation"]["accuracy"]


def test_every_bundled_file_has_a_name_and_loads(folder):
    package = Path(find_model("default")).parent
    names = {path.stem for path in package.glob("*.safetensors")}
    assert {model.name for model in list_models()} == names
    for name in names:
        assert is_bundled(name)
        assert Model.load(name).path == str(package / f"{name}.safetensors")


def test_a_model_in_the_folder_of_the_user_has_the_name_of_its_file(folder):
    save_model(folder / "fields-2024.safetensors", training=TRAINING)
    save_model(folder / "b.safetensors", classes=6)
    (folder / "notes.txt").write_text("no model")
    *_, b, fields = list_models()
    assert (b.name, b.bundled, b.accuracy) == ("b", False, None)
    assert b.classes == tuple("abcdef")
    assert (fields.name, fields.accuracy) == ("fields-2024", 0.875)
    assert fields.pixel_size_range == (0.5, 0.5)
    assert Path(fields.path) == find_model("fields-2024") == folder / "fields-2024.safetensors"
    assert Model.load("fields-2024").hash == Model.load(folder / "fields-2024.safetensors").hash


def test_an_unknown_name_is_refused_with_the_known_ones(folder):
    save_model(folder / "mine.safetensors")
    with pytest.raises(ModelError, match=r"no model lab2, give .*: default, (lab, )?mine$"):
        find_model("lab2")
    with pytest.raises(ModelError, match="no model lab2"):
        Model.load("lab2")


def test_a_path_wins_over_a_name(folder):
    save_model(folder / "mine.safetensors")
    assert find_model("mine") == folder / "mine.safetensors"
    Path("mine").write_text("a file of the same name")
    assert find_model("mine") == Path("mine")
    for path in ("./mine2", "a/default", "default.safetensors", Path("/default"), ".", ".."):
        assert find_model(path) == Path(path)
    Path("tiles").mkdir()
    assert find_model("tiles") == Path("tiles")  # a folder is a path, if no model has its name
    Path("default").mkdir()
    assert is_bundled("default")


@pytest.mark.parametrize("name", ["my.v2", "my model", "Äcker (2024)", "a+b"])
def test_every_name_of_the_list_is_found(folder, name):
    path = save_model(folder / f"{name}.safetensors")
    assert name in {model.name for model in list_models()}
    assert find_model(name) == path
    assert is_model_name(name)
    done = here("info", name)
    assert (done.returncode, done.stderr) == (0, "")
    path.unlink()
    assert not is_model_name(name)
    with pytest.raises(ModelError, match=f"cannot read model {re.escape(name)}: No such file"):
        Model.load(name)


def test_an_onnx_file_of_the_user_has_a_name_and_is_listed_without_being_read(folder, monkeypatch):
    path = conv_onnx(folder / "my roads.onnx", metadata=DEEPNESS)
    (folder / "my roads.json").write_text("{}")
    save_model(folder / "both.safetensors")
    (folder / "both.onnx").write_bytes(b"")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "onnx", None)
        both, roads = [model for model in list_models() if not model.bundled]
    assert (both.name, both.onnx) == ("both", False)
    assert (roads.name, roads.path, roads.onnx) == ("my roads", str(path), True)
    assert (roads.readable, roads.bundled, roads.window) == (True, False, None)
    text = here("models").stdout
    assert f"my roads\n  ONNX file, `geoseg info 'my roads'` describes it\n  {path}\n" in text
    assert json.loads(here("models", "--json").stdout)[-1]["onnx"] is True
    assert here("info", "my roads").stdout == here("info", path).stdout
    write_raster(Path("scene.tif"), random_pixels(3, 40, 40))
    for model, out in (("my roads", "a.tif"), (path, "b.tif")):
        done = here("classify", "scene.tif", "--model", model, "--out", out, "--overlap", 8)
        assert done.returncode == 0, done.stderr
    assert Path("a.tif").read_bytes() == Path("b.tif").read_bytes()
    with pytest.raises(ModelError, match="is an ONNX file, which only `geoseg classify` and"):
        Model.load("my roads")


def test_a_name_of_the_user_does_not_hide_a_bundled_model(folder):
    save_model(folder / "default.safetensors")
    assert is_bundled("default")
    assert [model.bundled for model in list_models() if model.name == "default"] == [True]


def test_names_and_paths_are_told_apart(folder):
    save_model(folder / "mine.safetensors")
    assert is_model_name("default")
    assert is_model_name("mine")
    assert not is_model_name("scene")
    assert not is_model_name(folder / "mine.safetensors")


def test_without_the_variable_the_folder_is_that_of_the_platform(folder, monkeypatch, tmp_path):
    monkeypatch.delenv("GEOSEG_MODELS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert user_folder() == tmp_path / ".local" / "share" / "geoseg" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_folder() == tmp_path / "data" / "geoseg" / "models"
    monkeypatch.setattr(sys, "platform", "darwin")
    wanted = tmp_path / "Library" / "Application Support" / "geoseg" / "models"
    assert user_folder() == wanted
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert user_folder() == tmp_path / "local" / "geoseg" / "models"
    assert len(list_models()) >= 1  # the folder need not exist


def test_a_user_without_a_home_has_the_bundled_models(folder, monkeypatch):
    """A container may run as a number that no user has."""

    def no_user(number):
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", no_user)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("GEOSEG_MODELS")
    assert find_model("default").is_file()
    monkeypatch.setenv("GEOSEG_MODELS", "~nobody-of-this-name/models")
    assert [model.bundled for model in list_models()] == [True, True]


def damage(data):
    """Damaged copies of a model file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = json.loads(header["__metadata__"]["geoseg"])
    changes = (
        {"legend": 1}, {"legend": {"classes": [3]}}, {"bands": None}, {"unet": []},
        {"training": []}, {"pixel_size_range": [1]}, {"pixel_size_range": ["a", 2]},
        {"pixel_size_range": [1, 10**400]}, {"unet": {"window": math.inf}},
    )  # fmt: skip
    for change in changes:
        header["__metadata__"]["geoseg"] = json.dumps(metadata | change)
        text = json.dumps(header).encode()
        yield len(text).to_bytes(8, "little") + text
    yield b""
    yield b"\xff" * 99
    yield data[: length // 2]
    yield data[:8] + b"x" * length
    yield (2).to_bytes(8, "little") + b"{}"


def test_the_window_of_a_model_is_read_from_its_header(folder):
    path = save_model(folder / "fields.safetensors", window=64)
    assert read_window(path) == read_window("fields") == 64
    assert read_window("default") == Model.load("default").spec.window
    for number, content in enumerate([b"", path.read_bytes()[:500], b"\0" * 40]):
        damaged = folder / f"damaged-{number}.safetensors"
        damaged.write_bytes(content)
        with pytest.raises(ModelError, match=f"{damaged.name} cannot be read, use an intact copy"):
            read_window(damaged)
    with pytest.raises(ModelError, match="there is no model nothing"):
        read_window("nothing")


def test_a_damaged_file_is_listed_as_such_and_does_not_hide_the_others(folder):
    data = save_model(folder / "z.safetensors").read_bytes()
    copies = list(damage(data))
    for i, content in enumerate(copies):
        (folder / f"m{i:02}.safetensors").write_bytes(content)
    (folder / "n.safetensors").mkdir()
    models = {model.name: model for model in list_models()}
    assert models["z"].readable
    damaged = [model for model in models.values() if not model.readable]
    assert len(damaged) == len(copies) + 1
    text = here("models").stdout
    assert text.count("damaged, or not of geoseg") == len(damaged)


def test_the_command_prints_the_list_as_text_and_as_json(folder):
    save_model(folder / "mine.safetensors", training=TRAINING)
    text = here("models").stdout
    block = text.split("\n\n")[-1]
    for word in ("mine", "red, green, blue", "water", "32 px", "0.5 m", "87.5%", str(folder)):
        assert word in block
    assert "default (bundled)" in text
    data = json.loads(here("models", "--json").stdout)
    assert [model["name"] for model in data] == [model.name for model in list_models()]
    assert data[-1]["classes"] == ["wood & scrub", "water", "rock"]
    assert data[-1]["pixel_size_range"] == [0.5, 0.5]


def test_commands_take_a_name_in_place_of_a_file(folder):
    file = tiny_model(folder / "mine.safetensors")
    write_raster(Path("scene.tif"), random_pixels(3, 40, 40))
    maps, options = [], ("--overlap", 8, "-q", "-f")
    for name in ("mine", file):
        done = here("classify", "scene.tif", "--model", name, "--out", "lulc.tif", *options)
        assert done.returncode == 0, done.stderr
        with rasterio.open("lulc.tif") as lulc:
            maps.append(lulc.read(1))
    assert np.array_equal(*maps)
    assert here("info", "mine").stdout == here("info", file).stdout
    unknown = here("classify", "scene.tif", "--model", "other", "--out", "b.tif")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "there is no model other" in unknown.stderr
    assert here("info", "mine", "--plot", "mine.png").returncode == 0
    assert Path("mine.png").exists()
