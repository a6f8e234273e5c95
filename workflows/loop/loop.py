"""Compare suggested patches with random ones, as labels for a model in a place new to it.

python workflows/loop/loop.py DUBAI_FOLDER OUT [--folder 5] [--rounds 5] [--patches 10]

DUBAI_FOLDER holds "Tile N/images" and "Tile N/masks" ("Semantic segmentation of aerial imagery",
Humans in the Loop with MBRSC, CC0). Finished rounds are kept; a stopped training resumes.
"""

import argparse
import json
import logging
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from figure import draw_curve, replay_table, table
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

import geoseg
from geoseg import RECIPES, EvaluateSettings, Execution, Monitor, TileSettings, TrainSettings
from geoseg.labels import LabelOpener
from geoseg.legend import DUBAI, NODATA
from geoseg.model import tune_malloc
from geoseg.raster import open_scene, read_whole
from geoseg.suggestion import SuggestSettings
from geoseg.vectors import read_vector

log = logging.getLogger("loop")
ARMS = ("suggested", "random")
TEST_IMAGES = 3
"""Number of the last images of the new folder, which test the model and give no labels."""
GAP = 64
"""Pixels without data between the images of a scene (px)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the labels are chosen, and how the models are trained."""

    folder: int
    """Number of the folder that the first model has not seen."""
    rounds: int
    patches: int
    """Patches that are labelled in a round."""
    size: int
    """Side of a patch (px)."""
    first: TrainSettings
    """Settings of the first training."""
    later: TrainSettings
    """Settings of the trainings on the labels of the rounds."""
    execution: Execution
    """Device that trains the models and computes the maps."""


def main() -> None:
    """Parse the arguments, compute the missing rounds, write the table and the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dubai", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=int, default=5, help="folder that is new to the model")
    parser.add_argument("--first", type=Path, help="model that has not seen it; trained if absent")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patches", type=int, default=10, help="patches labelled in a round")
    parser.add_argument("--size", type=int, default=128, help="side of a patch (px)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--first-epochs", type=int, default=15, help="of the first model")
    parser.add_argument("--epochs", type=int, default=5, help="of the models of the rounds")
    parser.add_argument("--lr", type=float, default=3e-4, help="of the models of the rounds")
    parser.add_argument("--width", type=int, help="filters of the first level of the networks")
    parser.add_argument("--encoder", default="efficientnet-lite0")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the images have no georeference
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    first = replace(
        RECIPES["standard"], epochs=args.first_epochs, encoder=args.encoder, width=args.width,
        precision=args.precision,
    )  # fmt: skip
    later = replace(first, epochs=args.epochs, lr=args.lr)
    plan = Plan(
        args.folder, args.rounds, args.patches, args.size, first, later,
        Execution(device=args.device),
    )  # fmt: skip
    tune_malloc()
    if args.first:
        args.out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(args.first, args.out / "first.safetensors")
    run(args.dubai, args.out, plan, args.seeds)


def run(dubai: Path, out: Path, plan: Plan, seeds: Sequence[int]) -> dict[str, list[list[float]]]:
    """Return the mean IoU by arm: of each seed, before and after each round."""
    out.mkdir(parents=True, exist_ok=True)
    old_tiles = cut_old_tiles(dubai, out, plan)
    first = out / "first.safetensors"
    if not first.exists():
        geoseg.train(
            old_tiles, first, settings=plan.first, device=plan.execution.device,
            monitor=Monitor(pictures=0),
        )  # fmt: skip
    images = sorted((dubai / f"Tile {plan.folder}" / "images").glob("*.jpg"))
    old = [min((folder / "images").glob("*.jpg")) for folder in old_folders(dubai, plan)]
    scenes = {"pool": images[:-TEST_IMAGES], "test": images[-TEST_IMAGES:], "old": old}
    for name, chosen in scenes.items():
        write_scene(out / f"{name}.tif", out / f"{name}-labels.tif", chosen, plan.size)
    before = score(out, first, plan, "test")
    scores: dict[str, list[list[float]]] = {}
    for arm in ARMS:
        for seed in seeds:
            folder = out / f"{arm}-{seed}"
            after = run_rounds(out, folder, plan, arm, seed)
            scores.setdefault(arm, []).append([before, *after])
            log.info("%s, seed %d: %s", arm, seed, " ".join(f"{v:.3f}" for v in [before, *after]))
    (out / "loop.json").write_text(json.dumps(scores, indent=1) + "\n")
    forgetting = compare_replay(out, plan, seeds[0])
    (out / "loop.md").write_text(f"{table(scores, plan.patches)}\n{replay_table(forgetting)}")
    draw_curve(out / "loop.png", scores, plan.patches)
    return scores


def cut_old_tiles(dubai: Path, out: Path, plan: Plan) -> geoseg.TileSet:
    """Cut the images of all folders but the new one into tiles of half the side of a patch."""
    folder = out / "old-tiles"
    if not folder.exists():
        settings = TileSettings(
            size=plan.size // 2, split="random", val=0.1, min_valid=0, store="shards",
            preview=False,
        )  # fmt: skip
        geoseg.tile(old_folders(dubai, plan), out=folder, settings=settings)
    return geoseg.open_tiles(folder)


def old_folders(dubai: Path, plan: Plan) -> list[Path]:
    """Return the folders that the first model has seen."""
    return [path for path in sorted(dubai.glob("Tile *")) if path.name != f"Tile {plan.folder}"]


def write_scene(path: Path, labels: Path, images: Sequence[Path], size: int) -> None:
    """Write images below one another as one scene, with a gap between them, and their labels.

    Each image begins at a multiple of ``size``, so that few patches contain a gap.
    """
    if labels.exists():
        return
    pixels, values = zip(*(read_image(image) for image in images), strict=True)
    starts, height = [], 0
    for image in pixels:
        starts.append(height)
        height += -(-(image.shape[1] + GAP) // size) * size
    width = max(image.shape[2] for image in pixels)
    scene = np.zeros((3, height, width), np.uint8)
    classes = np.full((1, height, width), NODATA, np.uint8)
    for start, image, ground in zip(starts, pixels, values, strict=True):
        rows, cols = slice(start, start + ground.shape[0]), slice(0, ground.shape[1])
        scene[:, rows, cols] = np.maximum(image, 1)  # 0 is nodata
        classes[0, rows, cols] = ground
    write_raster(path, scene, nodata=0)
    write_raster(labels, classes, nodata=NODATA)


def read_image(image: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels (3, height, width) of an image, and its labels (height, width)."""
    scene = open_scene(str(image))
    mask = image.parent.parent / "masks" / f"{image.stem}.png"
    labels = LabelOpener().open(str(mask), scene).read(scene.window)
    return read_whole(str(image))[0], labels


