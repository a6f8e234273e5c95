"""ONNX files of other programs, held to the laws: maps equal a plain blend of their windows."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from geoseg.classification import ClassifySettings, Execution, classify
from geoseg.classification import chunk as chunk_module
from geoseg.classification import compute_config as config_module
from geoseg.classification import plan as plan_module
from geoseg.errors import GeosegError, ModelError, RunError
from geoseg.legend import LandCoverClass, Legend
from geoseg.model import (
    RGB,
    Model,
    OnnxMetadata,
    OnnxModel,
    Predictor,
    UNetSpec,
    export_model,
    make_network,
    one_torch_thread,
)
from geoseg.model.onnx.file import read_onnx
from geoseg.model.onnx.network import OnnxNetwork
from tests.support.onnx_files import DEEPNESS, conv_onnx, crop_onnx, plain_scores
from tests.support.rasters import blocks, random_pixels, write_raster
from tests.support.realdata import BANDS

OVERLAP = 8
CSMASK = find_spec("ukis_csmask")


def legend_of(path: Path, classes: int) -> str:
    lines = [f"{10 + n},class {n},#{n:02x}8040" for n in range(classes)]
    path.write_text("\n".join(["value,name,color", *lines]))
    return str(path)


def labels_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as map_:
        return map_.read(1)


def run(scene, out, model, *, execution=Execution(), **settings):  # noqa: B008 - a constant
    settings = ClassifySettings(**{"overlap": OVERLAP, **settings})
    return classify(
        scene, out, model=model, confidence=out.with_suffix(".conf.tif"), settings=settings,
        execution=execution, workers=1,
    )  # fmt: skip


NETWORKS = {
    "logits": ({}, {}),
    "one window at a time": ({"batch": 1}, {}),
    "three windows at a time": ({"batch": 3}, {}),
    "any size of windows": ({"size": None}, {}),
    "probabilities": ({"head": "Softmax"}, {"head": None}),
    "one channel of logits": ({"channels": 1}, {"head": "Sigmoid"}),
    "one channel of probabilities": ({"channels": 1, "head": "Sigmoid"}, {"head": None}),
    "no axis of channels": ({"channels": 1, "squeezed": True}, {"head": "Sigmoid"}),
    "valid convolutions": ({"padded": False}, {"size": 28, "margin": 2}),
    "channels last": ({"nhwc": True}, {"nhwc": True}),
    "channels last, any size": ({"nhwc": True, "size": None}, {"nhwc": True}),
    "five bands": ({"bands": 5}, {}),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("shape", [(70, 101), (20, 45)], ids=["large", "smaller than a window"])
def test_the_map_is_that_of_a_plain_blend_of_all_windows(kind, shape, tmp_path):
    network, oracle = NETWORKS[kind]
    model = conv_onnx(tmp_path / "m.onnx", **network)
    classes = max(2, network.get("channels", 4))
    image = random_pixels(network.get("bands", 3), *shape)
    scene = write_raster(tmp_path / "s.tif", image)
    mean, std = tuple(100.0 + 5 * band for band in range(len(image))), (40.0,)
    run(
        scene, tmp_path / "o.tif", model, legend=legend_of(tmp_path / "c.csv", classes),
        input_mean=mean, input_std=std, window=None if network.get("size", 32) else 32,
    )  # fmt: skip
    scores = plain_scores(model, image, mean=mean, std=std, **{"size": 32, **oracle})
    labels = labels_of(tmp_path / "o.tif")
    assert np.array_equal(labels, 10 + scores.argmax(0))
    assert len(np.unique(labels)) == classes
    confidence = labels_of(tmp_path / "o.conf.tif").astype(float)
    assert np.abs(confidence - 255 * scores.max(0)).max() <= 0.51


def test_a_network_that_reads_bytes_gets_the_values_as_they_are(tmp_path):
    model = conv_onnx(tmp_path / "m.onnx", dtype="uint8")
    image = random_pixels(3, 70, 60)
    scene = write_raster(tmp_path / "s.tif", image)
    run(scene, tmp_path / "o.tif", model, legend=legend_of(tmp_path / "c.csv", 4))
    scores = plain_scores(model, image, mean=0, std=1, size=32)
    assert np.array_equal(labels_of(tmp_path / "o.tif"), 10 + scores.argmax(0))


def test_values_that_a_network_of_bytes_cannot_read_are_clipped(tmp_path):
    model = conv_onnx(tmp_path / "m.onnx", dtype="uint8")
    image = 3 * random_pixels(3, 40, 50, "uint16")
    scene = write_raster(tmp_path / "s.tif", image)
    settings = {"legend": legend_of(tmp_path / "c.csv", 4), "input_std": (2.0,)}
    run(scene, tmp_path / "o.tif", model, **settings)
    clipped = np.clip(np.rint(image.astype(np.float32) / 2), 0, 255)
    scores = plain_scores(model, clipped, mean=0, std=1, size=32)
    assert np.array_equal(labels_of(tmp_path / "o.tif"), 10 + scores.argmax(0))
    assert clipped.max() == 255
    assert (image % 2).any()


LEGEND = Legend(
    (
        LandCoverClass(2, "bare soil", "#118833"),
        LandCoverClass(5, "Bäume (hoch)", "#2255cc"),
        LandCoverClass(9, "Bäume hoch", "#aaaaaa"),
    )
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "dtype"), [("lab", "uint8"), ("lab", "uint16"), ("efficientnet-lite0", "uint8")]
)
def test_an_exported_model_makes_the_map_of_the_model(encoder, dtype, tmp_path):
    """With the STAC item beside it, and without; also where windows have pixels without data."""
    low, high = {"uint8": (0.0, 255.0), "uint16": (3000.0, 10_000.0)}[dtype]
    torch.manual_seed(1)
    depth = 2 if encoder == "lab" else 5
    spec = UNetSpec(
        bands=3, classes=3, width=4, depth=depth, window=32, low=(low,), high=(high,),
        encoder=encoder,
    )  # fmt: skip
    network = make_network(spec)
    torch.nn.init.normal_(network.head.weight.detach(), 0, 2)
    Model(network, LEGEND, RGB, dtype=dtype).save(tmp_path / "m.safetensors")
    export_model(Model.load(tmp_path / "m.safetensors"), tmp_path / "m.onnx")
    (tmp_path / "alone.onnx").write_bytes((tmp_path / "m.onnx").read_bytes())
    image = np.maximum(blocks(90, 110), 1).astype(dtype) * int(high // 255)
    hole = (slice(None), slice(30, 50), slice(40, 70))
    image[hole] = 0
    scene = write_raster(tmp_path / "s.tif", image, nodata=0)
    image[hole] = low
    for name in ("m.safetensors", "m.onnx", "alone.onnx"):
        report = run(scene, tmp_path / f"{name}.tif", tmp_path / name)
        assert [(c.value, c.name, c.color) for c in report.classes] == [
            (c.value, c.name, c.color) for c in LEGEND.classes
        ]
    own, onnx = (labels_of(tmp_path / f"m.{kind}.tif") for kind in ("safetensors", "onnx"))
    assert np.array_equal(labels_of(tmp_path / "alone.onnx.tif"), onnx)
    divisor = np.iinfo(dtype).max
    scores = plain_scores(tmp_path / "m.onnx", image, mean=0, std=divisor, size=32, head=None)
    _, second, best = np.sort(scores, axis=0)
    margin = np.where(own == 255, 1, best - second)
    assert margin[own != onnx].max(initial=0) < 1e-4  # the last bits differ, and with them ties
    assert (margin > 1e-4).mean() > 0.9
    assert len(np.unique(own)) > 1


def test_metadata_of_deepness_replace_all_options(tmp_path):
    model = conv_onnx(tmp_path / "m.onnx", size=None, metadata=DEEPNESS)
    image = random_pixels(3, 70, 101)
    scene = write_raster(tmp_path / "s.tif", image)
    run(scene, tmp_path / "o.tif", model)
    # Deepness divides bytes by 255 before it standardises them.
    mean, std = 255 * np.array([0.4, 0.5, 0.6]), 255 * np.array([0.2, 0.25, 0.3])
    scores = plain_scores(model, image, mean=mean, std=std, size=32)
    assert np.array_equal(labels_of(tmp_path / "o.tif"), scores.argmax(0))


# Law 1 and 6: chunks, shards and restarts do not show.


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """520 x 1040 px with an invalid corner: six chunks of 512 px."""
    image = np.maximum(blocks(520, 1040), 1)
    image[:, :90, :200] = 0
    return write_raster(tmp_path_factory.mktemp("large") / "scene.tif", image, nodata=0)


@pytest.fixture(scope="module")
def valid_conv(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("valid") / "m.onnx"
    return conv_onnx(path, padded=False, size=None, metadata=DEEPNESS)


def outputs(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("lulc.tif", "conf.tif", "lulc.gpkg")]


def run_all(scene, folder, model, *, workers=1, settings=ClassifySettings(overlap=OVERLAP), **more):  # noqa: B008
    return classify(
        scene, folder / "lulc.tif", model=model, polygons=folder / "lulc.gpkg",
        confidence=folder / "conf.tif", settings=settings, workers=workers, **more,
    )  # fmt: skip


def test_chunks_shards_and_workers_do_not_show(large, valid_conv, tmp_path):
    folders = {name: tmp_path / name for name in ("small", "big", "shards")}
    for folder in folders.values():
        folder.mkdir()
    report = run_all(large, folders["small"], valid_conv, execution=Execution(chunk=512))
    run_all(large, folders["big"], valid_conv, execution=Execution(chunk=1024), workers=2)
    for number in (2, 1):
        shard = Execution(chunk=512, shard=(number, 2))
        assert run_all(large, folders["shards"], valid_conv, execution=shard) is None
    run_all(large, folders["shards"], valid_conv, execution=Execution(chunk=512))
    small, big, shards = (outputs(folder) for folder in folders.values())
    assert small == shards
    assert small[:2] == big[:2]  # polygons have another order
    labels = labels_of(folders["small"] / "lulc.tif")
    assert (labels[:90, :200] == 255).all()
    assert report.nodata_pixels == 90 * 200
    assert len(np.unique(labels)) == 5
    assert report.execution["engine"].startswith("onnxruntime ")


def test_every_pixel_that_a_window_reads_is_that_of_the_scene(tmp_path):
    """Also at the edges of chunks, where the margin of a window lies in the next chunk."""
    model = crop_onnx(tmp_path / "m.onnx", margin=9, centred=True)
    image = random_pixels(3, 530, 600)
    scene = write_raster(tmp_path / "s.tif", image)
    legend = legend_of(tmp_path / "c.csv", 3)
    for chunk in (512, 1024):
        run(
            scene, tmp_path / f"{chunk}.tif", model, legend=legend, input_std=(10.0,), overlap=4,
            execution=Execution(chunk=chunk),
        )  # fmt: skip
        scores = plain_scores(model, image, mean=0, std=10, size=14, margin=9, overlap=4)
        labels = labels_of(tmp_path / f"{chunk}.tif")
        assert np.array_equal(labels, 10 + scores.argmax(0))
    for name in ("{}.tif", "{}.conf.tif"):
        first, second = ((tmp_path / name.format(chunk)).read_bytes() for chunk in (512, 1024))
        assert first == second


def test_windows_of_a_batch_do_not_show(large, valid_conv, tmp_path):
    for size in (1, 5):
        (tmp_path / str(size)).mkdir()
        run_all(large, tmp_path / str(size), valid_conv, execution=Execution(batch_size=size))
    assert outputs(tmp_path / "1") == outputs(tmp_path / "5")


def test_parts_of_another_version_of_the_engine_are_refused(
    large, valid_conv, tmp_path, monkeypatch
):
    run_all(large, tmp_path, valid_conv, execution=Execution(chunk=512, shard=(1, 2)))
    manifest = json.loads((tmp_path / "lulc.tif.parts" / "plan.json").read_text())
    assert manifest["engine"].startswith("onnxruntime ")
    assert manifest["input"]["margin"] == 2
    for module in (config_module, chunk_module):
        monkeypatch.setattr(module, "engine_name", lambda engine: f"{engine} 0.1")
    again = Execution(chunk=512, engine="openvino")
    with pytest.raises(RunError, match=r"another run \(not the same: engine\)"):
        run_all(large, tmp_path, valid_conv, execution=again)
    # With the engine of the manifest, another machine may assemble, but not compute.
    with pytest.raises(RunError, match=r"planned by onnxruntime 1\..* has 0\.1, install the same"):
        run_all(large, tmp_path, valid_conv, execution=Execution(chunk=512))


@pytest.mark.parametrize("setting", [{"legend": None}, {"input_mean": (1.0,)}])
def test_parts_with_other_classes_or_scaling_are_refused(large, valid_conv, tmp_path, setting):
    run_all(large, tmp_path, valid_conv, execution=Execution(chunk=512, shard=(1, 2)))
    if "legend" in setting:
        setting = {"legend": legend_of(tmp_path / "c.csv", 4)}
    settings = ClassifySettings(overlap=OVERLAP, **setting)
    with pytest.raises(RunError, match=r"another run \(not the same: (legend|input)"):
        run_all(large, tmp_path, valid_conv, settings=settings, execution=Execution(chunk=512))


def test_a_file_that_changes_during_the_run_is_refused(large, valid_conv, tmp_path, monkeypatch):
    model = tmp_path / "m.onnx"
    model.write_bytes(valid_conv.read_bytes())
    planned = plan_module.plan_job

    def changing(*args):
        conv_onnx(model, padded=False, size=None, metadata=DEEPNESS, seed=1)
        return planned(*args)

    monkeypatch.setattr(plan_module, "plan_job", changing)
    with pytest.raises(GeosegError, match="changed during the run"):
        run_all(large, tmp_path, model)


# Law 2: no edge effects.


@pytest.mark.parametrize("margin", [0, 3, 11])
@pytest.mark.parametrize("shape", [(70, 101), (9, 40), (530, 40)])
def test_the_identity_returns_the_image_and_a_constant_a_constant(margin, shape, tmp_path):
    """Each pixel has one band of 200 and two of 1: the best class is that band, to the edge."""
    best = np.random.default_rng(0).integers(0, 3, shape)
    image = np.where(np.arange(3)[:, None, None] == best, 200, 1).astype(np.uint8)
    scene = write_raster(tmp_path / "s.tif", image)
    legend = legend_of(tmp_path / "c.csv", 3)
    identity = crop_onnx(tmp_path / "i.onnx", margin=margin)
    run(scene, tmp_path / "i.tif", identity, legend=legend, input_std=(255.0,), overlap=4)
    assert np.array_equal(labels_of(tmp_path / "i.tif"), 10 + best)
    sure = np.exp(200 / 255) / (np.exp(200 / 255) + 2 * np.exp(1 / 255))
    assert set(np.unique(labels_of(tmp_path / "i.conf.tif"))) == {round(255 * sure)}
    constant = crop_onnx(tmp_path / "c.onnx", margin=margin, gain=0.0)
    run(scene, tmp_path / "c.tif", constant, legend=legend, input_std=(255.0,), overlap=4)
    assert (labels_of(tmp_path / "c.tif") == 10).all()
    assert (labels_of(tmp_path / "c.conf.tif") == 85).all()


def test_symmetries_average_to_a_symmetric_map(tmp_path):
    model = conv_onnx(tmp_path / "m.onnx", padded=False, metadata=DEEPNESS)
    image = random_pixels(3, 28, 28)
    maps = []
    for name, pixels in (("a", image), ("b", image[:, :, ::-1])):
        scene = write_raster(tmp_path / f"{name}.tif", pixels)
        run(scene, tmp_path / f"{name}.o.tif", model, tta=True)
        maps.append(labels_of(tmp_path / f"{name}.o.tif"))
    assert np.array_equal(maps[0], maps[1][:, ::-1])
    assert len(np.unique(maps[0])) > 1


# Clusters.


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same_map(large, valid_conv, tmp_path, dask):
    dask.add(), dask.add()
    for name in ("here", "cluster"):
        (tmp_path / name).mkdir()
    execution = Execution(chunk=512)
    run_all(large, tmp_path / "here", valid_conv, execution=execution)
    run_all(
        large, tmp_path / "cluster", valid_conv, execution=execution, workers=None,
        scheduler=str(dask.file),
    )  # fmt: skip
    assert outputs(tmp_path / "here") == outputs(tmp_path / "cluster")


# Refusals.


@pytest.mark.parametrize(
    ("settings", "execution", "message"),
    [
        ({"window": 64}, {}, "has windows of 32 px, not 64 px, leave out window"),
        ({"legend": 3}, {}, "the legend has 3 classes, but .* has 4 classes"),
        (
            {"precision": "bf16"},
            {"engine": "onnxruntime"},
            "engine onnxruntime does not compute in bf16, use precision fp32",
        ),
        ({}, {"engine": "torch"}, "an ONNX file is not computed by torch, use engine auto or one"),
        ({}, {"device": "cuda"}, "an ONNX file computes on the CPU, not on cuda, use device cpu"),
        ({}, {"batch_size": 2}, "computes 1 window at a time, not 2, leave out the batch size"),
        ({"overlap": 32}, {}, "overlap 32 is not smaller than the model's window of 32 px"),
        ({"input_std": (1.0, 2.0)}, {}, "m.onnx: std has 2 values, not 3"),
        ({"input_std": (0.0,)}, {}, "standard deviation 0 is not above 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, execution, message, tmp_path):
    model = conv_onnx(tmp_path / "m.onnx", batch=1, metadata=DEEPNESS)
    scene = write_raster(tmp_path / "s.tif", random_pixels(3, 40, 40))
    if "legend" in settings:
        settings = {"legend": legend_of(tmp_path / "c.csv", settings["legend"])}
    with pytest.raises(GeosegError, match=message):
        run(scene, tmp_path / "o.tif", model, execution=Execution(**execution), **settings)
    assert not list(tmp_path.glob("o.*"))


def test_a_scene_with_other_bands_is_refused(tmp_path):
    model = conv_onnx(tmp_path / "m.onnx", metadata=DEEPNESS)
    scene = write_raster(tmp_path / "s.tif", random_pixels(2, 40, 40))
    with pytest.raises(GeosegError, match=r"2 bands .* but the model wants 3"):
        run(scene, tmp_path / "o.tif", model)


@pytest.mark.parametrize(
    "setting", [{"legend": "x.csv"}, {"input_mean": (1.0,)}, {"input_std": (1.0,)}]
)
def test_options_of_onnx_files_are_refused_with_a_model_of_geoseg(setting, model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", random_pixels(3, 40, 40))
    with pytest.raises(RunError, match="is for ONNX files, and a model of geoseg has its own"):
        run(scene, tmp_path / "o.tif", model, **setting)


def test_scenes_that_do_not_fit_are_warned_about_or_refused(tmp_path, caplog):
    model = conv_onnx(tmp_path / "m.onnx", metadata=DEEPNESS)
    wide = write_raster(tmp_path / "w.tif", 50 * random_pixels(3, 40, 40, "uint16"))
    with pytest.raises(GeosegError, match="trained on uint8 from 0 to 255, rescale the scene"):
        run(wide, tmp_path / "o.tif", model)
    other = conv_onnx(tmp_path / "n.onnx")
    run(
        wide, tmp_path / "o.tif", other, legend=legend_of(tmp_path / "c.csv", 4),
        input_mean=(0.3,), input_std=(0.2,),
    )  # fmt: skip
    assert "as numbers up to about" in caplog.text
    caplog.clear()
    scene = write_raster(tmp_path / "s.tif", random_pixels(3, 40, 40))
    run(scene, tmp_path / "p.tif", model)  # pixels of 10 m, and 0.5 m in the metadata
    assert "has pixels of 10 m, the model was trained on 0.5 m" in caplog.text
    assert "as numbers" not in caplog.text


# Real networks: those of ukis-csmask segment clouds and their shadows (Apache-2.0).


def csmask(name: str) -> tuple[Path, dict]:
    if CSMASK is None:
        pytest.skip("the package ukis-csmask, which has real networks, is not installed")
    path = Path(str(CSMASK.origin)).parent / f"model_{name}.onnx"
    return path, json.loads(path.with_suffix(".json").read_text())["data"]


def csmask_settings(data: dict, folder: Path) -> dict:
    names = ["background", "cloud", "cloud shadow"]
    lines = [f"{value},{name},#{value}04080" for value, name in enumerate(names)]
    (folder / "clouds.csv").write_text("\n".join(["value,name,color", *lines]))
    mean, std = data["dataset_statistics"]["img"]
    return {
        "legend": str(folder / "clouds.csv"), "input_mean": tuple(mean), "input_std": tuple(std),
        "overlap": 64,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["4b_l1c", "6b_l2a"])
def test_a_real_network_makes_the_map_of_a_plain_blend(name, tmp_path):
    model, data = csmask(name)
    bands = data["in_channels"]
    coarse = np.random.default_rng(0).uniform(0, 1, (bands, 12, 14))
    coarse[:, 3:7, 3:8] += 1.5  # a cloud
    image = np.kron(coarse, np.ones((40, 40)))[:, :440, :530].astype(np.float32)
    scene = write_raster(tmp_path / "s.tif", image)
    settings = csmask_settings(data, tmp_path)
    run(scene, tmp_path / "o.tif", model, **settings)
    labels = labels_of(tmp_path / "o.tif")
    scores = plain_scores(
        model, image, mean=settings["input_mean"], std=settings["input_std"], size=256, overlap=64
    )
    assert np.array_equal(labels, scores.argmax(0))
    assert len(np.unique(labels)) > 1
    run(scene, tmp_path / "p.tif", model, execution=Execution(chunk=1024), **settings)
    assert (tmp_path / "p.tif").read_bytes() == (tmp_path / "o.tif").read_bytes()


@pytest.mark.slow
def test_a_real_network_on_a_scene_with_nodata(data, tmp_path):
    """Six bands of Landsat 7, from bytes to about reflectances, with a margin of nodata."""
    model, facts = csmask("6b_l1c")
    bands = []
    for number in BANDS:
        with rasterio.open(data.carolina() / f"lsat7_2000_{number}.tif") as source:
            bands.append(source.read(1).astype(np.float32))
    image = np.stack(bands)
    valid = (image > -30_000).all(0)
    image[:] = np.where(valid, image / 255, np.nan)
    scene = write_raster(tmp_path / "s.tif", image)
    settings = csmask_settings(facts, tmp_path)
    run(scene, tmp_path / "o.tif", model, **settings)
    mean, std = settings["input_mean"], settings["input_std"]
    filled = np.where(valid, image, np.array(mean, np.float32)[:, None, None])
    scores = plain_scores(model, filled, mean=mean, std=std, size=256, overlap=64)
    labels = labels_of(tmp_path / "o.tif")
    assert np.array_equal(labels, np.where(valid, scores.argmax(0), 255))
    assert valid.any()
    assert not valid.all()


@pytest.mark.slow
def test_a_window_of_a_real_network_has_the_same_bits_in_every_batch():
    path, data = csmask("4b_l2a")
    mean, std = (tuple(v) for v in data["dataset_statistics"]["img"])
    with pytest.raises(ModelError, match="does not name its 3 classes, list them"):
        OnnxModel.load(path, OnnxMetadata(mean=mean, std=std))
    loaded = OnnxModel.load(path, OnnxMetadata(Legend.from_names([*"abc"]), mean=mean, std=std))
    network = OnnxNetwork(read_onnx(path), loaded.spec)
    image = np.random.default_rng(0).uniform(0, 1, (4, 256, 400)).astype(np.float32)
    windows = [(slice(0, 256), slice(col, col + 256)) for col in (0, 50, 100, 144)]
    with one_torch_thread():
        scores = [
            [s.numpy().copy() for s in Predictor(network, batch_size=size).scores(image, order)]
            for size, order in ((1, windows), (3, windows), (4, windows[::-1]))
        ]
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2][::-1])
