"""The plugin in a real QGIS without a window: what geoseg makes there, cancelling, and looks."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import geopandas
import matplotlib.image
import numpy as np
import pytest
import rasterio
from geopandas.testing import assert_geodataframe_equal
from pyproj import CRS
from safetensors.numpy import load_file

from geoseg.legend import read_legend
from geoseg.tiles import open_tiles
from tests.support.commands import here
from tests.support.headless_qgis import Qgis, make_qgis, why_not
from tests.support.paths import SAMPLE
from tests.support.training import make_tiles

REASON = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

SCENE, MODEL = "parana.tif", SAMPLE / "parana.safetensors"
AREAS = "parana_labels.gpkg|layername=labels"
LEGEND = read_legend(SAMPLE / "legend.csv")


STRIP = (0, 250, 768, 320)
"""Two chunks of the scene: column, row, width, height (px)."""


def box(col: int, row: int, width: int, height: int) -> tuple[float, ...]:
    """West, south, east and north of a window of the scene."""
    with rasterio.open(SCENE) as scene:
        return *(scene.transform @ (col, row + height)), *(scene.transform @ (col + width, row))


def same(out: Path, *names: str) -> None:
    """The outputs of QGIS and of the command are the same bytes."""
    for name in names:
        assert (out / "qgis" / name).read_bytes() == (out / "command" / name).read_bytes(), name


def read_points(folder: Path) -> geopandas.GeoDataFrame:
    return geopandas.read_file(folder / "points.gpkg", layer="points")


@pytest.fixture(scope="module")
def qgis(tmp_path_factory) -> Qgis:
    return make_qgis(tmp_path_factory.mktemp("qgis"))


@pytest.fixture(scope="module", autouse=True)
def sample(tmp_path_factory) -> Iterator[None]:
    """Work in a folder with copies of the sample: QGIS writes beside and into what it reads."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("parana.tif", "parana_labels.gpkg"):
        shutil.copy(SAMPLE / name, folder)
    with contextlib.chdir(folder):
        yield


