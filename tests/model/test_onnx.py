"""ONNX files: what their metadata, an MLM item and a trial run say, and which are refused."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from geoseg.errors import GeosegError, ModelError
from geoseg.info import as_text, describe
from geoseg.legend import Legend
from geoseg.model import Model, OnnxMetadata, OnnxModel, inspect_onnx
from geoseg.model.onnx.file import read_onnx
from geoseg.model.onnx.memory import window_bytes
from tests.support.commands import here, refused
from tests.support.models import as_json, check_message, parse_facts, tiny_model
from tests.support.onnx_files import DEEPNESS, conv_onnx, crop_onnx, save_onnx
from tests.support.rasters import random_pixels, write_raster

FOUR = Legend.from_names(["a", "b", "c", "d"])
KNOWN = OnnxMetadata(legend=FOUR, mean=(0.0,), std=(255.0,))


def changed(**values: object) -> dict[str, str]:
    """Metadata of Deepness with other values; None takes a key away."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    return {k: v for k, v in {**DEEPNESS, **texts}.items() if v != "null"}


# Metadata.


def test_the_keys_of_deepness_are_read(tmp_path):
    model = OnnxModel.load(conv_onnx(tmp_path / "m.onnx", size=None, metadata=DEEPNESS))
    assert model.legend.names == ("class 0", "class 1", "class 2", "class 3")
    assert model.legend.values == (0, 1, 2, 3)
    assert model.band_names == ("red", "green", "blue")
    assert model.spec.window == 32
    assert model.spec.mean == (0.4 * 255, 0.5 * 255, 0.6 * 255)
    assert model.spec.std == (0.2 * 255, 0.25 * 255, 0.3 * 255)
    assert model.pixel_size_range == (0.5, 0.5)  # 50 cm
    assert model.dtype == "uint8"
    assert model.spec.logits


@pytest.mark.filterwarnings("ignore:Specified provider")  # GeoDeep asks for a GPU
def test_geodeep_reads_the_same_from_the_file(tmp_path):
    inference = pytest.importorskip("geodeep.inference")
    path = conv_onnx(tmp_path / "m.onnx", metadata=DEEPNESS)
    _, config = inference.create_session(str(path))
    model = OnnxModel.load(path)
    assert tuple(config["class_names"].values()) == model.legend.names
    assert config["resolution"] / 100 == model.pixel_size_range[0]
    assert config["tiles_size"] == model.spec.window


