"""Evaluating maps: the published examples by every way in, what is left out, and bad input."""

import csv
import json
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

from geoseg.errors import EvaluateError, GeosegError, LabelError, OutputError, VectorError
from geoseg.evaluation import EvaluateSettings, evaluate, evaluate_matrix
from geoseg.evaluation.window_counts import WindowComparison
from geoseg.labels import open_map
from geoseg.legend import LandCoverClass, Legend
from geoseg.metrics import Confusion, count_boundaries
from tests.support.assessments import BY_NAME, LEGEND, PLACE, write_map, write_points, write_tables
from tests.support.published_samples import OLOFSSON_2013, OLOFSSON_2014, sampled_map
from tests.support.rasters import describe_band, write_raster
from tests.support.refusals import refusal


@pytest.fixture(scope="module")
def olofsson(tmp_path_factory):
    """The map of 2014, and its sample as points and as a raster."""
    folder = tmp_path_factory.mktemp("olofsson")
    mapped, reference = sampled_map(OLOFSSON_2014.counts, OLOFSSON_2014.pixels, (2500, 4000))
    legend = Legend.from_names(list(OLOFSSON_2014.names))
    write_map(folder / "map.tif", mapped, legend)
    write_raster(folder / "sample.tif", reference[None], transform=PLACE, nodata=255)
    rows, cols = np.nonzero(reference != 255)
    names = [legend.names[value] for value in reference[rows, cols]]
    write_points(folder / "points.gpkg", rows, cols, names)
    return folder


def check_olofsson_2014(report):
    """Every number of the example, to six digits."""
    assert report["classes"] == list(OLOFSSON_2014.names)
    assert report["matrix"] == OLOFSSON_2014.counts.tolist()
    assert report["overall_accuracy"] == pytest.approx(0.9171875)
    assert report["kappa"] == pytest.approx(0.869964, abs=1e-6)
    assert report["quantity_disagreement"] == pytest.approx(0.0390625)
    assert report["allocation_disagreement"] == pytest.approx(0.04375)
    adjusted = report["area_adjusted"]
    assert adjusted["overall_accuracy"] == pytest.approx(0.946512, abs=1e-6)
    assert adjusted["overall_accuracy_ci95"] == pytest.approx(0.018483, abs=1e-6)
    assert adjusted["users_accuracy"] == pytest.approx(
        [0.88, 0.733333, 0.927273, 0.963077], abs=1e-6
    )
    expected = [0.748661, 0.847156, 0.934509, 0.961609]
    assert adjusted["producers_accuracy"] == pytest.approx(expected, abs=1e-6)
    expected = pytest.approx([0.0740, 0.1008, 0.0397, 0.0205], abs=5e-5)
    assert adjusted["users_accuracy_ci95"] == expected
    expected = pytest.approx([0.2133, 0.2544, 0.0343, 0.0184], abs=5e-5)
    assert adjusted["producers_accuracy_ci95"] == expected
    expected = pytest.approx([21157.76, 11686.15, 285769.93, 581386.15], abs=5e-3)
    assert adjusted["area_ha"] == expected
    expected = pytest.approx([6157.63, 3755.83, 15509.84, 16281.66], abs=5e-3)
    assert adjusted["area_ha_ci95"] == expected
    assert adjusted["mapped_area_ha"] == pytest.approx([18000, 13500, 288000, 580500])
    assert adjusted["kappa"] == pytest.approx(0.888814, abs=1e-6)
    assert adjusted["quantity_disagreement"] == pytest.approx(0.004493, abs=1e-6)
    assert adjusted["allocation_disagreement"] == pytest.approx(0.048995, abs=1e-6)


def test_the_example_by_points_in_another_crs(olofsson, tmp_path):
    report = evaluate(
        olofsson / "map.tif", olofsson / "points.gpkg", out=tmp_path / "report"
    ).to_dict()
    check_olofsson_2014(report)
    assert report["unit"] == "points"