def write_raster(path: Path, pixels: NDArray[np.uint8], nodata: int) -> None:
    """Write pixels (bands, height, width) without CRS."""
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype="uint8",
        nodata=nodata, compress="deflate", tiled=True,
    ) as file:  # fmt: skip
        file.write(pixels)


def run_rounds(out: Path, folder: Path, plan: Plan, arm: str, seed: int) -> list[float]:
    """Return the mean IoU after each round of an arm."""
    folder.mkdir(exist_ok=True)
    model, areas, scores = out / "first.safetensors", list[Path](), list[float]()
    for number in range(1, plan.rounds + 1):
        name = folder / f"round-{number}"
        areas.append(name.with_suffix(".gpkg"))
        if not areas[-1].exists():
            choose = suggest if arm == "suggested" else draw_random
            choose(out, name, model, areas[:-1], plan, seed)
        model = learn(out, name, areas, plan, seed)
        scores.append(score(out, model, plan, "test"))
    return scores


def suggest(
    out: Path, name: Path, model: Path, areas: Sequence[Path], plan: Plan, seed: int
) -> None:
    """Suggest patches where the model is unsure."""
    lulc, uncertainty = name.with_suffix(".tif"), name.with_suffix(".uncertainty.tif")
    geoseg.classify(
        out / "pool.tif", lulc, model=model, uncertainty=uncertainty, execution=plan.execution,
        overwrite=True,
    )  # fmt: skip
    geoseg.suggest(
        lulc, name.with_suffix(".gpkg"), uncertainty=uncertainty, scene=out / "pool.tif",
        exclude=areas, settings=SuggestSettings(number=plan.patches, size=plan.size, seed=seed),
    )  # fmt: skip


