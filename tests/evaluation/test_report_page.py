"""The page of a report: which numbers to cite, and pictures of the part with a reference."""

import re
from importlib.resources import files

import numpy as np
import pytest
from affine import Affine

from geoseg.evaluation import (
    CompareSettings,
    EvaluateSettings,
    compare,
    evaluate,
    evaluate_matrix,
)
from geoseg.evaluation.report.html import matrix_cells
from geoseg.evaluation.report.pictures import cut_to_reference
from geoseg.evaluation.thumbnails import Thumbnails
from geoseg.legend import LandCoverClass, Legend
from tests.support.assessments import PLACE, write_map, write_points, write_tables
from tests.support.published_samples import OLOFSSON_2014
from tests.support.rasters import write_raster


def page_of(folder):
    return (folder / "report.html").read_text()


def titles(page):
    return re.findall(r"<h2>([^<]*)</h2>", page)


def test_estimates_come_first_and_raw_counts_are_not_for_citing(tmp_path):
    matrix, areas = write_tables(tmp_path, OLOFSSON_2014.names, OLOFSSON_2014.counts)
    evaluate_matrix(matrix, areas=areas, out=tmp_path / "report")
    page = page_of(tmp_path / "report")
    assert titles(page)[:3] == [
        "Accuracy of each class, for the whole map", "Area of each class, for the whole map",
        "Error matrix: counts of points",
    ]  # fmt: skip
    before, after = page.split("Error matrix: counts of points")
    assert before.count("numbers to cite") == 2
    assert "Overall accuracy<br>of the whole map</dt><dd>94.7<small> ± 1.8" in before
    assert "Do not cite their accuracies as those of the map" in after
    assert "user&rsquo;s acc. of points,&nbsp;%" in after
    assert '<td class="acc">91.7</td>' in after  # the share of the samples that are correct
    assert "91.7" not in before


def test_counts_of_pixels_have_one_accuracy(tmp_path):
    matrix, _ = write_tables(tmp_path, OLOFSSON_2014.names, OLOFSSON_2014.counts)
    evaluate_matrix(matrix, out=tmp_path / "report")
    page = page_of(tmp_path / "report")
    assert titles(page)[:3] == ["Accuracy of each class", "Share of each class", "Error matrix"]
    assert "to cite" not in page
    assert '<td class="acc all">91.7</td>' in page