@pytest.fixture
def out(tmp_path) -> Path:
    """A folder for the outputs of QGIS, and one for those of the command."""
    for name in ("qgis", "command"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def small_map(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    edges = ",".join(map(str, box(300, 300, 200, 150)))
    done = here(
        "classify", SCENE, "--model", MODEL, "--nodata", 0, "--engine", "torch", "--out",
        folder / "lulc.tif", f"--bbox={edges}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "lulc.tif"


def test_classify_with_area_and_extent(qgis, out):
    west, south, east, north = box(300, 300, 200, 150)
    done = qgis.run(
        "classify", SCENE=SCENE, MODEL=MODEL, NODATA=0, ENGINE="torch", AOI=AREAS, MIN_AREA=2000,
        EXTENT=f"{west},{east},{south},{north} [EPSG:32621]", OUTPUT=out / "qgis" / "lulc.tif",
        POLYGONS=out / "qgis" / "lulc.gpkg", CONFIDENCE=out / "qgis" / "confidence.tif",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    command = out / "command"
    here(
        "classify", SCENE, "--model", MODEL, "--nodata", 0, "--engine", "torch",
        "--aoi", "parana_labels.gpkg", "--aoi-layer", "labels", "--min-area", 2000,
        f"--bbox={west},{south},{east},{north}", "--bbox-crs", "EPSG:32621",
        "--out", command / "lulc.tif", "--polygons", command / "lulc.gpkg",
        "--confidence", command / "confidence.tif",
    )  # fmt: skip
    same(out, "lulc.tif", "lulc.qml", "lulc.gpkg", "confidence.tif")


def test_vectorise(qgis, small_map, out):
    done = qgis.run(
        "vectorise", LULC=small_map, MIN_AREA=5000, SMOOTH=1, OUTPUT=out / "qgis" / "lulc.gpkg"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    here(
        "vectorise", small_map, "--min-area", 5000, "--smooth", 1,
        "--out", out / "command" / "lulc.gpkg",
    )  # fmt: skip
    same(out, "lulc.gpkg")


def test_sample(qgis, small_map, out):
    done = qgis.run(
        "sample", LULC=small_map, SIZE=60, ALLOCATION="equal", MIN_PER_CLASS=5,
        IGNORE="tree, crop", OUTPUT=out / "qgis" / "points.gpkg",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    here(
        "sample", small_map, "--size", 60, "--allocation", "equal", "--min-per-class", 5,
        "--ignore", "tree", "--ignore", "crop", "--out", out / "command" / "points.gpkg",
    )  # fmt: skip
    points = [read_points(out / name) for name in ("qgis", "command")]
    assert_geodataframe_equal(*points)
    assert set(points[0]["stratum"]) == {"water", "developed"}


def test_evaluate(qgis, small_map, out):
    done = qgis.run(
        "evaluate", LULC=small_map, REFERENCE=AREAS, CLASS_FIELD="name",
        OUTPUT=out / "qgis" / "report",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"REPORT:\t{out / 'qgis' / 'report' / 'report.html'}" in done.stdout
    here(
        "evaluate", small_map, "parana_labels.gpkg", "--layer", "labels",
        "--class-field", "name", "--out", out / "command" / "report",
    )  # fmt: skip
    same(out, "report/report.csv", "report/matrix.csv")


def test_tile(qgis, out):
    done = qgis.run(
        "tile",
        SCENE=SCENE,
        LABELS=AREAS,
        CLASS_FIELD="name",
        NODATA=0,
        OUTPUT=out / "qgis" / "tiles",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    here(
        "tile", SCENE, "--labels", "parana_labels.gpkg", "--layer", "labels",
        "--class-field", "name", "--nodata", 0, "--out", out / "command" / "tiles",
    )  # fmt: skip
    found, expected = (open_tiles(out / name / "tiles") for name in ("qgis", "command"))
    assert found.legend == expected.legend
    assert found.checksums == expected.checksums


def test_train(qgis, out):
    make_tiles(out)
    tiny = "--width 2 --depth 1 --pictures 0"
    done = qgis.run(
        "train", TILES=out / "tiles", RECIPE="lab", EPOCHS=1, BATCH_SIZE=4, OPTIONS=tiny,
        OUTPUT=out / "qgis" / "model.safetensors",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    here(
        "train", out / "tiles", "--recipe", "lab", "--epochs", 1, "--batch-size", 4, *tiny.split(),
        "--out", out / "command" / "model.safetensors",
    )  # fmt: skip
    weights = [load_file(out / name / "model.safetensors") for name in ("qgis", "command")]
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        assert np.array_equal(array, weights[1][name]), name


@pytest.fixture(scope="module")
def session(qgis, tmp_path_factory) -> tuple[Path, dict]:
    """What happened in one session, and its folder."""
    folder = tmp_path_factory.mktemp("session")
    west, south, east, north = box(*STRIP)
    inputs = {
        "SCENE": SCENE, "MODEL": MODEL, "NODATA": 0, "ENGINE": "torch", "WORKERS": 1,
        "EXTENT": f"{west},{east},{south},{north} [EPSG:32621]", "OPTIONS": "--chunk 512",
        "OUTPUT": folder / "lulc.tif", "POLYGONS": folder / "lulc.gpkg",
    }  # fmt: skip
    told = qgis.session(classify=inputs, folder=folder, reference=AREAS)
    return folder, told


def test_a_cancelled_run_says_so_and_the_next_one_continues_it(session, tmp_path):
    folder, told = session
    cancelled = told["cancelled"]
    assert cancelled["message"].startswith("Stopped (exit code 75). Finished chunks are kept")
    assert (len(cancelled["parts"]), cancelled["map"]) == (1, False)
    assert "resuming: 1 of 2 chunks finished" in told["loaded"]["messages"]
    edges = ",".join(map(str, box(*STRIP)))
    here(
        "classify", SCENE, "--model", MODEL, "--nodata", 0, "--engine", "torch", "--chunk", 512,
        f"--bbox={edges}", "--bbox-crs", "EPSG:32621", "--out", tmp_path / "lulc.tif",
        "--polygons", tmp_path / "lulc.gpkg",
    )  # fmt: skip
    for name in ("lulc.tif", "lulc.gpkg"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_results_are_loaded_in_a_group_with_names_and_colours(session):
    _, told = session
    loaded = told["loaded"]
    classes = [[c.value, c.name, c.color] for c in LEGEND.classes]
    assert loaded["map"] == classes
    assert loaded["polygons"] == classes
    assert loaded["groups"] == {"geoseg: parana": ["Land-cover map", "Polygons"]}
    assert loaded["percent"][-1] == 100


def test_the_map_is_drawn_in_the_colours_of_its_legend(session):
    folder, _ = session
    with rasterio.open(folder / "lulc.tif") as lulc:
        labels = lulc.read(1)
    colours = np.full((256, 3), 255, np.uint8)  # nodata is not drawn, the paper is white
    for c in LEGEND.classes:
        colours[c.value] = c.rgb
    drawn = np.round(matplotlib.image.imread(folder / "map.png")[..., :3] * 255).astype(np.uint8)
    assert np.array_equal(drawn, colours[labels])
    legend = matplotlib.image.imread(folder / "picture.png")[:, labels.shape[1] :, :3]
    shown = {tuple(rgb) for rgb in np.round(legend.reshape(-1, 3) * 255).astype(int)}
    assert {c.rgb for c in LEGEND.classes} <= shown


def test_polygons_in_memory_are_a_reference_too(session, tmp_path):
    folder, told = session
    water = geopandas.read_file("parana_labels.gpkg", layer="labels")
    water[water["name"] == "water"].to_file(tmp_path / "water.gpkg")
    here(
        "evaluate", folder / "lulc.tif", tmp_path / "water.gpkg", "--class-field", "name",
        "--out", tmp_path / "report",
    )  # fmt: skip
    assert Path(told["report"]) == folder / "report" / "report.html"
    found, expected = (
        (place / "report" / "matrix.csv").read_text() for place in (folder, tmp_path)
    )
    assert found == expected
    assert json.loads((folder / "report" / "report.json").read_text())["compared"] > 1000


def test_a_temporary_output_has_the_same_polygons(session):
    folder, told = session
    polygons = geopandas.read_file(folder / "lulc.gpkg", layer="lulc")
    assert told["temporary"] == len(polygons) > 10


def test_only_selected_features_are_the_area_of_interest(session):
    _, told = session
    water = geopandas.read_file("parana_labels.gpkg", layer="labels")["name"] == "water"
    assert told["selected"] == [water.sum()] * 2
    assert 0 < water.sum() < len(water)


def test_a_crs_that_only_qgis_knows_is_given_as_wkt(session):
    _, told = session
    assert CRS(told["crs"]).coordinate_operation.method_name == "Lambert Azimuthal Equal Area"


def test_wrong_turns_are_told_in_one_sentence(session):
    folder, told = session
    said = told["said"]
    assert said["wrong command"] == (
        "/nowhere/geoseg is not the command geoseg, correct it in Settings > Options > Processing "
        "> Providers > geoseg."
    )
    assert said["setting"] == ""
    assert said["output exists"] == (
        f"{folder / 'again.gpkg'} exists, use another output name, or tick 'Replace existing "
        "outputs'."
    )
    assert said["no such model"].startswith("there is no model banana, give a file or one of")