def test_the_example_by_a_raster_of_samples(olofsson, tmp_path):
    settings = EvaluateSettings(sampled=True)
    report = evaluate(
        olofsson / "map.tif", olofsson / "sample.tif", out=tmp_path / "report", settings=settings
    ).to_dict()
    check_olofsson_2014(report)
    assert report["compared"] == 640
    assert report["left_out"]["no class in the reference"] == 10_000_000 - 640


def test_the_example_by_a_matrix(tmp_path):
    matrix, areas = write_tables(tmp_path, OLOFSSON_2014.names, OLOFSSON_2014.counts)
    check_olofsson_2014(evaluate_matrix(matrix, areas=areas, out=tmp_path / "report").to_dict())
    again = tmp_path / "report"  # what a report holds can be given in turn
    report = evaluate_matrix(
        again / "matrix.csv", areas=again / "areas.csv", out=tmp_path / "again"
    ).to_dict()
    check_olofsson_2014(report)


def test_the_example_of_2013_by_a_matrix(tmp_path):
    names, area_ha = ("loss", "forest", "other"), [22353, 1122543, 610228]
    matrix, areas = write_tables(tmp_path, names, OLOFSSON_2013, area_ha)
    adjusted = evaluate_matrix(matrix, areas=areas, out=tmp_path / "report").to_dict()[
        "area_adjusted"
    ]
    assert adjusted["overall_accuracy"] == pytest.approx(0.944417, abs=1e-6)
    expected = pytest.approx([0.480631, 0.994189, 0.896926], abs=1e-6)
    assert adjusted["producers_accuracy"] == expected
    assert adjusted["area_ha"][0] == pytest.approx(45112.4, abs=0.05)
    assert adjusted["area_ha_ci95"][0] == pytest.approx(21072.8, abs=0.05)


@pytest.mark.parametrize(
    ("counts", "quantity", "allocation"),
    [
        ([[40, 10], [10, 40]], 0, 0.2),
        ([[30, 0], [20, 50]], 0.2, 0),
        ([[45, 15], [5, 35]], 0.1, 0.1),
    ],
)
def test_three_maps_of_one_kappa_as_rasters(tmp_path, counts, quantity, allocation):
    pairs = [(i, j) for i in (0, 1) for j in (0, 1) for _ in range(counts[i][j])]
    mapped, reference = np.array(pairs, np.uint8).T.reshape(2, 10, 10)
    write_map(tmp_path / "map.tif", mapped)
    write_raster(tmp_path / "reference.tif", reference[None], transform=PLACE)
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report"
    ).to_dict()
    assert np.array(report["matrix"])[:2, :2].tolist() == counts
    assert report["kappa"] == pytest.approx(0.6)
    assert report["quantity_disagreement"] == pytest.approx(quantity)
    assert report["allocation_disagreement"] == pytest.approx(allocation)


def test_boundary_iou_of_the_example(tmp_path):
    reference = np.zeros((20, 20), np.uint8)
    reference[5:15, 5:15] = 1
    write_map(tmp_path / "map.tif", np.roll(reference, 1, 1))
    write_raster(tmp_path / "reference.tif", reference[None], transform=PLACE)
    for metres, expected in ((30, 18 / 54), (60, 48 / 80), (90, 70 / 98)):
        report = evaluate(
            tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / f"report{metres}",
            settings=EvaluateSettings(boundary=metres),
        ).to_dict()  # fmt: skip
        assert report["iou"][1] == pytest.approx(90 / 110)
        assert report["boundary_iou"][1] == pytest.approx(expected)


