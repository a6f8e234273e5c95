"""Models in int8: what is quantised, what it costs, and when it is refused."""

import json
import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg import ClassifySettings, Model, classify, export_int8, score
from geoseg.errors import ModelError, OutputError, TileError
from geoseg.legend import Legend
from geoseg.model import OnnxModel, UNetSpec, make_network
from geoseg.raster import read_whole
from tests.support.commands import here
from tests.support.rasters import write_raster
from tests.support.refusals import refusal
from tests.support.training import LEGEND, SIZE, make_tiles, run
from tests.support.training import one_thread as one_thread

pytestmark = pytest.mark.slow  # an export takes seconds
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

BANDS = ("red", "nir")
ONE_BY_ONE = ClassifySettings(overlap=0)


def smooth_noise(rows, cols, block=4):
    """Two bands with values from 0 to 255 in blocks."""
    values = np.random.default_rng(0).integers(0, 256, (2, rows // block, cols // block))
    return values.repeat(block, 1).repeat(block, 2).astype(np.uint8)


def random_model(legend=LEGEND):
    """A network of random weights that gives all classes."""
    torch.manual_seed(0)
    network = make_network(UNetSpec(2, len(legend), 8, 2, window=SIZE)).eval()
    torch.nn.init.normal_(network.head.weight.detach(), 0, 2)
    return Model(network, legend, BANDS)


def labels_of(model, pixels, folder):
    """The map of the model itself, as labels."""
    folder.mkdir(exist_ok=True)
    model.save(folder / "m.safetensors")
    write_raster(folder / "s.tif", pixels)
    classify(folder / "s.tif", folder / "lulc.tif", model=folder / "m.safetensors",
             settings=ONE_BY_ONE)  # fmt: skip
    return read_whole(str(folder / "lulc.tif"))[0][0]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A trained model, its tiles, its report and its file in int8."""
    folder = tmp_path_factory.mktemp("int8")
    tiles = make_tiles(folder)
    run(tiles, folder / "m.safetensors", width=8, depth=2, epochs=40, lr=0.01)
    model = Model.load(folder / "m.safetensors")
    return model, tiles, export_int8(model, tiles, folder / "m8.onnx")


def graph_of(path):
    """Weights by name as arrays, and the name of the weight that each convolution reads."""
    graph = onnx.load(path).graph
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    source = {n.output[0]: n for n in graph.node}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    return arrays, source, convolutions


def test_convolutions_but_an_eighth_and_the_last_have_int8_weights_with_a_scale_per_channel(case):
    arrays, source, convolutions = graph_of(case[2].onnx)
    assert len(convolutions) == 11
    *middle, last = convolutions[2:]
    for node in (*convolutions[:2], last):
        assert arrays[node.input[1]].dtype == np.float32
    for node in middle:
        weight = source[node.input[1]]
        assert weight.op_type == source[node.input[0]].op_type == "DequantizeLinear"
        values, scales = (arrays[name] for name in weight.input[:2])
        assert values.dtype == np.int8
        assert np.abs(values.astype(int)).max() <= 64  # no overflow without VNNI
        assert scales.shape == values.shape[:1]


def test_the_report_is_that_of_a_plain_comparison_of_both_networks(case):
    model, tiles, report = case
    images, _, labels = tiles.load("val")
    session = ort.InferenceSession(report.onnx)
    [scores] = session.run(["scores"], {"image": (images / 255).astype(np.float32)})
    with torch.inference_mode():
        fp32 = model.network(torch.from_numpy(images).float()).argmax(1).numpy()
    assert report.changed == pytest.approx((scores.argmax(1) != fp32).mean(), abs=0.002)
    assert report.mean_iou_fp32 == score(model, tiles, device="cpu").mean_iou
    ious = []
    for index in range(3):
        is_map, is_label = scores.argmax(1) == index, labels == index
        ious.append((is_map & is_label).sum() / (is_map | is_label).sum())
    assert report.mean_iou == pytest.approx(np.mean(ious), abs=0.002)
    assert 0 < report.mean_iou_fp32 - 0.002 <= report.mean_iou
    assert (report.calibration_tiles, report.validation_tiles) == (9, 3)


def test_the_item_tells_how_the_file_was_quantised(case):
    _, _, report = case
    properties = json.loads(report.item.read_text())["properties"]
    record = properties["mlm:hyperparameters"]["int8"]
    assert record["calibration_tiles"] == report.calibration_tiles
    assert record["mean_iou"] == pytest.approx(report.mean_iou, abs=1e-6)
    assert set(record) == {
        "calibration_tiles", "validation_tiles", "mean_iou_fp32", "mean_iou", "changed"
    }  # fmt: skip


def test_classify_runs_the_file_with_the_classes_of_the_model(case, tmp_path):
    model, tiles, report = case
    pixels = smooth_noise(40, 56)
    write_raster(tmp_path / "s.tif", pixels)
    for name, path in (("fp32", model.path), ("int8", report.onnx)):
        classify(tmp_path / "s.tif", tmp_path / f"{name}.tif", model=path, settings=ONE_BY_ONE)
    fp32, int8 = (read_whole(str(tmp_path / f"{name}.tif"))[0][0] for name in ("fp32", "int8"))
    assert OnnxModel.load(report.onnx).legend == tiles.legend
    assert (fp32 == int8).mean() > 0.9
    assert len(np.unique(int8)) > 1


def test_tiles_may_have_another_side_than_the_windows_of_the_model(case, tmp_path):
    model, tiles, narrow = case
    report = export_int8(model.with_window(4 * SIZE), tiles, tmp_path / "m.onnx")
    assert report.mean_iou == narrow.mean_iou
    spec = OnnxModel.load(report.onnx).spec
    assert (spec.window, spec.bands) == (4 * SIZE, 2)
    session = ort.InferenceSession(report.onnx)
    image = np.random.default_rng(1).random((2, 2, 4 * SIZE, 4 * SIZE)).astype(np.float32)
    assert session.run(None, {"image": image})[0].shape == (2, 3, 4 * SIZE, 4 * SIZE)


def test_a_loss_of_more_than_two_tenths_of_a_point_is_refused_and_nothing_is_written(tmp_path):
    """The training tiles are dark, so that the ranges are too small for the validation tiles."""
    model = random_model()
    pixels = smooth_noise(2 * SIZE, 6 * SIZE)
    pixels[:, :, : 3 * SIZE] //= 32
    labels = labels_of(model, pixels, tmp_path / "own")
    tiles = make_tiles(tmp_path, labels=labels, pixels=pixels)
    dark = [col < 3 * SIZE for _, _, col in tiles.places]
    tiles = replace(tiles, splits=tuple("train" if d else "val" for d in dark))
    sentence = r"int8 lowers the mean IoU on the 6 validation tiles of .* from [01]\.\d{4} to 0\."
    with refusal(ModelError, sentence, tmp_path):
        export_int8(model, tiles, tmp_path / "m.onnx")


def test_the_same_tiles_give_the_same_bytes_in_silence(case, tmp_path, capfd, caplog):
    model, tiles, report = case
    handlers = list(logging.root.handlers)
    (tmp_path / report.item.name).write_text("older")
    again = export_int8(model, tiles, tmp_path / report.onnx.name, overwrite=True)
    for first, second in ((report.onnx, again.onnx), (report.item, again.item)):
        assert first.read_bytes() == second.read_bytes()
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]
    assert logging.root.handlers == handlers


def test_tiles_that_do_not_fit_or_lack_a_split_are_refused(case, tmp_path):
    model, tiles, _ = case
    for split, lacks in (("train", "validation"), ("val", "training"), ("", "training")):
        one = replace(tiles, splits=(split,) * len(tiles))
        with refusal(TileError, f"has no {lacks} tiles, which int8 needs", tmp_path):
            export_int8(model, one, tmp_path / "m.onnx")
    other = random_model(Legend.from_names(["a", "b", "c", "d"]))
    with refusal(TileError, "other classes or bands", tmp_path):
        export_int8(other, tiles, tmp_path / "m.onnx")
    with refusal(TileError, "does not exist", tmp_path):
        export_int8(model, tmp_path / "missing", tmp_path / "m.onnx")


def test_an_existing_file_is_replaced_only_on_request(case, tmp_path):
    model, tiles, _ = case
    (tmp_path / "m.json").write_text("mine")
    with refusal(OutputError, r"m\.json exists", tmp_path):
        export_int8(model, tiles, tmp_path / "m.onnx")
    assert (tmp_path / "m.json").read_text() == "mine"


def test_without_the_extra_one_sentence_says_what_to_install(case, tmp_path, monkeypatch):
    model, tiles, _ = case
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with refusal(ModelError, r"needs .*onnxruntime .*pip install 'geoseg\[onnx\]'", tmp_path):
        export_int8(model, tiles, tmp_path / "m.onnx")


def test_the_command_prints_the_report_in_one_line(case, tmp_path):
    model, tiles, report = case
    done = here("export", model.path, "--out", tmp_path / "m.onnx", "--int8", tiles.folder)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    assert f"mean IoU on 3 validation tiles: {report.mean_iou:.4f}" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "m.onnx"]
    done = here(
        "export", model.path, "--out", tmp_path / "m.onnx", "--int8", tiles.folder, "-f", "--json"
    )
    paths = [str(tmp_path / name) for name in ("m.onnx", "m.json")]
    numbers = {**report.to_dict(), "onnx": paths[0], "item": paths[1]}
    assert json.loads(done.stdout) == {"outputs": paths, "int8": numbers}
