"""Suggested patches of a map, from the rasters to the file."""

import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.errors import EvaluateError, GeosegError, OutputError, SceneError, SuggestError
from geoseg.evaluation import EvaluateSettings, evaluate
from geoseg.suggestion import SuggestSettings, suggest
from tests.support.assessments import LEGEND, PLACE, write_map
from tests.support.commands import here, refused
from tests.support.rasters import describe_band, write_raster
from tests.support.refusals import refusal

SIZE = 16
SMALL = SuggestSettings(number=6, size=SIZE)
ON_MAP = {"crs": "EPSG:32640", "transform": PLACE, "nodata": 0}


@pytest.fixture(scope="module")
def classes():
    """Grass, with water on the left and a corner without data."""
    values = np.ones((200, 310), np.uint8)
    values[:, :60] = 0
    values[:64, -64:] = 255
    return values


@pytest.fixture(scope="module")
def folder(classes, tmp_path_factory):
    """A map that is unsure in its lower half."""
    folder = tmp_path_factory.mktemp("map")
    write_map(folder / "map.tif", classes)
    rng = np.random.default_rng(0)
    values = rng.integers(1, 60, classes.shape, dtype=np.uint8)
    values[100:] += 150
    values[classes == 255] = 0
    write_raster(folder / "unc.tif", values[None], **ON_MAP)
    write_raster(folder / "conf.tif", np.where(values > 0, 255 - values, 0)[None], **ON_MAP)
    return folder


def read(path):
    return geopandas.read_file(path, layer="suggested")


def pixels_of(frame, place=PLACE):
    """First row, first column, end row and end column (n, 4) of the patches."""
    west, south, east, north = frame.bounds.to_numpy().T
    col, row = ~place @ (west, north)
    end_col, end_row = ~place @ (east, south)
    return np.stack([row, col, end_row, end_col], 1).round().astype(int)


def test_patches_are_uncertain_not_close_together_and_have_data(folder, classes, tmp_path):
    out = tmp_path / "patches.gpkg"
    report = suggest(folder / "map.tif", out, uncertainty=folder / "unc.tif", settings=SMALL)
    frame = read(out)
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame["suggested"].all()
    assert frame["class"].isna().all()
    assert frame.crs == "EPSG:32640"
    with rasterio.open(folder / "unc.tif") as file:
        values = file.read(1)
    places = pixels_of(frame)
    for (row, col, end_row, end_col), patch in zip(places, frame.itertuples(), strict=True):
        assert (row % SIZE, col % SIZE) == (0, 0)
        assert (end_row - row, end_col - col) == (min(SIZE, 200 - row), min(SIZE, 310 - col))
        inside = slice(row, end_row), slice(col, end_col)
        assert row >= 96
        assert patch.uncertainty == pytest.approx((values[inside] - 1.0).mean() / 254, abs=1e-4)
        assert patch.class_name == LEGEND.names[np.bincount(classes[inside].ravel()).argmax()]
    apart = np.abs(places[:, None, :2] - places[None, :, :2]).max(2)
    assert apart[~np.eye(6, dtype=bool)].min() >= 2 * SIZE
    assert report.patches == 6
    assert report.mean_uncertainty == pytest.approx(frame["uncertainty"].mean(), abs=1e-4)
    assert report.classes == frame["class_name"].value_counts().to_dict()


def test_the_seed_decides(folder, tmp_path):
    def drawn(name, seed):
        out = tmp_path / name
        settings = SuggestSettings(number=6, size=SIZE, seed=seed)
        suggest(folder / "map.tif", out, uncertainty=folder / "unc.tif", settings=settings)
        return read(out).to_wkt().to_csv()

    assert drawn("a.gpkg", 0) == drawn("b.gpkg", 0)
    assert drawn("a2.gpkg", 1) != drawn("b2.gpkg", 0)


def test_confidence_stands_for_uncertainty(folder, tmp_path):
    out = tmp_path / "patches.gpkg"
    suggest(folder / "map.tif", out, confidence=folder / "conf.tif", settings=SMALL)
    frame = read(out)
    assert pixels_of(frame)[:, 0].min() >= 96
    assert frame["uncertainty"].between(0.5, 0.9).all()


