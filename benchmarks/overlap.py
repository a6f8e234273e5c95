"""What overlap and taper are worth: accuracy on images the model has not seen, against their cost.

python benchmarks/overlap.py MODEL FOLDER... --out overlap.png [--images N] [--workers N]

MODEL is a model file or "default"; a FOLDER has images/ with masks/ beside it, at any depth. Every
image is mapped with windows of 128, 256 and 512 px, overlaps of 0 to 96 px and all tapers, through
the lattice, the predictor and the blending of `geoseg classify`, and once as a whole, padded to a
multiple of 16 px. The network is fully convolutional, so that one set of weights does for all.

A Markdown table goes to stdout, the same figures to a CSV file and, drawn, to a PNG.

Cost is pixels computed per pixel mapped; CPU seconds, on one core, are for reading, the network and
the blending. The scores of a lattice are computed once for all tapers; each is charged for them.
Pixels that the masks leave black, or call by an ignored class ("unlabelled"), are left out; where
the map says that class, it is wrong. Mean IoU is over the other classes, all images in one matrix.
Agreement is the share of all pixels mapped as in the map of the whole image at once.

Largest in memory: the scores of an image at 96 px of 128, 13 times its pixels (300 bytes a pixel).
"""

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
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
from geoseg.model import Model, Predictor, best_class, make_network
from geoseg.raster import Scene, open_scene, pad_reflect, read_window
from geoseg.tiles import IGNORE_INDEX
from geoseg.tiles.cut.pairing import ScenePair, find_pairs

warnings.simplefilter("ignore", NotGeoreferencedWarning)

