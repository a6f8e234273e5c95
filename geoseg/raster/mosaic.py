"""Mosaics: scenes that overlap or touch, as one scene."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import SceneError
from geoseg.geodesy import apply_affine, rectangle_outline
from geoseg.grid import Window
from geoseg.longitudes import nearest_turn, turn_of
from geoseg.raster.scene import Layer, Scene
from geoseg.raster.warp import warped_to

_SAME_PLACE = 0.01
"""Two scenes have one grid if the corners of their pixels differ by less than this (px)."""


def mosaic(scenes: Sequence[Scene]) -> Scene:
    """Return the scenes as one, the first on top, on the grid of the first.

    Scenes on that grid keep their pixels; others are warped onto it bilinearly as they are read.

    Args:
        scenes: files or stacks, with their bands chosen.

    Raises:
        SceneError: if there is no scene, if the scenes differ in the number of bands, if one has no
            georeference, or if one on another grid touches no other scene.
    """
    if not scenes:
        raise SceneError("the mosaic is empty, give at least one scene")
    first = scenes[0]
    if len(scenes) == 1:
        return first
    layers = [_layer(scene, first) for scene in scenes]
    for layer, scene in zip(layers, scenes, strict=True):
        if layer.scene is not scene and not any(
            _touch(layer, other) for other in layers if other is not layer
        ):
            raise SceneError(
                f"{scene.path} has another grid than {first.path} and touches no other scene of "
                "the mosaic, classify it separately"
            )
    row, col = min(layer.row for layer in layers), min(layer.col for layer in layers)
    moved = tuple(Layer(layer.scene, layer.row - row, layer.col - col) for layer in layers)
    transform = first.affine @ Affine.translation(col, row)
    return replace(
        first,
        path=f"mosaic of {first.path} and {len(scenes) - 1} more",
        height=max(layer.row + layer.scene.height for layer in moved),
        width=max(layer.col + layer.scene.width for layer in moved),
        dtype=str(np.result_type(*{np.dtype(scene.dtype) for scene in scenes})),
        transform=tuple(transform)[:6],
        layers=moved, stack=(), warped=None, file_bands=(), virtual=False,
        size=None, modified=None, version=None,
    )  # fmt: skip


def _layer(scene: Scene, first: Scene) -> Layer:
    """Return a scene on the grid of the first one, warped onto it if it has another grid."""
    _check_fits(scene, first)
    offset = _offset_on_grid(scene, first)
    if offset is not None:
        return Layer(scene, *offset)
    cols, rows = _border_on_grid(scene, first)
    row, col = math.floor(rows.min()), math.floor(cols.min())
    transform = first.affine @ Affine.translation(col, row)
    grid = replace(
        first, height=math.ceil(rows.max()) - row, width=math.ceil(cols.max()) - col,
        transform=tuple(transform)[:6],
    )  # fmt: skip
    return Layer(warped_to(scene, grid, "bilinear"), row, col)


def _check_fits(scene: Scene, first: Scene) -> None:
    if len(scene.bands) != len(first.bands):
        raise SceneError(
            f"{scene.path} has {len(scene.bands)} bands, and {first.path} has {len(first.bands)}, "
            "choose the same bands of all scenes of a mosaic (bands, --bands)"
        )
    if (scene.crs is None) != (first.crs is None):
        without, other = (scene, first) if scene.crs is None else (first, scene)
        raise SceneError(
            f"{without.path} has no CRS and {other.path} has one, so their places in a mosaic are "
            "unknown, give it its CRS (gdal_edit.py -a_srs)"
        )
    if scene is not first and scene.crs is None and scene.affine == Affine.identity():
        raise SceneError(
            f"{scene.path} has no georeference, so its place in a mosaic is unknown, georeference "
            "it first"
        )


def _offset_on_grid(scene: Scene, first: Scene) -> tuple[int, int] | None:
    """Row and column where a scene begins on the grid of the first; None on another grid."""
    if scene is first:
        return 0, 0
    if scene.crs != first.crs and CRS.from_user_input(scene.crs) != CRS.from_user_input(first.crs):
        return None
    x, _ = _centre(scene)
    shift = _nearest_longitudes(np.array([x]), first)[0] - x
    to_grid = ~first.affine @ Affine.translation(shift, 0) @ scene.affine
    corners = np.array([to_grid @ (0, 0), to_grid @ (scene.width, scene.height)])
    col, row = np.rint(corners[0]).astype(int).tolist()
    expected = np.array([(col, row), (col + scene.width, row + scene.height)])
    return (row, col) if np.abs(corners - expected).max() < _SAME_PLACE else None


def _border_on_grid(scene: Scene, first: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and rows of points on the border of a scene, on the grid of the first one."""
    cols, rows = rectangle_outline(0, 0, scene.width, scene.height)
    try:
        transformer = Transformer.from_crs(scene.crs, first.crs, always_xy=True)
        x, y = transformer.transform(*apply_affine(scene.affine, cols, rows), errcheck=True)
    except ProjError as error:
        raise SceneError(
            f"{scene.path} cannot be placed in the CRS of {first.path} ({error}), check its CRS"
        ) from None
    return apply_affine(~first.affine, _nearest_longitudes(x, first), y)


def _nearest_longitudes(x: NDArray[np.float64], first: Scene) -> NDArray[np.float64]:
    """Move longitudes by whole turns to those of the first scene: -179 becomes 181 beside 179.

    Coordinates in metres stay as they are.
    """
    return nearest_turn(x, _centre(first)[0], turn_of(first.crs))


def _centre(scene: Scene) -> tuple[float, float]:
    x, y = scene.affine @ (scene.width / 2, scene.height / 2)
    return x, y


def _touch(one: Layer, other: Layer) -> bool:
    """Whether two layers overlap, or are at most a pixel apart."""
    row, col = min(one.row, other.row) - 1, min(one.col, other.col) - 1
    first, second = (
        Window(
            layer.row - row - 1, layer.col - col - 1, layer.scene.height + 2, layer.scene.width + 2
        )
        for layer in (one, other)
    )
    return first.intersection(second) is not None