def test_calibration_of_the_example(tmp_path):
    """Ten pixels whose confidence is that of the example to the nearest 255th, in 15 bins."""
    confidence = np.array([0.97, 0.93, 0.88, 0.83, 0.78, 0.72, 0.66, 0.61, 0.57, 0.53])
    levels = np.round(confidence * 255).astype(np.uint8)
    right = np.array([1, 1, 1, 0, 1, 1, 0, 1, 0, 0], np.uint8)
    write_map(tmp_path / "map.tif", np.ones((1, 11), np.uint8))
    write_raster(tmp_path / "reference.tif", np.append(right, 1)[None, None], transform=PLACE)
    write_raster(
        tmp_path / "confidence.tif", np.append(levels, 0).astype(np.uint8)[None, None],
        transform=PLACE, nodata=0,
    )  # fmt: skip
    settings = EvaluateSettings(confidence=tmp_path / "confidence.tif")
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report", settings=settings
    ).to_dict()
    calibration = report["calibration"]
    assert sum(calibration["bins"]["count"]) == 10  # the one without confidence does not count
    assert calibration["expected_calibration_error"] == pytest.approx(0.292, abs=0.002)
    assert calibration["maximum_calibration_error"] == pytest.approx(0.83, abs=0.002)
    points = write_points(
        tmp_path / "points.gpkg", [0] * 11, range(11), [LEGEND.names[v] for v in [*right, 1]]
    )
    by_points = evaluate(
        tmp_path / "map.tif", points, out=tmp_path / "other", settings=settings
    ).to_dict()
    areas = [count * 0.09 for count in calibration.pop("bins")["count"]]
    by_area = by_points["calibration"]
    assert by_area.pop("bins")["area_ha"] == pytest.approx(areas)
    assert by_area == pytest.approx(calibration)


@pytest.fixture
def pair(tmp_path):
    """A map with nodata, and a reference with pixels that have no class."""
    rng = np.random.default_rng(0)
    mapped, reference = rng.integers(0, 3, (2, 60, 70), dtype=np.uint8)
    reference = np.where(rng.random((60, 70)) < 0.6, mapped, reference).astype(np.uint8)
    mapped[:10], reference[:, :7] = 255, 255
    return mapped, reference


def test_what_has_no_class_on_either_side_is_left_out_and_counted(pair, tmp_path):
    mapped, reference = pair
    write_map(tmp_path / "map.tif", mapped)
    write_raster(tmp_path / "reference.tif", reference[None], transform=PLACE, nodata=255)
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report"
    ).to_dict()
    assert report["matrix"] == Confusion.of(mapped, reference, 3, 255).counts.tolist()
    assert report["left_out"] == {
        "no class in the map": 10 * 63, "no class in the reference": 50 * 7,
        "no class in either": 70,
    }  # fmt: skip
    assert report["compared"] == 50 * 63
    expected = [900 / 1e4 * (mapped == v).sum() for v in range(3)]
    assert report["mapped_area_ha"] == pytest.approx(expected)
    assert report["area_adjusted"] is None
    ignoring = EvaluateSettings(ignore=("Rock",))
    less = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "less", settings=ignoring
    ).to_dict()
    assert less["classes"] == ["water", "grass"]
    assert less["matrix"] == [row[:2] for row in report["matrix"][:2]]
    everything = sum(less["left_out"].values()) + less["compared"]
    assert everything == 60 * 70


def test_a_reference_on_another_grid_is_warped_and_it_is_said(pair, tmp_path):
    mapped, _ = pair
    write_map(tmp_path / "map.tif", mapped)
    finer = np.repeat(np.repeat(mapped, 3, 0), 3, 1)
    place = Affine(10, 0, 500000, 0, -10, 2800000)
    write_raster(tmp_path / "fine.tif", finer[None], transform=place, nodata=255)
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "fine.tif", out=tmp_path / "report"
    ).to_dict()
    assert report["overall_accuracy"] == 1
    assert report["compared"] == 50 * 70
    assert "nearest pixel" in report["notes"][0]


