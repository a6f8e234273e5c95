"""Two maps compared: matrix, areas, change raster and polygons, and how maps are matched."""

import json

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from geoseg import CompareSettings, compare, evaluate
from geoseg.errors import OutputError
from geoseg.evaluation.window_counts import WindowComparison
from geoseg.geodesy import pixel_areas
from geoseg.grid import Window
from geoseg.labels import RecodedLabels, open_class_raster
from geoseg.legend import LandCoverClass, Legend
from tests.support.assessments import LEGEND, PLACE, write_map
from tests.support.rasters import write_raster

NO_POLYGONS = CompareSettings(polygons=False)


def two_maps(folder, shape=(60, 80), same=0.8):
    """Write two maps of three classes in blocks, with nodata on both sides; return their values."""
    rng = np.random.default_rng(0)
    size = shape[0] // 4 + 1, shape[1] // 4 + 1
    a = np.kron(rng.integers(0, 3, size), np.ones((4, 4)))[: shape[0], : shape[1]].astype(np.uint8)
    b = np.where(rng.random(shape) < same, a, rng.integers(0, 3, shape)).astype(np.uint8)
    a[:3], b[:, -5:] = 255, 255
    write_map(folder / "a.tif", a), write_map(folder / "b.tif", b)
    return a, b


def compare_in(folder, out="out", **options):
    """Compare the maps a.tif and b.tif of a folder."""
    return compare(folder / "a.tif", folder / "b.tif", out=folder / out, **options)


def matrix_of(a, b, classes=3):
    """The plain matrix of two arrays."""
    both = (a != 255) & (b != 255)
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (a[both], b[both]), 1)
    return matrix


def test_a_matrix_and_areas_by_hand(tmp_path):
    a = np.array([[0, 0, 0, 1], [1, 2, 2, 255]], np.uint8)
    b = np.array([[0, 1, 1, 1], [255, 2, 0, 2]], np.uint8)
    write_map(tmp_path / "a.tif", a), write_map(tmp_path / "b.tif", b)
    report = compare_in(tmp_path).to_dict()
    assert report["classes"] == ["water", "grass", "rock"]
    assert report["matrix"] == [[1, 2, 0], [0, 1, 0], [1, 0, 1]]
    assert report["compared"] == 6
    assert report["left_out"] == {"no class in A": 1, "no class in B": 1, "no class in either": 0}
    assert report["unchanged_share"] == 0.5
    changes = {c["name"]: c["pixels"] for c in report["changes"]}
    assert changes == {
        "water unchanged": 1, "water to grass": 2, "grass unchanged": 1, "rock to water": 1,
        "rock unchanged": 1,
    }  # fmt: skip
    per_pixel = pixel_areas(PLACE, "EPSG:32640", np.arange(2), 2)
    assert report["changes"][1]["area_ha"] * 1e4 == pytest.approx(2 * per_pixel[0])
    assert report["matrix_m2"][0][1] == pytest.approx(2 * per_pixel[0])
    assert np.sum(report["matrix_m2"]) == pytest.approx(4 * per_pixel[0] + 2 * per_pixel[1])
    assert report["changed_ha"] * 1e4 == pytest.approx(2 * per_pixel[0] + per_pixel[1])
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved == report


def test_sums_are_those_of_a_plain_script_and_b_to_a_is_the_transpose(tmp_path):
    a, b = two_maps(tmp_path)
    there = compare_in(tmp_path, "x", settings=NO_POLYGONS)
    back = compare(tmp_path / "b.tif", tmp_path / "a.tif", out=tmp_path / "y", settings=NO_POLYGONS)
    assert there.pixels.tolist() == matrix_of(a, b).tolist()
    assert back.pixels.tolist() == there.pixels.T.tolist()
    np.testing.assert_allclose(back.area_ha, there.area_ha.T, rtol=1e-12)
    assert there.change_pixels.sum() == there.total == there.pixels.sum()
    assert there.total + sum(there.left_out.values()) == a.size
    np.testing.assert_allclose(there.change_ha.sum(), there.area_ha.sum())
    rows = (tmp_path / "x" / "matrix.csv").read_text().splitlines()
    assert rows[0] == "A \\ B,water,grass,rock"
    assert rows[1] == ",".join(["water", *map(str, there.pixels[0])])
    header, *lines = (tmp_path / "x" / "report.csv").read_text().splitlines()
    assert header == "change,value,color,pixels,area_ha,share"
    assert len(lines) == len(there.table.changes)


