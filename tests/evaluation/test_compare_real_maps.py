"""Two maps of the example scene by two models, from the classification to the better map."""

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio

from geoseg import ClassifySettings, Model, classify
from geoseg.model import make_network
from tests.support.commands import here
from tests.support.paths import SAMPLE


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Maps by the small model of the sample and by a model of other weights."""
    folder = tmp_path_factory.mktemp("maps")
    model = Model.load(SAMPLE / "parana.safetensors")
    other = make_network(model.spec)
    weights = model.network.state_dict()
    last = [name for name in weights if name.endswith("weight")][-1]
    weights[last] = weights[last] * 0.7 + 0.3 * weights[last].roll(1, 0)
    other.load_state_dict(weights)
    replace(model, network=other).save(folder / "b.safetensors")
    for name, weights in (("a", SAMPLE / "parana.safetensors"), ("b", folder / "b.safetensors")):
        classify(
            SAMPLE / "parana.tif", folder / f"{name}.tif", model=weights,
            settings=ClassifySettings(overlap=0), workers=1,
        )  # fmt: skip
    return folder


def run(*words):
    """Run a command, which must succeed; return what it prints."""
    done = here(*map(str, words))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_two_maps_to_the_better_one_by_the_command_line(maps, tmp_path):
    pair = maps / "a.tif", maps / "b.tif"
    printed = run("compare", *pair, "--changed-only", "--out", tmp_path / "d")
    arrays = []
    for path in pair:
        with rasterio.open(path) as file:
            arrays.append(file.read(1))
    a, b = arrays
    both = (a != 255) & (b != 255)
    share = 100 * (a == b)[both].mean()
    assert f"same in {share:.1f} %" in printed
    with rasterio.open(tmp_path / "d" / "change.tif") as file:
        assert ((file.read(1) != 255) == (both & (a != b))).all()
    run(
        "sample", tmp_path / "d" / "change.tif", "--out", tmp_path / "points.gpkg", "--size", 60,
        "--allocation", "proportional", "--min-per-class", 0,
        "--reference-legend", tmp_path / "d" / "classes.csv",
    )  # fmt: skip
    points = geopandas.read_file(tmp_path / "points.gpkg", layer="points")
    points["reference"] = points["stratum"].str.split(" to ").str[1]  # as if B were right
    points.to_file(tmp_path / "points.gpkg", layer="points")
    printed = run("compare", *pair, tmp_path / "points.gpkg", "--out", tmp_path / "report", "-f")
    assert "Map B is better" in printed
    difference = np.float64((a != b)[both].mean()) * 100
    assert f"higher by {difference:.2f} ± 0.00 percentage points" in printed
    done = here("compare", *map(str, pair), "--out", str(tmp_path / "report"))
    assert done.returncode == 1
    assert "exists, use another output name, or overwrite (-f)" in done.stderr
    assert "Traceback" not in done.stderr
