"""Maps of each engine, held to the laws; the trial that chooses an engine."""

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.classification import ClassifySettings, Execution, classify, read_manifest
from geoseg.classification import engine_trial as trial_module
from geoseg.classification import job as job_module
from geoseg.classification.compute_config import ComputeConfig, ComputeRequest, agree_on
from geoseg.classification.engine_trial import TrialRequest
from geoseg.errors import ChunkError, GeosegError, OutputError, RunError
from geoseg.grid import Window, WindowGrid
from geoseg.model import ENGINES, engine_name
from geoseg.raster import open_scene
from tests.support.rasters import blocks, write_raster
from tests.support.refusals import refusal

SETTINGS = ClassifySettings(overlap=8)
OTHERS = ENGINES[1:]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    image = np.maximum(blocks(600, 1100, 3, 0), 1)
    image[:, :90, :200] = 0
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", image, nodata=0)


def run(scene, folder, model, *, workers=1, precision="auto", **execution):
    return classify(
        scene, folder / "lulc.tif", model=model, confidence=folder / "conf.tif",
        settings=replace(SETTINGS, precision=precision), workers=workers,
        execution=Execution(**execution),
    )  # fmt: skip


def files_of(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("lulc.tif", "conf.tif")]


@pytest.fixture
def folder(tmp_path):
    def make(name: str) -> Path:
        (tmp_path / name).mkdir(exist_ok=True)
        return tmp_path / name

    return make


@pytest.mark.parametrize(
    ("engine", "precision"),
    [*((engine, "fp32") for engine in OTHERS), ("openvino", "bf16"), ("torch", "bf16")],
)
def test_chunks_workers_shards_and_restarts_do_not_show(engine, precision, scene, model, folder):
    options = {"engine": engine, "precision": precision}
    report = run(scene, folder("plain"), model, **options, chunk=512)
    assert report.execution["engine"] == engine_name(engine)
    plain = files_of(folder("plain"))
    run(scene, folder("large"), model, **options, chunk=2048)
    run(scene, folder("two"), model, **options, chunk=512, workers=2)
    run(scene, folder("shards"), model, **options, chunk=512, shard=(2, 3))
    run(scene, folder("shards"), model, chunk=512, shard=(1, 3))  # takes the engine of the run
    run(scene, folder("shards"), model, chunk=512)
    assert all(files_of(folder(name)) == plain for name in ("large", "two", "shards"))
    with rasterio.open(folder("plain") / "lulc.tif") as map_:
        tags = map_.tags()
    assert tags.get("GEOSEG_ENGINE", engine_name("torch")) == engine_name(engine)
    assert tags["GEOSEG_PRECISION"] == precision


def test_engines_agree_on_nearly_all_labels(scene, model, folder):
    labels = {}
    for engine in ENGINES:
        run(scene, folder(engine), model, engine=engine)
        with rasterio.open(folder(engine) / "lulc.tif") as map_:
            labels[engine] = map_.read(1)
    assert len(np.unique(labels["torch"])) > 2
    for engine in OTHERS:
        assert (labels[engine] == labels["torch"]).mean() > 0.9999


def test_parts_of_another_engine_are_refused_by_name(scene, model, folder):
    run(scene, folder("o"), model, engine="mnn", chunk=512, shard=(1, 2))
    assert read_manifest(folder("o") / "lulc.tif.parts")["engine"] == engine_name("mnn")
    with pytest.raises(RunError, match=r"another run \(not the same: engine\).*--no-resume"):
        run(scene, folder("o"), model, engine="openvino", chunk=512)


def test_a_worker_without_the_engine_is_told(scene, model, folder, monkeypatch):
    run(scene, folder("o"), model, engine="mnn", chunk=512, shard=(1, 2))
    monkeypatch.setitem(sys.modules, "MNN", None)
    with pytest.raises(GeosegError, match=r"engine mnn is not installed here .*install it: pip"):
        run(scene, folder("o"), model, chunk=512)
    assert not (folder("o") / "lulc.tif").exists()


def test_a_lost_network_in_the_run_folder_is_named(scene, model, folder, monkeypatch):
    from geoseg.classification import run as run_module

    monkeypatch.setattr(run_module, "save_graph", lambda job, model: None)
    with pytest.raises(ChunkError, match=r"cannot read the network .*network.onnx: No such file"):
        run(scene, folder("o"), model, engine="onnxruntime")


def test_chunks_of_different_cpus_are_told(scene, model, folder, caplog):
    run(scene, folder("o"), model, chunk=512, shard=(1, 2))
    for record in (folder("o") / "lulc.tif.parts").glob("part-*.json"):
        part = json.loads(record.read_text())
        assert part["instruction_set"]
        record.write_text(json.dumps({**part, "instruction_set": "sse41"}))
    run(scene, folder("o"), model, chunk=512)
    [text] = [r.getMessage() for r in caplog.records if "instruction sets" in r.getMessage()]
    assert "sse41" in text
    assert "last bits" in text


