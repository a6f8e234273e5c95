"""Answers to the requests of the page; `geoseg.view.server` sends them over the network.

No part of a request is ever used as the name of a file.
"""

import json
import logging
import re
import threading
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from geoseg.errors import GeosegError
from geoseg.grid import Window
from geoseg.view.corrections import MAX_VERTICES, Corrections, brush_shape, polygon_shape
from geoseg.view.legend import count_areas
from geoseg.view.map_tiles import MapTiles, max_level
from geoseg.view.pixel import describe_pixel
from geoseg.view.places import least_certain_places
from geoseg.view.polygons import polygons_in

log = logging.getLogger(__name__)

_PAGE = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_PAGE_FILES = {
    path.name: path for path in _PAGE.iterdir() if path.suffix in _TYPES and path.stem != "saved"
}
"""Files of the page by name; no other file is ever sent."""
_TILE = re.compile(r"tiles/(\w{1,20})/(\d{1,2})/(\d{1,7})/(\d{1,7})\.png", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
MAX_BYTES = 1 << 20
"""Largest size of the body of a request (bytes)."""
_MAX_CHARACTERS = 2048
"""Largest length of the path and query of a request (characters)."""


class RequestError(Exception):
    """A request that has no answer, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the status and one sentence."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, type and bytes of an answer."""

    status: int
    content_type: str
    body: bytes
    keep: bool = False
    """True if the browser may store the answer and use it again."""


@dataclass(frozen=True, slots=True)
class Page:
    """Answers the requests of one page, in any thread."""

    tiles: MapTiles
    corrections: Corrections
    places: list[dict[str, Any]] | None = None
    """Places of a file, see `places_in_file`; None for the least certain places of the map."""
    _counted: dict[str, Any] = field(default_factory=dict, init=False)
    _counting: threading.Lock = field(default_factory=threading.Lock, init=False)

    def answer(self, method: str, target: str, body: bytes = b"") -> Answer:
        """Answer a request; the answer to a wrong one is JSON with the key error, a sentence.

        Args:
            method: "GET" or "POST".
            target: path and query, after the token: "tiles/map/0/0/0.png".
            body: JSON of a POST.
        """
        try:
            return self._answer(method, target, body)
        except RequestError as error:
            return error_answer(error.status, str(error))
        except GeosegError as error:
            return error_answer(409, str(error))
        except Exception:  # one failure does not end the server
            log.exception("geoseg failed to answer %s %.80s", method, target)
            return error_answer(500, "geoseg failed to answer, its log says why")

    def _answer(self, method: str, target: str, body: bytes) -> Answer:
        if len(target) > _MAX_CHARACTERS or len(body) > MAX_BYTES:
            raise RequestError(413, "the request is too long")
        try:
            parts = urlsplit(target)
            query = parse_qs(parts.query, max_num_fields=10)
        except ValueError:
            raise RequestError(400, "the address is malformed") from None
        path = parts.path
        if method == "POST":
            return self._change(path, body)
        if method != "GET":
            raise RequestError(405, f"{method[:10]} is not a method of this page")
        if tile := _TILE.fullmatch(path):
            return self._tile(*tile.groups(), off=query.get("off", [""])[0])
        if path in ("", *_PAGE_FILES):
            file = _PAGE_FILES[path or "index.html"]
            content_type = f"{_TYPES[file.suffix]}; charset=utf-8"
            return Answer(200, content_type, _read(file))
        if path == "pixel":
            return self._pixel(query)
        if path == "polygons":
            return self._polygons(query)
        if path in ("view", "legend", "places", "corrections"):
            return _json(self._described(path))
        raise RequestError(404, "there is nothing at this address")

    def _tile(self, layer: str, level: str, row: str, col: str, *, off: str) -> Answer:
        values = off.split(",") if off else []
        if not all(_NUMBER.fullmatch(value) for value in values):
            raise RequestError(400, "off is a list of class values, such as 1,5")
        hidden = frozenset(value for value in map(int, values) if value < 256)
        try:
            png = self.tiles.png(layer, int(level), int(row), int(col), hidden)
        except KeyError:
            raise RequestError(404, "there is no such tile") from None
        return Answer(200, "image/png", png, keep=True)

    def _described(self, what: str) -> dict[str, Any]:
        """Return the content of view, legend, places or corrections.

        Legend and places are computed once, by the first request.
        """
        if what == "corrections":
            return self.corrections.to_dict()
        if what == "view":
            return self._view()
        with self._counting:
            if what not in self._counted:
                self._counted[what] = self._legend() if what == "legend" else self._places()
            counted: dict[str, Any] = self._counted[what]
            return counted

    def _view(self) -> dict[str, Any]:
        sources = self.tiles.sources
        grid, path = sources.grid, self.corrections.path
        return {
            "name": sources.name,
            "height": grid.height,
            "width": grid.width,
            "levels": max_level(grid),
            "layers": self.tiles.layers,
            "has_polygons": sources.polygons is not None,
            "places": self._kind_of_places(),
            "corrections_file": None if path is None else path.name,
            "classes": [asdict(c) for c in self.corrections.classes],
        }

    def _legend(self) -> dict[str, Any]:
        maps = self.tiles.sources.maps_by_layer
        return {layer: count_areas(raster) for layer, raster in maps.items()}

    def _kind_of_places(self) -> str | None:
        """Return the title of the places; None if there are none."""
        if self.places is not None:
            return "Places"
        return None if self.tiles.sources.confidence is None else "Least certain places"

    def _places(self) -> dict[str, Any]:
        confidence = self.tiles.sources.confidence
        if self.places is not None or confidence is None:
            return {"places": self.places or []}
        return {"places": least_certain_places(confidence)}

    def _pixel(self, query: dict[str, list[str]]) -> Answer:
        grid = self.tiles.sources.grid
        row, col = _whole(query, "row", grid.height - 1), _whole(query, "col", grid.width - 1)
        return _json(describe_pixel(self.tiles.sources, row, col))

    def _polygons(self, query: dict[str, list[str]]) -> Answer:
        grid = self.tiles.sources.grid
        row, col = _whole(query, "row", grid.height - 1), _whole(query, "col", grid.width - 1)
        level = _whole(query, "level", max_level(grid))
        height, width = _whole(query, "height", grid.height), _whole(query, "width", grid.width)
        window = Window(row, col, max(1, height), max(1, width))
        return _json(polygons_in(self.tiles.sources, window, level))

    def _change(self, path: str, body: bytes) -> Answer:
        if path not in ("correct", "undo", "redo"):
            raise RequestError(404, "there is nothing to change at this address")
        if self.corrections.path is None:
            raise RequestError(403, "corrections need a file, start geoseg view with --corrections")
        if path == "undo":
            self.corrections.undo()
        elif path == "redo":
            self.corrections.redo()
        else:
            shape, class_id = _drawn(body)
            self.corrections.add(shape, class_id)
        return _json(self.corrections.to_dict())


def _whole(query: dict[str, list[str]], name: str, largest: int) -> int:
    """Return a whole number of a query, 0 to ``largest``."""
    text = query.get(name, [""])[0]
    if not _NUMBER.fullmatch(text) or int(text) > largest:
        raise RequestError(400, f"{name} is a whole number from 0 to {largest}")
    return int(text)


def _drawn(body: bytes) -> tuple[Any, int]:
    """Read a drawn shape from JSON: return its geometry (shapely, px) and its class value."""
    wrong = RequestError(
        400, "a correction is JSON with class_id, kind (polygon or brush), points and width"
    )
    try:
        data = json.loads(body)
        class_id, kind, width = data["class_id"], data["kind"], data.get("width", 1)
        points = np.array(data["points"], float)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise wrong from None
    numbers = type(class_id) is int and type(width) in (int, float)
    if not numbers or points.ndim != 2 or points.shape[1] != 2:
        raise wrong
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > 1e9:
        raise wrong
    if len(points) > MAX_VERTICES:
        raise RequestError(413, f"a shape has at most {MAX_VERTICES:,} points, draw a smaller one")
    if kind == "polygon":
        return polygon_shape(points), class_id
    if kind == "brush":
        return brush_shape(points, width), class_id
    raise wrong


@cache
def _read(file: Path) -> bytes:
    return file.read_bytes()


def _json(data: dict[str, Any]) -> Answer:
    return Answer(200, "application/json", json.dumps(data, allow_nan=False).encode())


def error_answer(status: int, message: str) -> Answer:
    """Return an error as JSON."""
    return Answer(status, "application/json", json.dumps({"error": message}).encode())
