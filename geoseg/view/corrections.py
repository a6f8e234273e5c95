"""Corrections of a map: polygons with the right class, in a GeoPackage."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.files import check_file_name
from geoseg.geodesy import transform_geometries
from geoseg.legend import LandCoverClass, Legend
from geoseg.raster import Scene
from geoseg.view.corrections_file import Correction, CorrectionsFile, read_corrections
from geoseg.view.polygons import rings_of

MAX_VERTICES = 20_000
"""Largest number of vertices of one drawn shape."""
_MAX_WIDTH = 4096
"""Largest width of the brush (px)."""


@dataclass(slots=True)
class Corrections:
    """The corrections of a map, and the file that holds them; any thread may call its methods.

    Each correction, undo and redo changes the file. Of corrections that overlap, the later one
    counts, as `geoseg tile --labels` reads them.
    """

    file: CorrectionsFile | None
    """None if the page takes no corrections."""
    grid: Scene
    classes: tuple[LandCoverClass, ...]
    author: str = ""
    done: list[Correction] = field(default_factory=list)
    """The corrections in the order in which they were drawn, without those that were undone."""
    _undone: list[Correction] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def path(self) -> Path | None:
        """Path of the file; None if no corrections can be made."""
        return None if self.file is None else self.file.path

    def add(self, shape: Any, class_id: int) -> None:  # noqa: ANN401 - of shapely
        """Add a correction.

        Args:
            shape: polygon or multipolygon with vertices (col, row); parts outside of the map are
                cut off.
            class_id: value of the class.

        Raises:
            LabelError: if the legend has no such class, or the shape covers no area of the map.
            OutputError: if the file cannot be written; the correction is not kept then.
        """
        names = {c.value: c.name for c in self.classes}
        if class_id not in names:
            raise LabelError(f"{class_id} is not a class of the map, choose one of the legend")
        geometry = transform_geometries(_clip(shape, self.grid), self.grid.affine).item()
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        new = Correction(geometry, class_id, names[class_id], time, self.author)
        with self._lock:
            self.done.append(self._append(new))
            self._undone.clear()

    def undo(self) -> None:
        """Take the last correction back; do nothing if there is none.

        Raises:
            OutputError: if the file cannot be written.
        """
        with self._lock:
            if self.done:
                last = self.done[-1]
                self._undone.append(last if self.file is None else self.file.delete(last))
                self.done.pop()

    def redo(self) -> None:
        """Repeat the correction that was taken back last; do nothing if there is none.

        Raises:
            OutputError: if the file cannot be written.
        """
        with self._lock:
            if self._undone:
                self.done.append(self._append(self._undone[-1]))
                self._undone.pop()

    def to_dict(self) -> dict[str, Any]:
        """Return the corrections, with rings in pixels, and how many can be undone and redone."""
        with self._lock:
            done, undone = list(self.done), len(self._undone)
        geometries = np.array([c.geometry for c in done], object)
        pixels = transform_geometries(geometries, ~self.grid.affine) if done else geometries
        return {
            "corrections": [
                {
                    "class_id": c.class_id, "class": c.class_name, "time": c.time,
                    "author": c.author, "rings": rings_of(shape),
                }
                for c, shape in zip(done, pixels, strict=True)
            ],
            "undo": len(done),
            "redo": undone,
        }  # fmt: skip

    def _append(self, correction: Correction) -> Correction:
        return correction if self.file is None else self.file.append(correction)


def open_corrections(path: str | Path, grid: Scene, legend: Legend, author: str) -> Corrections:
    """Open a file of corrections, or begin a new one, which is written with the first correction.

    Args:
        path: GeoPackage.
        grid: the map.
        legend: classes of the map.
        author: written with each new correction.

    Raises:
        OutputError: if the name does not end in .gpkg, or the file holds no corrections or cannot
            be changed.
        LabelError: if a correction has a class that the legend does not have.
        VectorError: if the file cannot be read, or has another CRS than the map.
    """
    path = Path(path)
    check_file_name(path, ".gpkg")
    file, done = read_corrections(path, grid, legend)
    return Corrections(file, grid, legend.classes, author, done)


def polygon_shape(vertices: NDArray[np.float64]) -> Any:  # noqa: ANN401 - of shapely
    """Return the polygon of vertices (n, 2) as (col, row); it is divided where it crosses itself.

    Raises:
        LabelError: if there are less than three vertices.
    """
    if len(vertices) < 3:
        raise LabelError("a polygon needs at least three vertices, draw more")
    return shapely.make_valid(shapely.Polygon(vertices))


def brush_shape(path: NDArray[np.float64], width: float) -> Any:  # noqa: ANN401 - of shapely
    """Return the area that a round brush paints along a path.

    The points of the path are moved to the centres of their pixels, so that a brush of any width
    covers these centres.

    Args:
        path: (n, 2) points (col, row), at least one.
        width: of the brush (px), 1 to 4096.

    Raises:
        LabelError: if there is no point, or the width is out of range.
    """
    if not 1 <= width <= _MAX_WIDTH or len(path) == 0:
        raise LabelError(
            f"a brush stroke has at least one point and a width of 1 to {_MAX_WIDTH} px, "
            "paint again"
        )
    centres = np.floor(path) + 0.5
    line = shapely.Point(centres[0]) if len(centres) == 1 else shapely.LineString(centres)
    return shapely.buffer(line, width / 2)


def _clip(shape: Any, grid: Scene) -> Any:  # noqa: ANN401 - of shapely
    """Return the polygons of a shape inside of the map."""
    inside = shapely.intersection(shape, shapely.box(0, 0, grid.width, grid.height))
    parts = shapely.get_parts(inside)
    polygons = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    polygons = polygons[shapely.area(polygons) > 0]
    if not polygons.size:
        raise LabelError("the shape covers nothing of the map, draw inside of it")
    return polygons[0] if polygons.size == 1 else shapely.MultiPolygon(list(polygons))