def test_the_change_raster_has_the_pair_of_classes_of_each_pixel(tmp_path):
    a, b = two_maps(tmp_path)
    report = compare_in(tmp_path)
    raster = open_class_raster(tmp_path / "out" / "change.tif")
    values = raster.read(Window(0, 0, *a.shape))
    both = (a != 255) & (b != 255)
    assert ((values == 255) == ~both).all()
    for change in report.table.changes:
        [(before, after)] = change.pairs
        assert ((values == change.value) == ((a == before) & (b == after))).all()
        assert raster.names[change.value] == change.name
        assert raster.palette[change.value] == change.color
    assert len({change.color for change in report.table.changes}) == len(report.table.changes)
    with rasterio.open(tmp_path / "out" / "change.tif") as file:
        assert (file.dtypes, file.nodata) == (("uint8",), 255)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.crs, file.transform) == ("EPSG:32640", PLACE)
    assert "water to grass" in (tmp_path / "out" / "change.qml").read_text()


def test_the_polygons_are_the_change_raster(tmp_path):
    two_maps(tmp_path)
    report = compare_in(tmp_path)
    frame = geopandas.read_file(tmp_path / "out" / "change.gpkg", layer="change")
    assert len(frame) == report.polygons
    pixels = frame.groupby("class_name")["pixels"].sum()
    assert pixels.to_dict() == {
        c.name: n for c, n in zip(report.table.changes, report.change_pixels, strict=True)
    }
    assert frame.geometry.is_valid.all()
    assert frame.area.sum() == pytest.approx(report.total * 900)


def test_changed_only_leaves_out_what_is_the_same(tmp_path):
    a, b = two_maps(tmp_path)
    settings = CompareSettings(changed_only=True)
    report = compare_in(tmp_path, settings=settings)
    values = open_class_raster(tmp_path / "out" / "change.tif").read(Window(0, 0, *a.shape))
    differs = (a != b) & (a != 255) & (b != 255)
    assert ((values != 255) == differs).all()
    assert report.pixels.tolist() == matrix_of(a, b).tolist()  # the report has all
    frame = geopandas.read_file(tmp_path / "out" / "change.gpkg", layer="change")
    assert frame["pixels"].sum() == differs.sum()
    assert not frame["class_name"].str.contains("unchanged").any()


def test_windows_workers_and_chunks_do_not_show(tmp_path, monkeypatch):
    two_maps(tmp_path, (1100, 600), same=0.999)
    whole = compare_in(tmp_path, "whole", workers=1)
    monkeypatch.setattr("geoseg.evaluation.window_counts._PIXELS_PER_WINDOW", 512 * 512)
    monkeypatch.setattr("geoseg.evaluation.comparison.change_raster._WINDOW", 512)
    assert (
        len(list(WindowComparison(open_class_raster(tmp_path / "a.tif").scene, None).windows())) > 3
    )
    parts = compare_in(tmp_path, "parts", workers=3)
    assert whole.pixels.tolist() == parts.pixels.tolist()
    for name in ("change.tif", "change.gpkg", "report.csv", "matrix_m2.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_nothing_larger_than_a_window_is_read(tmp_path, monkeypatch):
    two_maps(tmp_path, (1100, 600), same=0.999)
    monkeypatch.setattr("geoseg.evaluation.window_counts._PIXELS_PER_WINDOW", 512 * 512)
    monkeypatch.setattr("geoseg.evaluation.comparison.change_raster._WINDOW", 512)
    windows, read = [], RecodedLabels.read
    monkeypatch.setattr(
        RecodedLabels, "read", lambda labels, window: windows.append(window) or read(labels, window)
    )
    compare_in(tmp_path, settings=NO_POLYGONS)
    assert max(window.height * window.width for window in windows) <= 512 * 512
    areas = [window.height * window.width for window in windows]
    assert sum(areas) == 2 * 1100 * 600  # each pixel of B is read to count, and to write


def test_areas_in_degrees_are_those_of_the_rows(tmp_path):
    degrees = Affine(0.01, 0, 10, 0, -0.01, 60)
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, (2, 300, 40)).astype(np.uint8)
    for name, values in (("a", a), ("b", b)):
        write_map(tmp_path / f"{name}.tif", values, transform=degrees, crs="EPSG:4326")
    report = compare_in(tmp_path, settings=NO_POLYGONS)
    areas = pixel_areas(degrees, "EPSG:4326", np.arange(300), 300)
    expected = (((a == 0) & (b == 1)) * areas[:, None]).sum() / 1e4
    assert report.area_ha[0, 1] == pytest.approx(expected)
    assert areas[-1] > 1.01 * areas[0]


