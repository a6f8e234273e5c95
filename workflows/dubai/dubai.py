"""Train on the Dubai data set, and test on whole images that a training has not seen.

python workflows/dubai/dubai.py DUBAI_FOLDER OUT [--epochs 15] [--only NAME ...]

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
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from report import curve, table
from trainings import Training, trainings

import geoseg
from geoseg import ClassifySettings, Monitor, TileSet, TileSettings
from geoseg.labels import LabelOpener
from geoseg.legend import DUBAI, DUBAI_MASKS, NODATA
from geoseg.metrics import Confusion
from geoseg.model import tune_malloc
from geoseg.raster import open_scene, read_whole

log = logging.getLogger("dubai")
TILE = 64
"""Side of a tile (px). Small tiles lose little at the edges of the images; windows join them."""
SPARSE_TILE = 256
"""Side of a tile with few labels (px), so that nearly every tile has some."""
SQUARE = 32
"""Side of the squares in which few labels are kept (px)."""


def main() -> None:
    """Parse the arguments, run the missing trainings and tests, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dubai", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=15, help="epochs of a training")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--only", nargs="*", help="trainings to run; without a name: only the table"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the images have no georeference
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    planned = trainings(sorted(args.dubai.glob("Tile */images/*.jpg")), args.epochs)
    if unknown := set(args.only or ()) - {training.name for training in planned}:
        parser.error(f"there is no training {', '.join(sorted(unknown))}, see README.md")
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for training in planned:
        path = args.out / f"{training.name}.safetensors"
        if not path.exists() and (args.only is None or training.name in args.only):
            tiles = cut(args.dubai, args.out, training.labels)
            run(training, tiles, path, args.precision, args.device)
        if path.exists():
            rows += [
                {
                    "name": training.name,
                    "what": training.what,
                    "labels": training.labels,
                    "prediction": prediction,
                    **scores,
                }
                for prediction, scores in test(training, path, args.device).items()
            ]
    (args.out / "dubai.json").write_text(json.dumps(rows, indent=1) + "\n")
    (args.out / "dubai.md").write_text(table(rows, DUBAI.names))
    if any(row["labels"] for row in rows):
        curve(args.out / "labels.png", rows)
    log.info("%s", (args.out / "dubai.md").read_text())


def cut(dubai: Path, out: Path, labels: float | None) -> TileSet:
    """Cut all images into tiles, with all labels or a share of them."""
    name = "tiles" if labels is None else f"tiles-{labels * 100:.0f}"
    if not (out / name).exists():
        size = TILE if labels is None else SPARSE_TILE
        settings = TileSettings(
            size=size, split="random", val=0, min_valid=0, store="shards", preview=False
        )
        folder = dubai if labels is None else thin(dubai, out / f"masks{name[5:]}", labels)
        geoseg.tile([folder], out=out / name, settings=settings)
    return geoseg.open_tiles(out / name)


def thin(dubai: Path, out: Path, share: float) -> Path:
    """Copy the data set with a share of the labels, in random squares; the rest is black."""
    rng = np.random.default_rng(0)
    for image in sorted(dubai.glob("Tile */images/*.jpg")):
        folder = out / image.parent.parent.name
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        copy = folder / "images" / image.name
        if not copy.exists():
            copy.symlink_to(image.resolve())
        values = read_labels(image)
        squares = -(-np.array(values.shape) // SQUARE)
        kept = (rng.random(squares) < share).repeat(SQUARE, 0).repeat(SQUARE, 1)
        colors = np.zeros((256, 3), np.uint8)
        colors[: len(DUBAI_MASKS)] = [c.rgb for c in DUBAI_MASKS.classes]
        values = np.where(kept[: values.shape[0], : values.shape[1]], values, NODATA)
        write_png(folder / "masks" / f"{image.stem}.png", colors[values].transpose(2, 0, 1))
    return out


def read_labels(image: Path) -> np.ndarray:
    """Return the class values of the mask of an image (height, width), 255 where not labelled."""
    scene = open_scene(str(image))
    mask = str(image.parent.parent / "masks" / f"{image.stem}.png")
    return LabelOpener().open(mask, scene).read(scene.window)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write an image (3, height, width)."""
    shape = {"count": 3, "height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(path, "w", driver="PNG", dtype="uint8", **shape) as file:
        file.write(pixels)


def run(training: Training, tiles: TileSet, path: Path, precision: str, device: str) -> None:
    """Run a training, or resume it."""
    images = {image_name(image): "gap" for image in (*training.tested, *training.unused)}
    images |= {image_name(image): "val" for image in training.validated}
    splits = tuple(images.get(name.rsplit("_", 2)[0], "train") for name in tiles.names)
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
    """Return the scores of a training on its test images, which are computed once.

    Trainings with few labels have only the single prediction, which their curve shows.
    """
    results = {}
    predictions = {"single": False} if training.labels else {"single": False, "tta": True}
    for what, tta in predictions.items() if training.tested else ():
        scores = path.with_suffix(f".{what}.json")
        if not scores.exists():
            matrix = score(path, training.tested, tta=tta, device=device)
            scores.write_text(json.dumps(summary(matrix)) + "\n")
        results[what] = json.loads(scores.read_text())
    return results


def score(path: Path, images: Sequence[Path], *, tta: bool, device: str) -> np.ndarray:
    """Classify whole images; return pixels by class of the map (6) and of the mask (6)."""
    matrix = np.zeros((len(DUBAI), len(DUBAI)), np.int64)
    settings = ClassifySettings(tta=tta)
    for image in images:
        out = path.with_suffix(f".{image_name(image)}.tif")
        geoseg.classify(
            image, out, model=path, settings=settings, overwrite=True,
            execution=geoseg.Execution(device=device),
        )  # fmt: skip
        truth = read_labels(image)
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
