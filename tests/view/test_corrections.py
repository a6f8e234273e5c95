"""Corrections: what is drawn is in the file after each change, and tiles and reports read it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio.features
import shapely

import geoseg
from geoseg.errors import InterruptedRun, LabelError, OutputError, VectorError
from geoseg.labels import LabelOpener
from geoseg.legend import Legend
from geoseg.raster import open_scene
from geoseg.styles.qgis import add_layer_style
from geoseg.vectors import read_vector
from geoseg.view import open_view
from geoseg.view.corrections import brush_shape, open_corrections
from geoseg.view.corrections_file import FIELDS
from tests.support.refusals import refusal
from tests.support.training import SMALL
from tests.support.views import LEGEND, PLACES, SHAPE, open_page, write_place


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    return write_place(tmp_path, request.param), tmp_path / "corrections.gpkg"


def draw(page, class_id: int, points, kind: str = "polygon", width: float = 1):
    content = {"class_id": class_id, "kind": kind, "points": points, "width": width}
    answer = page.answer("POST", "correct", json.dumps(content).encode())
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def labels_of(path, scene) -> np.ndarray:
    """What `tile --labels` reads from a file of corrections, by the values of the map."""
    opened = LabelOpener(legend=LEGEND, class_field="class").open(str(path), scene)
    return opened.read(scene.window)


def test_tiles_read_what_was_drawn(place):
    files, path = place
    page = open_page(files, corrections=path)
    draw(page, 3, [[40, 50], [90, 50], [90, 120], [40, 120]])
    draw(page, 7, [[80.2, 100.7], [82.9, 100.1]], "brush", 1)
    draw(page, 0, [[200, 200]], "brush", 9)
    expected = np.full(SHAPE, 255, np.uint8)
    expected[50:120, 40:90] = 3
    expected[100, 80:83] = 7  # the later one counts
    rows, cols = np.indices(SHAPE)
    expected[np.hypot(rows - 200, cols - 200) < 4.5 - 0.1] = 0
    labels = labels_of(path, open_scene(files.map))
    unsure = np.abs(np.hypot(rows - 200, cols - 200) - 4.5) < 0.2  # the circle has 32 corners
    np.testing.assert_array_equal(labels[~unsure], expected[~unsure])


def test_the_loop_from_view_to_tiles_to_a_model_and_a_report(place):
    files, path = place
    page = open_page(files, corrections=path)
    for row in range(0, 300, 50):
        for col, value in ((0, 0), (140, 3), (280, 7)):
            draw(
                page, value, [[col, row], [col + 140, row], [col + 140, row + 50], [col, row + 50]]
            )
    folder = path.parent
    report = geoseg.evaluate(
        files.map, path, out=folder / "report",
        settings=geoseg.EvaluateSettings(class_field="class"),
    )  # fmt: skip
    drawn = np.repeat([0, 3, 7], 140)[None].repeat(300, 0)
    known = files.labels != 255
    agreement = (files.labels == drawn)[known].mean()
    assert report.to_dict()["overall_accuracy"] == pytest.approx(agreement)
    settings = geoseg.TileSettings(class_field="class", size=32, split="random", preview=False)
    geoseg.tile([files.scene], [path], out=folder / "tiles", settings=settings)
    assert geoseg.open_tiles(folder / "tiles").legend.names == tuple(sorted(LEGEND.names))
    if open_scene(files.map).crs is None:  # once is enough
        model = geoseg.train(
            folder / "tiles", folder / "model.safetensors", device="cpu",
            settings=replace(geoseg.RECIPES["lab"], **{**SMALL, "epochs": 1}),
            monitor=geoseg.Monitor(pictures=0),
        )  # fmt: skip
        assert model.legend.names == tuple(sorted(LEGEND.names))


def test_undo_and_redo_change_the_file(place):
    files, path = place
    page = open_page(files, corrections=path)
    draw(page, 3, [[10, 10], [60, 10], [60, 90]])
    draw(page, 7, [[100, 100], [160, 100], [160, 190]])
    assert read_vector(path)["class_id"].tolist() == [3, 7]
    undone = json.loads(page.answer("POST", "undo").body)
    assert (undone["undo"], undone["redo"]) == (1, 1)
    assert read_vector(path)["class_id"].tolist() == [3]
    page.answer("POST", "redo")
    assert read_vector(path)["class_id"].tolist() == [3, 7]
    for _ in range(3):
        page.answer("POST", "undo")
    assert len(read_vector(path)) == 0
    assert corrections_of(page)["redo"] == 2
    assert draw(page, 0, [[10, 10], [60, 10], [60, 90]])["redo"] == 0


def corrections_of(page) -> dict:
    return json.loads(page.answer("GET", "corrections").body)


def test_a_page_that_is_opened_again_shows_them(place):
    files, path = place
    page = open_page(files, corrections=path)
    before = draw(page, 3, [[10.5, 12.25], [60, 12.25], [60, 90]])
    draw(page, 7, [[200, 30], [230, 60], [200, 90], [230, 30]])  # crosses itself
    again = open_page(files, corrections=path)
    answer = corrections_of(again)
    assert answer == corrections_of(page) | {"redo": 0}
    [ring] = before["corrections"][0]["rings"][0]
    np.testing.assert_allclose(sorted(ring[:3]), [[10.5, 12.25], [60, 12.25], [60, 90]], atol=0.01)
    assert len(answer["corrections"][1]["rings"]) == 2
    draw(again, 0, [[1, 1], [9, 1], [9, 9]])
    frame = read_vector(path)
    assert list(frame.columns) == [*FIELDS, "geometry"]
    assert frame["class"].tolist() == ["<b>crop & grass</b>", "forest", "water"]
    assert frame["author"].tolist() == ["Ada"] * 3
    assert frame["time"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    assert frame.crs == open_scene(files.map).crs


@pytest.fixture
def utm(tmp_path):
    return write_place(tmp_path, "UTM"), tmp_path / "corrections.gpkg"


def test_what_lies_outside_of_the_map_is_cut_off(utm):
    files, path = utm
    page = open_page(files, corrections=path)
    draw(page, 3, [[-50, -50], [20, -50], [20, 10], [-50, 10]])
    [geometry] = read_vector(path).geometry
    corners = ~open_scene(files.map).affine @ geometry.bounds[:2], geometry.area
    assert corners == (pytest.approx((0, 10)), pytest.approx(20 * 10 * 100))


@pytest.mark.parametrize("width", [1, 2, 5, 16, 33])
def test_a_brush_covers_the_pixels_on_its_way(width):
    way = np.array([[3.2, 4.9], [30.6, 17.1], [8.0, 40.0]])
    shape = brush_shape(way, width)
    covered = rasterio.features.rasterize([shape], (64, 64), all_touched=False)
    for col, row in way.astype(int):
        assert covered[row, col]
    centres = shapely.LineString(np.floor(way) + 0.5)
    rows, cols = np.indices((64, 64)) + 0.5
    distances = shapely.distance(shapely.points(cols, rows), centres)
    assert covered[distances < 0.95 * width / 2].all()
    assert not covered[distances > width / 2 + 1e-9].any()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"class_id": 4, "kind": "polygon", "points": [[0, 0], [9, 0], [9, 9]]}, "not a class"),
        ({"class_id": 3, "kind": "polygon", "points": [[0, 0], [9, 9]]}, "three vertices"),
        ({"class_id": 3, "kind": "polygon", "points": [[0, 0], [9, 9], [5, 5]]}, "covers nothing"),
        ({"class_id": 3, "kind": "polygon", "points": [[900, 0], [990, 9], [950, 50]]}, "nothing"),
        ({"class_id": 3, "kind": "brush", "points": [[9, 9]], "width": 0}, "1 to 4096"),
    ],
)  # fmt: skip
def test_a_shape_that_corrects_nothing_is_refused_and_not_kept(utm, content, match):
    files, path = utm
    page = open_page(files, corrections=path)
    answer = page.answer("POST", "correct", json.dumps(content).encode())
    assert answer.status == 409
    assert match in json.loads(answer.body)["error"]
    assert not path.exists()
    assert corrections_of(page)["corrections"] == []


def test_a_correction_that_cannot_be_written_is_not_kept(utm, monkeypatch):
    files, path = utm
    page = open_page(files, corrections=path)
    draw(page, 3, [[10, 10], [60, 10], [60, 90]])
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    content = {"class_id": 7, "kind": "brush", "points": [[9, 9]], "width": 5}
    answer = page.answer("POST", "correct", json.dumps(content).encode())
    assert "cannot write corrections.gpkg" in json.loads(answer.body)["error"]
    assert page.answer("POST", "undo").status == 409
    assert len(corrections_of(page)["corrections"]) == 1
    assert path.read_bytes() == before
    assert list(path.parent.glob(".tmp*")) == []


def test_two_pages_do_not_write_one_file(utm):
    files, path = utm
    with (
        open_view(files.scene, files.map, corrections=path),
        pytest.raises(InterruptedRun, match="is in use"),
        open_view(files.scene, files.map, corrections=path),
    ):
        pass
    with open_view(files.scene, files.map, corrections=path):
        pass
    assert list(path.parent.glob(".*")) == []


def test_other_files_are_no_corrections(utm):
    files, path = utm
    grid, folder = open_scene(files.map), path.parent
    with refusal(OutputError, "does not have the fields of corrections", folder):
        open_corrections(files.polygons, grid, LEGEND, "")
    with refusal(OutputError, r"must end in \.gpkg", folder):
        open_corrections(folder / "c.shp", grid, LEGEND, "")
    with refusal(OutputError, "does not exist", folder):
        open_corrections(folder / "none" / "c.gpkg", grid, LEGEND, "")
    draw(open_page(files, corrections=path), 3, [[10, 10], [60, 10], [60, 90]])
    with refusal(LabelError, "which the map does not have", folder):
        open_corrections(path, grid, Legend.from_names(["roof", "road", "tree", "rail"]), "")
    with refusal(VectorError, "is in the CRS", folder):
        open_corrections(path, replace(grid, crs="EPSG:32641"), LEGEND, "")
    with refusal(VectorError, "has a CRS, but", folder):
        open_corrections(path, replace(grid, crs=None), LEGEND, "")


@pytest.fixture
def edited(utm):
    """A file as QGIS leaves it: a layer before that of the corrections, a field more, new rows."""
    files, path = utm
    grid = open_scene(files.map)
    square = shapely.box(*(grid.affine @ (10, 60)), *(grid.affine @ (50, 20)))
    plots = {name: ["forest"] for name in FIELDS} | {"class_id": [7], "owner": ["Ada"]}
    geopandas.GeoDataFrame(plots, geometry=[square], crs=grid.crs).to_file(path, layer="my_plots")
    rows = {
        "class": ["water", "forest", "forest"], "class_id": pd.array([0, None, 7], "Int64"),
        "time": ["2026-01-31T23:59:59Z", None, None], "author": ["Bo", None, None],
        "note": ["pond", "by hand", "no shape"], "count": pd.array([2**60 + 1, None, 3], "Int64"),
    }  # fmt: skip
    frame = geopandas.GeoDataFrame(rows, geometry=[square, square, None], crs=grid.crs)
    pyogrio.write_dataframe(frame, path, layer="corrections", geometry_type="Polygon")
    add_layer_style(path, "corrections", "<qgis/>", "mine")
    return files, path


def test_rows_may_name_their_class_as_everywhere(utm):
    files, path = utm
    square = shapely.box(500100, 2799000, 500500, 2799400)
    rows = {
        "class": ["Forest", " WATER ", "7"], "class_id": pd.array([None, 0, None], "Int64"),
        "time": [None] * 3, "author": [None] * 3,
    }  # fmt: skip
    geopandas.GeoDataFrame(rows, geometry=[square] * 3, crs="EPSG:32640").to_file(path)
    page = open_page(files, corrections=path)
    names = [(c["class"], c["class_id"]) for c in corrections_of(page)["corrections"]]
    assert names == [("forest", 7), ("water", 0), ("forest", 7)]
    draw(page, 3, [[90, 50], [140, 50], [140, 120]])
    assert read_vector(path)["class_id"].tolist() == [7, 0, 7, 3]


def rows_of(path, layer: str) -> list[tuple]:
    """All values of a layer but the shapes, as SQLite stores them."""
    fields = ", ".join(f'"{name}"' for name in pyogrio.read_info(path, layer=layer)["fields"])
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f'SELECT {fields} FROM "{layer}" ORDER BY rowid').fetchall()


def test_other_layers_fields_and_rows_of_the_file_stay(edited):
    files, path = edited
    plots, before = rows_of(path, "my_plots"), rows_of(path, "corrections")
    page = open_page(files, corrections=path)
    assert [c["class"] for c in corrections_of(page)["corrections"]] == ["water", "forest"]
    draw(page, 3, [[90, 50], [140, 50], [140, 120]])
    filled = [before[0], (*before[1][:1], 7, *before[1][2:]), before[2]]
    assert rows_of(path, "corrections")[:3] == filled  # class_id by the name of the class
    assert rows_of(path, "corrections")[3][:2] == ("<b>crop & grass</b>", 3)
    for _ in range(3):
        page.answer("POST", "undo")
    assert rows_of(path, "corrections") == [before[2]]
    for _ in range(3):
        page.answer("POST", "redo")
    assert sorted(rows_of(path, "corrections")[1:3]) == sorted(filled[:2])
    again = corrections_of(open_page(files, corrections=path))
    assert again == corrections_of(page) | {"redo": 0}
    assert rows_of(path, "my_plots") == plots
    layers = pyogrio.list_layers(path).tolist()
    assert [name for name, kind in layers if kind] == ["my_plots", "corrections"]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT styleName FROM layer_styles").fetchall() == [("geoseg",)]
    left, _, right, _ = pyogrio.read_info(path, layer="corrections")["total_bounds"]
    cols = [(~open_scene(files.map).affine @ (x, 0))[0] for x in (left, right)]
    assert cols == pytest.approx([10, 140])


def test_a_file_with_changes_in_another_program_is_not_replaced(edited):
    files, path = edited
    page = open_page(files, corrections=path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("UPDATE layer_styles SET styleName = 'new'")
        grid = open_scene(files.map)
        with refusal(OutputError, r"has changes in corrections\.gpkg-wal", path.parent):
            open_corrections(path, grid, LEGEND, "")
        answer = page.answer("POST", "undo")
        assert answer.status == 409
        assert "close it there" in json.loads(answer.body)["error"]
    draw(page, 3, [[90, 50], [140, 50], [140, 120]])
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT styleName FROM layer_styles").fetchall() == [("new",)]
    assert list(path.parent.glob("*-wal")) == []
