"""Networks of Keras as model files."""

import hashlib
import io
import json
import sys
import zipfile

import numpy as np
import pytest

from geoseg import Model, convert_model
from geoseg.errors import LabelError, ModelError, OutputError
from geoseg.legend import DUBAI, Legend
from geoseg.model import Predictor
from tests.support.commands import here
from tests.support.keras_files import KerasFile
from tests.support.refusals import refusal
from tests.support.windows import scores_of

SIX = Legend.from_names([*"abcdef"])


def found_and_expected(model, file, dtype="uint8"):
    """Probabilities (n, h, w, classes) of the model, and of Keras for the same images."""
    size = model.spec.window
    high = np.iinfo(dtype).max + 1
    images = np.random.default_rng(1).integers(0, high, (2, size, size, file.bands), dtype=dtype)
    scores = scores_of(Predictor(model, device="cpu"), images.transpose(0, 3, 1, 2))
    return scores.transpose(0, 2, 3, 1), np.stack([file.probabilities(i) for i in images])


def test_the_file_of_the_reference_network_gives_its_probabilities(tmp_path, shared):
    path = shared / "reference" / "lulc_segmentation.keras"
    model = convert_model(path, tmp_path / "m.safetensors", legend=DUBAI)
    assert model.spec == type(model.spec)()
    assert model.training["keras"] == "3.15.1"
    with np.load(shared / "reference" / "keras_io.npz") as stored:
        images, expected = stored["images"], stored["probabilities"]
    scores = scores_of(Predictor(model, device="cpu"), images.transpose(0, 3, 1, 2))
    assert np.abs(scores.transpose(0, 2, 3, 1) - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("shape", "dtype", "scaling"),
    [
        ({"width": 16, "depth": 4}, "uint8", (0, 255)),
        ({"bands": 5, "classes": 3, "width": 3, "window": 16, "rate": 0.25}, "uint8", (0, 255)),
        ({"bands": 4, "depth": 1, "scale": 1 / 10_000}, "uint16", (0, 10_000)),
        ({"bands": 1, "scale": 1 / 127.5, "offset": -1.0}, "uint8", (127.5, 255)),
        ({"first": 7}, "uint8", (0, 255)),
        ({"depth": 1, "scale": 1 / 256}, "uint8", (0, 256)),
    ],
    ids=["reference", "bands", "uint16", "offset", "later in a session", "256"],
)
def test_a_file_of_keras_gives_the_probabilities_of_keras(tmp_path, shape, dtype, scaling):
    file = KerasFile(**shape)
    legend = Legend.from_names([*"abcdef"[: file.classes]])
    model = convert_model(
        file.save(tmp_path / "m.keras"), tmp_path / "m.safetensors", legend=legend
    )
    spec = model.spec
    assert (spec.bands, spec.classes, spec.depth) == (file.bands, file.classes, file.depth)
    assert (spec.width, spec.dropout) == (file.filters[0], file.rate)
    assert (*spec.low, *spec.high) == scaling
    assert model.dtype == dtype
    found, expected = found_and_expected(model, file, dtype)
    assert np.ptp(expected, axis=(0, 1, 2)).max() > 0.1
    assert np.abs(found - expected).max() < 1e-4


