"""The path of a GPU: graphs and streams, on a CPU by a stand-in, on a GPU where there is one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from geoseg.errors import GeosegError
from geoseg.model import Model, Predictor
from geoseg.model.cuda import STREAMS, GraphedFunction, deterministic_arithmetic
from geoseg.model.predictor import copy_windows, index_windows
from tests.support.cuda import FakeCuda, arithmetic

CPU = torch.device("cpu")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def cuda(monkeypatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


def weighted(x, weights=None):
    y = torch.softmax(2 * x, 1)
    return y if weights is None else y * weights


def test_a_graph_gives_what_the_function_gives_for_other_inputs(cuda):
    function = GraphedFunction(weighted, CPU)
    with function.stream(), torch.inference_mode():
        for seed in range(3):
            torch.manual_seed(seed)
            x, weights = torch.rand(4, 3, 5, 5), torch.rand(5, 5)
            assert torch.equal(function(x, weights), weighted(x, weights))
            whole = (255 * x).byte()
            assert torch.equal(function(whole), weighted(whole.float()))
    assert cuda.captures == 2  # with weights and without


def test_outside_of_a_stream_nothing_is_captured(cuda):
    x = torch.rand(4, 3, 5, 5)
    assert torch.equal(GraphedFunction(weighted, CPU)(x), weighted(x))
    assert cuda.captures == 0


def test_no_more_threads_compute_at_a_time_than_there_are_streams(cuda):
    function, lock, inside, most = GraphedFunction(weighted, CPU), threading.Lock(), set(), []
    together = threading.Barrier(STREAMS)

    def work(_):
        with function.stream():
            stream = torch.cuda.current_stream()
            with lock:
                assert stream not in inside
                inside.add(stream)
                most.append(len(inside))
            together.wait(10)
            with lock:
                inside.remove(stream)

    with ThreadPoolExecutor(3 * STREAMS) as pool:
        [*pool.map(work, range(3 * STREAMS))]
    assert max(most) == STREAMS


def test_one_thread_captures_one_graph(cuda):
    function = GraphedFunction(weighted, CPU)
    for _ in range(3):
        with function.stream(), torch.inference_mode():
            function(torch.rand(1, 2, 3, 3))
    assert cuda.captures == 1


def test_the_arithmetic_is_deterministic_while_a_graph_is_captured(cuda, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = arithmetic()
    function = GraphedFunction(weighted, CPU)
    with function.stream(), torch.inference_mode():
        function(torch.rand(1, 2, 3, 3))
    assert cuda.settings == [(True, False, "ieee", "ieee")]
    assert arithmetic() == before
    with pytest.raises(KeyError), deterministic_arithmetic():
        raise KeyError
    assert arithmetic() == before


def test_too_little_memory_is_one_sentence(cuda):
    def fail(x):
        raise torch.cuda.OutOfMemoryError

    function = GraphedFunction(fail, CPU)
    with (
        function.stream(),
        pytest.raises(GeosegError, match="for 7 windows at a time, use a small"),
    ):
        function(torch.rand(7, 2, 3, 3))


def test_an_index_cuts_the_windows_that_slices_cut():
    image = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)
    places = [(0, 0), (8, 42), (32, 17), (5, 5), (5, 5)]
    assert torch.equal(index_windows(image, places, 8), copy_windows(image, places, 8))


@gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_gives_the_same_bits_each_time_and_nearly_those_of_the_cpu(model, precision):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 200, 200), dtype=np.uint8)
    windows = [(slice(r, r + 32), slice(c, c + 32)) for r in (0, 24) for c in range(0, 160, 24)]

    def scores(_=None, device="cuda", precision=precision):
        predictor = Predictor(Model.load(model), device=device, precision=precision, batch_size=5)
        with predictor.stream():
            stacked = torch.stack([*predictor.scores(pixels, windows)])
            return predictor.to_host(stacked)

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(scores, range(8))
    assert all(np.array_equal(first, array) for array in others)
    atol = 1e-4 if precision == "fp32" else 0.05
    np.testing.assert_allclose(first, scores(device="cpu", precision="fp32"), atol=atol)
