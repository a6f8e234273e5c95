"""What int8 gives and costs: CPU time and labels of an exported model in ONNX Runtime and OpenVINO.

python benchmarks/int8.py MODEL TILES [--windows N] [--rounds N]

MODEL is a model file or the name of a model; TILES is a folder that `geoseg tile` wrote, with tiles
of the side of the model's windows. The model is exported in float32 and in int8 into a temporary
folder. Then each engine computes the same validation tiles one by one on one thread; the four
networks take turns, so that other work on the machine meets all of them.

A Markdown table goes to stdout: CPU milliseconds a window (median of the rounds), the ratio to
float32 in ONNX Runtime, and the share of pixels that have another class than there.
OpenVINO is left out where it is not installed. ONEDNN_MAX_CPU_ISA=AVX2 in the environment shows
OpenVINO on a processor without VNNI.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import geoseg

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Windows (1, bands, side, side) to scores (1, classes, side, side)."""


def onnx_runtime(path: Path) -> Network:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})[0]


def openvino(path: Path) -> Network:
    from openvino import Core

    hints = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = Core().compile_model(path, "CPU", hints)
    request = compiled.create_infer_request()
    return lambda image: request.infer([image])[compiled.output(0)].copy()


def cpu_time(network: Network, images: NDArray[np.float32]) -> float:
    """CPU seconds a window."""
    start = time.process_time()
    for image in images:
        network(image[None])
    return (time.process_time() - start) / len(images)


def labels(network: Network, images: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.concatenate([network(image[None]).argmax(1) for image in images])


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("model", help="model file, or name of a model")
    parser.add_argument("tiles", help="folder that geoseg tile wrote")
    parser.add_argument("--windows", type=int, default=48, help="validation tiles to compute")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    engines = {"ONNX Runtime": onnx_runtime}
    if importlib.util.find_spec("openvino"):
        engines["OpenVINO"] = openvino
    with tempfile.TemporaryDirectory() as folder:
        fp32, int8 = (Path(folder, f"{name}.onnx") for name in ("fp32", "int8"))
        geoseg.export_model(args.model, fp32)
        print(geoseg.export_int8(args.model, args.tiles, int8).to_text().partition("; ")[2])
        networks = {
            (engine, path.stem): start(path)
            for engine, start in engines.items()
            for path in (fp32, int8)
        }
    val = geoseg.open_tiles(args.tiles).dataset("val")
    drawn = np.random.default_rng(0).permutation(len(val))[: args.windows]
    images = val.read(drawn)[0].astype(np.float32) / np.float32(255)
    mapped = {key: labels(network, images) for key, network in networks.items()}
    rounds = [[cpu_time(net, images) for net in networks.values()] for _ in range(args.rounds)]
    medians = dict(zip(networks, np.median(rounds, axis=0), strict=True))
    first = next(iter(networks))
    print("| engine | precision | CPU ms a window | times as fast | other class |")
    print("|---|---|---|---|---|")
    for key, seconds in medians.items():
        changed = (mapped[key] != mapped[first]).mean()
        ratio = medians[first] / seconds
        print(f"| {' | '.join(key)} | {seconds * 1e3:.1f} | {ratio:.2f} | {changed:.2%} |")


if __name__ == "__main__":
    main()
