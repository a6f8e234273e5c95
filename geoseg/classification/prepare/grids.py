"""The pixels that the network reads, and those of the map."""

import logging
import math
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from geoseg.classification.settings import ClassifySettings
from geoseg.errors import RunError, redact
from geoseg.geodesy import apply_affine, rectangle_outline
from geoseg.grid import MapGrid, Window, WindowGrid
from geoseg.longitudes import rejoined, turn_of
from geoseg.model import AnyModel
from geoseg.raster import Scene

log = logging.getLogger("geoseg")

_TOLERANCE = 1.25
"""A scene is read as it is if its pixels are at most this factor larger or smaller than in the
training."""
_LARGEST_PIXELS = 4.0
"""A scene whose pixels are larger than in the training by more than this factor is read as it is:
smaller pixels would show no more detail."""
_ON_EDGE = 1e-6
"""Distance from the edge of a pixel up to which a box counts as ending on that edge (px)."""


@dataclass(frozen=True, slots=True)
class Grids:
    """A scene on the grid of the map and on that of the network's input."""

    scene: Scene
    input: Scene
    map_grid: MapGrid
    window_grid: WindowGrid
    """The windows over the input."""


def choose_grids(scene: Scene, model: AnyModel, settings: ClassifySettings) -> Grids:
    """Return the scene as the network reads it, and as the map shows it.

    Raises:
        SceneError: if a pixel size is wanted, and that of the scene is unknown.
        RunError: if the pixel size of the model is wanted and unknown, a box is outside of the
            scene, or the overlap is not smaller than the window.
    """
    target = _pixel_size(scene, model, settings.resolution)
    network_input = scene if target is None else scene.with_pixel_size(target)
    if network_input is not scene:
        log.info(
            "%s is read in pixels of %.3g m in place of %.3g m",
            redact(scene.path), target, scene.pixel_size,
        )  # fmt: skip
    raster = network_input if settings.grid == "model" else scene
    part = raster.window
    if settings.bbox is not None:
        part = _window_of_box(raster, settings.bbox, settings.bbox_crs)
    input_size = (network_input.height, network_input.width)
    window, overlap = model.spec.window, settings.overlap
    if overlap >= window:
        raise RunError(
            f"overlap {overlap} is not smaller than the model's window of {window} px, give a "
            "smaller one (overlap, --overlap)"
        )
    return Grids(
        raster.crop(part),
        network_input,
        MapGrid(part, (raster.height, raster.width), input_size),
        WindowGrid(*input_size, window, window - overlap),
    )


def _pixel_size(scene: Scene, model: AnyModel, resolution: float | str | None) -> float | None:
    """Ground size of the pixels that the network reads (m); None for those of the scene."""
    size, trained = scene.pixel_size, model.pixel_size_range
    if resolution == "scene":
        return None
    if isinstance(resolution, float | int):
        return float(resolution)
    if size is None or trained is None:
        if resolution == "model":
            which = scene.path if size is None else f"model {model.path}"
            raise RunError(
                f"the size of the pixels of {which} is unknown, give the resolution in metres "
                "(--resolution)"
            )
        return None
    low, high = trained
    tolerance = 1.0 if resolution == "model" else _TOLERANCE
    too_large = resolution is None and size > high * _LARGEST_PIXELS
    if too_large or low / tolerance <= size <= high * tolerance:
        return None
    return math.sqrt(low * high)


def _window_of_box(
    raster: Scene, box: tuple[float, float, float, float], crs: str | None
) -> Window:
    """Return the pixels of a raster that a box touches: west, south, east, north."""
    x, y = rectangle_outline(*box)
    if crs is not None:
        x, y = _to_crs_of(raster, crs, x, y)
    x = _on_longitudes_of(raster, x, y)
    cols, rows = apply_affine(~raster.affine, x, y)
    row, col = (max(0, math.floor(values.min() + _ON_EDGE)) for values in (rows, cols))
    row_end = min(raster.height, math.ceil(rows.max() - _ON_EDGE))
    col_end = min(raster.width, math.ceil(cols.max() - _ON_EDGE))
    if row_end <= row or col_end <= col:
        corners = np.array([(0, 0), (raster.width, raster.height)], float)
        (left, right), (top, bottom) = apply_affine(raster.affine, *corners.T)
        xs, ys = sorted((left, right)), sorted((top, bottom))
        raise RunError(
            f"the box {_numbers(*box)} is outside of {raster.path}, which has "
            f"{_numbers(xs[0], ys[0], xs[1], ys[1])}, check its coordinates and its CRS (bbox, "
            "--bbox)"
        )
    return Window(row, col, row_end - row, col_end - col)


def _on_longitudes_of(raster: Scene, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Move the points of a box by a whole turn to the longitudes of a raster in degrees."""
    turn = turn_of(raster.crs)
    if not turn:
        return x
    cols, rows = rectangle_outline(0, 0, raster.width, raster.height)
    lon, _ = apply_affine(raster.affine, cols, rows)
    if x.max() - x.min() >= turn:  # around the world
        return np.asarray(np.interp(x, (x.min(), x.max()), (lon.min(), lon.max())))
    points = rejoined(np.array([shapely.multipoints(np.column_stack([x, y]))]), turn)
    x = shapely.get_coordinates(points)[:, 0]
    shifts = (0.0, -turn, turn)
    overlaps = [min(x.max() + s, lon.max()) - max(x.min() + s, lon.min()) for s in shifts]
    return x + shifts[int(np.argmax(overlaps))]


def _numbers(*values: float) -> str:
    return ",".join(f"{value:.10g}" for value in values)


def _to_crs_of(
    raster: Scene, crs: str, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Transform coordinates to the CRS of a raster."""
    if raster.crs is None:
        raise RunError(
            f"{raster.path} has no CRS, so the box must be in its coordinates, leave out --bbox-crs"
        )
    try:
        transformer = Transformer.from_crs(CRS.from_user_input(crs), raster.crs, always_xy=True)
        transformed: tuple[np.ndarray, np.ndarray] = transformer.transform(x, y, errcheck=True)
    except CRSError:
        raise RunError(f"unknown CRS {crs!r}, give a code such as EPSG:4326 (--bbox-crs)") from None
    except ProjError as error:
        raise RunError(f"the box cannot be transformed from {crs} ({error}), check it") from None
    return transformed