def test_b_on_another_grid_is_warped_by_the_nearest_pixel(tmp_path):
    a, _ = two_maps(tmp_path)
    fine = np.kron(a, np.ones((3, 3), np.uint8))
    write_map(tmp_path / "fine.tif", fine, transform=PLACE @ Affine.scale(1 / 3))
    report = compare(
        tmp_path / "a.tif", tmp_path / "fine.tif", out=tmp_path / "out", settings=NO_POLYGONS
    )
    assert report.unchanged_share == 1
    assert report.total == (a != 255).sum()
    assert any("nearest pixel of B" in note for note in report.notes)


def test_b_in_another_crs_is_warped_by_the_nearest_pixel(tmp_path):
    a, _ = two_maps(tmp_path)
    to_degrees = Transformer.from_crs("EPSG:32640", "EPSG:4326", always_xy=True)
    west, north = to_degrees.transform(*(PLACE @ (0, 0)))
    degrees = Affine(0.0002, 0, west - 0.005, 0, -0.0002, north + 0.005)
    b = np.random.default_rng(2).integers(0, 3, (200, 250)).astype(np.uint8)
    write_map(tmp_path / "degrees.tif", b, transform=degrees, crs="EPSG:4326")
    report = compare(
        tmp_path / "a.tif", tmp_path / "degrees.tif", out=tmp_path / "out", settings=NO_POLYGONS
    )
    rows, cols = np.indices(a.shape) + 0.5
    x, y = to_degrees.transform(*(PLACE @ (cols, rows)))
    cols, rows = ~degrees @ (x, y)
    nearest = b[np.floor(rows).astype(int), np.floor(cols).astype(int)]
    assert report.pixels.tolist() == matrix_of(a, nearest).tolist()


def test_classes_are_matched_by_name_whatever_their_values(tmp_path):
    a, b = two_maps(tmp_path)
    renumbered = Legend(
        (
            LandCoverClass(7, "Grass", "#112233"),
            LandCoverClass(8, "water", "#445566"),
            LandCoverClass(9, "ROCK", "#778899"),
        )
    )
    table = np.full(256, 255, np.uint8)
    table[:3] = 8, 7, 9
    write_map(tmp_path / "other.tif", table[b], renumbered)
    report = compare(tmp_path / "a.tif", tmp_path / "other.tif", out=tmp_path / "out")
    assert report.legend == LEGEND
    assert report.pixels.tolist() == matrix_of(a, b).tolist()
    assert report.notes == ()


def test_a_class_of_one_map_alone_is_kept_and_noted(tmp_path):
    a, b = two_maps(tmp_path)
    snow = Legend(
        (
            LandCoverClass(0, "water", "#000001"),
            LandCoverClass(1, "snow", LEGEND.classes[0].color),
            LandCoverClass(2, "rock", "#000003"),
        )
    )
    write_map(tmp_path / "snow.tif", b, snow)
    report = compare(tmp_path / "a.tif", tmp_path / "snow.tif", out=tmp_path / "out")
    assert report.legend.names == ("water", "grass", "rock", "snow")
    expected = np.zeros((4, 4), int)
    expected[:3, [0, 3, 2]] = matrix_of(a, b)
    assert report.pixels.tolist() == expected.tolist()
    assert report.notes == (
        "Classes of A that B does not have: grass", "Classes of B that A does not have: snow",
    )  # fmt: skip
    assert len({c.color for c in report.legend.classes}) == 4