def draw_random(
    out: Path, name: Path, model: Path, areas: Sequence[Path], plan: Plan, seed: int
) -> None:
    """Draw patches at random, each with the same chance, from those with data."""
    rng = np.random.default_rng([seed, len(areas)])
    valid = read_whole(str(out / "pool.tif"))[1]
    size, taken = plan.size, labelled(areas, valid.shape)
    places = [
        (row, col)
        for row in range(0, valid.shape[0], size)
        for col in range(0, valid.shape[1], size)
        if valid[row : row + size, col : col + size].mean() > 0.5 and not taken[row, col]
    ]
    chosen = [places[i] for i in rng.choice(len(places), plan.patches, replace=False)]
    with rasterio.open(out / "pool.tif") as pool:
        boxes = [
            shapely.box(
                *(pool.transform @ (col, row + size)), *(pool.transform @ (col + size, row))
            )
            for row, col in chosen
        ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        geopandas.GeoDataFrame(geometry=boxes).to_file(name.with_suffix(".gpkg"))


def labelled(areas: Sequence[Path], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (height, width), True inside of patches, whose coordinates are pixels."""
    inside = np.zeros(shape, bool)
    for path in areas:
        for left, bottom, right, top in read_vector(path).bounds.to_numpy():
            rows = slice(*sorted(round(abs(y)) for y in (bottom, top)))
            inside[rows, round(left) : round(right)] = True
    return inside


def learn(
    out: Path, name: Path, areas: Sequence[Path], plan: Plan, seed: int, *, replay: bool = True
) -> Path:
    """Train the first model on the labels of all patches so far, and on replayed tiles."""
    model, tiles = name.with_suffix(".safetensors"), name.with_name(f"{name.name}-tiles")
    if not tiles.exists():
        values = read_whole(str(out / "pool-labels.tif"))[0]
        values[:, ~labelled(areas, values.shape[1:])] = NODATA
        labels = name.with_suffix(".labels.tif")
        write_raster(labels, values, nodata=NODATA)
        settings = TileSettings(
            size=plan.size // 2, split="random", val=0, min_valid=0, store="shards", preview=False
        )
        geoseg.tile([out / "pool.tif"], [labels], out=tiles, legend=DUBAI, settings=settings)
    geoseg.train(
        tiles, model, start=out / "first.safetensors",
        replay=out / "old-tiles" if replay else None,
        settings=replace(plan.later, seed=seed, encoder=None, width=None),
        device=plan.execution.device, monitor=Monitor(pictures=0),
    )  # fmt: skip
    return model


def compare_replay(out: Path, plan: Plan, seed: int) -> dict[str, tuple[float, float]]:
    """Return the mean IoU of the test images and of old images, by how a model learnt patches.

    The patches are those that were suggested with one seed. The old images are the first one of
    each folder that the first model was trained on.
    """
    folder = out / f"{ARMS[0]}-{seed}"
    areas = [folder / f"round-{number}.gpkg" for number in range(1, plan.rounds + 1)]
    slow = replace(plan, later=replace(plan.later, lr=plan.later.lr / 10))
    models = {
        "before": out / "first.safetensors",
        "replay": areas[-1].with_suffix(".safetensors"),
        "no replay": learn(out, folder / "no-replay", areas, plan, seed, replay=False),
        "no replay, a tenth of the learning rate": learn(
            out, folder / "slow", areas, slow, seed, replay=False
        ),
    }
    return {
        way: (score(out, model, plan, "test"), score(out, model, plan, "old"))
        for way, model in models.items()
    }


def score(out: Path, model: Path, plan: Plan, scene: str) -> float:
    """Return the mean IoU of the map of a scene, which is computed once."""
    path = model.with_suffix(f".{scene}-score.json")
    if not path.exists():
        lulc = model.with_suffix(f".{scene}.tif")
        report = model.with_name(f"{model.stem}-{scene}-report")
        geoseg.classify(
            out / f"{scene}.tif", lulc, model=model, execution=plan.execution, overwrite=True
        )
        # The class "unlabelled" is no land cover, and the model does not have it.
        settings = EvaluateSettings(ignore=("unlabelled",), reference_legend=DUBAI)
        result = geoseg.evaluate(
            lulc, out / f"{scene}-labels.tif", report, settings=settings, overwrite=True
        )
        path.write_text(json.dumps({"mean_iou": result.to_dict()["mean_iou"]}) + "\n")
    return float(json.loads(path.read_text())["mean_iou"])


if __name__ == "__main__":
    main()
