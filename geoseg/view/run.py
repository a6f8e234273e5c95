"""Show a scene and its map in the browser."""

import os
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from geoseg.errors import LabelError, check_type
from geoseg.files import output_lock
from geoseg.view.corrections import Corrections, open_corrections
from geoseg.view.map_tiles import open_map_tiles
from geoseg.view.places import places_in_file
from geoseg.view.routes import Page
from geoseg.view.server import serving
from geoseg.view.settings import ViewSettings
from geoseg.view.sources import Sources, open_sources


@contextmanager
def open_view(
    scene: str | Path,
    lulc: str | Path | None = None,
    *,
    settings: ViewSettings = ViewSettings(),
    corrections: str | Path | None = None,
    author: str = "",
    port: int = 0,
) -> Iterator[str]:
    """Serve a page that shows a scene and its map, until the end of the block.

    Only programs of this machine that know the address can open it. Corrections of the map that
    are drawn on the page are written to a file after each shape, undo and redo.

    Args:
        scene: the scene of the map: anything GDAL opens, or a product.
        lulc: the map, a class raster; None to show the scene alone.
        settings: further files to show.
        corrections: GeoPackage of corrections, which may exist already; None for no corrections.
        author: written with each correction.
        port: of 127.0.0.1; 0 for any free one.

    Yields:
        The address of the page.

    Raises:
        SceneError: if a raster cannot be read, or cannot be placed on the map.
        LabelError: if the map is no class raster, or corrections are asked for without a map.
        VectorError: if the polygons, places or corrections cannot be read, or lie elsewhere.
        OutputError: if the corrections cannot be written there.
        InterruptedRun: if another page writes the same corrections.
        GeosegError: if the port cannot be used.
    """
    check_type("settings", settings, ViewSettings)
    sources = open_sources(scene, lulc, settings)
    with ExitStack() as stack:
        drawn = _open_corrections(sources, corrections, author, stack)
        given = settings.places
        places = None if given is None else places_in_file(given, sources.grid)
        page = Page(open_map_tiles(sources), drawn, places)
        yield stack.enter_context(serving(page, port))


def _open_corrections(
    sources: Sources, path: str | Path | None, author: str, stack: ExitStack
) -> Corrections:
    """Open the file of corrections, and lock it until the stack is closed."""
    if path is not None and not sources.maps:
        raise LabelError("corrections need the classes of a map, give LULC too")
    if path is None:
        return Corrections(None, sources.grid, ())
    drawn = open_corrections(path, sources.grid, sources.maps[0].legend, author)
    lock = Path(path).with_name(f".{Path(path).name}.lock")
    stack.enter_context(output_lock(lock, Path(path), "geoseg view"))
    return drawn


def serve(
    scene: str | Path,
    lulc: str | Path | None = None,
    *,
    settings: ViewSettings = ViewSettings(),
    corrections: str | Path | None = None,
    author: str = "",
    port: int = 0,
    started: Callable[[str], None],
) -> None:
    """Serve the page of `open_view` until Ctrl-C.

    Takes the arguments of `open_view`, and ``started``, which is called with the address of the
    page once it can be opened.

    Raises:
        GeosegError: see `open_view`.
    """
    with (
        suppress(KeyboardInterrupt),
        open_view(
            scene, lulc, settings=settings, corrections=corrections, author=author, port=port
        ) as address,
    ):
        started(address)
        while True:
            time.sleep(3600)


def open_browser(address: str) -> bool:
    """Open a page in the browser of the user; return True if a browser was started.

    Without a display, no browser is started: it would be a text browser, which cannot show maps.
    """
    no_display = not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and no_display:
        return False
    return webbrowser.open(address)