def test_classes_are_matched_by_name_where_the_reference_has_its_own_codes(pair, tmp_path):
    mapped, reference = pair
    write_map(tmp_path / "map.tif", mapped)
    other = Legend(tuple(replace(c, value=9 - c.value) for c in LEGEND.classes))
    codes = np.where(reference == 255, 255, 9 - reference).astype(np.uint8)
    write_map(tmp_path / "named.tif", codes, other)
    expected = Confusion.of(mapped, reference, 3, 255).counts.tolist()
    report = evaluate(tmp_path / "map.tif", tmp_path / "named.tif", out=tmp_path / "a").to_dict()
    assert report["matrix"] == expected
    write_raster(tmp_path / "bare.tif", codes[None], transform=PLACE, nodata=255)
    settings = EvaluateSettings(reference_legend=other)
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "bare.tif", out=tmp_path / "b", settings=settings
    ).to_dict()
    assert report["matrix"] == expected


def test_polygons_of_another_crs_are_compared_by_pixel_centre(tmp_path):
    mapped = np.zeros((20, 30), np.uint8)
    mapped[:, 15:] = 1
    write_map(tmp_path / "map.tif", mapped)
    x, y = PLACE @ (5, 4)
    frame = geopandas.GeoDataFrame(
        {"kind": ["Water", "grass"]}, crs="EPSG:32640",
        geometry=[shapely.box(x, y - 300, x + 600, y), shapely.box(x, y - 450, x + 600, y - 300)],
    )  # fmt: skip
    frame.to_crs(4326).to_file(tmp_path / "fields.gpkg")
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "fields.gpkg", out=tmp_path / "report",
        settings=EvaluateSettings(class_field="kind"),
    ).to_dict()  # fmt: skip
    assert report["matrix"] == [[100, 50, 0], [100, 50, 0], [0, 0, 0]]