def test_without_uncertainty_patches_are_spread_over_the_classes(folder, tmp_path):
    out = tmp_path / "patches.gpkg"
    report = suggest(folder / "map.tif", out, settings=SMALL)
    assert report.mean_uncertainty is None
    assert set(report.classes) == {"water", "grass"}
    assert read(out)["uncertainty"].isna().all()


def test_a_patch_of_another_colour_in_a_scene_on_another_grid_is_drawn(classes, tmp_path):
    """One patch has another colour; it is drawn first or second, whatever the seed."""
    write_map(tmp_path / "map.tif", np.ones((160, 160), np.uint8))
    image = np.full((3, 80, 80), 90, np.uint8)
    image[:, 40:48, 56:64] = 200
    coarse = {**ON_MAP, "transform": PLACE @ Affine.scale(2)}
    write_raster(tmp_path / "scene.tif", image, **coarse)
    for seed in range(4):
        settings = SuggestSettings(number=2, size=SIZE, distance=0, seed=seed)
        out = tmp_path / f"{seed}.gpkg"
        suggest(tmp_path / "map.tif", out, scene=tmp_path / "scene.tif", settings=settings)
        assert [80, 112, 96, 128] in pixels_of(read(out)).tolist()


def test_a_map_without_crs_has_patches_without_crs(tmp_path):
    write_map(tmp_path / "map.tif", np.ones((64, 64), np.uint8), crs=None)
    out = tmp_path / "patches.gpkg"
    assert suggest(tmp_path / "map.tif", out, settings=SMALL).patches == 4
    assert pixels_of(read(out)).min() == 0


def test_a_small_map_has_fewer_patches_and_says_so(tmp_path, caplog):
    write_map(tmp_path / "map.tif", np.ones((20, 40), np.uint8))
    report = suggest(tmp_path / "map.tif", tmp_path / "patches.gpkg", settings=SMALL)
    assert report.patches == 2
    assert "has room for only 2 patches of 16 px at this distance" in caplog.text


def test_qgis_finds_a_form_with_the_classes(folder, tmp_path):
    suggest(folder / "map.tif", tmp_path / "patches.gpkg", settings=SMALL)
    with closing(sqlite3.connect(tmp_path / "patches.gpkg")) as database:
        [(text, default)] = database.execute(
            "SELECT styleQML, useAsDefault FROM layer_styles WHERE f_table_name='suggested' "
            "AND f_geometry_column='geom'"
        ).fetchall()
    style = ET.fromstring(text)
    widgets = {f.get("name"): f.find("editWidget") for f in style.iter("field") if len(f)}
    assert default
    assert widgets["class"].get("type") == "ValueMap"
    options = [o.get("value") for o in widgets["class"].iter("Option") if o.get("value")]
    assert options == list(LEGEND.names)
    assert {f.get("name") for f in style.iter("field") if f.get("editable") == "1"} == {"class"}
    assert {symbol.get("type") for symbol in style.iter("symbol")} == {"fill"}


def test_places_that_are_labelled_already_are_not_suggested_again(folder, tmp_path):
    options = {"uncertainty": folder / "unc.tif", "settings": SMALL}
    suggest(folder / "map.tif", tmp_path / "first.gpkg", **options)
    first = read(tmp_path / "first.gpkg")
    degrees = first.to_crs("EPSG:4326").iloc[:3]
    degrees.to_file(tmp_path / "degrees.gpkg")
    first.iloc[3:].to_file(tmp_path / "rest.gpkg")
    exclude = [tmp_path / "degrees.gpkg", tmp_path / "rest.gpkg"]
    for name in ("second", "third"):  # no neighbour is left out with them
        suggest(folder / "map.tif", tmp_path / f"{name}.gpkg", exclude=exclude, **options)
        again = read(tmp_path / f"{name}.gpkg")
        assert len(again) == 6
        assert not set(map(tuple, pixels_of(again))) & set(map(tuple, pixels_of(first)))
        exclude.append(tmp_path / "second.gpkg")
    write_map(tmp_path / "row.tif", np.ones((16, 48), np.uint8))
    only = SuggestSettings(number=1, size=SIZE, distance=0)
    suggest(tmp_path / "row.tif", tmp_path / "a.gpkg", settings=only)
    rest = SuggestSettings(number=9, size=SIZE, distance=0)
    done = suggest(
        tmp_path / "row.tif", tmp_path / "b.gpkg", exclude=[tmp_path / "a.gpkg"], settings=rest
    )
    assert done.patches == 2
    with pytest.raises(SuggestError, match="outside of the excluded places"):
        suggest(
            tmp_path / "row.tif", tmp_path / "c.gpkg", settings=rest,
            exclude=[tmp_path / "a.gpkg", tmp_path / "b.gpkg"],
        )  # fmt: skip


