"""Training speed of geoseg and of the reference Keras U-Net, on the same tiles.

benchmarks/keras_lab.sh TILES [--epochs 4] [--rounds 2]      makes an environment, then runs:
python benchmarks/keras_lab.py TILES --keras PYTHON          PYTHON has keras and tensorflow-cpu

TILES is a set of uint8 RGB tiles that `geoseg tile` wrote, with a train and a val split. In each
round Keras, geoseg fp32 and geoseg bf16 run one after the other, each in a process of its own. Each
trains from random weights on all cores with the settings of the reference run (batches of 32,
RMSprop 1e-3, cross-entropy, dropout 0.1, no augmentation), validates after every epoch and saves
its best weights. The time of an epoch is the time from the end of the epoch before, with saving.
The first epoch of a process is not counted: it contains the start and the tracing of Keras.

Keras gets decoded tiles as arrays in memory, and prefetches. geoseg reads the tiles itself. Keras
does not use XLA on a CPU by default; with XLA it took 1.6 times the CPU time.

Pixels without a label have no weight in the loss and the accuracy of both. In the original notebook
they were "building".

CPU seconds contain the time that threads wait for each other. On a busy machine, compare on one
core (`taskset -c 0 benchmarks/keras_lab.sh ...`).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

BATCH, RATE = 32, 1e-3
IGNORE = 255
PARAMETERS = 1_941_190
CONTESTANTS = {"Keras": "", "geoseg fp32": "fp32", "geoseg bf16": "bf16"}
"""Names of the contestants, in the order of a round, with the precision of geoseg."""


class Clock:
    """Prints a line of JSON for each epoch: its times, validation loss and accuracy."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def epoch(self, figures: dict[str, float]) -> None:
        """Print wall and CPU seconds since the last call, over all threads."""
        wall, cpu = time.perf_counter(), time.process_time()
        row = {
            "wall": wall - self._wall,
            "cpu": cpu - self._cpu,
            "loss": float(figures["val_loss"]),
            "accuracy": float(figures["val_accuracy"]),
        }
        print(json.dumps(row), flush=True)
        self._wall, self._cpu = wall, cpu


def reference_model(size: int) -> "keras.Model":
    """The reference U-Net: (n, size, size, 3) values 0 to 255 to (n, size, size, 6) scores."""
    import keras
    from keras import layers

    def conv(x: "keras.KerasTensor", filters: int) -> "keras.KerasTensor":
        return layers.Conv2D(
            filters, 3, activation="relu", kernel_initializer="he_normal", padding="same"
        )(x)

    def pair(x: "keras.KerasTensor", filters: int) -> "keras.KerasTensor":
        return conv(layers.Dropout(0.1)(conv(x, filters)), filters)

    source = layers.Input((size, size, 3))
    x = layers.Rescaling(1 / 255)(source)
    skips = []
    for filters in (16, 32, 64, 128):
        skips.append(pair(x, filters))
        x = layers.MaxPooling2D(2, strides=2)(skips[-1])
    x = conv(conv(layers.Dropout(0.1)(x), 256), 256)
    for filters, skip in zip((128, 64, 32, 16), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = pair(layers.Concatenate()([skip, x]), filters)
    model = keras.Model(source, layers.Conv2D(6, 1, activation="softmax")(x))
    assert model.count_params() == PARAMETERS, model.count_params()
    return model


def train_keras(arrays: Path, out: Path, epochs: int, seed: int) -> None:
    """Train the reference model; runs in the environment with Keras."""
    import keras
    import tensorflow as tf

    def dataset(split: str) -> "tf.data.Dataset":
        images, labels = (np.load(arrays / f"{split}_{kind}.npy") for kind in ("images", "labels"))
        labelled = labels != IGNORE
        classes = np.where(labelled, labels, 0).astype(np.uint8)
        columns = images, classes, labelled.astype(np.uint8)
        tiles = tf.data.Dataset.from_tensor_slices(columns)
        return tiles.shuffle(len(images)).batch(BATCH).prefetch(tf.data.AUTOTUNE)

    keras.utils.set_random_seed(seed)
    train, val = dataset("train"), dataset("val")
    model = reference_model(train.element_spec[0].shape[1])
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=RATE),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    clock = Clock()
    model.fit(
        train, validation_data=val, epochs=epochs, verbose=0, shuffle=False,
        callbacks=[
            keras.callbacks.ModelCheckpoint(out, save_best_only=True),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: clock.epoch(logs)),
        ],
    )  # fmt: skip