def test_texts_that_are_numbers_are_names_or_else_values(tmp_path):
    legend = Legend.from_names(["water", "2", "rock"])
    mapped = np.repeat(np.arange(3, dtype=np.uint8), 10)[:, None] * np.ones((1, 30), np.uint8)
    write_map(tmp_path / "map.tif", mapped, legend)
    points = write_points(
        tmp_path / "points.gpkg",
        [5, 5, 15, 25, 25],
        [1, 2, 3, 4, 5],
        ["0", " 0 ", "2", "2", "rock"],
    )
    report = evaluate(tmp_path / "map.tif", points, out=tmp_path / "report").to_dict()
    assert report["matrix"] == [[2, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_points_outside_on_nodata_and_without_a_class_are_counted(tmp_path):
    mapped = np.zeros((20, 30), np.uint8)
    mapped[:, 15:], mapped[:3] = 1, 255
    write_map(tmp_path / "map.tif", mapped)
    write_points(
        tmp_path / "points.gpkg", [5, 5, 6, 7, 8, 1, 50, 9], [2, 3, 20, 21, 2, 2, 2, 2],
        ["water", "grass", "grass", "Grass ", None, "water", "water", "unsure"],
    )  # fmt: skip
    settings = EvaluateSettings(ignore=("unsure",))
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "points.gpkg", out=tmp_path / "report", settings=settings
    ).to_dict()
    assert report["matrix"] == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert report["left_out"] == {
        "outside of the map": 1, "no class in the map": 1, "no class in the reference": 2,
        "outside of the strata": 0,
    }  # fmt: skip
    assert any("at random" in note for note in report["notes"])


@pytest.mark.parametrize("ignored", ["Grass", "1", "GRASS_COLOUR"])
@pytest.mark.parametrize("kind", ["raster", "polygons", "points"])
def test_what_is_ignored_is_counted_as_left_out_however_it_is_called(tmp_path, ignored, kind):
    mapped = np.zeros((20, 30), np.uint8)
    mapped[:, 15:20], mapped[:, 20:] = 1, 2
    path = write_map(tmp_path / "map.tif", mapped)
    other = Legend(tuple(replace(c, value=c.value + 5) for c in LEGEND.classes))
    left, top = PLACE.c, PLACE.f
    if kind == "raster":
        reference = write_map(tmp_path / "reference.tif", np.roll(mapped, 3, 1) + 5, other)
    elif kind == "points":
        names = ["water", "grass", "rock", "rock"]
        reference = write_points(tmp_path / "points.gpkg", [5] * 4, [2, 3, 17, 25], names)
    else:
        reference = tmp_path / "fields.gpkg"
        columns = [(0, 10), (10, 20), (20, 30)]
        boxes = [shapely.box(left + 30 * a, top - 600, left + 30 * b, top) for a, b in columns]
        frame = geopandas.GeoDataFrame(
            {"reference": LEGEND.names}, geometry=boxes, crs="EPSG:32640"
        )
        frame.to_file(reference)
    ignore = (LEGEND.classes[1].color if ignored == "GRASS_COLOUR" else ignored,)
    settings = EvaluateSettings(ignore=ignore)
    report = evaluate(path, reference, out=tmp_path / "report", settings=settings).to_dict()
    assert report["classes"] == ["water", "rock"]
    counted = report["compared"] + sum(report["left_out"].values())
    assert counted == (4 if kind == "points" else 600)
    expected = {
        "raster": [[240, 60], [0, 140]], "polygons": [[200, 0], [0, 200]],
        "points": [[1, 0], [0, 1]],
    }[kind]  # fmt: skip
    assert report["matrix"] == expected


def test_points_by_the_strata_of_another_raster(tmp_path):
    """The strata are north and south, the map says something else: Stehman's estimator."""
    rng = np.random.default_rng(3)
    mapped, reference = rng.integers(0, 3, (2, 40, 50), dtype=np.uint8)
    reference = np.where(rng.random(reference.shape) < 0.7, mapped, reference)
    strata = np.zeros((40, 50), np.uint8)
    strata[30:] = 1
    write_map(tmp_path / "map.tif", mapped)
    halves = Legend((LandCoverClass(0, "north", "#000000"), LandCoverClass(1, "south", "#ffffff")))
    write_map(tmp_path / "strata.tif", strata, halves)
    flat = np.concatenate([rng.choice(1500, 80, False), 1500 + rng.choice(500, 60, False)])
    rows, cols = np.divmod(flat, 50)
    names = [LEGEND.names[v] for v in reference[rows, cols]]
    stratum = [halves.names[v] for v in strata[rows, cols]]
    points = write_points(tmp_path / "points.gpkg", rows, cols, names, stratum=stratum)
    settings = EvaluateSettings(strata=tmp_path / "strata.tif")
    report = evaluate(
        tmp_path / "map.tif", points, out=tmp_path / "report", settings=settings
    ).to_dict()
    right = (mapped == reference)[rows, cols]
    expected = 0.75 * right[:80].mean() + 0.25 * right[80:].mean()
    adjusted = report["area_adjusted"]
    assert adjusted["overall_accuracy"] == pytest.approx(expected)
    variance = sum(
        w**2 * p * (1 - p) / (n - 1)
        for w, p, n in ((0.75, right[:80].mean(), 80), (0.25, right[80:].mean(), 60))
    )
    assert adjusted["overall_accuracy_ci95"] == pytest.approx(1.96 * variance**0.5)
    assert [s["points"] for s in adjusted["strata"]] == [80, 60]
    other = EvaluateSettings(strata=write_map(tmp_path / "turned.tif", 1 - strata, halves))
    with pytest.raises(EvaluateError, match=r"do not lie in the stratum .* as the strata"):
        evaluate(tmp_path / "map.tif", points, out=tmp_path / "no", settings=other)


def test_a_class_that_only_the_reference_has(tmp_path):
    matrix = tmp_path / "m.csv"
    matrix.write_text("map,water,grass,snow\nwater,40,5,5\ngrass,2,48,0\n")
    (tmp_path / "a.csv").write_text("class,ha\nwater,100\ngrass,300\n")
    report = evaluate_matrix(matrix, areas=tmp_path / "a.csv", out=tmp_path / "report").to_dict()
    assert report["classes"] == ["water", "grass", "snow"]
    adjusted = report["area_adjusted"]
    assert adjusted["users_accuracy"][2] is None
    assert adjusted["producers_accuracy"][2] == 0
    assert adjusted["area_ha"][2] == pytest.approx(10)


def test_a_class_sampled_once_has_no_interval_and_it_is_said_why(tmp_path):
    matrix = tmp_path / "m.csv"
    matrix.write_text("map,water,grass\nwater,1,0\ngrass,3,47\n")
    (tmp_path / "a.csv").write_text("class,ha\nwater,100\ngrass,300\n")
    report = evaluate_matrix(matrix, areas=tmp_path / "a.csv", out=tmp_path / "report").to_dict()
    adjusted = report["area_adjusted"]
    assert adjusted["overall_accuracy"] == pytest.approx(0.25 + 0.75 * 0.94)
    assert adjusted["overall_accuracy_ci95"] is None
    assert adjusted["area_ha_ci95"] == [None, None]
    assert adjusted["users_accuracy_ci95"][0] is None
    assert adjusted["users_accuracy_ci95"][1] > 0
    assert "sampled only once: 'water'; one point has no variance" in report["notes"][0]


def test_numbers_do_not_depend_on_windows_or_workers(pair, tmp_path, monkeypatch):
    mapped, reference = (np.tile(side, (20, 20)) for side in pair)
    write_map(tmp_path / "map.tif", mapped)
    write_raster(tmp_path / "reference.tif", reference[None], transform=PLACE, nodata=255)
    reports = []
    for number, (pixels, workers) in enumerate(((1 << 23, 1), (1 << 17, 2), (1 << 19, 2))):
        monkeypatch.setattr("geoseg.evaluation.window_counts._PIXELS_PER_WINDOW", pixels)
        out = tmp_path / f"report{number}"
        evaluate(tmp_path / "map.tif", tmp_path / "reference.tif", out=out, workers=workers)
        report = json.loads((out / "report.json").read_text())
        page = (out / "report.html").read_text().split("Sources and settings")[0]
        reports.append((page, {**report, "provenance": None}))
    assert reports[0] == reports[1] == reports[2]
    expected = count_boundaries(mapped, reference, 3, 255).iou[:3]
    assert reports[0][1]["boundary_iou"] == pytest.approx(expected)
    scene, labels = open_map(str(tmp_path / "map.tif"), None, ())
    monkeypatch.setattr("geoseg.evaluation.window_counts._PIXELS_PER_WINDOW", 1 << 17)
    assert len(list(WindowComparison(scene, labels, None).windows())) > 4


def test_true_areas_in_degrees(tmp_path):
    """A cell of one degree at the equator and at 60 degrees north (Geod: 12,309 and 6,141 km2)."""
    mapped = np.full((61, 2), 255, np.uint8)
    mapped[0], mapped[60] = 1, 0
    place = Affine(1, 0, 0, 0, -1, 61)
    write_map(tmp_path / "map.tif", mapped, crs="EPSG:4326", transform=place)
    report = evaluate(tmp_path / "map.tif", tmp_path / "map.tif", out=tmp_path / "report").to_dict()
    expected = pytest.approx([2 * 1230908, 2 * 611838, 0], rel=1e-3)
    assert report["mapped_area_ha"] == expected


def test_maps_without_crs_are_compared_pixel_by_pixel_and_have_no_area(pair, tmp_path):
    for name, side in zip(("map", "reference"), pair, strict=True):
        write_raster(
            tmp_path / f"{name}.png", side[None], driver="PNG", crs=None, transform=None, nodata=255
        )
    report = evaluate(
        tmp_path / "map.png", tmp_path / "reference.png", out=tmp_path / "report", settings=BY_NAME
    ).to_dict()
    assert report["compared"] == 50 * 63
    assert report["mapped_area_ha"] == [None, None, None]
    assert not (tmp_path / "report" / "areas.csv").exists()


def test_the_table_has_a_row_a_class(olofsson, tmp_path):
    evaluate(olofsson / "map.tif", olofsson / "points.gpkg", out=tmp_path / "report")
    with (tmp_path / "report" / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(OLOFSSON_2014.names)
    assert float(rows[0]["adjusted_area_ha"]) == pytest.approx(21157.76, abs=5e-3)
    assert rows[1]["mapped"] == "75"


def refused(tmp_path, match, labels, reference, error=GeosegError, settings=BY_NAME):
    with refusal(error, match, tmp_path):
        evaluate(labels, reference, out=tmp_path / "report", settings=settings)


@pytest.fixture
def labels(tmp_path):
    mapped = np.zeros((20, 30), np.uint8)
    mapped[:, 15:] = 1
    return write_map(tmp_path / "map.tif", mapped)


def test_a_reference_elsewhere(labels, tmp_path):
    away = write_raster(
        tmp_path / "away.tif", np.ones((1, 20, 30), np.uint8),
        transform=PLACE @ Affine.translation(500, 0),
    )  # fmt: skip
    points = write_points(tmp_path / "points.gpkg", [5], [500], ["water"])
    for reference in (away, points):
        refused(
            tmp_path,
            r"have no labelled pixel in common, see with `geoseg info`",
            labels,
            reference,
        )


def test_unknown_classes_are_listed_on_both_sides(labels, tmp_path):
    points = write_points(tmp_path / "points.gpkg", [5, 6, 7], [5, 6, 7], ["water", "bog", "fen"])
    match = r"classes 'bog', 'fen' of .*\(which has 'water', 'bog', 'fen'\) are not .*water, grass"
    refused(tmp_path, match, labels, points, LabelError)
    other = Legend.from_names(["water", "bog"])
    raster = write_map(tmp_path / "other.tif", np.zeros((20, 30), np.uint8), other)
    match = r"classes water, bog, of which bog are not among the map's \(water, grass, rock\)"
    refused(tmp_path, match, labels, raster, LabelError)
    report = evaluate(
        labels, raster, out=tmp_path / "report", settings=EvaluateSettings(ignore=("bog",))
    ).to_dict()
    assert report["matrix"][0] == [300, 0, 0]


def test_a_stratum_without_a_sample(labels, tmp_path):
    drawn = write_points(tmp_path / "a.gpkg", [5, 6], [5, 6], ["water"] * 2, stratum=["water"] * 2)
    refused(
        tmp_path, r"no point lies in 'grass' \(50.0% of the map\)", labels, drawn, EvaluateError
    )
    points = write_points(tmp_path / "b.gpkg", [5, 6], [5, 6], ["water"] * 2)
    report = evaluate(labels, points, out=tmp_path / "report").to_dict()
    assert report["area_adjusted"] is None
    assert "no point lies in 'grass'" in report["notes"][0]
    matrix, areas = write_tables(tmp_path, ["a", "b"], [[5, 1], [0, 0]], [10, 20])
    with pytest.raises(EvaluateError, match="no point lies in 'b'"):
        evaluate_matrix(matrix, areas=areas, out=tmp_path / "other")


def test_a_missing_crs(labels, tmp_path):
    bare = write_raster(tmp_path / "bare.tif", np.zeros((1, 20, 30), np.uint8), crs=None)
    points = write_points(tmp_path / "points.gpkg", [5], [5], ["water"])
    refused(tmp_path, r"has no CRS, but .*points\.gpkg has one", bare, points, VectorError)
    metres = replace(BY_NAME, boundary=30.0)
    refused(tmp_path, "has no CRS, so 30 m cannot be converted", bare, bare, EvaluateError, metres)
    small = write_raster(tmp_path / "small.tif", np.zeros((1, 9, 9), np.uint8), crs=None)
    refused(tmp_path, "not both have a CRS by which to match", labels, small, LabelError)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"strata": "map.tif"}, "strata are for points"),
        ({"confidence": "small.tif"}, "small.tif is not on the grid of"),
        ({"confidence": "unc.tif"}, "unc.tif holds the uncertainty of a map, not its confidence"),
        ({"confidence": "elsewhere.tif"}, "elsewhere.tif is not on the grid of"),
        ({"confidence": "bare.tif"}, "bare.tif holds the classes of a map, not its confidence"),
        (
            {"legend": None, "class_field": "x"},
            "has neither a palette nor class names, name its classes",
        ),
        ({"ignore": ("water", "grass", "rock")}, "all classes are ignored"),
        ({"ignore": ("lava",)}, r"'lava' is to be ignored, but is no class of the map \(water"),
    ],
)
def test_settings_that_do_not_fit(labels, tmp_path, settings, match):
    write_raster(tmp_path / "small.tif", np.ones((1, 9, 9), np.uint8))
    unsure = write_raster(tmp_path / "unc.tif", np.ones((1, 20, 30), np.uint8), transform=PLACE)
    describe_band(unsure, "uncertainty")
    elsewhere = PLACE @ Affine.translation(1, 0)
    write_raster(tmp_path / "elsewhere.tif", np.ones((1, 20, 30), np.uint8), transform=elsewhere)
    with_paths = {
        k: tmp_path / v if k in ("strata", "confidence") else v for k, v in settings.items()
    }
    bare = write_raster(tmp_path / "bare.tif", np.zeros((1, 20, 30), np.uint8), transform=PLACE)
    refused(tmp_path, match, bare, labels, settings=replace(BY_NAME, **with_paths))


