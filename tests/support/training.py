"""Small training sets and runs, for the tests of training."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.legend import Legend
from geoseg.tiles import TileSettings, tile
from geoseg.training import RECIPES, Monitor, TrainSettings, train
from tests.support.rasters import write_raster

LEGEND = Legend.from_names(["water", "grass", "rock"])
SIZE = 16
SMALL = {"width": 2, "depth": 1, "batch_size": 4, "epochs": 3, "dropout": 0.1}
SMALL_STANDARD = {
    **SMALL, "encoder": "lab", "window": 16, "batch_size": 2, "epochs": 2, "average": 0.9,
}  # fmt: skip
"""Changes of the recipe "standard" that make it small."""
WILD = {"epochs": 6, "lr": 3.0, "optimizer": "sgd", "seed": 2}
"""Settings with a learning rate so high that the last epoch is not the best."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Compute with one thread, which is fastest for networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ground(height, width):
    """Class values in stripes and blocks."""
    rows, cols = np.indices((height, width))
    return ((rows // 5 + cols // 7) % 3).astype(np.uint8)


def picture(labels, dtype="uint8", scale=1):
    """Two bands that distinguish the classes, with noise."""
    rng = np.random.default_rng(0)
    table = np.array([[40, 200, 120], [180, 90, 20]])
    pixels = table[:, labels] + rng.integers(-20, 20, (2, *labels.shape))
    return (pixels * scale).astype(dtype)


def make_tiles(folder, *, size=SIZE, val=0.25, labels=None, pixels=None, legend=LEGEND, **profile):
    """A tile set with a random split; by default of 2 x 6 tiles of 16 px."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = ground(2 * SIZE, 6 * SIZE) if labels is None else labels
    pixels = picture(np.minimum(labels, 2)) if pixels is None else pixels
    scene = write_raster(folder / "scene.tif", pixels, **profile)
    mask = write_raster(folder / "labels.tif", labels[None])
    settings = TileSettings(size=size, split="random", val=val, min_valid=0, preview=False)
    return tile([scene], [mask], out=folder / "tiles", legend=legend, settings=settings)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return make_tiles(tmp_path_factory.mktemp("train"))


def small(**changes) -> TrainSettings:
    """A small training of the reference network."""
    return replace(RECIPES["lab"], **{**SMALL, **changes})


def small_standard(**changes) -> TrainSettings:
    """A small training with the recipe "standard"."""
    return replace(RECIPES["standard"], **{**SMALL_STANDARD, **changes})


def run(
    tiles, out, *, start=None, resume=True, overwrite=False, report=None, pixel_size_range=None,
    recipe=small, **changes,
):  # fmt: skip
    return train(
        tiles, out, settings=recipe(**changes), start=start, device="cpu", resume=resume,
        overwrite=overwrite, pixel_size_range=pixel_size_range,
        monitor=Monitor(pictures=0, report=report),
    )  # fmt: skip


def history_of(out):
    with out.with_name(f"{out.stem}.history.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.network.parameters()])


class Stopped(Exception):  # noqa: N818 - an interruption
    """Stands for a power cut."""


def stop_after(epoch):
    def report(row):
        if row["epoch"] == epoch:
            raise Stopped

    return report


def epochs_of(tiles, out, **changes):
    """Run, and return the numbers of the epochs that it trained."""
    epochs = []
    run(tiles, out, report=lambda row: epochs.append(row["epoch"]), **changes)
    return epochs


def stopped_run(tiles, tmp_path, epoch=1, **changes):
    """Stop a run after an epoch; return the path of its model."""
    out = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        run(tiles, out, report=stop_after(epoch), **changes)
    return out
