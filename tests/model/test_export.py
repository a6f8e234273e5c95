"""Models as ONNX: the labels of ONNX Runtime, QGIS Deepness and GeoDeep, and the STAC item."""

import hashlib
import json
import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from geoseg import ClassifySettings, Execution, Model, classify, export_model
from geoseg.errors import ModelError, OutputError
from geoseg.legend import LandCoverClass, Legend
from geoseg.model import OnnxModel, UNetSpec, layer_table, make_network
from geoseg.model.exchange.export import write_export
from tests.support.commands import here
from tests.support.paths import ROOT
from tests.support.rasters import write_raster
from tests.support.refusals import refusal
from tests.support.training import one_thread as one_thread

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

pytestmark = [  # of GeoDeep
    pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

LEGEND = Legend(
    (
        LandCoverClass(2, "wood & scrub", "#118833"),
        LandCoverClass(5, "water", "#2255cc"),
        LandCoverClass(9, "水", "#aaaaaa"),
    )
)
NAMES = ("red", "green", "blue", "nir")
CASES = {
    "lab, 3 bands of uint8": (UNetSpec(classes=3, width=4, depth=2, window=32), "uint8"),
    "lab, 3 bands of uint16": (
        UNetSpec(3, 3, 4, 2, window=32, low=(0, 10, 20), high=(900, 1000, 9000)), "uint16",
    ),
    "lab, 2 bands of float32": (
        UNetSpec(2, 3, 4, 1, window=16, low=(-25,), high=(5,)), "float32",
    ),
    "efficientnet-lite0, 4 bands of int16": (
        UNetSpec(
            4, 3, 4, 5, window=64, low=(-100,), high=(3000,), encoder="efficientnet-lite0"
        ),
        "int16",
    ),
}  # fmt: skip
RANGE = {"uint8": 255, "uint16": 65535, "int16": 65535, "float32": 1}
"""What scene values are divided by: the size of the range of an integer dtype."""


def make_model(spec, dtype, **fields):
    """A model of random weights, with batch normalisation as after a training."""
    torch.manual_seed(3)
    network = make_network(spec).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.5, 0.5),
                (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 2),
            ):  # fmt: skip
                torch.nn.init.uniform_(values.detach(), low, high)
    torch.nn.init.normal_(network.head.weight.detach(), 0, 2)
    return Model(network, LEGEND, NAMES[: spec.bands], dtype=dtype, **fields)


