"""One HTML file that shows a scene, its map and the legend, to send to somebody."""

import base64
import json
from pathlib import Path

from geoseg.errors import check_type
from geoseg.files import atomic_file, check_file_name, check_not_there
from geoseg.grid import Window
from geoseg.raster import level_shape, read_level, rgb_jpeg, rgba_png
from geoseg.view.legend import count_areas
from geoseg.view.map_tiles import class_colors, draw_image, draw_values, first_level, open_map_tiles
from geoseg.view.settings import ViewSettings
from geoseg.view.sources import Sources, open_sources

_PAGE = Path(__file__).with_name("page")
_MAX_SIDE = 2000
"""Longest side (px) of the pictures."""
_BACKGROUND = (0xD8, 0xDC, 0xE1)
"""Colour behind the maps, as in page.css."""


def save_page(
    scene: str | Path,
    lulc: str | Path | None,
    out: str | Path,
    *,
    settings: ViewSettings = ViewSettings(),
    overwrite: bool = False,
) -> None:
    """Write one HTML file that shows a scene and its map at 2,000 px a side at most.

    Args:
        scene: anything GDAL opens, or a product.
        lulc: the map; None to show the scene alone.
        out: file to write, .html.
        settings: legend, bands, nodata and second map; the other files are not shown.
        overwrite: replace an existing file.

    Raises:
        OutputError: if the file exists, or cannot be written.
        GeosegError: if a file cannot be read, see `open_view`.
    """
    check_type("settings", settings, ViewSettings)
    out = Path(out)
    check_file_name(out, ".html")
    check_not_there(out, overwrite=overwrite, inputs=[scene, lulc])
    sources = open_sources(scene, lulc, settings)
    page = _fill(sources)
    with atomic_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _fill(sources: Sources) -> str:
    """Return the page, with styles, scripts and pictures inside."""
    grid = sources.grid
    level = first_level(grid, _MAX_SIDE)
    height, width = level_shape(grid, level)
    whole = Window(0, 0, height, width)
    pixels, valid = read_level(sources.shown, level, whole)
    image = draw_image(pixels, valid, open_map_tiles(sources).ranges)[..., :3]
    image[~valid] = _BACKGROUND  # a JPEG has no transparency
    maps = {}
    for layer, raster in sources.maps_by_layer.items():
        values, known = read_level(raster.scene, level, whole)
        drawn = draw_values(values[0], known, class_colors(raster, frozenset()))
        maps[layer] = _data_url("image/png", rgba_png(drawn))
    data = {
        "name": sources.name,
        "height": height * 2**level,
        "width": width * 2**level,
        "reduced": 2**level,
        "pictures": {"image": _data_url("image/jpeg", rgb_jpeg(image)), **maps},
        "legend": {layer: count_areas(raster) for layer, raster in sources.maps_by_layer.items()},
    }
    # "</script>" in a name would end the script.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    page = (_PAGE / "saved.html").read_text(encoding="utf-8")
    for name in _FILES:
        page = page.replace(f"/* {name} */", (_PAGE / name).read_text(encoding="utf-8"))
    # Last, because a class may be called "/* page.css */".
    return page.replace("/* DATA */", f"const DATA = {text};")


_FILES = (
    "leaflet.css", "page.css", "leaflet.js", "pixels.js", "swipe.js", "legend.js", "saved.js",
)  # fmt: skip
"""The files whose content is put into the page."""


def _data_url(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"
