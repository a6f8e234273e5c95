"""Reproduce the reference run on the Dubai data set, train further models, and compare them all.

python workflows/lab/lab.py DUBAI_FOLDER OUT [--long 100] [--more 50] [--only NAME ...]

DUBAI_FOLDER holds "Tile N/images" and "Tile N/masks" ("Semantic segmentation of aerial imagery",
Humans in the Loop with MBRSC, CC0). Finished trainings are kept; a stopped training resumes.
"""

import argparse
import json
import logging
import warnings
from pathlib import Path

from rasterio.errors import NotGeoreferencedWarning
from report import figure, read_csv, table
from runs import Training, choose, trainings

import geoseg
from geoseg import Model, Monitor, TileSet, TileSettings
from geoseg.model import tune_malloc

log = logging.getLogger("lab")
RANDOM_TEST = "500 tiles, at random"


def main() -> None:
    """Parse the arguments, run the missing trainings, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dubai", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--long", type=int, default=100, help="epochs of the long training")
    parser.add_argument("--more", type=int, default=50, help="epochs on all images")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--only", nargs="*", help="trainings to run; without a name: only the report"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the images have no georeference
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    planned = trainings(long=args.long, more=args.more, precision=args.precision)
    if unknown := set(args.only or ()) - {training.name for training in planned}:
        parser.error(f"there is no training {', '.join(sorted(unknown))}, see README.md")
    args.out.mkdir(parents=True, exist_ok=True)
    tiles = cut(args.dubai, args.out / "tiles")
    results = []
    for training in planned:
        path = args.out / f"{training.name}.safetensors"
        if not path.exists() and (args.only is None or training.name in args.only):
            run(training, tiles, path, args.device)
        if path.exists():
            results += test(training, tiles, path, args.device)
    (args.out / "lab.md").write_text(table(results, tiles.legend.names))
    (args.out / "lab.json").write_text(json.dumps(results, indent=1) + "\n")
    paths = {t.name: args.out / f"{t.name}.history.csv" for t in planned}
    figure(args.out / "lab.png", {n: read_csv(p) for n, p in paths.items() if p.exists()})
    log.info("%s", (args.out / "lab.md").read_text())


def cut(dubai: Path, out: Path) -> TileSet:
    """Cut all images into tiles of 128 px from the top left, as the reference run does."""
    if not out.exists():
        geoseg.tile([dubai], out=out, settings=TileSettings(split="random", min_valid=0))
    return geoseg.open_tiles(out)


def run(training: Training, tiles: TileSet, path: Path, device: str) -> None:
    """Run a training, or resume it."""
    start = path.with_name(f"{training.start}.safetensors") if training.start else None
    tune_malloc()
    geoseg.train(
        choose(tiles, training.data), path, settings=training.settings, start=start, device=device,
        monitor=Monitor(report=lambda row: log.info("%s: %s", training.name, _line(row))),
    )  # fmt: skip


def test(training: Training, tiles: TileSet, path: Path, device: str) -> list[dict]:
    """Return the rows of a training in the table. Scores are computed once and kept as JSON."""
    model = Model.load(path)
    tests = [(training.what, training.data, False)]
    if training.tta:
        tests.append(("the same, eight symmetries averaged", training.data, True))
    rows = []
    for what, data, tta in tests:
        chosen = choose(tiles, data)
        scores = path.with_name(f"{path.stem}.{data}{' tta' if tta else ''}.json".replace(" ", "-"))
        if not scores.exists():
            matrix = geoseg.score(model, chosen, tta=tta, device=device)
            scores.write_text(json.dumps(matrix.to_dict(tiles.legend.names)))
        row = {
            "name": training.name, "what": what,
            "tested_on": RANDOM_TEST,
            "epochs": model.training["epochs"], "best": model.training["best_epoch"],
        }  # fmt: skip
        rows.append({**row, "scores": json.loads(scores.read_text())})
    return rows


def _line(row: dict[str, float]) -> str:
    line = f"epoch {row['epoch']}, {row['seconds']:.0f} s, accuracy {row['accuracy']:.4f}"
    return f"{line}, validation {row['val_accuracy']:.4f}" if "val_accuracy" in row else line


if __name__ == "__main__":
    main()
