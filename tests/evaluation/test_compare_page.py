"""The page of a comparison as a real browser shows it, and its numbers."""

import re
from io import BytesIO

import geopandas
import numpy as np
import pytest
from affine import Affine
from matplotlib.image import imread

from geoseg import CompareSettings, SampleSettings, compare, sample
from geoseg.legend import LandCoverClass, Legend
from tests.support.assessments import PLACE, write_map
from tests.support.browser import browsing

NASTY = Legend(
    (
        LandCoverClass(0, "<script>alert(1)</script>", "#e41a1c"),
        LandCoverClass(1, "water & wetland", "#377eb8"),
        LandCoverClass(
            7, "a class whose name is longer than any screen of a phone is wide", "#4daf4a"
        ),
    )
)
NAMES = {c.value: c.name for c in NASTY.classes}
KINDS = ("maps", "areas", "better", "many")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Folders of reports of every kind, and the reports."""
    folder = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(0)
    a = np.kron(rng.choice([0, 1, 7], (12, 16)), np.ones((25, 25))).astype(np.uint8)
    b = np.where(rng.random(a.shape) < 0.9, a, np.uint8(1))
    b[100:150, 200:300] = 0
    a[:20] = 255
    paths = write_map(folder / "a.tif", a, NASTY), write_map(folder / "b.tif", b, NASTY)
    maps = compare(*paths, out=folder / "maps", settings=CompareSettings(polygons=False))
    points = draw(folder, "points", size=400)
    points["reference"] = points["stratum"]
    points.loc[:20, "reference"] = f"{NAMES[7]} to {NAMES[0]}"
    points.to_file(folder / "points.gpkg", layer="points")
    plain = CompareSettings(polygons=False)
    areas = compare(*paths, out=folder / "areas", reference=folder / "points.gpkg", settings=plain)
    better = draw(folder, "better", size=300, allocation="proportional", min_per_class=0)
    cols, rows = ~PLACE @ (better.geometry.x.to_numpy(), better.geometry.y.to_numpy())
    true = np.where(rng.random(len(better)) < 0.7, a[rows.astype(int), cols.astype(int)], 1)
    better["reference"] = [NAMES[value] for value in true.tolist()]
    better.to_file(folder / "better.gpkg", layer="better")
    paired = compare(
        *paths, out=folder / "better", reference=folder / "better.gpkg", settings=plain
    )
    many = Legend.from_names([f"class {n}" for n in range(14)])
    a, b = np.sort(rng.integers(0, 14, (2, 40, 60)), axis=2).astype(np.uint8)
    paths = write_map(folder / "c.tif", a, many), write_map(folder / "d.tif", b, many)
    of_many = compare(*paths, out=folder / "many")
    return folder, dict(zip(KINDS, (maps, areas, paired, of_many), strict=True))


def draw(folder, name, **settings):
    """Draw points of the changes between the maps."""
    path = folder / f"{name}.gpkg"
    sample(folder / "maps" / "change.tif", path, settings=SampleSettings(**settings))
    return geopandas.read_file(path, layer=name)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_a_browser_shows_it_without_console_messages(reports, browser, kind, width):
    page = reports[0] / kind / "report.html"
    view = browser.open(page, width)
    assert view.console_messages == []
    assert view.requests == [page.as_uri()]
    assert view.width <= width
    for title in ("From-to matrix", "Classes in both maps", "Largest changes", "What was compared"):
        assert title in view.text
    assert ("True areas of change, estimated" in view.text) == (kind == "areas")
    assert ("Which map is better" in view.text) == (kind == "better")


@pytest.mark.slow
def test_the_shown_numbers_are_those_of_the_report(reports, browser):
    folder, by_kind = reports
    text = browser.open(folder / "areas" / "report.html", 1280).text
    changed = by_kind["areas"].to_dict()["estimated_changes"]["changed"]
    assert f"{changed['area_ha']:,.0f} ± {changed['area_ha_ci95']:,.0f} ha" in text
    assert f"{by_kind['areas'].change_pixels[1]:,}" in text
    assert "<script>alert(1)</script> to water & wetland" in text  # as a name, not as a script
    text = browser.open(folder / "better" / "report.html", 1280).text
    paired = by_kind["better"].to_dict()["better_map"]
    half_width = 100 * paired["accuracy_difference_ci95"]
    assert f"{100 * paired['accuracy_difference']:.2f} ± {half_width:.2f}" in text
    assert re.search(rf"only A\s+{paired['only_a_right']}\s", text)


@pytest.mark.slow
def test_a_screenshot_has_the_colours_of_maps_and_changes(reports, browser):
    folder, by_kind = reports
    view = browser.open(folder / "maps" / "report.html", 1280)
    pixels = (imread(BytesIO(view.screenshot))[..., :3] * 255).round().astype(int)
    for c in NASTY.classes:
        assert (pixels == c.rgb).all(-1).mean() > 0.002, c.name
    for c in by_kind["maps"].table.legend(changed_only=False).classes:
        assert (pixels == c.rgb).all(-1).any(), c.name


@pytest.mark.parametrize("kind", KINDS)
def test_it_needs_nothing_beside_itself(reports, kind):
    page = (reports[0] / kind / "report.html").read_text()
    assert "<script" not in page
    addresses = re.findall(r'(?:src|href)="([^"]{0,12})', page)
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"https?://|url\(", page)
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page), re.IGNORECASE)


def test_gain_and_loss_of_the_same_size_leave_nothing(tmp_path):
    a = np.random.default_rng(0).choice([0, 1, 7], (200, 300)).astype(np.uint8)
    place = {"crs": "EPSG:4326", "transform": Affine(1e-6, 0, 55.0, 0, -1e-6, 25.0)}
    paths = [
        write_map(tmp_path / f"{shift}.tif", np.roll(a, shift, axis=1), NASTY, **place)
        for shift in (0, 1)
    ]
    compare(*paths, out=tmp_path / "report", settings=CompareSettings(polygons=False))
    page = (tmp_path / "report" / "report.html").read_text()
    assert re.findall('data-label="net">([^<]*)<', page) == ["0.00"] * 3
    assert "0.00" not in re.findall('data-label="gain">\\s*([^<]*)<', page)


def test_of_many_changes_the_page_shows_the_largest(reports):
    folder, by_kind = reports
    page = (folder / "many" / "report.html").read_text()
    kinds = int(by_kind["many"].table.is_change.sum())
    assert kinds > 24
    assert f"The 24 largest of {kinds} kinds of change" in page
