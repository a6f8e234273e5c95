"""Engines beside each other: speed on one thread, and agreement of their labels with torch.

python benchmarks/engines.py IMAGE... [--models lab default] [--windows 128 256 512] [--seconds 3]

Windows are cut from the middle of the images. Speed is pixels computed per CPU second. An engine
computes in rounds that take turns, and the fastest round counts. With `ONEDNN_MAX_CPU_ISA=AVX2` and
`ATEN_CPU_CAPABILITY=avx2`, torch computes as on a processor without AVX-512.
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import GeosegError
from geoseg.model import (
    ENGINES,
    TORCH,
    Model,
    Predictor,
    best_class,
    engine_name,
    instruction_set,
    network_graph,
    one_torch_thread,
    tune_malloc,
)
from geoseg.model.engines.names import is_installed
from geoseg.raster import open_scene, read_window

ROUNDS = 5
PRECISIONS = (("fp32", ENGINES), ("bf16", (TORCH, "openvino")))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--models", nargs="+", default=["lab", "default"])
    parser.add_argument("--windows", nargs="+", type=int, default=[128, 256, 512])
    parser.add_argument("--seconds", type=float, default=3, help="for each engine")
    args = parser.parse_args()
    tune_malloc()
    installed = [engine for engine in ENGINES if is_installed(engine)]
    print(f"{instruction_set()}; {', '.join(map(engine_name, installed))}\n")
    print("| model | window | engine | Mpx per CPU s | relative to torch | same labels |")
    print("|---|---|---|---|---|---|")
    with one_torch_thread():
        for name in args.models:
            for window in args.windows:
                compare(name, window, args.images, installed, args.seconds)


def compare(
    name: str, window: int, images: list[str], installed: list[str], seconds: float
) -> None:
    """Print the rows of a model and a window."""
    model = Model.load(name).with_window(window)
    strip = np.concatenate([middle_windows(image, window) for image in images], axis=2)
    graph = network_graph(model)
    predictors = {}
    for precision, engines in PRECISIONS:
        for engine in (e for e in engines if e in installed):
            label = engine if precision == "fp32" else f"{engine}, {precision}"
            try:
                predictors[label] = Predictor(
                    model, engine=engine, device="cpu", precision=precision, graph=graph
                )
            except GeosegError as error:
                print(f"| {name} | {window} | {label} | {error} | | |")
    labels = {label: classes_of(p, strip, window) for label, p in predictors.items()}
    speeds = dict.fromkeys(predictors, 0.0)
    for _ in range(ROUNDS):
        for label, predictor in predictors.items():
            speed = pixels_per_second(predictor, strip, window, seconds / ROUNDS)
            speeds[label] = max(speeds[label], speed)
    for label, speed in speeds.items():
        same = (labels[label] == labels[TORCH]).mean()
        ratio = speed / speeds[TORCH]
        print(f"| {name} | {window} | {label} | {speed / 1e6:.2f} | {ratio:.2f} | {same:.4%} |")


def middle_windows(image: str, window: int) -> NDArray[np.uint8]:
    """Return the windows of the middle row of an image, side by side: (bands, window, width)."""
    scene = open_scene(image)
    pixels, _ = read_window(scene, scene.window)
    row = (scene.height - window) // 2
    return pixels[:, row : row + window, : scene.width // window * window]


def slices_of(strip: NDArray[np.uint8], window: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns of the windows of a strip."""
    return [
        (slice(0, window), slice(col, col + window)) for col in range(0, strip.shape[2], window)
    ]


def classes_of(predictor: Predictor, strip: NDArray[np.uint8], window: int) -> NDArray[np.uint8]:
    """Return the class indices of the windows."""
    scores = predictor.scores(strip, slices_of(strip, window))
    return np.stack([best_class(score)[0].numpy() for score in scores])


def pixels_per_second(
    predictor: Predictor, strip: NDArray[np.uint8], window: int, seconds: float
) -> float:
    """Return the pixels computed per CPU second of this process."""
    windows, pixels, start = slices_of(strip, window), 0, time.process_time()
    while time.process_time() - start < seconds:
        for _ in predictor.scores(strip, windows):
            pixels += window**2
    return pixels / (time.process_time() - start)


if __name__ == "__main__":
    main()