def luminance(color):
    """Relative luminance of #rrggbb (WCAG 2)."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_numbers_of_the_matrix_can_be_read_on_their_colours():
    for share in range(1, 100):
        for cell in matrix_cells(np.array([[share, 100 - share], [100 - share, share]]))[0]:
            text = "#ffffff" if "dark" in cell["kind"] else "#1a2027"
            darker, lighter = sorted((luminance(text), luminance(cell["color"])))
            assert (lighter + 0.05) / (darker + 0.05) > 3.8, (share, cell)


def test_small_areas_have_three_digits(tmp_path):
    matrix, areas = write_tables(tmp_path, ["a", "b"], [[45, 5], [10, 40]], [0.0312, 0.0104])
    evaluate_matrix(matrix, areas=areas, out=tmp_path / "report")
    page = page_of(tmp_path / "report")
    estimated, mapped = (
        re.findall(rf'data-label="{name}">(?:\s*<span class="pm">)?([^<]*)', page)
        for name in ("estimated", "mapped")
    )
    assert (estimated, mapped) == (["0.0302", "0.0114"], ["0.0312", "0.0104"])


def test_bars_of_the_calibration_tell_small_areas(tmp_path):
    place = Affine(0.1, 0, 500_000, 0, -0.1, 2_800_000)
    write_map(tmp_path / "map.tif", np.zeros((100, 100), np.uint8), transform=place)
    scores = np.full((1, 100, 100), 230, np.uint8)
    write_raster(tmp_path / "confidence.tif", scores, transform=place)
    rows = np.arange(0, 100, 5)
    points = write_points(tmp_path / "points.gpkg", rows, rows, ["water"] * 20, place=place)
    settings = EvaluateSettings(confidence=tmp_path / "confidence.tif")
    evaluate(tmp_path / "map.tif", points, out=tmp_path / "report", settings=settings)
    assert "<title>0.0100 ha with a confidence of 90.2 %" in page_of(tmp_path / "report")


@pytest.mark.parametrize("color", ["#c42b1c", "#d7191c", "#000000", "#e600b4", "#4daf4a"])
def test_differences_have_a_colour_that_no_class_has(tmp_path, color):
    legend = Legend((LandCoverClass(0, "a", color), LandCoverClass(1, "b", "#c02020")))
    mapped = np.zeros((40, 40), np.uint8)
    mapped[:, 20:] = 1
    write_map(tmp_path / "map.tif", mapped, legend)
    write_raster(tmp_path / "reference.tif", 1 - mapped[None], transform=PLACE)
    evaluate(tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report")
    [different] = re.findall(r'style="--different:#(\w{6})"', page_of(tmp_path / "report"))
    rgb = np.array([int(different[i : i + 2], 16) for i in (0, 2, 4)], float)
    for c in legend.classes:
        assert np.linalg.norm(rgb - c.rgb) >= 100


def pictures_with(rows, cols, shape=(600, 400), **more):
    reference = np.full(shape, 255, np.uint8)
    reference[rows, cols] = 1
    mapped = np.arange(shape[0] * shape[1]).reshape(shape).astype(np.uint8)
    return Thumbnails(mapped, reference, **more)


def test_pictures_are_cut_to_a_small_reference():
    image = np.zeros((300, 200, 3), np.uint8)  # half the size of the map's picture
    image[100:150, 50:100] = 7
    whole = pictures_with(slice(200, 300), slice(100, 200), image=image)
    cut = cut_to_reference(whole)
    assert cut.reference.shape == cut.mapped.shape == (110, 110)
    assert (cut.reference == 1).sum() == 100 * 100
    assert (cut.reference[5:105, 5:105] == 1).all()
    assert np.array_equal(cut.mapped, whole.mapped[195:305, 95:205])
    assert abs(cut.image.shape[0] - 55) <= 1
    assert (cut.image == 7).sum() == (image == 7).sum()


@pytest.mark.parametrize(
    ("rows", "cols", "shape"),
    [
        (slice(0, 2), slice(0, 2), (96, 96)),  # in a corner
        (slice(598, 600), slice(398, 400), (96, 96)),
        (slice(100, 101), slice(0, 300), (264, 330)),  # a line
        (slice(0, 300), slice(9, 10), (330, 264)),
    ],
)
def test_cut_pictures_are_neither_tiny_nor_narrow_and_hold_the_reference(rows, cols, shape):
    whole = pictures_with(rows, cols)
    cut = cut_to_reference(whole)
    assert cut.reference.shape == shape
    assert (cut.reference == 1).sum() == (whole.reference == 1).sum()


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (599, 1)])
def test_an_image_of_any_size_is_cut_to_at_least_one_pixel(shape):
    for rows, cols in ((slice(0, 2), slice(0, 2)), (slice(598, 600), slice(398, 400))):
        cut = cut_to_reference(pictures_with(rows, cols, image=np.zeros((*shape, 3), np.uint8)))
        assert cut.image.size


@pytest.mark.parametrize("shape", [(1441, 1), (2, 3000), (10, 20_000)])
def test_long_narrow_maps_have_pictures(tmp_path, shape):
    values = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8) % 3
    path = write_map(tmp_path / "map.tif", values)
    evaluate(path, path, out=tmp_path / "report")
    assert "data:image/png" in page_of(tmp_path / "report")
    compare(path, path, out=tmp_path / "changes", settings=CompareSettings(polygons=False))
    assert "data:image/png" in page_of(tmp_path / "changes")


def test_pictures_stay_whole_where_the_reference_is_large_or_not_seen():
    for whole in (
        pictures_with(slice(0, 600), slice(50, 390)),
        pictures_with(slice(0, 0), slice(0, 0)),
        Thumbnails(np.zeros((600, 400), np.uint8), None),
    ):
        assert cut_to_reference(whole) is whole


def test_points_move_with_the_cut():
    mapped = np.zeros((600, 400), np.uint8)
    mapped[300, 200] = 9
    points = np.array([[300.5 / 600, 200.5 / 400, 9, 1], [340.5 / 600, 260.5 / 400, 0, 1]])
    cut = cut_to_reference(Thumbnails(mapped, None, points=points))
    height, width = cut.mapped.shape
    assert height < 200
    row, col = int(cut.points[0, 0] * height), int(cut.points[0, 1] * width)
    assert cut.mapped[row, col] == 9
    assert ((cut.points[:, :2] > 0) & (cut.points[:, :2] < 1)).all()


def test_the_page_says_that_pictures_are_cut(tmp_path):
    mapped = np.zeros((300, 300), np.uint8)
    reference = np.full((1, 300, 300), 255, np.uint8)
    reference[0, 20:30, 20:30] = 0
    write_map(tmp_path / "map.tif", mapped)
    write_raster(tmp_path / "reference.tif", reference, transform=PLACE, nodata=255)
    evaluate(tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "cut")
    assert "Only the part of the map around the reference is shown." in page_of(tmp_path / "cut")
    assert 'width="96"' in page_of(tmp_path / "cut")
    evaluate(tmp_path / "map.tif", tmp_path / "map.tif", out=tmp_path / "whole")
    assert "Only the part of the map" not in page_of(tmp_path / "whole")


@pytest.mark.parametrize("name", ["report.html.j2", "page.css"])
def test_the_package_has_the_files_of_the_page(name):
    assert (files("geoseg.evaluation.report") / name).read_text(encoding="utf-8")


def test_a_number_that_is_not_defined_is_a_dash(tmp_path):
    """A mapped class without a sample has no row of shares, and a single sample no interval."""
    (tmp_path / "m.csv").write_text("map,a,b\na,1,0\nb,3,47\nc,0,0\n")
    (tmp_path / "a.csv").write_text("class,ha\na,100\nb,300\n")
    evaluate_matrix(tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report")
    page = page_of(tmp_path / "report")
    assert page.count('title="not a number">&ndash;</span>') > 5
    assert not re.search(r"\b(nan|None|inf)\b", page)


def test_names_and_paths_are_escaped(tmp_path):
    matrix, areas = write_tables(tmp_path, ["a<b>", "c&d"], [[40, 10], [5, 45]], [10, 20])
    matrix = matrix.rename(tmp_path / "<i>m.csv")
    report = evaluate_matrix(matrix, areas=areas, out=tmp_path / "report")
    assert report.names == ("a<b>", "c&d")
    page = page_of(tmp_path / "report")
    assert "a&lt;b&gt;" in page
    assert "c&amp;d" in page
    assert "&lt;i&gt;m.csv" in page
    for raw in ("a<b>", "c&d", "<i>m.csv"):
        assert raw not in page
