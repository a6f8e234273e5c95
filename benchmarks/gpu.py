"""Speed on a GPU, and whether two runs give the same bytes.

python benchmarks/gpu.py [--side 8192] [--rounds 2] [--dubai FOLDER]

1. `classify` of a textured scene, without and with GeoPackage polygons, from path to closed files.
2. MONAI's sliding window with the same network, windows, precision and batch, from path to GeoTIFF,
   if MONAI is installed.
3. The 25 epochs of the reference run (`workflows/lab`), with calibration, if --dubai is the folder
   of the Dubai data set.

All is measured in one process, after a small scene that starts the GPU and compiles the code.
"""

import argparse
import copy
import hashlib
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "workflows" / "lab"))
from runs import choose, trainings
from scenes import textured

import geoseg
from geoseg import ClassifySettings, Execution, Model, TileSettings
from geoseg.model import choose_batch, choose_device, torch_dtype, tune_malloc

OVERLAP = ClassifySettings().overlap


def main() -> None:
    """Parse the arguments, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=8192, help="of the scene (px)")
    parser.add_argument("--rounds", type=int, default=2, help="of each measurement")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"])
    parser.add_argument("--model", default="default", help="name or file of the model")
    parser.add_argument("--dubai", type=Path, help="folder with Tile N/images and Tile N/masks")
    parser.add_argument("--epochs", type=int, default=25, help="of the training")
    args = parser.parse_args()
    tune_malloc()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the images have no georeference
    device = choose_device(args.device)
    print(f"{device_name(device)}, torch {torch.__version__}, {args.side} x {args.side} x 3 px\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene, small = (
            textured(folder / "scene.tif", args.side),
            textured(folder / "small.tif", 600),
        )
        print("| what | precision | s | Mpx/s | same bytes | labels as geoseg |")
        print("|---|---|---|---|---|---|")
        for precision in args.precision:
            maps(scene, small, args.model, device, precision, args.rounds)
        if args.dubai is not None:
            tiles = folder / "tiles"
            geoseg.tile([args.dubai], out=tiles, settings=TileSettings(split="random", min_valid=0))
            print(f"\n| {args.epochs} epochs | s | validation accuracy | same bytes |")
            print("|---|---|---|---|")
            for precision in args.precision:
                epochs(tiles, folder, device, precision, args.epochs, args.rounds)


def device_name(device: torch.device) -> str:
    """Return what the manufacturer calls a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def maps(
    scene: Path, small: Path, model: str, device: torch.device, precision: str, rounds: int
) -> None:
    """Measure the ways of making a map, one after the other."""
    labels = scene.with_name("labels.tif")
    polygons = scene.with_name("labels.gpkg")
    window = Model.load(model).spec.window
    batch = choose_batch(None, device, window)

    def classify(source: Path, gpkg: Path | None) -> None:
        geoseg.classify(
            source, labels, model=model, polygons=gpkg, overwrite=True,
            settings=ClassifySettings(overlap=OVERLAP, precision=precision),
            execution=Execution(device=str(device), batch_size=batch),
        )  # fmt: skip

    ways = {"geoseg classify": None, "geoseg classify, polygons": polygons}
    for what, gpkg in ways.items():
        classify(small, gpkg)
        seconds, digests = [], set()
        for _ in range(rounds):
            start = time.perf_counter()
            classify(scene, gpkg)
            seconds.append(time.perf_counter() - start)
            files = (labels,) if gpkg is None else (labels, gpkg)
            digests.add(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files))
        row(what, precision, scene, seconds, same_bytes(digests, rounds))
    monai(scene, small, labels, Model.load(model), device, precision, batch, rounds)


def monai(
    scene: Path, small: Path, labels: Path, model: Model, device: torch.device, precision: str,
    batch: int, rounds: int,
) -> None:  # fmt: skip
    """Measure MONAI's sliding window, and compare its labels with those of geoseg."""
    try:
        from monai.inferers import sliding_window_inference
    except ImportError:
        print("| MONAI is not installed | | | | | |")
        return
    network = copy.deepcopy(model.network).eval().to(device, torch_dtype(precision))
    network.rescale.float()
    network = network.to(memory_format=torch.channels_last)
    values = np.array(model.legend.values, np.uint8)

    def scores(windows: torch.Tensor) -> torch.Tensor:
        windows = windows.float().contiguous(memory_format=torch.channels_last)
        return torch.softmax(network(windows).float(), 1)

    @torch.inference_mode()
    def classify(source: Path, out: Path) -> None:
        with rasterio.open(source) as opened:
            pixels, profile = opened.read(), opened.profile
        size = model.spec.window
        blended = sliding_window_inference(
            torch.from_numpy(pixels)[None].to(device).float(), (size, size), batch, scores,
            overlap=OVERLAP / size, mode="gaussian", device=device,
        )  # fmt: skip
        best = values[blended[0].argmax(0).cpu().numpy()]
        with rasterio.open(out, "w", **{**profile, "count": 1}) as target:
            target.write(best, 1)

    out = scene.with_name("monai.tif")
    classify(small, out)
    seconds, digests = [], set()
    for _ in range(rounds):
        start = time.perf_counter()
        classify(scene, out)
        seconds.append(time.perf_counter() - start)
        digests.add(hashlib.sha256(out.read_bytes()).digest())
    with rasterio.open(out) as theirs, rasterio.open(labels) as ours:
        share = float((theirs.read(1) == ours.read(1)).mean())
    row("MONAI, gaussian", precision, scene, seconds, same_bytes(digests, rounds), f"{share:.4%}")


def row(
    what: str, precision: str, scene: Path, seconds: list[float], same: str, share: str = ""
) -> None:
    """Print a row of the table of maps."""
    with rasterio.open(scene) as opened:
        pixels = opened.height * opened.width
    times = ", ".join(f"{second:.2f}" for second in seconds)
    speed = pixels / min(seconds) / 1e6
    print(f"| {what} | {precision} | {times} | {speed:.2f} | {same} | {share} |", flush=True)


def epochs(
    tiles: Path, folder: Path, device: torch.device, precision: str, number: int, rounds: int
) -> None:
    """Measure the reference run."""
    settings = replace(trainings(long=1, more=1, precision=precision)[0].settings, epochs=number)
    seconds, accuracies, digests = [], [], set()
    for round_number in range(rounds):
        out = folder / f"{precision}-{round_number}.safetensors"
        start = time.perf_counter()
        geoseg.train(
            choose(geoseg.open_tiles(tiles), "lab"), out, settings=settings, device=str(device)
        )
        seconds.append(f"{time.perf_counter() - start:.1f}")
        accuracies.append(f"{Model.load(out).training['validation']['accuracy']:.4f}")
        digests.add(hashlib.sha256(out.read_bytes()).digest())
    same = same_bytes(digests, rounds)
    print(f"| {precision} | {', '.join(seconds)} | {', '.join(accuracies)} | {same} |", flush=True)


def same_bytes(digests: set[bytes], rounds: int) -> str:
    """Return whether all rounds gave the same bytes, in words."""
    if rounds == 1:
        return "only one run"
    return "yes" if len(digests) == 1 else "no"


if __name__ == "__main__":
    main()