def test_shards_that_start_with_the_same_options_use_the_engine_of_the_first(scene, tmp_path):
    grid, parts = WindowGrid(100, 100, 64, 56), tmp_path / "parts"
    trial = TrialRequest(open_scene(scene), grid, Window(0, 0, 100, 100), "m", "h", None, tta=False)
    request = ComputeRequest("auto", "auto", None, "auto", trial)
    first = ComputeConfig("cpu", "fp32", 1, "mnn 3.6.1")
    assert agree_on(first, request, parts) == first
    second = ComputeConfig("cpu", "fp32", 8, "torch 2.9.1")
    assert agree_on(second, request, parts) == first
    others = [replace(request, device="cpu"), replace(request, batch_size=8)]
    others.append(replace(request, trial=replace(trial, model_hash="other")))
    for other in others:
        assert agree_on(second, other, parts) == second
    assert len(list(parts.iterdir())) == 1 + len(others)


def test_a_refused_shard_leaves_no_run_folder(scene, model, tmp_path):
    """The file in which shards agree on an engine is in the run folder."""
    (tmp_path / "lulc.tif").write_text("precious")
    with refusal(OutputError, r"lulc\.tif exists", tmp_path):
        run(scene, tmp_path, model, chunk=512, shard=(1, 2))


# The trial.


@pytest.fixture
def tried(monkeypatch):
    """Try engines on any scene, for a short time."""
    monkeypatch.setattr(job_module, "SMALL_PIXELS", 0)
    monkeypatch.setattr(job_module.Job, "suits_processes", False)  # this scene needs none
    monkeypatch.setattr(trial_module, "_WORTH_SECONDS", 0)
    monkeypatch.setattr(trial_module, "_TRIAL_SECONDS", 0.01)


def chosen(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if "chosen by a trial" in r.getMessage()]


def test_auto_takes_the_fastest_engine_and_says_so(scene, model, folder, tried, caplog):
    caplog.set_level(logging.INFO, "geoseg")
    report = run(scene, folder("o"), model)
    [text] = chosen(caplog)
    assert text.startswith(
        f"engine {report.execution['engine']}, chosen by a trial on 24,576 pixels"
    )
    assert all(f"{engine} " in text for engine in OTHERS)
    engine = report.execution["engine"].partition(" ")[0]
    run(scene, folder("same"), model, engine=engine)
    assert files_of(folder("same")) == files_of(folder("o"))


def test_an_engine_with_other_labels_is_not_taken(scene, model, folder, tried, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "geoseg")
    original = trial_module.try_engine

    def slow_reference_and_wrong_others(engine, *args):
        trial, labels = original(engine, *args)
        wrong = engine != "torch"
        return type(trial)(engine, 0.001 if wrong else 1, 0.9998 if wrong else 1), labels

    monkeypatch.setattr(trial_module, "try_engine", slow_reference_and_wrong_others)
    assert run(scene, folder("o"), model).execution["engine"] == engine_name("torch")
    assert "99.980% of the labels" in chosen(caplog)[0]


def test_a_trial_in_bf16_compares_labels_with_fp32(
    scene, model, folder, tried, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "geoseg")
    original, tries = trial_module.try_engine, []

    def recorded(engine, predictor, sample, reference, seconds):
        trial, labels = original(engine, predictor, sample, reference, seconds)
        tries.append((engine, predictor.precision, trial, labels, reference))
        return trial, labels

    monkeypatch.setattr(trial_module, "try_engine", recorded)
    report = run(scene, folder("o"), model, precision="bf16")
    (_, _, _, rounded, _), (_, _, _, exact, _), (_, _, other, _, compared) = tries
    assert [t[:2] for t in tries] == [("torch", "bf16"), ("torch", "fp32"), ("openvino", "bf16")]
    assert compared is exact
    share, text = (rounded == exact).mean(), chosen(caplog)[0]
    assert f"compared with torch in bf16, with {share:.3%} of the labels of fp32, openvino" in text
    assert text.endswith(f"times as fast with {other.agreement:.3%} of the labels of fp32")
    assert text.startswith(f"engine {report.execution['engine']}, ")


@pytest.mark.parametrize("native", [True, False])
def test_a_trial_mentions_bf16_if_the_cpu_has_it(
    native, scene, model, folder, tried, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "geoseg")
    monkeypatch.setattr(trial_module, "has_bf16", lambda: native)
    run(scene, folder("o"), model)
    assert (
        "this CPU computes bf16 faster than fp32 (--precision bf16)" in caplog.messages
    ) == native


def test_a_resumed_run_needs_no_new_trial(scene, model, folder, tried, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "geoseg")
    run(scene, folder("o"), model, chunk=512, shard=(1, 2))
    monkeypatch.setattr(trial_module, "try_engine", None)
    run(scene, folder("o"), model, chunk=512)
    assert len(chosen(caplog)) == 1


@pytest.mark.parametrize("reason", ["small", "seconds", "no valid pixel"])
def test_there_is_no_trial_that_is_not_worth_it(reason, scene, model, folder, tried, monkeypatch):
    if reason == "small":
        monkeypatch.setattr(job_module, "SMALL_PIXELS", 10**9)
    elif reason == "seconds":
        monkeypatch.setattr(trial_module, "_WORTH_SECONDS", 10**9)
    else:
        scene = write_raster(folder("o") / "empty.tif", np.zeros((3, 300, 300), "uint8"), nodata=0)
    monkeypatch.setattr(trial_module, "_try_others", None)
    assert run(scene, folder("o"), model).execution["engine"] == engine_name("torch")
