"""The report as a real browser shows it."""

import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from geoseg.evaluation import EvaluateSettings, evaluate, evaluate_matrix
from geoseg.legend import LandCoverClass, Legend
from tests.support.assessments import PLACE, write_map, write_points, write_tables
from tests.support.browser import browsing
from tests.support.published_samples import OLOFSSON_2014
from tests.support.rasters import write_raster

NASTY = Legend(
    (
        LandCoverClass(0, "<script>alert(1)</script>", "#e41a1c"),
        LandCoverClass(1, "water & wetland", "#377eb8"),
        LandCoverClass(
            7, "a class whose name is longer than any screen of a phone is wide", "#4daf4a"
        ),
    )
)
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Folders of reports of every kind: by pixels, by points, by a matrix, of many classes."""
    folder = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(0)
    mapped = np.kron(rng.choice([0, 1, 7], (12, 16)), np.ones((25, 25))).astype(np.uint8)
    reference = np.where(rng.random(mapped.shape) < 0.8, mapped, np.uint8(1))
    mapped[:20] = 255
    write_map(folder / "map.tif", mapped, NASTY)
    write_raster(folder / "reference.tif", reference[None], transform=PLACE)
    scores = rng.integers(100, 256, mapped.shape, dtype=np.uint8)
    write_raster(folder / "confidence.tif", scores[None], transform=PLACE)
    image = rng.integers(0, 256, (3, *mapped.shape), dtype=np.uint8)
    write_raster(folder / "image.tif", image, transform=PLACE)
    settings = EvaluateSettings(confidence=folder / "confidence.tif", image=folder / "image.tif")
    evaluate(folder / "map.tif", folder / "reference.tif", out=folder / "pixels", settings=settings)
    rows, cols = np.divmod(rng.choice(mapped[20:].size, 300, False), 400)
    names = [
        {c.value: c.name for c in NASTY.classes}[v] for v in reference[rows + 20, cols].tolist()
    ]
    points = write_points(folder / "points.gpkg", rows + 20, cols, names)
    evaluate(folder / "map.tif", points, out=folder / "points", settings=settings)
    matrix, areas = write_tables(folder, OLOFSSON_2014.names, OLOFSSON_2014.counts)
    evaluate_matrix(matrix, areas=areas, out=folder / "matrix")
    many = rng.integers(0, 40, (14, 14)) + 300 * np.eye(14, dtype=int)
    matrix, _ = write_tables(folder, [f"class {i}" for i in range(14)], many, [1] * 14)
    evaluate_matrix(matrix, out=folder / "many")
    return {name: folder / name for name in ("pixels", "points", "matrix", "many")}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pixels", "points", "matrix", "many"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_it_without_console_messages(reports, browser, name, width):
    view = browser.open(reports[name] / "report.html", width)
    assert view.console_messages == []
    assert view.requests == [(reports[name] / "report.html").as_uri()]
    assert view.width <= width
    assert view.height > 1000
    for title in ("Error matrix", "Accuracy of each class", "Quantity and allocation disagreement"):
        assert title in view.text


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_the_shown_numbers_are_those_of_the_report(reports, browser, width):
    text = browser.open(reports["matrix"] / "report.html", width).text
    for number in ("94.7 ± 1.8", "74.9 ± 21.3", "21,158 ± 6,158", "581,386 ± 16,282", "0.889"):
        assert number in text
    text = browser.open(reports["pixels"] / "report.html", width).text
    assert "<script>alert(1)</script>" in text  # as a name, not as a script
    assert "Calibration of the confidence" in text


@pytest.mark.slow
def test_a_screenshot_has_the_colours_of_the_legend(reports, browser):
    view = browser.open(reports["points"] / "report.html", 1280)
    pixels = (imread(BytesIO(view.screenshot))[..., :3] * 255).round().astype(int)
    for c in NASTY.classes:
        assert (pixels == c.rgb).all(-1).mean() > 0.002, c.name
    ink = (pixels < 60).all(-1)
    assert 0.002 < ink.mean() < 0.2  # there is text, and paper
    assert not ink[:, -8:].any()


@pytest.mark.slow
def test_it_can_be_printed(reports, browser):
    browser.open(reports["pixels"] / "report.html", 1280)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


@pytest.mark.parametrize("name", ["pixels", "points", "matrix", "many"])
def test_it_needs_nothing_beside_itself(reports, name):
    page = (reports[name] / "report.html").read_text()
    assert "<script" not in page
    addresses = re.findall(r'(?:src|href)="([^"]{0,12})', page) + re.findall(r"url\(", page)
    assert all(address.startswith("data:") for address in addresses)
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page), re.IGNORECASE)