WINDOWS = (128, 256, 512)
OVERLAPS = (0, 16, 32, 64, 96)
COLUMNS = (
    "window", "overlap", "taper", "cost", "CPU s/Mpx", "accuracy", "mean IoU", "agreement",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """One way to map an image."""

    window: int | None
    """Side (px); None for the whole image at once."""
    overlap: int = 0
    """Pixels that neighbouring windows share."""
    taper: Taper = "none"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way gave and took; outcomes of several images add up."""

    confusion: Confusion
    pixels: int
    """Pixels mapped."""
    computed: int
    """Pixels that went through the network."""
    seconds: float
    """CPU time."""
    agreeing: int
    """Pixels mapped as in the map of the whole image at once."""

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.confusion + other.confusion,
            self.pixels + other.pixels,
            self.computed + other.computed,
            self.seconds + other.seconds,
            self.agreeing + other.agreeing,
        )


WHOLE = Way(None)
Outcomes = dict[Way, Outcome]


def lattices(scene: Scene) -> Iterator[tuple[int, WindowGrid]]:
    """Each overlap and lattice to be measured on a scene."""
    for size in WINDOWS:
        for overlap in OVERLAPS:
            yield overlap, WindowGrid(scene.height, scene.width, size, size - overlap)


def work(scene: Scene) -> int:
    """Pixels to be computed for all ways of mapping a scene."""
    return sum(len(lattice) * lattice.size**2 for _, lattice in lattices(scene))


def measure(pair: ScenePair, path: str, ignored: tuple[str, ...]) -> Outcomes:
    """All ways of mapping one image; a top-level function of values, for a process of its own."""
    torch.set_num_threads(1)
    model = Model.load(path)
    scene = open_scene(pair.scene)
    reference = read_reference(pair, scene, model, ignored)
    start = time.process_time()
    whole, computed = map_whole(model, scene)
    outcomes = {WHOLE: judge(whole, whole, reference, model, computed, start)}
    predictors = {size: predictor_of(model, size) for size in WINDOWS}
    for overlap, lattice in lattices(scene):
        predictor = predictors[lattice.size]
        start = time.process_time()
        windows = lattice.windows(scene.window)
        scores = [*zip(windows, scores_of(predictor, scene, windows), strict=True)]
        spent = time.process_time() - start
        for kind in TAPERS if overlap else ("none",):
            start = time.process_time() - spent
            weights = taper_profile(kind, lattice.size, overlap)
            square = predictor.to_device(np.outer(weights, weights).astype(np.float32))
            total = blend(scores, scene.window, square, predictor.zeros, model.spec.classes)
            labels = best_class(total)[0].numpy()
            computed = len(windows) * lattice.size**2
            way = Way(lattice.size, overlap, kind)
            outcomes[way] = judge(labels, whole, reference, model, computed, start)
    return outcomes


def judge(
    labels: NDArray[np.uint8],
    whole: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    model: Model,
    computed: int,
    start: float,
) -> Outcome:
    """The outcome of a map (height, width) of class indices, begun at CPU time ``start``."""
    seconds = time.process_time() - start
    confusion = Confusion.of(labels, reference, model.spec.classes, IGNORE_INDEX)
    return Outcome(confusion, labels.size, computed, seconds, int((labels == whole).sum()))


def read_reference(
    pair: ScenePair, scene: Scene, model: Model, ignored: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Class indices (height, width), IGNORE where the mask has an ignored class or colour."""
    labels = LabelOpener(model.legend, ignore=ignored).open(pair.labels, scene)
    indices = np.full(256, IGNORE_INDEX, np.uint8)
    indices[list(model.legend.values)] = np.arange(len(model.legend))
    return indices[labels.read(scene.window)]


def predictor_of(model: Model, size: int) -> Predictor:
    """The model with windows of another size, in batches of about as many pixels."""
    network = make_network(replace(model.spec, window=size))
    network.load_state_dict(model.network.state_dict())
    batch = max(1, 8 * 128**2 // size**2)
    return Predictor(
        replace(model, network=network), device="cpu", precision="fp32", batch_size=batch
    )


def scores_of(predictor: Predictor, scene: Scene, windows: list[Window]) -> Iterator[Any]:
    """Scores (classes, size, size) of each window; beyond the edge of a small image, reflected."""
    area = bounds(windows)
    pixels, _ = read_window(scene, area.intersection(scene.window) or area)
    return predictor.scores(pad_reflect(pixels, area), [w.relative_to(area) for w in windows])


@torch.inference_mode()
def map_whole(model: Model, scene: Scene) -> tuple[NDArray[np.uint8], int]:
    """Class indices (height, width) from one forward pass, and the pixels computed."""
    step = 2**model.spec.depth
    height, width = (-(-side // step) * step for side in (scene.height, scene.width))
    pixels = pad_reflect(read_window(scene, scene.window)[0], Window(0, 0, height, width))
    batch = torch.from_numpy(pixels[None]).float().contiguous(memory_format=torch.channels_last)
    network = model.network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = network(batch)[0].argmax(0).to(torch.uint8).numpy()
    return labels[: scene.height, : scene.width], height * width


def measure_all(
    pairs: list[ScenePair], path: str, ignored: tuple[str, ...], workers: int
) -> Outcomes:
    """Outcomes of all images together; says on stderr how far it is."""
    scenes = {pair: open_scene(pair.scene) for pair in pairs}
    todo = sum(work(scene) for scene in scenes.values())
    pixels = sum(scene.height * scene.width for scene in scenes.values())
    print(
        f"{len(pairs)} images, {pixels / 1e6:.1f} Mpx, {todo / 1e6:.0f} Mpx to compute",
        file=sys.stderr,
    )
    total: Outcomes = {}
    done, start = 0, time.perf_counter()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        largest_first = sorted(pairs, key=lambda pair: -work(scenes[pair]))
        futures = {pool.submit(measure, pair, path, ignored): pair for pair in largest_first}
        for future in as_completed(futures):
            for way, outcome in future.result().items():
                total[way] = total[way] + outcome if way in total else outcome
            done += work(scenes[futures[future]])
            left = (time.perf_counter() - start) * (todo - done) / done
            print(
                f"{futures[future].name}: {done / todo:.0%}, {left / 60:.1f} min left",
                file=sys.stderr,
            )
    return total


def rows_of(outcomes: Outcomes, scored: list[int]) -> list[dict[str, Any]]:
    """One row of figures for each way, the cheapest windows first; ``scored`` classes count."""
    rows = []
    for way, outcome in outcomes.items():
        figures = (
            way.window or "whole", way.overlap, way.taper,
            outcome.computed / outcome.pixels, outcome.seconds / outcome.pixels * 1e6,
            outcome.confusion.accuracy, float(np.nanmean(outcome.confusion.iou[scored])),
            outcome.agreeing / outcome.pixels,
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
    return rows


def print_markdown(rows: list[dict[str, Any]]) -> None:
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    formats = ("", "", "", ".2f", ".2f", ".4f", ".4f", ".4f")
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
    parser.add_argument("model", help='model file, or "default"')
    parser.add_argument("folders", nargs="+", help="with images/ and masks/ in or below them")
    parser.add_argument("--out", type=Path, required=True, help="plot to write, PNG; a CSV beside")
    parser.add_argument("--images", type=int, help="at most so many, in order of name")
    parser.add_argument(
        "--ignore", nargs="*", default=["#000000", "unlabelled"],
        help="colours of the masks, and names of classes, that are left out",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=2, help="images at a time, one core each")
    return parser.parse_args()


def main() -> None:
    args = parse()
    ignored = tuple(args.ignore)
    model = Model.load(args.model)
    pairs = find_pairs(args.folders, [])[: args.images]
    outcomes = measure_all(pairs, args.model, ignored, args.workers)
    legend = model.legend.classes
    rows = rows_of(outcomes, [i for i, c in enumerate(legend) if c.name not in ignored])
    print_markdown(rows)
    save_csv(rows, args.out.with_suffix(".csv"))
    draw(args.out.with_suffix(".csv"), args.out)


if __name__ == "__main__":
    try:
        main()
    except GeosegError as error:
        sys.exit(f"overlap.py: {error}")