def test_without_a_common_name_classes_are_matched_by_value(tmp_path):
    a, b = two_maps(tmp_path)
    write_map(tmp_path / "eau.tif", b, Legend.from_names(["eau", "herbe", "roche"]))
    report = compare(tmp_path / "a.tif", tmp_path / "eau.tif", out=tmp_path / "out")
    assert report.legend.names == LEGEND.names
    assert report.pixels.tolist() == matrix_of(a, b).tolist()
    assert "matched by their value" in report.notes[0]


def test_a_map_without_names_has_the_classes_of_the_other(tmp_path):
    a, b = two_maps(tmp_path)
    write_raster(tmp_path / "plain.tif", b[None], transform=PLACE, nodata=255)
    report = compare(tmp_path / "a.tif", tmp_path / "plain.tif", out=tmp_path / "out")
    assert report.pixels.tolist() == matrix_of(a, b).tolist()


def test_an_ignored_class_counts_as_unlabelled_in_both(tmp_path):
    a, b = two_maps(tmp_path)
    settings = CompareSettings(ignore=("grass",), polygons=False)
    report = compare_in(tmp_path, settings=settings)
    assert report.legend.names == ("water", "rock")
    assert report.pixels.tolist() == matrix_of(a, b)[np.ix_([0, 2], [0, 2])].tolist()


def test_maps_without_a_crs_are_compared_in_pixels(tmp_path):
    a, b = two_maps(tmp_path)
    for name, values in (("a", a), ("b", b)):
        write_map(tmp_path / f"{name}0.tif", values, transform=Affine.identity(), crs=None)
    report = compare(tmp_path / "a0.tif", tmp_path / "b0.tif", out=tmp_path / "out").to_dict()
    assert report["matrix"] == matrix_of(a, b).tolist()
    assert report["changed_ha"] is None
    assert not (tmp_path / "out" / "matrix_m2.csv").exists()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "nan" not in page.split("<main>")[1].split("base64")[0].lower()


def test_more_pairs_than_values_keep_the_most_frequent_changes(tmp_path):
    rng = np.random.default_rng(0)
    legend = Legend.from_names([f"c{n}" for n in range(20)])
    a = np.repeat(np.arange(20, dtype=np.uint8), 10)[:, None] * np.ones((1, 400), np.uint8)
    b = np.minimum(rng.geometric(0.2, a.shape) - 1, 19).astype(np.uint8)
    write_map(tmp_path / "a.tif", a, legend), write_map(tmp_path / "b.tif", b, legend)
    report = compare_in(tmp_path, settings=NO_POLYGONS)
    pairs = matrix_of(a, b, 20)
    assert np.count_nonzero(pairs) > 254
    assert report.pixels.tolist() == pairs.tolist()
    first, *own, last = report.table.changes
    assert (first.name, last.name, last.value) == ("unchanged", "other change", 254)
    assert report.change_pixels[0] == np.trace(pairs)
    assert report.change_pixels.sum() == a.size
    rarest = min(pairs[change.pairs[0]] for change in own)
    assert all(pairs[pair] <= rarest for pair in last.pairs)
    assert "more than 254 pairs" in report.notes[0]
    values = open_class_raster(tmp_path / "out" / "change.tif").read(Window(0, 0, *a.shape))
    assert (values == last.value).sum() == report.change_pixels[-1]


def test_an_existing_report_is_replaced_only_on_demand(tmp_path):
    two_maps(tmp_path)
    paths = tmp_path / "a.tif", tmp_path / "b.tif"
    compare(*paths, out=tmp_path / "out", settings=NO_POLYGONS)
    with pytest.raises(Exception, match=r"out exists, .* or overwrite"):
        compare(*paths, out=tmp_path / "out", settings=NO_POLYGONS)
    report = compare(*paths, out=tmp_path / "out", overwrite=True)
    assert report.polygons == len(
        geopandas.read_file(tmp_path / "out" / "change.gpkg", layer="change")
    )
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    with pytest.raises(OutputError, match="out is not the report of an evaluation"):
        evaluate(*paths, out=tmp_path / "out", overwrite=True)
    evaluate(*paths, out=tmp_path / "report")
    with pytest.raises(OutputError, match="report is not a comparison"):
        compare(*paths, out=tmp_path / "report", overwrite=True)
