"""The page as a real browser shows it."""

import json
import time
from io import BytesIO

import numpy as np
import pytest
import rasterio
from affine import Affine
from matplotlib.image import imread

from geoseg.vectors import read_vector
from geoseg.view import ViewSettings, open_view, save_page
from geoseg.view.corrections import brush_shape
from geoseg.view.places import least_certain_places
from tests.support.assessments import write_map
from tests.support.browser import browsing
from tests.support.rasters import write_raster
from tests.support.views import LEGEND, PLACES, SHAPE, write_place

WIDTHS = (1280, 390)
READY = "document.body.dataset.ready === 'yes'"
LOADED = "[...document.querySelectorAll('img.leaflet-tile')].every((image) => image.complete)"
PIXEL_TILE = """(() => {
  const tile = [...document.querySelectorAll("#left .leaflet-tile-container img")]
    .find(({src}) => src.includes("tiles/image/"));
  const [, level, row, col] = tile.src.match(/(\\d+).(\\d+).(\\d+).png/).map(Number);
  const {left, top, width} = tile.getBoundingClientRect();
  return JSON.stringify({level, row, col, left, top, width});
})()"""
"""A tile of the image, and where it is on the screen."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture(scope="module", params=PLACES)
def any_place(request, tmp_path_factory):
    files = write_place(tmp_path_factory.mktemp("place"), request.param)
    with open_view(files.scene, files.map, settings=files.settings) as address:
        yield files, address


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_place(tmp_path_factory.mktemp("place"), "rotated")


@pytest.fixture
def corrected(files, tmp_path):
    """The address of a page with corrections, and their file."""
    path = tmp_path / "corrections.gpkg"
    settings = ViewSettings(confidence=files.confidence, polygons=files.polygons)
    with open_view(files.scene, files.map, settings=settings, corrections=path) as address:
        yield address, path


def visit(browser, address: str, width: int):
    view = browser.open(address, width)
    browser.until(READY)
    browser.until(LOADED)
    return view


def screen(browser) -> np.ndarray:
    """What is seen: (height, width, 3), 0..255."""
    browser.until(LOADED)
    return (imread(BytesIO(browser.screenshot()))[..., :3] * 255).round().astype(int)


def place_of(browser, row: float, col: float, tile_of: str = PIXEL_TILE) -> tuple[float, float]:
    """Where (x, y) a place of the map (px) is on the screen."""
    tile = json.loads(browser.value(tile_of))
    scale = tile["width"] / 256 / 2 ** tile["level"]
    first_row, first_col = (tile[axis] * 256 * 2 ** tile["level"] for axis in ("row", "col"))
    return tile["left"] + (col - first_col) * scale, tile["top"] + (row - first_row) * scale


def text_of(browser, selector: str) -> str:
    return browser.value(f"document.querySelector({json.dumps(selector)}).innerText")


def share_of(pixels: np.ndarray, value: int) -> float:
    [rgb] = [c.rgb for c in LEGEND.classes if c.value == value]
    return float((pixels == rgb).all(-1).mean())


@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_without_console_messages_and_asks_no_other_host(any_place, browser, width):
    _, address = any_place
    view = visit(browser, address, width)
    browser.press("v")
    browser.press("n")
    browser.until("document.getElementById('place').innerText.startsWith('1 of')")
    browser.until("document.querySelectorAll('#pixel dd').length > 5")
    assert browser.console_messages() == []
    assert all(url.startswith(address) for url in browser.requests())
    assert any("tiles/map" in url for url in browser.requests())
    assert view.width <= width
    for name in LEGEND.names:
        assert name in text_of(browser, "#legend")  # as a text, not as markup


def test_a_part_that_cannot_be_read_has_a_message(tmp_path, browser):
    blocks = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    scene = write_raster(tmp_path / "scene.tif", np.ones((1, 4096, 256), np.uint8), **blocks)
    with rasterio.open(scene) as file:
        first = int(file.get_tag_item("BLOCK_OFFSET_0_1", "TIFF", 1))
    with scene.open("r+b") as file:
        file.seek(first)
        file.write(b"damaged")
    with open_view(scene) as address:
        browser.open(address, 1280)
        browser.until("document.getElementById('message').innerText !== ''")
        assert "cannot read" in text_of(browser, "#message")
        assert "damaged" in text_of(browser, "#message")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_on_a_single_pixel_tells_its_values(any_place, browser, width):
    files, address = any_place
    visit(browser, address, width)
    browser.press("z")
    browser.until(LOADED)
    for row, col in ((147, 212), (153, 207)):
        x, y = place_of(browser, row, col)
        next_x, _ = place_of(browser, row, col + 1)
        assert next_x - x == 32  # pixels of the screen
        browser.drag((x + 3, y + 29))
        browser.until(f"document.querySelector('#pixel dd')?.innerText === '{row}, {col}'")
        told = pixel_panel(browser)
        value = int(files.labels[row, col])
        name = {c.value: c.name for c in LEGEND.classes}[value]
        assert told["Map"] == f"{name} ({value})"
        assert told["Confidence"] == f"{files.scores[row, col] / 255:.3f}"
        bands = [told[f"band {band}"] for band in (1, 2, 3)]
        assert bands == [str(value) for value in files.image[:, row, col]]
        assert name in told["Polygon"]
    assert browser.console_messages() == []


def pixel_panel(browser) -> dict[str, str]:
    """Names and values of the panel."""
    texts = "JSON.stringify([...document.querySelectorAll('#pixel {}')].map((e) => e.innerText))"
    names, values = (json.loads(browser.value(texts.replace("{}", tag))) for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def test_the_divider_parts_the_scene_from_the_map(corrected, browser):
    visit(browser, corrected[0], 1280)
    (left, top), (right, _) = place_of(browser, 40, 0), place_of(browser, 40, SHAPE[1])
    top, left, right = int(top), int(left), int(right)
    middle = (left + right) // 2

    def shares() -> tuple[float, float]:
        """How much of both halves is in the colours of the map."""
        seen = screen(browser)[top : top + 200]
        parts = seen[:, left : middle - 20], seen[:, middle + 20 : right]
        return tuple(sum(share_of(part, v) for v in LEGEND.values) for part in parts)

    assert shares() == (0, 1)
    for _ in range(10):
        browser.press(",")
    assert shares() == (1, 1)
    browser.drag((4, 400), (480, 400), (940, 400))
    assert shares() == (0, 0)
    browser.press("o")
    assert shares() == (1, 1)
    for _ in range(10):
        browser.press("a")
    assert shares() == (0, 0)
    assert browser.console_messages() == []


def test_side_by_side_shows_the_same_place(corrected, browser):
    visit(browser, corrected[0], 1280)
    for key in ("d", "+", "ArrowRight", "ArrowDown"):
        browser.press(key)
    browser.until(LOADED)
    right = browser.value("document.getElementById('right').getBoundingClientRect().left")
    x, y = place_of(browser, 150, 210)
    other = PIXEL_TILE.replace("#left", "#right").replace("image", "map")
    assert place_of(browser, 150, 210, other) == pytest.approx((x + right, y), abs=1)
    browser.drag((right + 200, 400), (right + 100, 350))  # the left map follows the right one
    moved = place_of(browser, 150, 210)
    assert moved == pytest.approx((x - 100, y - 50), abs=4)
    assert place_of(browser, 150, 210, other) == pytest.approx((moved[0] + right, moved[1]), abs=1)


def test_names_of_the_legend_are_not_broken_by_their_areas(tmp_path, browser, monkeypatch):
    monkeypatch.setattr("geoseg.view.legend._MAX_SIDE", 128)
    labels = np.full((150, 148), 7, np.uint8)
    path = write_map(tmp_path / "map.tif", labels, LEGEND, transform=Affine.scale(1000, -1000))
    with open_view(path, path) as address:
        visit(browser, address, 1280)
        assert "about 22,200 km², 100.0 %" in text_of(browser, "#legend").replace("\n", " ")
        name = "document.querySelectorAll('.classes span')[4]"
        assert browser.value(f"{name}.innerText") == "forest"
        assert browser.value(f"{name}.getBoundingClientRect().height") < 30  # one line


def test_classes_are_switched_off_and_on(corrected, browser):
    visit(browser, corrected[0], 1280)
    browser.press("o")
    before = screen(browser)[:, :960]
    assert share_of(before, 7) > 0.01
    browser.value("document.querySelectorAll('#legend input')[2].click()")
    without = screen(browser)[:, :960]
    assert share_of(without, 7) == 0
    assert share_of(without, 3) == share_of(before, 3)
    browser.value("document.querySelectorAll('#legend input')[2].click()")
    assert share_of(screen(browser)[:, :960], 7) == share_of(before, 7)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_place_is_painted_undone_and_redone(corrected, browser, width):
    address, path = corrected
    visit(browser, address, width)
    places = [place_of(browser, row, col) for row, col in ((140, 150), (150, 200), (160, 260))]
    browser.press("b")
    browser.press("2")
    browser.drag(*places)
    browser.until("!document.getElementById('undo').disabled")
    frame = read_vector(path)
    assert frame["class"].tolist() == ["<b>crop & grass</b>"]
    [area] = frame.area
    assert 15 * 100 < area / 100 < 15 * 130  # 111 px long, 15 wide
    assert share_of(screen(browser), 3) > 0
    browser.press("u")
    browser.until("!document.getElementById('redo').disabled")
    assert len(read_vector(path)) == 0
    browser.press("y")
    browser.until("document.getElementById('redo').disabled")
    assert len(read_vector(path)) == 1
    assert browser.console_messages() == []


def test_the_keys_of_other_programs_undo_and_redo(corrected, browser):
    address, path = corrected
    visit(browser, address, 1280)
    browser.press("b")
    for number in (1, 2):
        browser.press(" ")
        browser.until(f"document.getElementById('corrected').innerText.startsWith('{number} in')")
    browser.press("Ctrl+z")
    browser.until("document.getElementById('corrected').innerText.startsWith('1 in')")
    browser.press("Ctrl+Shift+Z")
    browser.until("document.getElementById('redo').disabled")
    assert len(read_vector(path)) == 2


def test_places_are_loaded_once(corrected, browser, monkeypatch):
    def slow(confidence):
        time.sleep(0.5)
        return least_certain_places(confidence)

    monkeypatch.setattr("geoseg.view.routes.least_certain_places", slow)
    visit(browser, corrected[0], 1280)
    for _ in range(4):
        browser.press("n")
    browser.until("document.getElementById('place').innerText.startsWith('1 of')")
    assert [url for url in browser.requests() if url.endswith("places")] == [
        f"{corrected[0]}places"
    ]


def test_shapes_are_kept_in_the_order_of_their_drawing(corrected, browser, monkeypatch):
    def slow_at_first(*arguments):
        monkeypatch.undo()
        time.sleep(0.5)
        return brush_shape(*arguments)

    address, path = corrected
    visit(browser, address, 1280)
    monkeypatch.setattr("geoseg.view.routes.brush_shape", slow_at_first)
    for key in ("b", "1", " ", "2", " "):
        browser.press(key)
    browser.until("document.getElementById('corrected').innerText.startsWith('2 in')")
    assert read_vector(path)["class"].tolist() == ["water", "<b>crop & grass</b>"]


def test_a_polygon_is_drawn_and_still_there_on_the_next_visit(corrected, browser):
    address, path = corrected
    visit(browser, address, 1280)
    browser.press("g")
    browser.press("3")
    corners = [(100, 100), (100, 200), (200, 200), (200, 100)]
    for row, col in corners:
        browser.drag(place_of(browser, row, col))
    browser.press("Enter")
    browser.until("!document.getElementById('undo').disabled")
    frame = read_vector(path)
    assert frame["class_id"].tolist() == [7]
    assert frame.area[0] / 100 == pytest.approx(100 * 100, rel=0.03)
    visit(browser, address, 1280)
    browser.until("document.getElementById('corrected').innerText.startsWith('1 in')")
    x, y = (round(v) for v in place_of(browser, 150, 120))  # on the side of the scene
    pixels = screen(browser)[y - 20 : y + 20, x - 10 : x + 10].reshape(-1, 3).mean(0)
    [rgb] = [c.rgb for c in LEGEND.classes if c.value == 7]
    assert np.abs(pixels - rgb).max() < 75  # three quarters of its colour


def test_all_can_be_done_with_the_keyboard(corrected, browser):
    address, path = corrected
    visit(browser, address, 390)
    browser.press("?")
    assert "whole map" in text_of(browser, "#help")
    browser.press("b")  # nothing happens behind the help
    browser.value("document.getElementById('help').close()")
    browser.value("document.getElementById('opacity').focus()")
    browser.press("d")
    assert browser.value("document.body.classList.contains('side')")
    browser.press("s")
    browser.value("document.activeElement.blur()")  # its arrow keys move the slider
    browser.press(" ")
    browser.until("document.querySelectorAll('#pixel dd').length > 5")
    assert not path.exists()
    for key in ("+", "g", "1", " ", "ArrowRight", " ", "ArrowDown", " ", "Enter"):
        browser.press(key)
    browser.until("!document.getElementById('undo').disabled")
    [area] = read_vector(path).area
    assert area / 100 == pytest.approx(120 * 120 / 2)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_saved_page_is_seen_without_a_server(files, browser, tmp_path, width):
    page = tmp_path / "map.html"
    save_page(files.scene, files.map, page, settings=ViewSettings(compare=files.second))
    view = browser.open(page, width)
    browser.until(READY)
    assert browser.console_messages() == []
    assert browser.requests() == [page.as_uri()]
    assert view.width <= width
    assert all(name in text_of(browser, "#legend") for name in LEGEND.names)
    for value in LEGEND.values:
        assert share_of(screen(browser), value) > 0.005