@pytest.mark.parametrize("shape", ["points", "polygons"])
def test_evaluate_refuses_suggested_places_as_a_sample(folder, tmp_path, shape):
    out = tmp_path / "patches.gpkg"
    suggest(folder / "map.tif", out, settings=SMALL)
    frame = read(out)
    frame["class"] = frame["class_name"]
    if shape == "points":
        frame.geometry = frame.geometry.centroid
    frame.to_file(tmp_path / "labelled.gpkg")
    reference = folder / "map.tif", tmp_path / "labelled.gpkg"
    with pytest.raises(EvaluateError, match="not a random sample"):
        evaluate(
            *reference, out=tmp_path / "no",
            settings=EvaluateSettings(class_field="class", sampled=shape == "polygons"),
        )  # fmt: skip
    if shape == "polygons":  # as labels of these places they may be compared
        report = evaluate(
            *reference, out=tmp_path / "yes", settings=EvaluateSettings(class_field="class")
        )
        assert report.to_dict()["overall_accuracy"] > 0.9


def test_inputs_that_do_not_fit_are_refused(folder, tmp_path):
    out, labels = tmp_path / "patches.gpkg", folder / "map.tif"
    with pytest.raises(SuggestError, match="both given"):
        suggest(labels, out, uncertainty=folder / "unc.tif", confidence=folder / "conf.tif")
    write_raster(tmp_path / "other.tif", np.ones((1, 20, 20), np.uint8), **ON_MAP)
    with pytest.raises(SceneError, match=r"other\.tif is not on the grid of"):
        suggest(labels, out, uncertainty=tmp_path / "other.tif")
    write_raster(tmp_path / "plain.tif", np.ones((3, 20, 20), np.uint8), crs=None, transform=None)
    with pytest.raises(SuggestError, match="not both have a CRS"):
        suggest(labels, out, scene=tmp_path / "plain.tif")
    empty = write_map(tmp_path / "empty.tif", np.full((40, 40), 255, np.uint8))
    with pytest.raises(SuggestError, match="no pixel of a class"):
        suggest(empty, out)
    with pytest.raises(OutputError, match="gpkg"):
        suggest(labels, tmp_path / "areas.shp")
    with pytest.raises(GeosegError, match="settings must be of the type SuggestSettings"):
        suggest(labels, out, settings={"number": 3})
    assert not out.exists()


@pytest.mark.parametrize("other", ["confidence", "uncertainty"])
def test_confidence_and_uncertainty_are_not_exchanged(folder, tmp_path, other):
    """`classify` writes which one it is as the description of the band."""
    files = {name: tmp_path / f"{name}.tif" for name in ("confidence", "uncertainty")}
    for name, path in files.items():
        pixels = np.ones((1, 200, 310), np.uint8)
        describe_band(write_raster(path, pixels, **ON_MAP), name)
    wanted = "uncertainty" if other == "confidence" else "confidence"
    match = rf"{other}\.tif holds the {other} of a map, not its {wanted}, give .* --{wanted}`"
    with refusal(SceneError, match, tmp_path):
        suggest(folder / "map.tif", tmp_path / "a.gpkg", **{wanted: files[other]}, settings=SMALL)
    suggest(folder / "map.tif", tmp_path / "a.gpkg", **{other: files[other]}, settings=SMALL)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"number": 0}, "at least 1"),
        ({"size": 8}, "16 to 4096"),
        ({"size": 16, "distance": 600}, r"0 to 32 times the size of a patch \(512 px\)"),
        ({"seed": -1}, "at least 0"),
    ],
)
def test_settings_that_cannot_be(settings, match):
    with pytest.raises(SuggestError, match=match):
        SuggestSettings(**settings)


def test_the_command(folder, tmp_path):
    out = tmp_path / "patches.gpkg"
    words = ["suggest", folder / "map.tif", "--out", out, "--uncertainty", folder / "unc.tif"]
    done = here(*words, "--number", 3, "--size", SIZE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: 3 patches (")
    assert "exists" in refused(here(*words))
    assert here(*words, "-f", "-q", "--number", 3, "--size", SIZE).stdout == ""