def test_points_mixed_with_polygons(labels, tmp_path):
    x, y = PLACE @ (5, 5)
    geopandas.GeoDataFrame(
        {"reference": ["water"] * 2}, crs="EPSG:32640",
        geometry=[shapely.Point(x, y), shapely.box(x, y, x + 9, y + 9)],
    ).to_file(tmp_path / "mixed.geojson")  # fmt: skip
    refused(tmp_path, "mixes points with polygons", labels, tmp_path / "mixed.geojson")


@pytest.mark.parametrize(
    ("matrix", "areas", "match"),
    [
        ("map,a,b\na,1,2\nb,3\n", "c,h\na,1\nb,1\n", "1 count for 'b' but 2 columns of"),
        ("map,a,b\na,1,x\nb,3,4\n", "c,h\na,1\nb,1\n", "'x' for 'a', not a count"),
        ("map,a,b\na,1,-2\nb,3,4\n", "c,h\na,1\nb,1\n", "'-2' for 'a', not a count"),
        ("map,a,a\na,1,2\nb,3,4\n", "c,h\na,1\nb,1\n", "columns without a name or with the same"),
        ("map,a,b\na,0,0\nb,0,0\n", "c,h\na,1\nb,1\n", "has no counts above 0"),
        ("", "c,h\na,1\n", "has no table"),
        (
            "map,a,b\na,1,2\nb,3,4\n",
            "c,h\na,1\nd,1\n",
            r"of which d are not in the matrix \(a, b\)",
        ),
        ("map,a,b\na,1,2\nb,3,4\n", "c,h\na,1\nb,many\n", "no number .* for 'b'"),
        ("map,a,b\na,1,2\nb,3,4\n", "c,h\na,1\n", "'b' was sampled but has no area"),
        ("map,a,b\na,1,2\nb,3,4\n", "c,h\na,1\nb,-3\n", "-3 ha for 'b'"),
    ],
)
def test_tables_that_are_none(tmp_path, matrix, areas, match):
    (tmp_path / "m.csv").write_text(matrix)
    (tmp_path / "a.csv").write_text(areas)
    with pytest.raises(EvaluateError, match=match) as caught:
        evaluate_matrix(tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()


def test_only_a_report_is_replaced_and_only_when_told(labels, tmp_path):
    evaluate(labels, labels, out=tmp_path / "report")
    with pytest.raises(OutputError, match="exists, use another output name"):
        evaluate(labels, labels, out=tmp_path / "report")
    (tmp_path / "report" / "old.txt").write_text("x")
    evaluate(labels, labels, out=tmp_path / "report", overwrite=True)
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == [
        "areas.csv", "matrix.csv", "report.csv", "report.html", "report.json",
    ]  # fmt: skip
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="precious is not the report of an evaluation"):
        evaluate(labels, labels, out=tmp_path / "precious", overwrite=True)
