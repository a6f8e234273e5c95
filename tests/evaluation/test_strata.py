"""Strata that are not the map's classes: their values, their names, and published numbers."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geoseg.errors import EvaluateError, LabelError
from geoseg.evaluation import EvaluateSettings, evaluate
from geoseg.legend import LandCoverClass, Legend
from geoseg.metrics import Z95, estimate
from geoseg.styles.gdal_pam import pam_sidecar
from tests.support.assessments import LEGEND, PLACE, write_map, write_points
from tests.support.commands import here
from tests.support.rasters import write_raster

STEHMAN_STRATA = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
STEHMAN_MAP = "A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "B" * 2 + "D" * 10
STEHMAN_REFERENCE = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"
"""Stehman 2014, doi:10.1080/01431161.2014.930207, table 2: stratum, map and reference of each
sample; the strata have 40,000, 30,000, 20,000 and 10,000 pixels."""


@pytest.fixture
def stehman(tmp_path):
    """The example as a map, points, and strata (10,000 px in all) with a value each, not named."""
    classes = Legend.from_names(["A", "B", "C", "D"])
    strata = np.repeat([5, 6, 7, 8], [4000, 3000, 2000, 1000]).astype(np.uint8)
    places = np.concatenate(
        [first + np.arange(10) * 37 for first in np.flatnonzero(np.diff(strata, prepend=0))]
    )
    mapped = np.zeros(10_000, np.uint8)
    mapped[places] = ["ABCD".index(c) for c in STEHMAN_MAP]
    assert [int(v) for v in strata[places]] == [5 + "ABCD".index(c) for c in STEHMAN_STRATA]
    write_map(tmp_path / "map.tif", mapped.reshape(100, 100), classes)
    write_raster(tmp_path / "strata.tif", strata.reshape(1, 100, 100), transform=PLACE)
    rows, cols = np.divmod(places, 100)
    write_points(tmp_path / "points.gpkg", rows, cols, list(STEHMAN_REFERENCE))
    return tmp_path


def check_stehman_2014(report):
    adjusted = report["area_adjusted"]
    total = sum(adjusted["area_ha"])
    assert adjusted["overall_accuracy"] == pytest.approx(0.63)
    assert np.array(adjusted["area_ha"]) / total == pytest.approx([0.35, 0.34, 0.20, 0.11])
    assert adjusted["users_accuracy"][1] == pytest.approx(0.574, abs=5e-4)
    assert adjusted["producers_accuracy"][1] == pytest.approx(0.794, abs=5e-4)
    assert adjusted["matrix_shares"][1][2] == pytest.approx(0.08)
    standard_errors = {
        "overall_accuracy": 0.085, "users_accuracy": 0.125, "producers_accuracy": 0.116,
    }  # fmt: skip
    for name, expected in standard_errors.items():
        interval = adjusted[f"{name}_ci95"]
        interval = interval if name == "overall_accuracy" else interval[1]
        assert interval / Z95 == pytest.approx(expected, abs=7e-4), name
    areas = np.array(adjusted["area_ha_ci95"]) / Z95 / total
    assert areas[[0, 2]] == pytest.approx([0.082, 0.064], abs=5e-4)


def strata_of(report):
    return [(s["name"], s["points"]) for s in report["area_adjusted"]["strata"]]


def test_a_plain_raster_of_strata_gives_the_published_numbers(stehman):
    settings = EvaluateSettings(strata=stehman / "strata.tif")
    report = evaluate(
        stehman / "map.tif", stehman / "points.gpkg", out=stehman / "report", settings=settings
    ).to_dict()
    check_stehman_2014(report)
    assert strata_of(report) == [(f"stratum {v}", 10) for v in (5, 6, 7, 8)]


@pytest.mark.parametrize("source", ["names beside it", "legend", "file"])
def test_names_of_strata(stehman, source):
    named = Legend(tuple(LandCoverClass(5 + i, f"zone {i}", "#123456") for i in range(5)))
    legend = None
    if source == "names beside it":
        (stehman / "strata.tif.aux.xml").write_text(pam_sidecar(named, [1] * 5))
    elif source == "legend":
        legend = named
    else:
        legend = stehman / "strata.csv"
        legend.write_text(named.to_csv())
    settings = EvaluateSettings(strata=stehman / "strata.tif", strata_legend=legend)
    report = evaluate(
        stehman / "map.tif", stehman / "points.gpkg", out=stehman / "report", settings=settings
    ).to_dict()
    check_stehman_2014(report)
    assert strata_of(report) == [(f"zone {i}", 10) for i in range(4)]


def test_the_command_takes_a_legend_of_strata(stehman):
    (stehman / "strata.csv").write_text(
        "value,name,color\n5,north,#111111\n6,east,#222222\n7,south,#333333\n8,west,#444444\n"
    )
    done = here("evaluate", stehman / "map.tif", stehman / "points.gpkg", "--out",
                stehman / "report", "--strata", stehman / "strata.tif", "--strata-legend",
                stehman / "strata.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "overall accuracy 63.0 ± 16.6 % of the area" in done.stdout
    assert "points of north (10), east (10)" in done.stderr


def test_strata_have_the_names_of_the_map_where_it_has_all_their_values(tmp_path):
    mapped = np.tile(np.arange(3, dtype=np.uint8), 300).reshape(30, 30)
    write_map(tmp_path / "map.tif", mapped)
    strata = np.repeat([0, 2], 450).astype(np.uint8).reshape(1, 30, 30)
    write_raster(tmp_path / "strata.tif", strata, transform=PLACE)
    rows, cols = np.divmod(np.arange(0, 900, 7), 30)
    names = [LEGEND.names[v] for v in mapped[rows, cols]]
    points = write_points(tmp_path / "points.gpkg", rows, cols, names)
    settings = EvaluateSettings(strata=tmp_path / "strata.tif")
    report = evaluate(
        tmp_path / "map.tif", points, out=tmp_path / "report", settings=settings
    ).to_dict()
    assert [name for name, _ in strata_of(report)] == ["water", "rock"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_more_strata_than_classes_give_what_the_estimator_gives(tmp_path, seed, dtype):
    """Strata of 9 values, 255 and no data among the pixels; points outside of them are counted."""
    rng = np.random.default_rng(seed)
    mapped, reference = rng.integers(0, 3, (2, 40, 50), dtype=np.uint8)
    codes = np.sort(rng.choice(254, 9, replace=False)) + 1
    strata = np.repeat(codes, [250, 200, 300, 250, 100, 300, 200, 150, 250]).reshape(40, 50)
    strata[:, :2] = 0
    strata[0] = 255
    write_map(tmp_path / "map.tif", mapped)
    write_raster(tmp_path / "strata.tif", strata[None].astype(dtype), transform=PLACE, nodata=0)
    rows, cols = np.divmod(rng.choice(2000, 900, replace=False), 50)
    points = write_points(
        tmp_path / "points.gpkg", rows, cols, [LEGEND.names[v] for v in reference[rows, cols]]
    )
    settings = EvaluateSettings(strata=tmp_path / "strata.tif")
    report = evaluate(
        tmp_path / "map.tif", points, out=tmp_path / "report", settings=settings
    ).to_dict()
    inside = (rows > 0) & (cols > 1)
    assert report["left_out"]["outside of the strata"] == (~inside).sum()
    counts = np.zeros((9, 3, 3), np.int64)
    place = rows[inside], cols[inside]
    np.add.at(counts, (np.searchsorted(codes, strata[place]), mapped[place], reference[place]), 1)
    pixels = np.array([(strata == v).sum() for v in codes])
    expected = estimate(counts, pixels * 900 / 1e4)
    adjusted = report["area_adjusted"]
    assert adjusted["matrix_shares"] == pytest.approx(expected.shares)
    assert adjusted["overall_accuracy_ci95"] == pytest.approx(Z95 * expected.overall_accuracy_se)
    assert adjusted["area_ha_ci95"] == pytest.approx(Z95 * expected.area_se)
    assert [s["area_ha"] for s in adjusted["strata"]] == pytest.approx(pixels * 0.09)
    assert [s["name"] for s in adjusted["strata"]] == [f"stratum {v}" for v in codes]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: np.concatenate([s, s]), "has 2 bands of uint8, a class raster has 1 band"),
        (lambda s: s + np.float32(0.5), "has values that are not whole numbers, such as 5.5"),
        (lambda s: s.astype(np.int16) + 300, "have the value 305, .* renumber them"),
        (lambda s: s.astype(np.int16) - 9, "have the value -4, but"),
        (lambda s: np.full_like(s, 255), "have no pixel with data"),
    ],
)
def test_rasters_that_hold_no_strata(stehman, change, match):
    strata = np.repeat([5, 6, 7, 8], [4000, 3000, 2000, 1000]).astype(np.uint8)
    write_raster(stehman / "bad.tif", change(strata.reshape(1, 100, 100)), transform=PLACE)
    settings = EvaluateSettings(strata=stehman / "bad.tif")
    with pytest.raises(LabelError, match=match) as caught:
        evaluate(
            stehman / "map.tif", stehman / "points.gpkg", out=stehman / "report", settings=settings
        )
    assert "\n" not in str(caught.value)
    assert not (stehman / "report").exists()


def test_a_legend_that_does_not_name_all_strata(stehman):
    legend = Legend((LandCoverClass(5, "north", "#111111"), LandCoverClass(6, "east", "#222222")))
    settings = EvaluateSettings(strata=stehman / "strata.tif", strata_legend=legend)
    match = r"have the values 7, 8, which their legend does not name \(north, east\), complete it"
    with pytest.raises(LabelError, match=match):
        evaluate(
            stehman / "map.tif", stehman / "points.gpkg", out=stehman / "report", settings=settings
        )
    with pytest.raises(EvaluateError, match="a legend of strata is given without strata"):
        EvaluateSettings(strata_legend=legend)


def test_names_beside_a_map_or_a_reference_count_without_a_palette(tmp_path):
    """The reference has other codes than the map; only the names say which are the same class."""
    mapped = np.tile(np.arange(3, dtype=np.uint8), 300).reshape(1, 30, 30)
    write_raster(tmp_path / "map.tif", mapped, transform=PLACE)
    write_raster(tmp_path / "reference.tif", 3 - mapped, transform=PLACE)
    turned = Legend(tuple(LandCoverClass(3 - c.value, c.name, c.color) for c in LEGEND.classes))
    (tmp_path / "map.tif.aux.xml").write_text(pam_sidecar(LEGEND, [300] * 3))
    (tmp_path / "reference.tif.aux.xml").write_text(pam_sidecar(turned, [300] * 3))
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report"
    ).to_dict()
    assert report["classes"] == list(LEGEND.names)
    assert report["overall_accuracy"] == 1


def test_each_point_is_compared_or_left_out_for_one_reason(stehman):
    """Points off the map, of an ignored class, without a class, and outside of the strata."""
    with rasterio.open(stehman / "strata.tif", "r+") as file:
        values = file.read(1)
        values.flat[0] = 255  # the first point
        file.write(values, 1)
        file.nodata = 255
    points = geopandas.read_file(stehman / "points.gpkg")
    points.loc[[1, 2], "reference"] = "cloud"
    points.loc[2, "geometry"] = shapely.Point(0, 0)
    points.loc[3, "geometry"] = shapely.Point(0, 0)
    points.loc[4, "reference"] = None
    points.to_file(stehman / "points.gpkg")
    report = evaluate(
        stehman / "map.tif", stehman / "points.gpkg", out=stehman / "report",
        settings=EvaluateSettings(strata=stehman / "strata.tif", ignore=("cloud",)),
    ).to_dict()  # fmt: skip
    assert report["left_out"] == {
        "outside of the map": 2, "no class in the map": 0, "no class in the reference": 2,
        "outside of the strata": 1,
    }  # fmt: skip
    assert report["compared"] == np.sum(report["matrix"]) == 40 - 5


def map_of_halves(folder, cols, height=40):
    """A map of 40 rows: water in the upper half and grass in the lower half."""
    values = np.repeat([0, 1], height // 2)[:, None].repeat(cols, 1).astype(np.uint8)
    write_map(folder / "map.tif", values)
    return values


def assessed(folder, **settings):
    """The report of the points in "points.gpkg"."""
    return evaluate(
        folder / "map.tif", folder / "points.gpkg", out=folder / "report", overwrite=True,
        settings=EvaluateSettings(**settings),
    ).to_dict()  # fmt: skip


def test_strata_count_only_where_the_map_has_a_class(tmp_path):
    """Strata twice as wide as the map: nine tenths of stratum 1 are beside the map."""
    mapped = map_of_halves(tmp_path, 50)
    strata = np.ones((1, 40, 100), np.uint8)
    strata[:, :, :45] = 0
    write_raster(tmp_path / "strata.tif", strata, transform=PLACE)
    # Right in stratum 0; wrong in half of the points of stratum 1 that lie on the map.
    rows, cols = np.divmod(np.arange(0, 4000, 3), 100)
    truth = np.where((cols >= 45) & (rows % 2), 2, mapped[rows, cols.clip(max=49)])
    write_points(tmp_path / "points.gpkg", rows, cols, [LEGEND.names[v] for v in truth])
    report = assessed(tmp_path, strata=tmp_path / "strata.tif")
    adjusted = report["area_adjusted"]
    assert [s["area_ha"] for s in adjusted["strata"]] == pytest.approx(
        [40 * 45 * 0.09, 40 * 5 * 0.09]
    )
    assert sum(adjusted["area_ha"]) == pytest.approx(40 * 50 * 0.09)
    assert adjusted["overall_accuracy"] == pytest.approx(0.95, abs=0.01)
    assert report["left_out"]["outside of the map"] == (cols >= 50).sum()
    assert not any("strata cover" in note for note in report["notes"])
    assert not (tmp_path / "report" / "areas.csv").exists()  # those of the classes do not fit


def test_strata_of_a_part_of_the_map_are_noted(tmp_path):
    mapped = map_of_halves(tmp_path, 50)
    write_raster(tmp_path / "strata.tif", np.zeros((1, 40, 20), np.uint8), transform=PLACE)
    rows, cols = np.divmod(np.arange(0, 2000, 7), 50)
    names = [LEGEND.names[v] for v in mapped[rows, cols]]
    write_points(tmp_path / "points.gpkg", rows, cols, names)
    report = assessed(tmp_path, strata=tmp_path / "strata.tif")
    assert "The strata cover 40.0% of the map" in report["notes"][-1]
    assert sum(report["area_adjusted"]["area_ha"]) == pytest.approx(40 * 20 * 0.09)


def test_strata_of_an_ignored_class_of_the_map_do_not_count(tmp_path):
    mapped = map_of_halves(tmp_path, 50)
    write_raster(tmp_path / "strata.tif", mapped[None], transform=PLACE)
    rows, cols = np.divmod(np.arange(0, 2000, 7), 50)
    names = [LEGEND.names[v] for v in mapped[rows, cols]]
    write_points(tmp_path / "points.gpkg", rows, cols, names)
    report = assessed(tmp_path, strata=tmp_path / "strata.tif", ignore=("water",))
    assert strata_of(report) == [("water", 0), ("grass", (rows >= 20).sum())]
    assert report["area_adjusted"]["area_ha"] == pytest.approx([20 * 50 * 0.09, 0])


def test_points_that_name_no_stratum(tmp_path):
    mapped = map_of_halves(tmp_path, 50)
    rows, cols = np.divmod(np.arange(0, 2000, 7), 50)
    names = [LEGEND.names[v] for v in mapped[rows, cols]]
    count = len(names)
    for first, message in (("", "names no stratum"), ("wood", "names no stratum")):
        write_points(tmp_path / "points.gpkg", rows, cols, names, stratum=[first, *names[1:]])
        with pytest.raises(EvaluateError, match=f"field stratum of 1 of {count} points {message}"):
            assessed(tmp_path)
    design = "only if the points were drawn at random"
    write_points(tmp_path / "points.gpkg", rows, cols, names, stratum=["wood"] * count)
    assert any(design in note for note in assessed(tmp_path)["notes"])
    write_points(tmp_path / "points.gpkg", rows, cols, names, stratum=names)
    assert not any(design in note for note in assessed(tmp_path)["notes"])


def test_points_in_one_pixel_are_counted(tmp_path):
    mapped = map_of_halves(tmp_path, 50)
    rows, cols = np.divmod(np.r_[np.arange(0, 2000, 7), 0, 7], 50)
    names = [LEGEND.names[v] for v in mapped[rows, cols]]
    write_points(tmp_path / "points.gpkg", rows, cols, names)
    notes = assessed(tmp_path)["notes"]
    assert any(note.startswith("2 points in the pixel of another point") for note in notes)


def test_calibration_counts_points_as_the_area_for_which_they_stand(tmp_path):
    """The small class is sampled more densely; its confidence is wrong, that of the rest right."""
    mapped = np.zeros((40, 50), np.uint8)
    mapped[:4] = 1
    write_map(tmp_path / "map.tif", mapped)
    confidence = np.full((1, 40, 50), 255, np.uint8)
    confidence[0, 20:, :10] = 0  # these points have no confidence
    write_raster(tmp_path / "confidence.tif", confidence, transform=PLACE, nodata=0)
    rows, cols = np.divmod(np.r_[np.arange(0, 200), np.arange(200, 2000, 10)], 50)
    names = np.where(rows < 4, "rock", "water").tolist()
    write_points(tmp_path / "points.gpkg", rows, cols, names)
    calibration = assessed(tmp_path, confidence=tmp_path / "confidence.tif")["calibration"]
    with_confidence = ~((rows >= 20) & (cols < 10))
    area = np.where(rows < 4, 200 / 200, 1800 / 180) * 0.09 * with_confidence
    assert calibration["bins"]["area_ha"][-1] == pytest.approx(area.sum())
    assert calibration["expected_calibration_error"] == pytest.approx(
        area[rows < 4].sum() / area.sum()
    )
    write_raster(tmp_path / "none.tif", 0 * confidence, transform=PLACE, nodata=0)
    report = assessed(tmp_path, confidence=tmp_path / "none.tif")
    assert report["calibration"] is None
    assert any("confidence raster has no value" in note for note in report["notes"])


def test_a_class_that_a_stratum_of_one_point_may_hide_has_no_interval():
    counts = np.array([[[40, 5], [6, 49]], [[1, 0], [0, 0]]])
    result = estimate(counts, np.array([50.0, 50.0]))
    assert np.isnan(result.users_accuracy_se).all()
    by_class = np.array([[[40, 5], [0, 0]], [[0, 0], [0, 1]]])
    assert np.isfinite(estimate(by_class, np.array([50.0, 50.0])).users_accuracy_se[0])


def test_options_without_an_effect_are_refused(tmp_path):
    map_of_halves(tmp_path, 50)
    (tmp_path / "m.csv").write_text("map,a,b\na,1,2\nb,2,3\n")
    path, out = tmp_path / "map.tif", tmp_path / "r"
    for args, message in (
        (["--matrix", tmp_path / "m.csv", "--sampled"], "--sampled has no effect with --matrix"),
        (["--matrix", tmp_path / "m.csv", "--strata", "s.tif"], "--strata has no effect"),
        ([path, path, "--areas", "a.csv"], "--areas needs --matrix"),
        ([path, path, "--class-field", "kind"], "is a raster, which has no layer or field"),
    ):
        done = here("evaluate", *args, "--out", out)
        assert done.returncode != 0
        assert message in done.stderr.replace("\n", " ")
    done = here("compare", path, path, "--out", out, "--layer", "points")
    assert "are given without a reference" in done.stderr
    rows, cols = np.divmod(np.arange(0, 2000, 7), 50)
    write_points(tmp_path / "points.gpkg", rows, cols, ["water"] * len(rows))
    with pytest.raises(EvaluateError, match=r"has points, which have no boundary IoU"):
        assessed(tmp_path, boundary=30)