def make_pixels(spec, dtype):
    """(bands, window, window) in scene values from low to high."""
    low, high = (np.array(v)[:, None, None] for v in (spec.scaling.low, spec.scaling.high))
    shares = np.random.default_rng(0).random((spec.bands, spec.window // 8, spec.window // 8))
    return (low + np.kron(shares, np.ones((8, 8))) * (high - low)).astype(dtype)


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    """A model in both formats, a scene of one window, and its map."""
    spec, dtype = CASES[request.param]
    folder = tmp_path_factory.mktemp("case")
    model = make_model(spec, dtype, temperature=1.7, pixel_size=0.5)
    model.save(folder / "m.safetensors")
    export_model(folder / "m.safetensors", folder / "m.onnx")
    pixels = make_pixels(spec, dtype)
    write_raster(folder / "scene.tif", pixels)
    classify(
        folder / "scene.tif", folder / "lulc.tif", model=folder / "m.safetensors",
        confidence=folder / "confidence.tif", settings=ClassifySettings(overlap=0),
        execution=Execution(device="cpu"),
    )  # fmt: skip
    return folder, spec, dtype, pixels


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


def labels_of(index):
    """Class values of channels."""
    return np.array(LEGEND.values)[index]


def test_onnx_runtime_gives_the_labels_and_confidence_of_classify(case):
    folder, _, dtype, pixels = case
    session = ort.InferenceSession(folder / "m.onnx")
    batch = np.stack([pixels, np.flip(pixels, 2), pixels]) / RANGE[dtype]
    for images in (batch, batch[:1]):  # any number of windows
        [scores] = session.run(["scores"], {"image": images.astype(np.float32)})
        assert scores.shape == (len(images), 3, *pixels.shape[1:])
        labels = read(folder / "lulc.tif")
        assert len(np.unique(labels)) > 1
        assert np.array_equal(labels_of(scores[0].argmax(0)), labels)
        confidence = read(folder / "confidence.tif").astype(int)
        assert np.abs(np.rint(255 * scores[0].max(0)) - confidence).max() <= 1
        np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)


def deepness(path, tiles):
    """What Deepness 0.6.5 (commit f450c63) does with tiles (n, h, w, bands) in scene values.

    Its `ModelBase` reads the metadata as JSON, divides by 255 whatever the dtype, standardises, and
    asks for fixed sizes of tiles; a batch size that is a text is free. Its segmentation sets scores
    below the threshold to 0 and takes the best class, then filters by a median of a size that
    follows from `seg_small_segment` (1 for 0).
    """
    session = ort.InferenceSession(path)
    [node] = session.get_inputs()
    metadata = session.get_modelmeta().custom_metadata_map
    values = {key: json.loads(text) for key, text in metadata.items()}
    mean, std = (
        np.array(values[f"standardization_{name}"], np.float32) for name in ("mean", "std")
    )
    x = (np.float32(tiles[..., : node.shape[-3]] * 1.0 / 255.0) - mean) / std
    [scores] = session.run(None, {node.name: x.transpose(0, 3, 1, 2)})
    scores[scores < float(values["seg_thresh"])] = 0
    return values, node.shape, scores.argmax(1)


def test_deepness_reads_the_metadata_and_gives_the_labels_of_classify(case):
    folder, spec, _, pixels = case
    values, shape, index = deepness(folder / "m.onnx", pixels.transpose(1, 2, 0)[None])
    assert np.array_equal(labels_of(index[0]), read(folder / "lulc.tif"))
    assert isinstance(shape[0], str)
    assert shape[1:] == [spec.bands, spec.window, spec.window]
    assert str(values["model_type"]).capitalize() == "Segmentor"
    numbered = sorted(values["class_names"].items(), key=lambda item: int(item[0]))
    assert numbered == [("0", "wood & scrub"), ("1", "water"), ("2", "水")]
    assert float(values["resolution"]) == 50  # cm
    assert int(values["tile_size"]) == spec.window
    assert type(values["tiles_overlap"]) is int
    assert int(values["seg_small_segment"] // 2) * 2 + 1 == 1  # the median of one pixel
    assert (values["seg_thresh"] != 0) is False  # its box for the threshold stays empty


def test_geodeep_reads_the_metadata_and_gives_the_labels_of_classify(case):
    geodeep = pytest.importorskip("geodeep")
    inference, segmentation = geodeep.inference, geodeep.segmentation
    folder, spec, _, pixels = case
    session, config = inference.create_session(str(folder / "m.onnx"), max_threads=1)
    assert config["model_type"] == "Segmentor"
    assert config["class_names"] == {"0": "wood & scrub", "1": "water", "2": "水"}
    assert (config["resolution"], config["tiles_size"]) == (50, spec.window)
    assert 0 <= config["tiles_overlap"] <= 50
    assert (config["seg_thresh"], config["seg_small_segment"]) == (0, 0)
    if spec.bands != 3:  # GeoDeep refuses other numbers
        return
    labels = read(folder / "lulc.tif")
    index = segmentation.execute_segmentation(pixels, session, config)
    assert np.array_equal(labels_of(index[0].astype(int)), labels)
    mask = geodeep.segment(str(folder / "scene.tif"), str(folder / "m.onnx"))
    channels = np.searchsorted(LEGEND.values, labels).astype(np.uint8)
    assert np.array_equal(mask, geodeep.utils.median_filter(channels, 5))  # which it always applies


def test_the_item_is_valid_and_describes_the_file(case):
    pystac = pytest.importorskip("pystac")
    schema = pytest.importorskip("stac_model.schema")
    validation = pytest.importorskip("pystac.validation.stac_validator")
    folder, spec, dtype, _ = case
    data = json.loads((folder / "m.json").read_text())
    validator = validation.JsonSchemaSTACValidator()
    validator.validate_core(data, pystac.STACObjectType.ITEM, "1.1.0")
    item = pystac.Item.from_dict(data)
    schema.MLModelExtension.ext(item)
    fields = {key: v for key, v in data["properties"].items() if key.startswith("mlm:")}
    model = schema.MLModelProperties.model_validate(fields)
    assert model.total_parameters == sum(layer.parameters for layer in layer_table(spec))
    [image], [scores] = model.input, model.output
    assert image.input.shape == [-1, spec.bands, spec.window, spec.window]
    assert scores.result.shape == [-1, 3, spec.window, spec.window]
    assert list(image.bands) == list(NAMES[: spec.bands])
    scaling = [(s.type, s.value) for s in image.value_scaling or []]
    assert scaling == ([] if dtype == "float32" else [("scale", RANGE[dtype])])
    classes = [c.to_dict() for c in scores.classes]
    assert [c["value"] for c in classes] == [2, 5, 9]
    assert [c["name"] for c in classes] == ["wood_scrub", "water", "class_9"]
    assert [c["description"] for c in classes] == ["wood & scrub", "water", "水"]
    assert [c["color_hint"] for c in classes] == ["118833", "2255CC", "AAAAAA"]
    assert data["properties"]["gsd"] == 0.5
    asset = data["assets"]["model"]
    content = (folder / asset["href"]).read_bytes()
    assert asset["file:size"] == len(content)
    assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_onnx_file_is_valid_and_holds_nothing_of_this_machine(case):
    onnx = pytest.importorskip("onnx")
    folder, _, _, _ = case
    model = onnx.load(folder / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}  # no custom operators
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    data = (folder / "m.onnx").read_bytes()
    for text in (str(ROOT), ".py", "stack_trace", str(folder)):
        assert text.encode() not in data


SIMILAR = [
    "tree (high)", "Tree high", "tree_high", "tree_high_4", "bare soil", "B_ume", "Bäume", "水",
    "class_22",
]  # fmt: skip
"""Names that have the same short names, or none."""


@pytest.mark.parametrize("source", ["item", "metadata"])
def test_an_exported_legend_is_read_back_with_names_values_and_colours(tmp_path, source):
    classes = [LandCoverClass(3 * n + 1, name, f"#{10 + n}20f0") for n, name in enumerate(SIMILAR)]
    legend = Legend(tuple(reversed(classes)))
    spec = UNetSpec(classes=len(SIMILAR), width=1, depth=1, window=16)
    model = Model(make_network(spec), legend, NAMES[:3], dtype="uint8")
    onnx, item = export_model(model, tmp_path / "m.onnx")
    [output] = json.loads(item.read_text(encoding="utf-8"))["properties"]["mlm:output"]
    names = [c["name"] for c in output["classification:classes"]]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[0-9A-Za-z_-]+", name) for name in names)  # as STAC demands
    if source == "metadata":
        item.unlink()
    read = OnnxModel.load(onnx)
    assert read.legend == legend
    assert (metadata_of(onnx)["scores"], read.spec.logits) == ('"probabilities"', False)


@pytest.mark.parametrize("source", ["item", "metadata"])
def test_classify_makes_the_map_of_the_model_from_the_exported_file(case, source, tmp_path):
    folder, _, _, _ = case
    for name in ("m.onnx", "m.json")[: 2 if source == "item" else 1]:
        shutil.copy(folder / name, tmp_path)
    out = tmp_path / "lulc.tif"
    classify(
        folder / "scene.tif", out, model=tmp_path / "m.onnx", settings=ClassifySettings(overlap=0)
    )
    assert np.array_equal(read(out), read(folder / "lulc.tif"))


def test_an_exported_file_says_which_bands_and_values_it_reads(tmp_path):
    spec = UNetSpec(classes=3, width=1, depth=1, window=16)
    model = replace(make_model(spec, "float32"), band_names=("nir", "red", "green"))
    onnx, item = export_model(model, tmp_path / "m.onnx")
    item.unlink()
    read_back = OnnxModel.load(onnx)
    assert (read_back.band_names, read_back.dtype) == (model.band_names, "float32")


@pytest.fixture
def small():
    return make_model(UNetSpec(classes=3, width=1, depth=1, window=16), "uint8")


def metadata_of(path):
    return ort.InferenceSession(path).get_modelmeta().custom_metadata_map


@pytest.mark.parametrize(
    ("sizes", "resolution"), [(None, None), ((0.3, 0.3), "30.0"), ((1.0, 4.0), "200.0")]
)
def test_the_resolution_is_the_middle_of_the_pixel_sizes_or_left_out(
    tmp_path, small, sizes, resolution
):
    model = Model(small.network, LEGEND, small.band_names, pixel_size_range=sizes)
    onnx, item = export_model(model, tmp_path / "m.onnx")
    assert metadata_of(onnx).get("resolution") == resolution
    assert json.loads(item.read_text())["properties"].get("gsd") == (
        resolution and float(resolution) / 100
    )


def test_the_overlap_is_that_of_classify_and_at_most_half_a_window(tmp_path):
    px = ClassifySettings().overlap
    for window, percent in ((4 * px, "25"), (px, "50")):
        spec = UNetSpec(classes=3, width=1, depth=1, window=window)
        export_model(make_model(spec, "uint8"), tmp_path / f"{window}.onnx")
        assert metadata_of(tmp_path / f"{window}.onnx")["tiles_overlap"] == percent


@pytest.mark.parametrize("name", ["1.onnx", "Wälder 2024.onnx", "水.onnx", "a..b-.onnx"])
def test_the_name_of_the_item_is_one_that_the_extension_allows(tmp_path, small, name):
    _, item = write_export(small, tmp_path / name, b"a graph")
    data = json.loads(item.read_text(encoding="utf-8"))
    pattern = r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]"  # of the JSON schema of MLM
    assert re.fullmatch(pattern, data["properties"]["mlm:name"])
    assert data["assets"]["model"]["href"] == f"./{name}"


def test_an_existing_file_is_replaced_only_on_request(tmp_path, small):
    (tmp_path / "m.json").write_text("mine")
    with refusal(OutputError, r"m\.json exists", tmp_path):
        export_model(small, tmp_path / "m.onnx")
    assert (tmp_path / "m.json").read_text() == "mine"
    export_model(small, tmp_path / "m.onnx", overwrite=True)
    with refusal(OutputError, r"m\.onnx exists", tmp_path):
        export_model(small, tmp_path / "m.onnx")


def test_a_wrong_output_is_refused_before_the_model_is_read(tmp_path):
    with refusal(OutputError, r"must end in \.onnx", tmp_path):
        export_model("missing.safetensors", tmp_path / "m.pt")
    with refusal(OutputError, r"must end in \.onnx", tmp_path):
        export_model("missing.safetensors", "")
    with refusal(OutputError, "does not exist", tmp_path):
        export_model("missing.safetensors", tmp_path / "missing" / "m.onnx")
    (tmp_path / "f.json").mkdir()
    with refusal(OutputError, "is a folder", tmp_path):
        export_model("missing.safetensors", tmp_path / "f.onnx", overwrite=True)
    with refusal(ModelError, "No such file", tmp_path):
        export_model("missing.safetensors", tmp_path / "m.onnx")


def test_a_write_that_fails_leaves_neither_file(tmp_path, small, monkeypatch):
    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with refusal(OutputError, "cannot write m.onnx .*No space", tmp_path):
        export_model(small, tmp_path / "m.onnx")


def fail(_path, _data):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_without_the_extra_one_sentence_says_what_to_install(tmp_path, small, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with refusal(
        ModelError,
        rf"the export needs the package {package} .*pip install 'geoseg\[onnx\]'",
        tmp_path,
    ):
        export_model(small, tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["efficientnet-lite0, 4 bands of int16"], indirect=True)
def test_the_same_model_gives_the_same_bytes_and_is_not_changed(case, tmp_path):
    folder, _, _, _ = case
    model = Model.load(folder / "m.safetensors")
    before = {name: v.clone() for name, v in model.network.state_dict().items()}
    scale = model.network.rescale.scale.clone()
    written = export_model(model, tmp_path / "m.onnx")
    assert [path.name for path in written] == ["m.onnx", "m.json"]
    for path in written:
        assert path.read_bytes() == (folder / path.name).read_bytes()
    after = model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(v, after[name]) for name, v in before.items())
    assert torch.equal(model.network.rescale.scale, scale)


def test_the_command_writes_both_files(tmp_path, small):
    small.save(tmp_path / "m.safetensors")
    done = here("export", tmp_path / "m.safetensors", "--out", tmp_path / "m.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert "m.onnx" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "m.onnx", "m.safetensors"]
    again = here("export", tmp_path / "m.safetensors", "--out", tmp_path / "m.onnx")
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
