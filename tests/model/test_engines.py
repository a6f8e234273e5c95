"""The engines give the scores of torch, and the same bits whatever came before."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.errors import GeosegError, ModelError
from geoseg.model import (
    ENGINES,
    Model,
    Predictor,
    Trial,
    TrialWindows,
    UNetSpec,
    choose_engines,
    engine_name,
    fastest,
    instruction_set,
    make_network,
    one_torch_thread,
    try_engine,
)
from geoseg.model.engines import names
from geoseg.model.engines.session import reason_of, start_session
from geoseg.model.onnx.file import read_onnx
from geoseg.model.onnx.network import OnnxNetwork
from geoseg.model.onnx.spec import OnnxSpec
from tests.support.models import tiny_model
from tests.support.onnx_files import conv_onnx
from tests.support.processes import CONTEXT
from tests.support.windows import scores_of

OTHERS = ENGINES[1:]
NETWORKS = {
    "lab": UNetSpec(classes=4, width=4, depth=2, window=32),
    "five bands": UNetSpec(
        bands=5, classes=3, width=4, depth=1, window=48,
        low=(0, 1, 2, 3, 4), high=(90, 91, 92, 93, 94),
    ),
    "efficientnet-lite0": UNetSpec(
        classes=4, width=4, depth=5, window=32, encoder="efficientnet-lite0"
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory) -> Model:
    torch.manual_seed(3)
    spec = NETWORKS[request.param]
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    model = Model.load(tiny_model(path, classes=spec.classes, bands=spec.bands))
    return replace(model, network=network_with_statistics(spec))


def network_with_statistics(spec: UNetSpec) -> torch.nn.Module:
    network = make_network(spec).eval()
    for module in network.modules():  # statistics as a training leaves them
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def random_windows(spec: UNetSpec, count: int = 6) -> np.ndarray:
    shape = (count, spec.bands, spec.window, spec.window)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_gives_the_scores_of_torch(engine, network):
    windows = random_windows(network.spec)
    expected = scores_of(Predictor(network, device="cpu"), windows)
    scores = scores_of(Predictor(network, engine=engine), windows)
    assert np.abs(scores - expected).max() < 1e-4
    assert (scores.argmax(1) == expected.argmax(1)).mean() > 0.999
    assert expected.std() > 0.01


@pytest.mark.parametrize("engine", OTHERS)
def test_bits_do_not_depend_on_order_place_or_thread(engine, network):
    windows = random_windows(network.spec)
    predictor = Predictor(network, engine=engine)
    plain = scores_of(predictor, windows)
    assert np.array_equal(scores_of(predictor, windows[::-1].copy())[::-1], plain)
    again = Predictor(network, engine=engine)
    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda i: scores_of(again, windows[i : i + 1]), [4, 0, 2, 5, 1, 3]))
    assert np.array_equal(np.concatenate(parts), plain[[4, 0, 2, 5, 1, 3]])


@pytest.mark.parametrize("engine", OTHERS)
def test_a_batch_gives_the_bits_of_single_windows(engine, network):
    windows = random_windows(network.spec)
    single = scores_of(Predictor(network, engine=engine), windows)
    assert np.array_equal(
        scores_of(Predictor(network, engine=engine, batch_size=4), windows), single
    )


@pytest.mark.parametrize("engine", ["openvino", "mnn"])
@pytest.mark.parametrize(
    "kind", [{}, {"nhwc": True}, {"padded": False}, {"channels": 1, "squeezed": True}], ids=str
)
def test_an_onnx_file_of_another_program_gives_the_scores_of_onnx_runtime(engine, kind, tmp_path):
    file = read_onnx(conv_onnx(tmp_path / "m.onnx", **kind))
    layout = "nhwc" if kind.get("nhwc") else "nchw"
    margin = 0 if kind.get("padded", True) else 2
    spec = OnnxSpec(
        3, kind.get("channels", 4), 32 - 2 * margin, margin, std=(255.0,), input_layout=layout,
        output_layout="nhw" if kind.get("squeezed") else layout,
    )  # fmt: skip
    x = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8))
    expected = OnnxNetwork(file, spec).probabilities(x).numpy()
    scores = OnnxNetwork(file, spec, engine=engine).probabilities(x).numpy()
    assert scores.shape == expected.shape
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_openvino_computes_in_bf16(network):
    windows = random_windows(network.spec)
    full = scores_of(Predictor(network, engine="openvino"), windows)
    half = scores_of(Predictor(network, engine="openvino", precision="bf16"), windows)
    assert np.abs(full - half).max() < 0.1


def compute_first_batches(engine, path, threads=32):
    """Let threads compute at the same moment, the first batches of this process."""
    sys.setswitchinterval(5)  # so that a thread goes on until it waits
    session = start_session(engine, read_onnx(path), (1, 3, 32, 32), "fp32")
    barrier = threading.Barrier(threads)

    def compute(_):
        barrier.wait()
        return session(np.ones((1, 3, 32, 32), np.float32))

    with ThreadPoolExecutor(threads) as pool:
        first, *others = pool.map(compute, range(threads))
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("engine", OTHERS)
def test_threads_compute_the_first_batches_of_a_process_together(engine, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx")
    processes = [
        CONTEXT.Process(target=compute_first_batches, args=(engine, path), daemon=True)
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    assert [process.exitcode for process in processes] == [0] * 4


def interrupt_after_the_end_of_a_session(engine, path):
    signal.signal(signal.SIGINT, lambda *_: None)
    file = read_onnx(path)
    sessions = [start_session(engine, file, (1, 3, 32, 32), "fp32")]
    sessions[0](np.zeros((1, 3, 32, 32), np.float32))
    thread = threading.Thread(target=sessions.clear)
    thread.start()
    thread.join()
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("engine", OTHERS)
def test_a_signal_is_received_after_another_thread_has_ended_a_session(engine, tmp_path):
    path = conv_onnx(tmp_path / "m.onnx")
    process = CONTEXT.Process(target=interrupt_after_the_end_of_a_session, args=(engine, path))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_the_import_of_mnn_prints_nothing():
    code = "from geoseg.model import engine_name; print(engine_name('mnn'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{engine_name('mnn')}\n"
    assert not done.stderr


def test_names_have_versions_without_the_build():
    assert engine_name("torch") == f"torch {torch.__version__.partition('+')[0]}"
    for engine in ENGINES:
        name, version = engine_name(engine).split(" ")
        assert name == engine
        assert all(part.isdigit() for part in version.split(".")[:2])


@pytest.mark.parametrize(
    ("engine", "device", "precision", "onnx", "message"),
    [
        ("tensorrt", "auto", "auto", False, "unknown engine 'tensorrt', use one of auto, torch"),
        ("mnn", "cuda", "auto", False, "engine mnn computes on the CPU, not on cuda, use device"),
        ("mnn", "cpu", "bf16", False, "engine mnn does not compute in bf16, use precision fp32"),
        ("torch", "cpu", "auto", True, "an ONNX file is not computed by torch, use engine auto"),
    ],
)
def test_a_choice_that_is_not_possible_is_refused(engine, device, precision, onnx, message):
    spec = OnnxSpec(3, 2, 32) if onnx else None
    with pytest.raises(GeosegError, match=message):
        choose_engines(engine, device, precision, spec)


@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_that_is_not_installed_is_named_with_its_package(engine, monkeypatch):
    module = {"mnn": "MNN"}.get(engine, engine)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(GeosegError, match=rf"engine {engine} is not installed here .*pip install"):
        choose_engines(engine, "cpu", "fp32")


def test_auto_tries_what_is_installed_with_the_reference_first(monkeypatch):
    assert choose_engines("auto", "cpu", "auto")[0] == ENGINES
    assert choose_engines("auto", "cpu", "auto", OnnxSpec(3, 2, 32))[0] == (
        "onnxruntime",
        "openvino",
    )
    assert choose_engines("auto", "cpu", "bf16")[0] == ("torch", "openvino")
    monkeypatch.setattr(names.importlib.util, "find_spec", lambda name: None)
    assert choose_engines("auto", "cpu", "auto")[0] == ("torch",)


def test_mnn_refuses_a_network_of_bytes(tmp_path):
    file = read_onnx(conv_onnx(tmp_path / "m.onnx", dtype="uint8"))
    with pytest.raises(ModelError, match="engine mnn computes float32 only, choose another"):
        OnnxNetwork(file, OnnxSpec(3, 4, 32, dtype="uint8"), engine="mnn")


def test_the_fastest_is_among_those_that_agree():
    torch_, wrong, good = (
        Trial("torch", 2, 1),
        Trial("openvino", 0.5, 0.99),
        Trial("mnn", 1, 0.99995),
    )
    assert fastest([torch_, wrong, good], "fp32") is good
    assert fastest([torch_, wrong], "fp32") is torch_


def test_in_bf16_the_fastest_is_as_near_to_fp32_as_the_reference():
    torch_, worse, good = (
        Trial("torch", 2, 0.9980),
        Trial("openvino", 0.5, 0.9969),
        Trial("openvino", 1, 0.9971),
    )
    assert fastest([torch_, worse], "bf16") is torch_
    assert fastest([torch_, worse, good], "bf16") is good


def test_a_trial_measures_time_and_agreement(network):
    windows = random_windows(network.spec, 3)
    sample = TrialWindows(np.concatenate(list(windows), axis=2), network.spec.window)
    with one_torch_thread():
        predictor = Predictor(network, device="cpu")
        trial, labels = try_engine("torch", predictor, sample, None, 0.01)
        assert trial.agreement == 1
        assert np.array_equal(labels, scores_of(predictor, windows).argmax(1))
        wrong = labels.copy()
        wrong[0, :3] += 1
        second, _ = try_engine("torch", predictor, sample, wrong, 0.01)
    assert second.agreement == pytest.approx(1 - 1 / network.spec.window, abs=1e-9)
    assert 0 < second.seconds < 10


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : bad shape\nmore",
            "2 : INVALID_ARGUMENT : bad shape",
        ),
        ("Exception from src/core.cpp:117:\n\nno such operator\n", "no such operator"),
        ("", "ValueError"),
    ],
)
def test_the_reason_of_an_error_is_its_first_line_that_says_something(text, reason):
    assert reason_of(ValueError(text)) == reason


def test_the_instruction_set_is_the_newest_that_the_cpu_has():
    assert instruction_set({"sse2", "avx2"}) == "avx2"
    assert instruction_set({"avx2", "avx512f", "avx512_vnni", "avx512_bf16"}) == "avx512_bf16"
    assert instruction_set({"neon"})
