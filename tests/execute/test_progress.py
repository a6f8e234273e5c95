"""Progress callbacks mean the same in every function of the library."""

from dataclasses import replace

import numpy as np
import pytest

import geoseg
from geoseg.cli.console import ProgressBar
from tests.support.models import tiny_model
from tests.support.rasters import blocks, write_raster
from tests.support.tilesets import LEGEND, cut


class Calls(list):
    """Keeps the calls of a progress callback."""

    def __call__(self, unit, done, total):
        self.append((unit, done, total))

    def of(self, unit):
        """(done, total) of the calls for one kind of work."""
        return [(done, total) for name, done, total in self if name == unit]


def classify(folder, progress):
    scene = write_raster(folder / "scene.tif", np.maximum(blocks(600, 600), 1))
    model = tiny_model(folder / "model.safetensors")
    settings = geoseg.ClassifySettings(overlap=8)
    geoseg.classify(scene, folder / "map.tif", model=model, settings=settings, progress=progress)


def vectorise(folder, progress):
    labels = write_raster(folder / "labels.tif", blocks(300, 300, bands=1) // 64)
    geoseg.vectorise(labels, folder / "map.gpkg", progress=progress)


def tile(folder, progress):
    scene = write_raster(folder / "scene.tif", blocks(128, 128))
    labels = write_raster(folder / "labels.tif", blocks(128, 128, bands=1) // 86)
    cut(scene, labels, folder / "tiles", progress=progress)


def train(folder, progress):
    tile(folder, None)
    settings = replace(geoseg.RECIPES["lab"], epochs=2, batch_size=4, width=2, depth=1, val=0.25)
    monitor = geoseg.Monitor(pictures=0)
    geoseg.train(folder / "tiles", folder / "m.safetensors", settings=settings, monitor=monitor,
                 progress=progress)  # fmt: skip


def evaluate(folder, progress):
    labels = write_raster(folder / "labels.tif", blocks(300, 300, bands=1) // 86)
    settings = geoseg.EvaluateSettings(legend=LEGEND)
    geoseg.evaluate(labels, labels, out=folder / "report", settings=settings, progress=progress)


@pytest.mark.parametrize(
    ("run", "units"),
    [
        (classify, ["windows"]),
        (vectorise, ["windows"]),
        (tile, ["scenes opened", "tiles read", "tiles written"]),
        (train, ["steps"]),
        (evaluate, ["windows"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_progress_is_done_so_far_of_all(run, units, tmp_path):
    calls = Calls()
    run(tmp_path, calls)
    assert list(dict.fromkeys(unit for unit, _, _ in calls)) == units
    for unit in units:
        done, totals = zip(*calls.of(unit), strict=True)
        assert done[0] == 0
        assert list(done) == sorted(done)
        assert set(totals) == {done[-1]}
        assert done[-1] > 0


def test_work_without_items_is_no_error(capsys):
    progress = ProgressBar(quiet=False)
    progress("tiles read", 0, 0)
    progress.close()
    assert "Traceback" not in capsys.readouterr().err
