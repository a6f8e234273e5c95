"""Train on the Dubai data set, and test on whole images that a training has not seen.

python workflows/dubai/dubai.py DUBAI_FOLDER OUT [--only NAME ...]

DUBAI_FOLDER holds "Tile N/images" and "Tile N/masks" ("Semantic segmentation of aerial imagery",
Humans in the Loop with MBRSC, CC0). Finished trainings are kept; a stopped training resumes.
"""

import argparse
import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from report import table
from trainings import Training, trainings

import geoseg
from geoseg import ClassifySettings, Monitor, TileSet, TileSettings
from geoseg.labels import LabelOpener
from geoseg.legend import DUBAI, NODATA
from geoseg.metrics import Confusion
from geoseg.model import tune_malloc
from geoseg.raster import open_scene, read_whole

log = logging.getLogger("dubai")
TILE = 64
"""Side of a tile (px). Small tiles lose little at the edges of the images; windows join them."""


def main() -> None:
    """Parse the arguments, run the missing trainings and tests, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dubai", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--only", nargs="*", help="trainings to run; without a name: only the table"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the images have no georeference
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    args.out.mkdir(parents=True, exist_ok=True)
    images = sorted(args.dubai.glob("Tile */images/*.jpg"))
    tiles = cut(args.dubai, args.out / "tiles")
    rows = []
    for training in trainings(images):
        path = args.out / f"{training.name}.safetensors"
        if not path.exists() and (args.only is None or training.name in args.only):
            run(training, tiles, path, args.precision, args.device)
        if path.exists():
            rows += [
                {"name": training.name, "what": what, **scores}
                for what, scores in test(training, path, args.device).items()
            ]
    (args.out / "dubai.json").write_text(json.dumps(rows, indent=1) + "\n")
    (args.out / "dubai.md").write_text(table(rows, DUBAI.names))
    log.info("%s", (args.out / "dubai.md").read_text())


def cut(dubai: Path, out: Path) -> TileSet:
    """Cut all images into small tiles."""
    if not out.exists():
        settings = TileSettings(
            size=TILE, split="random", val=0, min_valid=0, store="shards", preview=False
        )
        geoseg.tile([dubai], out=out, settings=settings)
    return geoseg.open_tiles(out)


def run(training: Training, tiles: TileSet, path: Path, precision: str, device: str) -> None:
    """Run a training, or resume it."""
    tested = {image_name(image) for image in training.tested}
    splits = tuple("gap" if name.rsplit("_", 2)[0] in tested else "train" for name in tiles.names)
    tune_malloc()
    geoseg.train(
        replace(tiles, splits=splits), path, device=device,
        settings=replace(training.settings, precision=precision),
        monitor=Monitor(
            pictures=0, report=lambda row: log.info(
                "%s: epoch %d, %.0f s, loss %.4f, accuracy %.4f", training.name, row["epoch"],
                row["seconds"], row["loss"], row["accuracy"],
            )
        ),
    )  # fmt: skip


def image_name(image: Path) -> str:
    """Return the start of the names of the tiles of an image."""
    return f"{image.parent.parent.name.replace(' ', '-')}_{image.stem}"


def test(training: Training, path: Path, device: str) -> dict[str, dict]:
    """Return the scores of a training on its test images, which are computed once."""
    results = {}
    for what, tta in {"single": False, "tta": True}.items() if training.tested else ():
        scores = path.with_suffix(f".{what}.json")
        if not scores.exists():
            matrix = score(path, training.tested, tta=tta, device=device)
            scores.write_text(json.dumps(summary(matrix)) + "\n")
        results[what] = json.loads(scores.read_text())
    return results


def score(path: Path, images: Sequence[Path], *, tta: bool, device: str) -> np.ndarray:
    """Classify whole images; return pixels by class of the map (6) and of the mask (6)."""
    matrix = np.zeros((len(DUBAI), len(DUBAI)), np.int64)
    settings, opener = ClassifySettings(tta=tta), LabelOpener()
    for image in images:
        out = path.with_suffix(f".{image_name(image)}.tif")
        geoseg.classify(
            image, out, model=path, settings=settings, overwrite=True,
            execution=geoseg.Execution(device=device),
        )  # fmt: skip
        scene = open_scene(str(image))
        mask = str(image.parent.parent / "masks" / f"{image.stem}.png")
        truth = opener.open(mask, scene).read(scene.window)
        mapped = read_whole(str(out))[0][0]
        for file in out.parent.glob(f"{out.stem}*"):
            file.unlink()
        known = truth != NODATA
        pairs = mapped[known].astype(np.int64) * len(DUBAI) + truth[known]
        matrix += np.bincount(pairs, minlength=matrix.size).reshape(matrix.shape)
    return matrix


def summary(matrix: np.ndarray) -> dict:
    """Return the scores over all six classes, and over the five that are land cover."""
    six, five = Confusion(matrix), Confusion(matrix[:5, :5])
    return {
        "matrix": matrix.tolist(),
        "accuracy": six.accuracy, "mean_iou": six.mean_iou,
        "accuracy_of_five": five.accuracy, "mean_iou_of_five": five.mean_iou,
        "iou": five.iou.tolist(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