@pytest.mark.parametrize(
    ("names", "read"),
    [
        ({"0": "a", "1": "b", "2": "c", "3": "d"}, ("a", "b", "c", "d")),
        ("{3: 'd', 0: 'a', 1: 'b', 2: 'c'}", ("a", "b", "c", "d")),
        ([{"0": "a", "1": "b", "2": "c", "3": "d"}, {"0": "x"}], ("a", "b", "c", "d")),
        (["a", "b", "c", "d"], ("a", "b", "c", "d")),
    ],
)
def test_class_names_have_many_forms(names, read, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", metadata=changed(class_names=names))
    assert OnnxModel.load(path).legend.names == read


def test_one_class_of_one_channel_gets_a_background(tmp_path):
    path = tmp_path / "m.onnx"
    conv_onnx(path, channels=1, head="Sigmoid", metadata=changed(class_names={"0": "road"}))
    model = OnnxModel.load(path)
    assert model.legend.names == ("background", "road")
    assert not model.spec.logits


def test_without_standardisation_deepness_only_divides_by_255(tmp_path):
    keys = changed(standardization_mean=None, standardization_std=None)
    spec = OnnxModel.load(conv_onnx(tmp_path / "m.onnx", metadata=keys)).spec
    assert (spec.scaling.low, spec.scaling.high) == ((0,) * 3, (255,) * 3)


def test_given_facts_replace_those_of_the_file(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", size=None, metadata=DEEPNESS)
    model = OnnxModel.load(path, OnnxMetadata(legend=FOUR, window=48, mean=(1.0, 2.0, 3.0)))
    assert model.legend == FOUR
    assert model.spec.window == 48
    assert (model.spec.mean, model.spec.std) == ((1, 2, 3), (1,))


@pytest.mark.parametrize(
    ("head", "key", "logits"),
    [
        (None, None, True),
        ("Softmax", None, False),
        ("Sigmoid", None, True),  # does not sum to 1
        (None, "probabilities", False),
        (None, '"probabilities"', False),  # as JSON
        ("Softmax", "logits", True),
    ],
)
def test_logits_are_told_from_probabilities_unless_the_file_says_so(head, key, logits, tmp_path):
    path = tmp_path / "m.onnx"
    conv_onnx(path, head=head, metadata={"scores": key} if key else None)
    assert OnnxModel.load(path, KNOWN).spec.logits == logits


@pytest.mark.parametrize(
    ("network", "layouts", "numbers"),
    [
        ({}, ("nchw", "nchw"), (3, 4, 32, 0, None)),
        ({"batch": 2}, ("nchw", "nchw"), (3, 4, 32, 0, 2)),
        ({"nhwc": True}, ("nhwc", "nhwc"), (3, 4, 32, 0, None)),
        ({"padded": False}, ("nchw", "nchw"), (3, 4, 28, 2, None)),
        ({"padded": False, "nhwc": True, "bands": 7}, ("nhwc", "nhwc"), (7, 4, 28, 2, None)),
        ({"channels": 1, "squeezed": True}, ("nchw", "nhw"), (3, 1, 32, 0, None)),
    ],
)
def test_the_output_is_seen_by_a_trial_run(network, layouts, numbers, tmp_path):
    legend = Legend.from_names(["a", "b"]) if "channels" in network else FOUR
    path = conv_onnx(tmp_path / "m.onnx", **network)
    spec = OnnxModel.load(path, OnnxMetadata(legend=legend, std=(255.0,))).spec
    assert (spec.input_layout, spec.output_layout) == layouts
    assert (spec.bands, spec.channels, spec.window, spec.margin, spec.batch) == numbers


@pytest.mark.parametrize(
    ("shape", "layout", "bands", "side"),
    [
        ((1, 3, 64, 64), "nchw", 3, 64),
        ((1, 64, 64, 3), "nhwc", 3, 64),
        ((1, 224, 64, 64), "nchw", 224, 64),
        ((1, 64, 64, 224), "nhwc", 224, 64),
        ((1, 64, 64, 64), "nchw", 64, 64),
        (("n", 3, "h", "w"), "nchw", 3, None),
        (("n", "h", "w", 3), "nhwc", 3, None),
        (("n", "c", 64, 64), "nchw", None, 64),
        (("n", 64, 64, "c"), "nhwc", None, 64),
        (("n", "h", 64, 3), "nhwc", 3, 64),
        (("n", 3, "h", 64), "nchw", 3, 64),
        (("n", 3, 64, "w"), "nchw", 3, 64),
    ],
)
def test_rows_and_columns_are_the_axes_of_equal_size(shape, layout, bands, side, tmp_path):
    values = (TensorProto.FLOAT, shape)
    path = save_onnx(
        tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], {}, values, values
    )
    facts = inspect_onnx(path)
    assert (facts.layout, facts.bands, facts.side) == (layout, bands, side)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning"
)  # of the exporter
def test_a_network_of_torch_with_weights_in_a_file_of_its_own_is_read(tmp_path):
    layers = [torch.nn.Conv2d(3, 64, 3, padding=1), torch.nn.Conv2d(64, 4, 3, padding=1)]
    path, data = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    torch.onnx.export(
        torch.nn.Sequential(*layers).eval(), (torch.zeros(2, 3, 64, 64),), path, dynamo=True,
        external_data=True, dynamic_shapes={"input": {0: "n", 2: "h", 3: "w"}}, verbose=False,
    )  # fmt: skip
    assert data.is_file()
    given = OnnxMetadata(FOUR, window=64, std=(1.0,))
    model = OnnxModel.load(path, given)
    assert model.bytes > 4 * 64 * 4 * 9
    assert model.spec.batch is None
    weights = bytearray(data.read_bytes())
    weights[100] ^= 1
    data.write_bytes(weights)
    assert OnnxModel.load(path, given).hash != model.hash
    data.unlink()
    with pytest.raises(ModelError, match="lie in a file beside it that cannot be read"):
        OnnxModel.load(path, given)


