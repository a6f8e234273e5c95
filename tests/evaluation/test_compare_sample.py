"""Samples of the changes: published areas of change, and which of two maps is better."""

import sqlite3
from contextlib import closing

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from scipy.stats import binomtest

from geoseg import CompareSettings, SampleSettings, compare, sample
from geoseg.errors import EvaluateError
from geoseg.legend import Legend
from geoseg.metrics import Z95
from tests.support.assessments import LEGEND, PLACE, write_map
from tests.support.published_samples import OLOFSSON_2014, sampled_map

FOREST = Legend.from_names(["forest", "other"])
CHANGES = ("forest to other", "other to forest", "forest unchanged", "other unchanged")
"""The classes of the published example, as a comparison names them, in its order."""
DATES = np.array([[0, 1], [1, 0], [0, 0], [1, 1]], np.uint8)
"""Class of each of them at both dates."""
WIDE = Affine(30 * 1000**0.5, 0, 500_000, 0, -30 * 1000**0.5, 2_800_000)
"""Grid whose pixels are as large as 1,000 pixels of the example."""
NO_POLYGONS = CompareSettings(polygons=False)


@pytest.fixture(scope="module")
def olofsson(tmp_path_factory):
    """The maps of two dates, a thousandth as many pixels as published, and the sample."""
    folder = tmp_path_factory.mktemp("olofsson")
    change, reference = sampled_map(OLOFSSON_2014.counts, OLOFSSON_2014.pixels // 1000, (80, 125))
    for date, name in enumerate("ab"):
        write_map(folder / f"{name}.tif", DATES[change, date], FOREST, transform=WIDE)
    rows, cols = np.nonzero(reference != 255)
    true = reference[rows, cols]
    names = np.array(FOREST.names)
    columns = {"reference_a": names[DATES[true, 0]], "reference_b": names[DATES[true, 1]]}
    write_sample(folder / "dates.gpkg", rows, cols, WIDE, **columns)
    strata = np.array(CHANGES)[change[rows, cols]]
    columns = {"reference": np.array(CHANGES)[true], "stratum": strata}
    write_sample(folder / "changes.gpkg", rows, cols, WIDE, **columns)
    return folder


def write_sample(path, rows, cols, place=PLACE, **columns):
    """Write points at the centres of pixels."""
    x, y = place @ (np.asarray(cols) + 0.5, np.asarray(rows) + 0.5)
    frame = geopandas.GeoDataFrame(columns, geometry=shapely.points(x, y), crs="EPSG:32640")
    frame.to_file(path, layer="points")
    return path


def test_a_small_area_of_change_is_told_with_three_digits(tmp_path):
    place = Affine(0.1, 0, 500_000, 0, -0.1, 2_800_000)
    a = np.zeros((60, 100), np.uint8)
    b = a.copy()
    b[:15] = 1
    for name, values in (("a", a), ("b", b)):
        write_map(tmp_path / f"{name}.tif", values, FOREST, transform=place)
    rows, cols = np.divmod(np.arange(0, a.size, 50), 100)
    columns = {"reference_a": ["forest"] * len(rows)}
    columns["reference_b"] = ["other" if row < 30 else "forest" for row in rows]
    points = write_sample(tmp_path / "points.gpkg", rows, cols, place, **columns)
    report = compare(
        tmp_path / "a.tif", tmp_path / "b.tif", out=tmp_path / "out", reference=points,
        settings=NO_POLYGONS,
    )  # fmt: skip
    area = f"{60 * 100 * 0.01 / 2 / 1e4:.5f}"
    assert f"The estimated area of change is {area} ± 0.000" in report.summary()[1]


@pytest.mark.parametrize("points", ["dates.gpkg", "changes.gpkg"])
def test_the_forest_change_example_of_olofsson_2014(olofsson, tmp_path, points):
    """To six digits; deforestation is published as 235,086 ± 68,418 px, 21,158 ± 6,158 ha."""
    report = compare(
        olofsson / "a.tif", olofsson / "b.tif", out=tmp_path / "out",
        reference=olofsson / points, settings=NO_POLYGONS,
    ).to_dict()  # fmt: skip
    estimated = report["estimated_changes"]
    order = [estimated["names"].index(name) for name in CHANGES]

    def numbers(key):
        return np.array(estimated[key])[order]

    points = np.array(estimated["matrix"])[np.ix_(order, order)]
    assert points.tolist() == OLOFSSON_2014.counts.tolist()
    np.testing.assert_allclose(numbers("mapped_area_ha"), [18000, 13500, 288000, 580500])
    np.testing.assert_allclose(
        numbers("area_ha"), [21157.76, 11686.15, 285769.93, 581386.15], atol=5e-3
    )
    np.testing.assert_allclose(
        numbers("area_ha_ci95"), [6157.63, 3755.83, 15509.84, 16281.66], atol=5e-3
    )
    assert [round(x) for x in numbers("area_ha")[:1] / 0.09] == [235086]
    # Published with rounded steps.
    assert numbers("area_ha_ci95")[0] / 0.09 == pytest.approx(68418, abs=1)
    np.testing.assert_allclose(
        numbers("users_accuracy"), [0.88, 0.733333, 0.927273, 0.963077], atol=1e-6
    )
    np.testing.assert_allclose(
        numbers("producers_accuracy"), [0.748661, 0.847156, 0.934509, 0.961609], atol=1e-6
    )
    assert estimated["overall_accuracy"] == pytest.approx(0.946512, abs=1e-6)
    changed = estimated["changed"]
    assert changed["area_ha"] == pytest.approx(numbers("area_ha")[:2].sum())
    assert changed["area_ha_ci95"] < numbers("area_ha_ci95")[:2].sum()
    assert changed["users_accuracy"] == pytest.approx((18000 * 66 / 75 + 13500 * 55 / 75) / 31500)


def test_a_change_that_no_map_has_counts_in_the_reference(tmp_path):
    """Area by hand: half of the samples of "water unchanged" are "water to rock"."""
    a = np.zeros((10, 10), np.uint8)
    b = a.copy()
    b[5:] = 1
    write_map(tmp_path / "a.tif", a), write_map(tmp_path / "b.tif", b)
    points = write_sample(
        tmp_path / "points.gpkg", [0, 1, 2, 3, 5, 6, 7, 8], np.arange(8),
        reference=[*["water unchanged", "WATER to rock"] * 2, *["water to grass"] * 4],
    )  # fmt: skip
    report = compare(
        tmp_path / "a.tif", tmp_path / "b.tif", out=tmp_path / "out", reference=points,
        settings=NO_POLYGONS,
    ).to_dict()  # fmt: skip
    estimated = report["estimated_changes"]
    assert estimated["names"] == ["water unchanged", "water to grass", "water to rock"]
    half = report["area_a_ha"][0] / 2
    assert estimated["area_ha"] == pytest.approx([half / 2, half, half / 2])
    assert estimated["mapped_area_ha"] == pytest.approx([half, half, 0])
    expected = Z95 * half * (0.25 / 3) ** 0.5
    assert estimated["area_ha_ci95"] == pytest.approx([expected, 0, expected])
    assert estimated["changed"]["area_ha"] == pytest.approx(1.5 * half)
    rows = (tmp_path / "out" / "report.csv").read_text().splitlines()
    assert rows[0].endswith("estimated_area_ha,estimated_area_ha_ci95")
    assert rows[3].startswith("water to rock,,,0,0.0,0.0,")


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    """A true map and two maps of it: A is wrong in 10 % of the pixels, B in 20 %."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    true = np.kron(rng.integers(0, 3, (15, 20)), np.ones((10, 10))).astype(np.uint8)
    maps = []
    for name, share in (("a", 0.1), ("b", 0.2)):
        wrong = rng.random(true.shape) < share
        maps.append(np.where(wrong, (true + rng.integers(1, 3, true.shape)) % 3, true))
        write_map(folder / f"{name}.tif", maps[-1].astype(np.uint8))
    return folder, true, *maps


def fill_in(path, true):
    """Fill in the true class of the points of a sample."""
    frame = geopandas.read_file(path, layer=path.stem)
    cols, rows = ~PLACE @ (frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy())
    values = true[np.floor(rows).astype(int), np.floor(cols).astype(int)]
    frame["reference"] = np.array(LEGEND.names)[values]
    frame.to_file(path, layer=path.stem)
    return frame


def draw(folder, true, changes, **settings):
    """Draw a sample of change.tif and fill it in."""
    path = folder / "points.gpkg"
    sample(changes / "change.tif", path, settings=SampleSettings(**settings), overwrite=True)
    fill_in(path, true)
    return path


def test_a_sample_where_the_maps_differ_tells_which_one_is_better(two_models, tmp_path):
    folder, true, a, b = two_models
    paths = folder / "a.tif", folder / "b.tif"
    compare(*paths, out=tmp_path / "d", settings=CompareSettings(changed_only=True))
    proportional = {"size": 400, "allocation": "proportional", "min_per_class": 0}
    points = draw(
        tmp_path, true, tmp_path / "d", reference_legend=tmp_path / "d" / "classes.csv",
        **proportional,
    )  # fmt: skip
    report = compare(*paths, out=tmp_path / "out", reference=points, settings=NO_POLYGONS)
    better = report.to_dict()["better_map"]
    assert better["points"] == 400
    assert better["points_where_maps_agree"] == 0
    truth = (a == true).mean() - (b == true).mean()
    assert better["accuracy_difference"] == pytest.approx(
        truth, abs=better["accuracy_difference_ci95"]
    )
    assert 0 < better["accuracy_difference_ci95"] < 0.05
    test = binomtest(better["only_a_right"], better["only_a_right"] + better["only_b_right"])
    assert better["p_value"] == pytest.approx(test.pvalue)
    assert better["differing_share"] == pytest.approx((a != b).mean())
    assert report.summary()[-1].startswith("Map A is better: its overall accuracy is higher by")
    assert report.notes == ()
    back = compare(*paths[::-1], out=tmp_path / "back", settings=NO_POLYGONS)
    assert back.better is None


def test_the_roles_of_the_maps_can_be_swapped(two_models, tmp_path):
    folder, true, *_ = two_models
    paths = folder / "a.tif", folder / "b.tif"
    rows, cols = np.divmod(np.random.default_rng(3).choice(true.size, 900, False), true.shape[1])
    names = np.array(LEGEND.names)[true[rows, cols]]
    points = write_sample(tmp_path / "points.gpkg", rows, cols, reference=names)
    there = compare(*paths, out=tmp_path / "x", reference=points, settings=NO_POLYGONS).better
    back = compare(*paths[::-1], out=tmp_path / "y", reference=points, settings=NO_POLYGONS).better
    assert (there.only_a, there.only_b, there.neither) == (back.only_b, back.only_a, back.neither)
    assert there.p_value == back.p_value
    assert there.difference == pytest.approx(-back.difference)
    assert there.difference_se == pytest.approx(back.difference_se)
    assert there.agreeing + there.points == 900
    assert there.share_a - there.share_b == pytest.approx(there.difference)


def test_intervals_cover_the_true_difference(two_models, tmp_path):
    """Of an unequal sample, in about 95 of 100 draws; at most 9 misses of 60 are expected."""
    from geoseg.evaluation.comparison.better_map import find_better_map
    from geoseg.evaluation.comparison.changes import make_change_table
    from geoseg.evaluation.comparison.compared_points import ComparedPoints
    from geoseg.metrics import count_pairs

    _, true, a, b = two_models
    a, b = a.astype(np.uint8), b.astype(np.uint8)
    pairs = count_pairs(a, b)
    table = make_change_table(pairs, LEGEND)
    areas, codes = table.sums(pairs).astype(float), table.codes[a, b]
    truth = (a == true).mean() - (b == true).mean()
    rng, misses = np.random.default_rng(0), 0
    for _ in range(60):
        drawn = [
            rng.choice(np.flatnonzero(codes == c.value), 25, False)
            for c in table.changes
            if c.is_change
        ]
        pixels = np.concatenate(drawn)
        values = [array.reshape(-1)[pixels] for array in (a, b, true, true, codes)]
        points = ComparedPoints(*values[:4], values[4].astype(int) - 1, {})
        better = find_better_map(points, table, areas)
        misses += abs(better.difference - truth) > Z95 * better.difference_se
    assert misses <= 9
    assert any("not in proportion" in note for note in better.notes)


def test_small_strata_are_counted_together_and_noted(two_models, tmp_path):
    folder, true, a, b = two_models
    rare = b.copy()
    rare[0, :2] = (a[0, :2] + 1) % 3
    write_map(tmp_path / "b.tif", np.where(a == 0, rare, a).astype(np.uint8))
    paths = folder / "a.tif", tmp_path / "b.tif"
    compare(*paths, out=tmp_path / "d", settings=CompareSettings(changed_only=True))
    points = draw(tmp_path, true, tmp_path / "d", size=3, min_per_class=0, allocation="equal")
    better = compare(*paths, out=tmp_path / "out", reference=points, settings=NO_POLYGONS).better
    assert better.points == 3
    assert any("counted together" in note for note in better.notes)
    assert np.isfinite(better.difference_se)


def test_of_equally_good_maps_neither_is_called_better(tmp_path):
    a, b = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    b[:5] = 1
    write_map(tmp_path / "a.tif", a), write_map(tmp_path / "b.tif", b)
    points = write_sample(
        tmp_path / "p.gpkg", [0, 1, 2, 3], np.arange(4), reference=["water", "grass"] * 2
    )
    report = compare(
        tmp_path / "a.tif", tmp_path / "b.tif", out=tmp_path / "out", reference=points,
        settings=NO_POLYGONS,
    )  # fmt: skip
    assert report.better.p_value == 1
    assert report.better.difference == 0
    assert report.better.difference_se == pytest.approx(0.5 * (4 / 3 / 4) ** 0.5)
    assert "does not tell which map is better" in report.summary()[-1]
    assert any("drawn at random" in note for note in report.notes)


def test_more_pairs_than_values_are_estimated_with_merged_changes(tmp_path):
    """The reference has "unchanged" and "other change", which the form of the sample offers."""
    legend = Legend.from_names([f"c{n}" for n in range(20)])
    a, b = np.uint8(np.divmod(np.arange(1600).reshape(40, 40) % 400, 20))
    paths = [write_map(tmp_path / f"{n}.tif", v, legend) for n, v in (("a", a), ("b", b))]
    compare(*paths, out=tmp_path / "d", settings=NO_POLYGONS)
    points = tmp_path / "points.gpkg"
    settings = SampleSettings(size=600, min_per_class=2)
    sample(tmp_path / "d" / "change.tif", points, settings=settings)
    frame = geopandas.read_file(points, layer="points")
    frame["reference"] = frame["stratum"]
    assert {"unchanged", "other change"} < set(frame["reference"])
    frame.loc[frame.index[frame["stratum"] == "unchanged"][:1], "reference"] = "c3 unchanged"
    frame.to_file(points, layer="points")
    report = compare(*paths, out=tmp_path / "out", reference=points, settings=NO_POLYGONS)
    assert report.areas.estimate.overall_accuracy == pytest.approx(1)
    assert report.areas.estimate.area == pytest.approx(report.change_ha)
    assert len(report.areas.names) == 254
    assert max(map(len, report.notes)) < 700

    frame["stratum"] = frame["reference"] = "unchanged"
    frame.iloc[:10].drop(columns="stratum").to_file(points, layer="points")
    with pytest.raises(EvaluateError, match="has 'unchanged', which is no class of the"):
        compare(paths[0], paths[0], out=tmp_path / "same", reference=points)


def test_a_standard_error_of_0_is_noted(tmp_path):
    a, b = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    b[:5], b[5:7] = 1, 2
    write_map(tmp_path / "a.tif", a), write_map(tmp_path / "b.tif", b)

    def compared(true):
        rows = [0, 1, 2, 3, 4, 0, 5, 6]
        points = write_sample(tmp_path / "p.gpkg", rows, np.arange(8), reference=true)
        return compare(
            tmp_path / "a.tif", tmp_path / "b.tif", out=tmp_path / "out", reference=points,
            settings=NO_POLYGONS, overwrite=True,
        ).better  # fmt: skip

    better = compared(["grass"] * 6 + ["rock"] * 2)
    assert better.difference_se == 0
    note = "All points of {} have the same result, so that their standard error is 0"
    assert any(note.format("'water to grass', 'water to rock'") in n for n in better.notes)
    better = compared(["grass"] * 6 + ["water", "rock"])
    assert any(note.format("'water to grass'") in n for n in better.notes)
    better = compared(["grass"] * 5 + ["water"] * 2 + ["rock"])
    assert not any("same result" in n for n in better.notes)


def test_the_form_of_a_sample_offers_the_given_classes(two_models, tmp_path):
    folder, *_ = two_models
    compare(folder / "a.tif", folder / "b.tif", out=tmp_path / "d", settings=NO_POLYGONS)
    classes = tmp_path / "d" / "classes.csv"
    settings = SampleSettings(size=50, min_per_class=0, reference_legend=classes)
    sample(tmp_path / "d" / "change.tif", tmp_path / "points.gpkg", settings=settings)
    with closing(sqlite3.connect(tmp_path / "points.gpkg")) as database:
        [[form]] = database.execute("SELECT styleQML FROM layer_styles")
    assert 'value="grass"' in form
    assert 'value="water to grass"' not in form


def test_points_of_two_dates_with_fields_of_other_names_and_ignored_classes(olofsson, tmp_path):
    frame = geopandas.read_file(olofsson / "dates.gpkg")
    frame = frame.rename(columns={"reference_a": "y2000", "reference_b": "y2010"})
    frame.loc[:4, "y2000"] = "cloud"
    frame.loc[5:6, "y2010"] = None
    frame.to_file(tmp_path / "points.gpkg")
    settings = CompareSettings(
        reference_fields=("y2000", "y2010"), ignore=("cloud",), polygons=False
    )
    report = compare(
        olofsson / "a.tif", olofsson / "b.tif", out=tmp_path / "out",
        reference=tmp_path / "points.gpkg", settings=settings,
    )  # fmt: skip
    assert report.areas.counts.sum() == len(frame) - 7
    assert report.points_left_out == {
        "outside of the maps": 0, "no class in one of the maps": 0, "no class in the reference": 7,
    }  # fmt: skip


@pytest.mark.parametrize("ignored", ["cloud", "3", "Unsure"])
@pytest.mark.parametrize("fields", [1, 2])
def test_points_of_ignored_classes_are_left_out(tmp_path, ignored, fields):
    """The class is one of the maps, by name or value, or one of the reference alone."""
    legend = Legend.from_names(["water", "grass", "rock", "cloud"])
    a = np.repeat(np.arange(4, dtype=np.uint8), 25).reshape(10, 10)
    b = a.copy()
    b[:, 5:8] = 0
    write_map(tmp_path / "a.tif", a, legend), write_map(tmp_path / "b.tif", b, legend)
    rows, cols = np.nonzero(a < 3)
    before, after = (np.array(legend.names)[v[rows, cols]].astype(object) for v in (a, b))
    name = "unsure" if ignored == "Unsure" else "cloud"
    before[:2], after[1:3] = name, name
    columns = {"reference_a": before, "reference_b": after}
    if fields == 1:
        dates = zip(before, after, strict=True)
        changes = [f"{x} unchanged" if x == y else f"{x} to {y}" for x, y in dates]
        columns = {"reference": [name if x == f"{name} unchanged" else x for x in changes]}
    points = write_sample(tmp_path / "points.gpkg", rows, cols, **columns)
    ignore = ("cloud", ignored) if ignored == "Unsure" else (ignored,)
    report = compare(
        tmp_path / "a.tif", tmp_path / "b.tif", out=tmp_path / "out", reference=points,
        settings=CompareSettings(ignore=ignore, polygons=False),
    )  # fmt: skip
    assert report.areas.counts.sum() == len(rows) - 3
    assert report.areas.estimate.overall_accuracy == 1
    assert report.points_left_out["no class in the reference"] == 3
