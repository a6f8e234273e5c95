"""The pictures of the page: image, map, reference, and where map and reference differ."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.thumbnails import Thumbnails
from geoseg.legend import NODATA, Legend

_AGREEMENT, _NO_COMPARISON = (228, 232, 235), (255, 255, 255)
"""Colours of pixels of the same class, and of pixels that are not labelled in both."""
_DIFFERENCE_COLORS = ((196, 43, 28), (20, 20, 20), (230, 0, 180), (0, 190, 230), (255, 150, 0))
"""Colours for differences: the first one that is unlike the colours of all classes is used."""
_CONTRAST = 120.0
"""Distance of two colours in RGB from which they are easy to tell apart."""
_MIN_SIZE = 96
"""Smallest side of a picture that is cut to the reference (px before it is magnified)."""
_MARGINS = 1.1
"""Side of a picture that is cut to the reference, relative to the reference."""
_MIN_SIDE_RATIO = 0.8
"""Smallest ratio of the sides of a picture that is cut to the reference."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A point on a picture."""

    x: float
    y: float
    """Position on the picture (px)."""
    color: str
    """Colour of the reference class."""
    agrees: bool
    """Whether the map has the same class."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page."""

    caption: str
    uri: str
    """The picture as a data URI."""
    height: int
    width: int
    markers: tuple[Marker, ...] = ()

    @property
    def marker_radius(self) -> float:
        """Radius of a marker (px)."""
        return max(self.height, self.width) / (70 if len(self.markers) < 300 else 110)


def build_pictures(thumbnails: Thumbnails, legend: Legend) -> Iterator[Picture]:
    """Yield the pictures that the thumbnails allow, in the order of the page."""
    colors = np.full((NODATA + 1, 3), 255, np.uint8)
    for c in legend.classes:
        colors[c.value] = c.rgb
    mapped, reference = thumbnails.mapped, thumbnails.reference
    if thumbnails.image is not None:
        yield encode_picture("Scene", thumbnails.image, "jpeg")
    picture = encode_picture("Map", colors[mapped])
    if thumbnails.points is not None:
        markers = _markers(thumbnails.points, legend, picture)
        picture = replace(picture, caption="Map and points", markers=markers)
    yield picture
    if reference is not None:
        yield encode_picture("Reference", colors[reference])
        labelled = (mapped != NODATA) & (reference != NODATA)
        codes = np.where(labelled, np.where(mapped == reference, 0, 1), 2)
        palette = np.array([_AGREEMENT, difference_color(legend), _NO_COMPARISON], np.uint8)
        yield encode_picture("Differences", palette[codes])


def cut_to_reference(thumbnails: Thumbnails) -> Thumbnails:
    """Cut thumbnails to the surroundings of the reference, if that is less than half of the map.

    Returns:
        Cut thumbnails; else the same object, also if no pixel of the thumbnail is labelled.
    """
    height, width = thumbnails.mapped.shape
    image, points, reference = thumbnails.image, thumbnails.points, thumbnails.reference
    rows = cols = np.empty(0)
    if points is not None:
        rows, cols = points[:, 0] * height, points[:, 1] * width
    elif reference is not None:
        rows, cols = (indices.astype(np.float64) for indices in np.nonzero(reference != NODATA))
    if not len(rows):
        return thumbnails
    tall, wide = (_MARGINS * float(np.ptp(positions) + 1) for positions in (rows, cols))
    top, bottom = _range(rows, max(tall, _MIN_SIDE_RATIO * wide), height)
    left, right = _range(cols, max(wide, _MIN_SIDE_RATIO * tall), width)
    if (bottom - top) * (right - left) > height * width / 2:
        return thumbnails
    if image is not None:
        down, across = image.shape[0] / height, image.shape[1] / width
        # At least one pixel, of an image of any size.
        image = image[
            int(top * down) : ceil(bottom * down), int(left * across) : ceil(right * across)
        ]
    if points is not None:
        points = points.copy()
        points[:, 0] = (rows - top) / (bottom - top)
        points[:, 1] = (cols - left) / (right - left)
    if reference is not None:
        reference = reference[top:bottom, left:right]
    return Thumbnails(thumbnails.mapped[top:bottom, left:right], reference, image, points)


def difference_color(legend: Legend) -> tuple[int, int, int]:
    """Return a colour for differences that is unlike the colours of all classes."""
    classes = np.array([c.rgb for c in legend.classes], np.float64)
    distances = [np.linalg.norm(classes - color, axis=1).min() for color in _DIFFERENCE_COLORS]
    return _DIFFERENCE_COLORS[int(np.argmax(np.minimum(distances, _CONTRAST)))]


def _range(positions: NDArray[np.float64], size: float, length: int) -> tuple[int, int]:
    """Return first and end of the pixels to show along one axis, around the positions."""
    shown = min(length, max(round(size), _MIN_SIZE))
    first = round((float(positions.min()) + float(positions.max()) + 1 - shown) / 2)
    first = min(max(first, 0), length - shown)
    return first, first + shown


def _markers(points: NDArray[np.float64], legend: Legend, picture: Picture) -> tuple[Marker, ...]:
    """Return a marker for each point, differences last and so on top."""
    colors = {c.value: c.color for c in legend.classes}
    ordered = points[np.argsort(points[:, 2] != points[:, 3], kind="stable")]
    return tuple(
        Marker(x * picture.width, y * picture.height, colors[int(reference)], mapped == reference)
        for y, x, mapped, reference in ordered.tolist()
    )


def encode_picture(caption: str, pixels: NDArray[np.uint8], file_format: str = "png") -> Picture:
    """Return pixels (height, width, 3) of uint8 as a picture in a file format, "png" or "jpeg"."""
    from matplotlib.image import imsave  # slow to load

    data = io.BytesIO()
    options = {"quality": 85} if file_format == "jpeg" else {"optimize": True}
    imsave(data, pixels, format=file_format, pil_kwargs=options)
    encoded = base64.b64encode(data.getvalue()).decode()
    return Picture(caption, f"data:image/{file_format};base64,{encoded}", *pixels.shape[:2])