def test_memory_of_a_window_is_that_of_the_largest_layers_alive(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", size=None)
    # The convolution of 8 filters and its ReLU are alive at the same time.
    assert window_bytes(read_onnx(path), (1, 3, 64, 64)) == int(1.4 * 4 * 64**2 * (8 + 8))


# MLM items.


def item(**changes: object) -> dict:
    """An MLM item of version 1.5; ``changes`` are made to its input."""
    structure = {
        "shape": [-1, 3, 32, 32], "dim_order": ["batch", "bands", "height", "width"],
        "data_type": "float32",
    }  # fmt: skip
    scaling = [
        {"type": "min-max", "minimum": 10, "maximum": 110},
        {"type": "z-score", "mean": 50, "stddev": 20},
        {"type": "scale", "value": 250},
    ]
    classes = [
        {"value": 7, "name": "water", "color_hint": "2255CC"},
        {"value": 2, "name": "field", "color_hint": "DDBB44"},
        {"value": 9, "name": "town"},
        {"value": 1, "name": "wood"},
    ]
    return {
        "type": "Feature",
        "properties": {
            "gsd": 2.5,
            "mlm:input": [{
                "name": "scene", "bands": ["Red", {"name": "nir"}, "green"], "input": structure,
                "value_scaling": scaling, **changes,
            }],
            "mlm:output": [{
                "name": "classes", "tasks": ["semantic-segmentation"], "result": structure,
                "classification:classes": classes,
            }],
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "read"),
    [
        ({"title": "Bare soil", "description": "soil", "name": "bare_soil"}, "Bare soil"),
        ({"description": "bare soil", "name": "bare_soil"}, "bare soil"),
        ({"title": None, "description": "", "name": "bare_soil"}, "bare_soil"),
        ({}, "5"),
    ],
)
def test_the_short_name_of_a_class_of_an_item_comes_last(names, read, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx")
    data = item()
    data["properties"]["mlm:output"][0]["classification:classes"][3] = {"value": 5, **names}
    (tmp_path / "m.json").write_text(json.dumps(data))
    assert OnnxModel.load(path).legend.names[1] == read


@pytest.mark.parametrize("name", ["m.json", "m.stac.json"])
def test_an_mlm_item_beside_the_file_comes_first(name, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", size=None, metadata=DEEPNESS)
    (tmp_path / name).write_text(json.dumps(item()))
    model = OnnxModel.load(path)
    assert model.band_names == ("red", "nir", "green")
    assert model.legend.values == (1, 2, 7, 9)
    assert model.legend.names == ("wood", "field", "water", "town")
    assert model.legend.classes[2].color == "#2255cc"
    assert (model.spec.mean, model.spec.std) == ((10, 50, 0), (100, 20, 250))
    assert model.pixel_size_range == (2.5, 2.5)
    assert model.sources == (f"MLM item {name}", "metadata of Deepness or GeoDeep")


def test_an_item_of_stac_model_is_read(tmp_path):
    schema = pytest.importorskip("stac_model.input")
    structure = schema.InputStructure(
        shape=[-1, 3, 32, 32], dim_order=["batch", "bands", "height", "width"], data_type="float32"
    )
    scaling = [schema.ValueScalingZScore(mean=m, stddev=s) for m, s in ((1, 2), (3, 4), (5, 6))]
    bands = ["red", "green", "blue"]
    written = schema.ModelInput(
        name="scene", bands=bands, input=structure, value_scaling=scaling
    ).model_dump(by_alias=True, mode="json")
    path = conv_onnx(tmp_path / "m.onnx", size=None)
    properties = {"mlm:input": [written]}
    (tmp_path / "m.json").write_text(json.dumps({"properties": properties}))
    model = OnnxModel.load(path, OnnxMetadata(legend=FOUR))
    assert model.band_names == ("red", "green", "blue")
    assert (model.spec.mean, model.spec.std) == ((1, 3, 5), (2, 4, 6))
    assert model.spec.window == 32


def test_an_item_without_scaling_leaves_the_values_as_they_are(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx")
    (tmp_path / "m.json").write_text(json.dumps(item(value_scaling=None)))
    spec = OnnxModel.load(path).spec
    assert (spec.mean, spec.std) == ((0,), (1,))


@pytest.mark.parametrize(
    "changes",
    [
        {"value_scaling": [{"type": "clip", "minimum": 0, "maximum": 1}]},
        {"pre_processing_function": {"format": "python", "expression": "a:b"}},
    ],
)
@pytest.mark.parametrize("metadata", [None, DEEPNESS], ids=["item alone", "with metadata"])
def test_a_scaling_that_geoseg_does_not_know_must_be_given(changes, metadata, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", metadata=metadata)
    (tmp_path / "m.json").write_text(json.dumps(item(**changes)))
    with pytest.raises(ModelError, match="no metadata on the scaling"):
        OnnxModel.load(path)
    assert OnnxModel.load(path, OnnxMetadata(std=(2.0,))).spec.std == (2,)


def test_another_json_file_beside_the_file_is_no_item(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", metadata=DEEPNESS)
    (tmp_path / "m.json").write_text(json.dumps({"data": {"in_channels": 3}}))
    assert OnnxModel.load(path).sources == ("metadata of Deepness or GeoDeep",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "lies beside the model but is not JSON"),
        (json.dumps(item(bands=["red", "green"])), "reads 3 bands, but its metadata name 2"),
        (
            json.dumps(item(input={"dim_order": ["height"]})),
            "MLM item .*m.json: there is no 'shape'",
        ),
        (json.dumps(item(value_scaling=[{"type": "scale", "value": "x"}])), "value is 'x'"),
        (json.dumps(item(input=None)), "MLM item .*m.json: it has not the structure of MLM"),
    ],
)
def test_damaged_items_are_refused(text, message, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx")
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        OnnxModel.load(path)


# Refusals.


def classifier(path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["t"]),
        helper.make_node("Flatten", ["t"], ["y"]),
    ]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, {}, shape, (TensorProto.FLOAT, ["n", 3]))


def argmax(path: Path) -> None:
    nodes = [helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, {}, shape, (TensorProto.INT64, ["n", 32, 32]))


def quarter(path: Path) -> None:
    nodes = [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])]
    shape = (TensorProto.FLOAT, ["n", 4, 32, 32])
    save_onnx(path, nodes, {}, shape, (TensorProto.FLOAT, ["n", 4, 8, 8]))


def own_operator(path: Path) -> None:
    nodes = [helper.make_node("Deform", ["x"], ["y"], domain="my.lab")]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, {}, shape, shape, domains=["my.lab"])


