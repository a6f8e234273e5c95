"""What window, overlap and taper are worth: accuracy on images the model has not seen, and cost.

python benchmarks/overlap.py MODEL IMAGE... --out overlap.png [--windows N...] [--workers N]

MODEL is a model file or the name of a model. Each IMAGE lies in a folder images/ with a folder
masks/ beside it. Every image is mapped with all windows that fit into all images (128 to 1024 px),
overlaps of 0 to 64 px and all tapers, through the lattice, the predictor and the blending of
`geoseg classify`, and once as a whole, padded to a multiple of the largest stride of the network.
The network is fully convolutional, so that one set of weights does for all.

A Markdown table goes to stdout, the same figures to a CSV file and, drawn, to a PNG.

Cost is pixels computed per pixel of a large scene: (window / (window - overlap))^2. Pixels that the
masks leave black, or call "unlabelled", are left out; where the map says that class, it is wrong.
Mean IoU is over the other classes, all images in one matrix. Agreement is the share of all pixels
mapped as in the map of the whole image at once.

Largest in memory are the activations of a whole image.
"""

import argparse
import csv
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from overlap_plot import draw
from rasterio.errors import NotGeoreferencedWarning

from geoseg.blend import TAPERS, Taper, blend, taper_profile
from geoseg.errors import GeosegError
from geoseg.grid import Window, WindowGrid, bounds
from geoseg.labels import LabelOpener
from geoseg.metrics import Confusion
from geoseg.model import Model, Predictor, best_class, choose_batch
from geoseg.raster import Scene, open_scene, pad_reflect, read_window
from geoseg.tiles import IGNORE_INDEX

warnings.simplefilter("ignore", NotGeoreferencedWarning)

WINDOWS = (128, 256, 512, 1024)
OVERLAPS = (0, 16, 32, 64)
IGNORED = "unlabelled"
COLUMNS = ("window", "overlap", "taper", "cost", "accuracy", "mean IoU", "agreement")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to map an image."""

    window: int | None
    """Side (px); None for the whole image at once."""
    overlap: int = 0
    """Pixels that neighbouring windows share."""
    taper: Taper = "none"

    @property
    def cost(self) -> float:
        """Pixels computed per pixel of a large scene."""
        return 1.0 if self.window is None else (self.window / (self.window - self.overlap)) ** 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way gave; outcomes of several images add up."""

    confusion: Confusion
    pixels: int
    """Pixels mapped."""
    agreeing: int
    """Pixels mapped as in the map of the whole image at once."""

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.confusion + other.confusion,
            self.pixels + other.pixels,
            self.agreeing + other.agreeing,
        )


WHOLE = Way(None)
Outcomes = dict[Way, Outcome]


def lattices(scene: Scene, sizes: Sequence[int]) -> Iterator[tuple[int, WindowGrid]]:
    """Each overlap and lattice to be measured on a scene."""
    for size in sizes:
        for overlap in OVERLAPS:
            yield overlap, WindowGrid(scene.height, scene.width, size, size - overlap)


def work(scene: Scene, sizes: Sequence[int]) -> int:
    """Pixels to be computed for all ways of mapping a scene."""
    return sum(len(lattice) * lattice.size**2 for _, lattice in lattices(scene, sizes))


def measure(image: Path, path: str, sizes: Sequence[int]) -> Outcomes:
    """All ways of mapping one image; a top-level function of values, for a process of its own."""
    torch.set_num_threads(1)
    model = Model.load(path)
    scene = open_scene(str(image))
    reference = read_reference(image, scene, model)
    whole = map_whole(model, scene)

    def judge(labels: NDArray[np.uint8]) -> Outcome:
        confusion = Confusion.of(labels, reference, model.spec.classes, IGNORE_INDEX)
        return Outcome(confusion, labels.size, int((labels == whole).sum()))

    outcomes = {WHOLE: judge(whole)}
    predictors = {size: predictor_of(model, size) for size in sizes}
    for overlap, lattice in lattices(scene, sizes):
        predictor = predictors[lattice.size]
        windows = lattice.windows(scene.window)
        scores = [*zip(windows, scores_of(predictor, scene, windows), strict=True)]
        for kind in TAPERS if overlap else ("none",):
            weights = taper_profile(kind, lattice.size, overlap)
            square = predictor.to_device(np.outer(weights, weights).astype(np.float32))
            total = blend(scores, scene.window, square, predictor.zeros, model.spec.classes)
            outcomes[Way(lattice.size, overlap, kind)] = judge(best_class(total)[0].numpy())
    return outcomes