def test_the_model_keeps_what_the_caller_knows_and_where_it_is_from(tmp_path):
    path = KerasFile(bands=2).save(tmp_path / "m.keras")
    model = convert_model(
        path, tmp_path / "m.safetensors", legend=SIX, band_names=["nir", "red"],
        pixel_size_range=(0.5, 1),
    )  # fmt: skip
    assert model.band_names == ("nir", "red")
    assert model.pixel_size_range == (0.5, 1.0)
    assert model.legend == SIX
    assert model.training == {
        "converted": "m.keras", "keras": "3.15.1",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip
    plain = convert_model(path, tmp_path / "n.safetensors", legend=SIX)
    assert plain.band_names == ("band 1", "band 2")
    assert plain.pixel_size_range is None


def test_the_command_converts_once(tmp_path):
    KerasFile().save(tmp_path / "m.keras")
    (tmp_path / "c.csv").write_text(SIX.to_csv())
    args = ("convert", tmp_path / "m.keras", "--out", tmp_path / "m.safetensors")
    options = ("--legend", tmp_path / "c.csv", "--band-names", "nir, red,green")
    done = here(*args, *options, "--pixel-size", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 classes" in done.stdout
    model = Model.load(tmp_path / "m.safetensors")
    assert model.band_names == ("nir", "red", "green")
    assert (model.band_names[0], model.pixel_size_range) == ("nir", (0.5, 0.5))
    again = here(*args, *options)
    assert (again.returncode, "exists" in again.stderr) == (1, True)
    assert here(*args, *options, "-f").returncode == 0


def layer(file, name):
    [config] = [entry["config"] for entry in file.layers if entry["name"] == name]
    return config


def swap_inputs(file):
    [join] = [entry for entry in file.layers if entry["name"] == "concatenate"]
    join["inbound_nodes"][0]["args"][0].reverse()


def without_rescaling(file):
    del file.layers[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: layer(f, "conv2d_1").update(kernel_size=[5, 5]), "kernel_size .*conv2d_1"),
        (lambda f: layer(f, "conv2d_3").update(activation="elu"), "activation .*'elu'"),
        (lambda f: layer(f, "conv2d_2").update(filters=9), "filters .* is 9 in place of 8"),
        (lambda f: layer(f, "conv2d").update(use_bias=False), "use_bias"),
        (lambda f: layer(f, "conv2d_10").update(activation="sigmoid"), "activation .*sigmoid"),
        (lambda f: layer(f, "dropout_1").update(rate=0.2), "rate of its layer 'dropout_1'"),
        (lambda f: layer(f, "concatenate").update(axis=1), "axis"),
        (lambda f: layer(f, "input_layer").update(batch_shape=[None, 32, 16, 3]), "not square"),
        (lambda f: layer(f, "input_layer").update(batch_shape=[None, None, None, 3]), "window is"),
        (lambda f: layer(f, "rescaling").update(scale=0), "damaged or does not hold"),
        (lambda f: layer(f, "rescaling").update(scale=[1, 2, 3]), "damaged or does not hold"),
        (lambda f: f.layers.append(f.layers[-1]), "has 25 layers in place of 24"),
        (lambda f: f.layers[-1].update(class_name="Dense"), "class_name|filters"),
        (lambda f: f.layers.clear(), "damaged or does not hold"),
        (lambda f: f.metadata.clear(), "damaged or does not hold"),
        (swap_inputs, "inputs of its layer 'concatenate'"),
        (without_rescaling, "damaged or does not hold"),
    ],
)
def test_another_network_is_refused(tmp_path, change, words):
    path = KerasFile().save(tmp_path / "m.keras", change=change)
    with refusal(ModelError, f"({words}).*geoseg converts only", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def rewrite(path, name, data):
    """Replace a member of an archive; None removes it."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.namelist()} | {name: data}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            if content is not None:
                archive.writestr(member, content)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("model.weights.h5", None, "not a complete file of Keras 3 .*model.weights.h5"),
        ("config.json", None, "not a complete file of Keras 3"),
        ("config.json", b"{", "damaged or does not hold"),
        ("config.json", b"[" * 100_000, "damaged or does not hold"),
        ("config.json", b'{"config": null}', "damaged or does not hold"),
        ("model.weights.h5", b"no HDF5", "weights of .* are damaged"),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path, name, data, words):
    path = KerasFile().save(tmp_path / "m.keras")
    rewrite(path, name, data)
    with refusal(ModelError, words, tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_a_compressed_archive_is_refused_before_it_is_read(tmp_path):
    """A small file of zeros may become larger than the memory."""
    path = KerasFile().save(tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with refusal(ModelError, "it is compressed, and those of Keras are not", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_weights_that_are_not_in_the_file_are_refused(tmp_path):
    """HDF5 would make up as many values as the file claims to have."""
    path = KerasFile().save(tmp_path / "m.keras")
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(path) as archive:
        stored = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(stored, "a") as file:
        shape = file["layers/conv2d_4/vars/0"].shape
        del file["layers/conv2d_4/vars/0"]
        file.create_dataset("layers/conv2d_4/vars/0", shape, "f4")
    rewrite(path, "model.weights.h5", stored.getvalue())
    with refusal(ModelError, "are damaged .*is not stored in the file", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_an_address_beyond_all_files_is_refused(tmp_path):
    path = KerasFile().save(tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        data = bytearray(archive.read("model.weights.h5"))
    data[48:56] = b"\xfe" * 8  # of the driver information
    rewrite(path, "model.weights.h5", bytes(data))
    with refusal(ModelError, "weights of .* are damaged", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = KerasFile().save(tmp_path / "m.keras")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with refusal(ModelError, "not a complete file of Keras 3", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_a_flipped_byte_is_refused(tmp_path):
    path = KerasFile().save(tmp_path / "m.keras")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with refusal(ModelError, "not a complete file of Keras 3", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def replace_kernel(file, value):
    kernel, bias = file.weights["conv2d_4"]
    file.weights["conv2d_4"] = value(kernel), bias


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda k: k[..., :-1], "has the shape"),
        (lambda k: k.reshape(-1), "has the shape"),
        (lambda k: np.full_like(k, np.nan), "not finite"),
        (lambda k: np.full(k.shape, b"x"), "damaged"),
    ],
    ids=["shape", "axes", "nan", "text"],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, value, words):
    path = KerasFile().save(tmp_path / "m.keras", change=lambda f: replace_kernel(f, value))
    with refusal(ModelError, rf"weights of .*m\.keras are damaged .*{words}|damaged", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_a_folder_in_place_of_weights_is_refused(tmp_path):
    def change(file):
        file.weights["conv2d_4/vars/0/deeper"] = file.weights.pop("conv2d_4")

    path = KerasFile().save(tmp_path / "m.keras", change=change)
    with refusal(ModelError, "weights of .* are damaged", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_a_missing_layer_of_weights_is_refused(tmp_path):
    path = KerasFile().save(tmp_path / "m.keras", change=lambda f: f.weights.pop("conv2d_4"))
    with refusal(ModelError, "weights of .* are damaged", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_a_network_too_large_for_its_weights_is_refused_before_it_is_built(tmp_path, monkeypatch):
    file = KerasFile(width=2, depth=1)
    for entry in file.layers:
        if "filters" in entry["config"] and entry is not file.layers[-1]:
            entry["config"]["filters"] *= 2048
    monkeypatch.setattr("geoseg.model.exchange.convert.make_network", None)
    with refusal(ModelError, "has the shape", tmp_path / "out"):
        convert_model(file.save(tmp_path / "m.keras"), tmp_path / "m.safetensors", legend=SIX)


def test_what_the_caller_gives_must_fit(tmp_path):
    path = KerasFile().save(tmp_path / "m.keras")
    out = tmp_path / "m.safetensors"
    five = Legend.from_names([*"abcde"])
    with refusal(ModelError, "legend has 5 classes .* but the network of .* has 6", tmp_path):
        convert_model(path, out, legend=five)
    with refusal(ModelError, "2 band names for 3 bands", tmp_path):
        convert_model(path, out, legend=SIX, band_names=["a", "b"])
    with refusal(LabelError, "does not exist", tmp_path):
        convert_model(path, out, legend=tmp_path / "missing.csv")
    with refusal(OutputError, r"must end in \.safetensors", tmp_path):
        convert_model(path, tmp_path / "m.pt", legend=SIX)
    with refusal(ModelError, "cannot read .*No such file", tmp_path):
        convert_model(tmp_path / "missing.keras", out, legend=SIX)


def test_keras_2_is_refused(tmp_path):
    path = KerasFile(version="2.15.0").save(tmp_path / "m.keras")
    with refusal(ModelError, r"Keras 2\.15\.0", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_without_h5py_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    path = KerasFile().save(tmp_path / "m.keras")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with refusal(ModelError, r"pip install 'geoseg\[keras\]'", tmp_path):
        convert_model(path, tmp_path / "m.safetensors", legend=SIX)


def test_the_layers_of_the_test_file_are_those_that_keras_wrote(shared):
    """The oracle: what `KerasFile` writes is what Keras 3.15.1 wrote."""
    with zipfile.ZipFile(shared / "reference" / "lulc_segmentation.keras") as archive:
        real = json.loads(archive.read("config.json"))["config"]["layers"]
    made = KerasFile(width=16, depth=4, window=128).layers
    assert len(made) == len(real)
    for ours, theirs in zip(made, real, strict=True):
        assert (ours["class_name"], ours["name"]) == (theirs["class_name"], theirs["name"])
        for key, value in ours["config"].items():
            assert theirs["config"][key] == value
        assert len(ours["inbound_nodes"]) == len(theirs["inbound_nodes"])
        for node, real_node in zip(ours["inbound_nodes"], theirs["inbound_nodes"], strict=True):
            assert str(histories(node)) == str(histories(real_node))


def histories(node):
    [tensors] = node["args"]
    tensors = tensors if isinstance(tensors, list) else [tensors]
    return [tensor["config"]["keras_history"] for tensor in tensors]