def misspelt_operator(path: Path) -> None:
    nodes = [helper.make_node("Convolve", ["x"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, {}, shape, shape)


def operator_of_two_lines(path: Path) -> None:
    nodes = [helper.make_node("a\n\x1b[2Jb", ["x"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, {}, shape, shape)


def hidden_operator(path: Path) -> None:
    """An operator of a library in a branch of an If."""
    value = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    deform = helper.make_node("Deform", ["x"], ["b"], domain="my.lab")
    branch = helper.make_graph([deform], "branch", [], [value])
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, {"yes": np.array(True)}, shape, shape, domains=["my.lab"])


def two_inputs(path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "z"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    model = onnx.load(save_onnx(path, nodes, {"z": np.zeros(1, np.float32)}, shape, shape))
    model.graph.initializer.pop()
    model.graph.input.append(helper.make_tensor_value_info("z", *shape))
    onnx.save(model, path)


def oblong(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 64])
    save_onnx(path, nodes, {}, shape, shape)


def free_bands(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", "c", 32, 32])
    save_onnx(path, nodes, {}, shape, shape)


def enormous(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", 3, 100_000, 100_000])
    save_onnx(path, nodes, {}, shape, shape)


def many_at_a_time(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    shape = (TensorProto.FLOAT, [10**6, 4, 32, 32])
    save_onnx(path, nodes, {}, shape, shape)


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**31)  # takes no space


def large_weights(path: Path) -> None:
    """Weights in a file of their own, of which all would be read."""
    model = onnx.load(conv_onnx(path))
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="w.bin")
    path.write_bytes(model.SerializeToString())
    large(path.with_name("w.bin"))


def not_utf8(path: Path, name: bytes) -> None:
    path.write_bytes(conv_onnx(path).read_bytes().replace(name, b"\xff" + name[1:], 1))


def words(path: Path) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    shape = (TensorProto.STRING, ["n", 3, 32, 32])
    save_onnx(path, nodes, {}, shape, shape)


def truncated(path: Path) -> None:
    data = conv_onnx(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def contradictory(path: Path) -> None:
    """Weights that do not fit the graph."""
    weights = {"w": np.zeros((4, 5, 3, 3), np.float32)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    shape = (TensorProto.FLOAT, ["n", 3, 32, 32])
    save_onnx(path, nodes, weights, shape, (TensorProto.FLOAT, list("nchw")))


WRONG = {
    "text": (lambda p: p.write_text("not a network"), "not an ONNX file, or is truncated"),
    "empty": (lambda p: p.write_bytes(b""), "not an ONNX file, or is truncated .it has no network"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps([1] * 99)), "not an ONNX file"),
    "safetensors": (lambda p: shutil.copy(tiny_model(p.with_suffix(".st")), p), "not an ONNX file"),
    "truncated": (truncated, "not an ONNX file, or is truncated"),
    "own operator": (own_operator, r"ONNX Runtime lack \(my.lab:Deform\), and geoseg loads no lib"),
    "misspelt operator": (misspelt_operator, r"ONNX Runtime lack \(Convolve\)"),
    "operator of two lines": (operator_of_two_lines, r"lack \(a.n.x1b\[2Jb\)"),
    "hidden operator": (hidden_operator, r"ONNX Runtime lack \(my.lab:Deform\)"),
    "contradictory": (contradictory, "ONNX Runtime .* cannot load|cannot compute windows"),
    "classifier": (classifier, "returns 1 x 3 values for a window of 32 x 32 px, give a network"),
    "class numbers": (argmax, "returns int64 class numbers, but blending needs logits or"),
    "coarse": (quarter, "returns 8 x 8 px for a window of 32 x 32 px"),
    "two inputs": (two_inputs, "has 2 inputs, give a network with one"),
    "oblong": (oblong, "windows of 32 x 64 px, and geoseg computes square windows"),
    "free bands": (free_bands, "does not say how many bands it reads"),
    "enormous": (enormous, "m.onnx: window is 100000, give a whole number from 1 to 4096"),
    "many at a time": (many_at_a_time, "reads 1000000 x 4 x 32 x 32 values at a time, and geoseg"),
    "large": (large, "has 2 GB or more"),
    "large weights": (large_weights, "has 2 GB or more"),
    "operator that is not text": (lambda p: not_utf8(p, b"Conv"), "has operators that ONNX"),
    "weights that are not text": (lambda p: not_utf8(p, b"w1"), "ONNX Runtime|onnxruntime"),
    "words": (words, "the input of .* is object with 4 axes, give a network whose input"),
    "detector": (
        lambda p: conv_onnx(p, metadata=changed(model_type="Detector")),
        "metadata of .*: it is a 'Detector', give a network that classifies pixels",
    ),
    "type of two lines": (
        lambda p: conv_onnx(p, metadata=changed(model_type="a\nb")), r"it is a 'a.nb', give a net",
    ),
    "classes without numbers": (
        lambda p: conv_onnx(p, metadata=changed(class_names="{None: 'a'}")),
        "number the classes from 0",
    ),
    "gap in the classes": (
        lambda p: conv_onnx(p, metadata=changed(class_names={"0": "a", "2": "b"})),
        r"class_names has the numbers \[0, 2\], number the classes from 0",
    ),
    "classes of one name": (
        lambda p: conv_onnx(p, metadata=changed(class_names=["a", "a", "b", "c"])),
        "two classes of the legend share the name 'a'",
    ),
    "resolution": (
        lambda p: conv_onnx(p, metadata=changed(resolution=0)), "resolution is 0, give a number",
    ),
    "scores": (lambda p: conv_onnx(p, metadata={"scores": "odds"}), "scores is 'odds', use logits"),
    "legend without values": (
        lambda p: conv_onnx(p, metadata=changed(geoseg_legend={"classes": [{"name": "a"}]})),
        r"geoseg_legend cannot be read .there is no 'value'., export the model again",
    ),
    "bands of numbers": (
        lambda p: conv_onnx(p, metadata=changed(geoseg_bands=[1, 2, 3])), "give a list of names",
    ),
    "dtype": (
        lambda p: conv_onnx(p, metadata=changed(geoseg_dtype="byte")), "geoseg_dtype is 'byte'",
    ),
    "legend of a text": (
        lambda p: conv_onnx(p, metadata=changed(geoseg_legend="a, b")), "geoseg_legend cannot be",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_other_files_are_refused_in_one_sentence(kind, tmp_path, capfd):
    make, message = WRONG[kind]
    make(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=message) as caught:
        OnnxModel.load(tmp_path / "m.onnx", KNOWN)
    assert capfd.readouterr() == ("", "")
    check_message(caught.value, tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("network", "given", "message"),
    [
        ({}, {}, "no metadata on the scaling of scene values, give .*--input-mean, --input-std"),
        ({}, {"std": (1.0,)}, "does not name its 4 classes, list them .*--legend"),
        ({"size": None}, {"legend": FOUR, "std": (1.0,)}, "takes windows of any size, .*--window"),
        ({}, {"legend": Legend.from_names(["a", "b"]), "std": (1.0,)}, "legend has 2 classes, but"),
        (
            {"channels": 1}, {"legend": FOUR, "std": (1.0,)},
            "legend has 4 classes, but .* has 2 classes",
        ),
    ],
)  # fmt: skip
def test_what_a_file_does_not_say_must_be_given(network, given, message, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", **network)
    with pytest.raises(ModelError, match=message) as caught:
        OnnxModel.load(path, OnnxMetadata(**given))
    check_message(caught.value, path)


def test_a_size_that_the_network_cannot_compute_is_refused(tmp_path):
    """Two halves that do not fit together again, as in a U-Net."""
    weights = {"two": np.array([1, 1, 2, 2], np.float32), "w": np.ones((4, 3, 1, 1), np.float32)}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["p", "", "two"], ["u"], mode="nearest"),
        helper.make_node("Add", ["x", "u"], ["a"]),
        helper.make_node("Conv", ["a", "w"], ["y"]),
    ]
    shape = (TensorProto.FLOAT, ["n", 3, "h", "w"])
    path = tmp_path / "m.onnx"
    save_onnx(path, nodes, weights, shape, (TensorProto.FLOAT, ["n", 4, "i", "j"]))
    assert OnnxModel.load(path, OnnxMetadata(FOUR, window=34, std=(1.0,))).spec.window == 34
    message = "cannot compute windows of 35 x 35 px .*give another --window"
    with pytest.raises(ModelError, match=message) as caught:
        OnnxModel.load(path, OnnxMetadata(FOUR, window=35, std=(1.0,)))
    check_message(caught.value, path)


def test_values_that_are_not_finite_fail_the_run(tmp_path):
    path = crop_onnx(tmp_path / "m.onnx", gain=np.inf)
    scene = write_raster(tmp_path / "s.tif", random_pixels(3, 40, 40))
    (tmp_path / "c.csv").write_text(Legend.from_names(["a", "b", "c"]).to_csv())
    done = here(
        "classify", scene, "--model", path, "--out", tmp_path / "o.tif", "--legend",
        tmp_path / "c.csv", "--input-std", 255, "--overlap", 8,
    )  # fmt: skip
    assert "returned values that are not finite numbers, check" in refused(done)
    assert not (tmp_path / "o.tif").exists()


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("onnx", r"needs the package onnx .*pip install 'geoseg\[onnx\]'"),
        ("onnxruntime", r"engine onnxruntime is not installed here .*pip install 'geoseg\[onnx\]'"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package, message, tmp_path, monkeypatch):
    path = conv_onnx(tmp_path / "m.onnx", metadata=DEEPNESS)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(GeosegError, match=message):
        OnnxModel.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="No such file or directory, check the path"):
        OnnxModel.load(tmp_path / "m.onnx")


def test_only_classify_and_info_read_onnx_files(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", metadata=DEEPNESS)
    with pytest.raises(ModelError, match="is an ONNX file, which only `geoseg classify` and"):
        Model.load(path)


# The commands.


def test_classify_takes_options_for_a_file_without_metadata(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", size=None)
    scene = write_raster(tmp_path / "s.tif", random_pixels(3, 100, 90))
    (tmp_path / "c.csv").write_text(FOUR.to_csv())
    done = here(
        "classify", scene, "--model", path, "--out", tmp_path / "o.tif", "--legend",
        tmp_path / "c.csv", "--window", 64, "--input-mean", "90,100,110", "--input-std", 50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'o.tif'}: ")
    report = json.loads((tmp_path / "o.json").read_text())
    assert report["options"]["input_mean"] == [90, 100, 110]
    text = here("info", tmp_path / "o.tif").stdout
    assert "engine onnxruntime" in text
    assert "input_mean 90.0/100.0/110.0" in text
    wrong = here(
        "classify", scene, "--model", path, "--out", tmp_path / "p.tif", "--input-std", "x"
    )
    assert wrong.returncode == 2
    assert "'x' is not a list of numbers like 0.5,0.25" in wrong.stderr


def test_info_describes_a_file_with_metadata(tmp_path):
    path = conv_onnx(tmp_path / "m.onnx", padded=False, batch=1, metadata=DEEPNESS)
    report = describe(path)
    facts = parse_facts(as_text(report))
    assert facts["Metadata"] == "metadata of Deepness or GeoDeep"
    assert facts["Bands"] == "3 (red, green, blue)"
    assert facts["Window"] == "32 x 32 px, 2 px on each side without output"
    assert facts["Batch"] == "1"
    assert facts["Pixel size"] == "0.5 m"
    assert facts["Output"] == "4 x logits"
    assert facts["Classes"] == "0 class 0, 1 class 1, 2 class 2, 3 class 3"
    data = as_json(report)
    assert data["kind"] == "onnx"
    assert data["std"] == [0.2 * 255, 0.25 * 255, 0.3 * 255]
    assert data["hash"] == OnnxModel.load(path).hash


def test_info_names_the_options_that_a_file_without_metadata_needs(tmp_path):
    facts = parse_facts(as_text(describe(conv_onnx(tmp_path / "m.onnx", size=None))))
    assert facts["Metadata"] == "none"
    assert facts["Window"] == "not in the file, give --window"
    assert facts["Scaling"] == "not in the file, give --input-mean and --input-std"
    assert facts["Classes"] == "not in the file, give --legend"
    assert facts["Output"] == "not known"
    done = here("info", tmp_path / "m.onnx", "--plot", tmp_path / "m.png")
    assert "is an ONNX file, which geoseg does not draw" in refused(done)