def read_reference(image: Path, scene: Scene, model: Model) -> NDArray[np.uint8]:
    """Class indices (height, width), IGNORE_INDEX where the mask is black or has another class."""
    indices = np.full(256, IGNORE_INDEX, np.uint8)
    for index, land_cover in enumerate(model.legend.classes):
        if land_cover.name != IGNORED:
            indices[land_cover.value] = index
    mask = image.parent.parent / "masks" / f"{image.stem}.png"
    return indices[LabelOpener().open(str(mask), scene).read(scene.window)]


def predictor_of(model: Model, size: int) -> Predictor:
    """The model with windows of another size, in batches of about as many pixels."""
    batch = choose_batch(None, torch.device("cpu"), size)
    return Predictor(model.with_window(size), device="cpu", precision="fp32", batch_size=batch)


def scores_of(predictor: Predictor, scene: Scene, windows: list[Window]) -> Iterator[Any]:
    """Scores (classes, size, size) of each window; beyond the edge of a small image, reflected."""
    area = bounds(windows)
    pixels, _ = read_window(scene, area.intersection(scene.window) or area)
    return predictor.scores(pad_reflect(pixels, area), [w.relative_to(area) for w in windows])


@torch.inference_mode()
def map_whole(model: Model, scene: Scene) -> NDArray[np.uint8]:
    """Class indices (height, width) from one forward pass."""
    step = 2**model.spec.depth
    height, width = (-(-side // step) * step for side in (scene.height, scene.width))
    pixels = pad_reflect(read_window(scene, scene.window)[0], Window(0, 0, height, width))
    batch = torch.from_numpy(pixels[None]).float().contiguous(memory_format=torch.channels_last)
    network = model.network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = network(batch)[0].argmax(0).to(torch.uint8).numpy()
    return labels[: scene.height, : scene.width]


def measure_all(images: list[Path], path: str, windows: Sequence[int], workers: int) -> Outcomes:
    """Outcomes of all images together; says on stderr how far it is."""
    scenes = {image: open_scene(str(image)) for image in images}
    smallest = min(min(scene.height, scene.width) for scene in scenes.values())
    sizes = [size for size in windows if size <= smallest]
    todo = sum(work(scene, sizes) for scene in scenes.values())
    pixels = sum(scene.height * scene.width for scene in scenes.values())
    print(
        f"{len(images)} images, {pixels / 1e6:.1f} Mpx, {todo / 1e6:.0f} Mpx to compute",
        file=sys.stderr,
    )
    total: Outcomes = {}
    done = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        largest_first = sorted(images, key=lambda image: -work(scenes[image], sizes))
        futures = {pool.submit(measure, image, path, sizes): image for image in largest_first}
        for future in as_completed(futures):
            for way, outcome in future.result().items():
                total[way] = total[way] + outcome if way in total else outcome
            done += work(scenes[futures[future]], sizes)
            print(f"{futures[future]}: {done / todo:.0%}", file=sys.stderr)
    return total


def rows_of(outcomes: Outcomes, scored: list[int]) -> list[dict[str, Any]]:
    """One row of figures for each way, the cheapest windows first; ``scored`` classes count."""
    rows = []
    for way, outcome in outcomes.items():
        figures = (
            way.window or "whole", way.overlap, way.taper, way.cost,
            outcome.confusion.accuracy, float(np.nanmean(outcome.confusion.iou[scored])),
            outcome.agreeing / outcome.pixels,
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
    return rows


def print_markdown(rows: list[dict[str, Any]]) -> None:
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    formats = ("", "", "", ".2f", ".4f", ".4f", ".4f")
    for row in rows:
        cells = [format(row[name], how) for name, how in zip(COLUMNS, formats, strict=True)]
        print(f"| {' | '.join(cells)} |")


def save_csv(rows: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("model", help="model file, or name of a model")
    parser.add_argument("images", nargs="+", type=Path, help="with a folder masks/ beside theirs")
    parser.add_argument("--out", type=Path, required=True, help="plot to write, PNG; a CSV beside")
    parser.add_argument(
        "--windows", type=int, nargs="+", default=WINDOWS, help="sides (px), smallest first"
    )
    parser.add_argument("--workers", type=int, default=2, help="images at a time, one core each")
    return parser.parse_args()


def main() -> None:
    args = parse()
    legend = Model.load(args.model).legend.classes
    outcomes = measure_all(args.images, args.model, args.windows, args.workers)
    rows = rows_of(outcomes, [i for i, c in enumerate(legend) if c.name != IGNORED])
    print_markdown(rows)
    save_csv(rows, args.out.with_suffix(".csv"))
    draw(args.out.with_suffix(".csv"), args.out)


if __name__ == "__main__":
    try:
        main()
    except GeosegError as error:
        sys.exit(f"overlap.py: {error}")