def train_geoseg(tiles: Path, out: Path, epochs: int, seed: int, precision: str) -> None:
    """Train with the recipe "lab", the settings of the reference run."""
    import geoseg
    from geoseg.model import tune_malloc

    settings = replace(geoseg.RECIPES["lab"], epochs=epochs, seed=seed, precision=precision)
    clock = Clock()
    monitor = geoseg.Monitor(report=clock.epoch)
    tune_malloc()
    geoseg.train(tiles, out, settings=settings, device="cpu", resume=False, monitor=monitor)


def save_arrays(tiles: Path, folder: Path) -> None:
    """Save the tiles as Keras reads them, uint8: images (n, s, s, 3) and labels (n, s, s)."""
    from geoseg.tiles import open_tiles

    tile_set = open_tiles(tiles)
    for split in ("train", "val"):
        images, valid, labels = tile_set.load(split)
        if images.dtype != np.uint8 or images.shape[1] != 3 or not len(images):
            sys.exit(
                f"{split} tiles of {tiles} are {images.shape} {images.dtype}, give uint8 RGB tiles"
            )
        images = images * valid[:, None]
        np.save(folder / f"{split}_images.npy", np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        np.save(folder / f"{split}_labels.npy", labels)
        print(f"{len(images)} {split} tiles, {(labels == IGNORE).mean():.2%} without a label")


def rows_of(command: list[str], log: Path) -> Iterator[dict[str, float]]:
    """Run a contestant in a process of its own, and yield the row of each epoch."""
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        yield from (json.loads(line) for line in process.stdout)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")


def contest(args: argparse.Namespace, folder: Path) -> None:
    """Run all rounds, and print the table."""
    save_arrays(args.tiles, folder)
    print(f"{len(os.sched_getaffinity(0))} cores, load before the run {os.getloadavg()[0]:.2f}")
    counted: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in CONTESTANTS}
    best: dict[str, list[float]] = {contestant: [] for contestant in CONTESTANTS}
    for seed in range(args.rounds):
        for contestant, precision in CONTESTANTS.items():
            python, tiles = (sys.executable, args.tiles) if precision else (args.keras, folder)
            model = folder / f"{precision}{seed}.{'safetensors' if precision else 'keras'}"
            command = [
                str(python), __file__, str(tiles), "--contestant", contestant, "--out", str(model),
                "--epochs", str(args.epochs), "--seed", str(seed),
            ]  # fmt: skip
            rows = []
            for row in rows_of(command, folder / "log.txt"):
                rows.append(row)
                print(
                    f"{contestant:11} seed {seed} epoch {len(rows)}: {row['wall']:6.1f} s "
                    f"{row['cpu']:6.1f} CPU s, validation accuracy {row['accuracy']:.4f}",
                    flush=True,
                )
            counted[contestant] += rows[1:]
            best[contestant].append(min(rows, key=lambda row: row["loss"])["accuracy"])
    print_table(counted, best)


def print_table(counted: dict[str, list[dict[str, float]]], best: dict[str, list[float]]) -> None:
    """Print the medians over the counted epochs, and the best accuracy of each seed."""
    medians = {
        contestant: [statistics.median(row[kind] for row in rows) for kind in ("wall", "cpu")]
        for contestant, rows in counted.items()
    }
    print("\n| per epoch | wall s | range | CPU s | Keras / this: wall | CPU | accuracy |")
    print("|---|---|---|---|---|---|---|")
    for contestant, (wall, cpu) in medians.items():
        walls = [row["wall"] for row in counted[contestant]]
        times, cpus = (a / b for a, b in zip(medians["Keras"], (wall, cpu), strict=True))
        seeds = ", ".join(f"{accuracy:.4f}" for accuracy in best[contestant])
        print(
            f"| {contestant} | {wall:.1f} | {min(walls):.1f} to {max(walls):.1f} | {cpu:.1f} "
            f"| {times:.2f} | {cpus:.2f} | {statistics.mean(best[contestant]):.4f} ({seeds}) |"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("tiles", type=Path, help="tile set that `geoseg tile` wrote")
    parser.add_argument("--keras", type=Path, help="Python of an environment with Keras")
    parser.add_argument(
        "--epochs", type=int, default=4, help="epochs of each process; the first is not counted"
    )
    parser.add_argument("--rounds", type=int, default=2, help="rounds, with seeds 0, 1, ...")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.epochs < 2 or args.rounds < 1 or not (args.keras or args.contestant):
        parser.error("give --keras, at least 2 epochs and at least 1 round")
    return args


def main() -> None:
    args = parse()
    if args.contestant == "Keras":
        train_keras(args.tiles, args.out, args.epochs, args.seed)
    elif args.contestant:
        train_geoseg(args.tiles, args.out, args.epochs, args.seed, CONTESTANTS[args.contestant])
    else:
        with tempfile.TemporaryDirectory() as folder:
            contest(args, Path(folder))


if __name__ == "__main__":
    main()
