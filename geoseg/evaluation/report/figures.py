"""The pictures of the page: scene, map, reference, and where they differ."""

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.report.format import class_label
from geoseg.evaluation.report.results import AssessmentResult, Thumbnails
from geoseg.legend import NODATA, Legend

_AGREE, _NO_REFERENCE = (228, 232, 235), (255, 255, 255)
"""Colours of pixels that agree, and of those that are not labelled on both sides."""
_DIFFERENT_COLORS = ((196, 43, 28), (20, 20, 20), (230, 0, 180), (0, 190, 230), (255, 150, 0))
"""Colours for pixels that do not agree: the first one that is unlike all classes is taken."""
_CONTRAST_COLORS = 120.0
"""Distance of two colours in RGB from which they are easily told apart."""
_SMALLEST = 96
"""Least side of a picture that is cut to the reference (px before it is magnified)."""
_MARGINS = 1.1
"""Size of a picture that is cut to the reference, in sizes of the reference."""
_WIDE_RATIO = 0.8
"""Least ratio of the sides of a picture that is cut."""


def build_figures(findings: AssessmentResult) -> str:
    """All pictures that there are, over their legend."""
    if findings.pictures is None:
        return ""
    pictures = cut_to_reference(findings.pictures)
    cut = pictures is not findings.pictures
    different = _different(findings.legend)
    table = _color_table(findings.legend)
    shown = []
    if pictures.image is not None:
        shown.append(_figure("Scene", _jpeg(pictures.image), pictures.image.shape))
    mapped = table[pictures.mapped]
    if pictures.points is None:
        shown.append(_figure("Map", _png(mapped), mapped.shape))
    else:
        spots = _point_markers(pictures.points, findings.legend, mapped.shape)
        shown.append(_figure("Map and samples", _png(mapped), mapped.shape, spots))
    if pictures.reference is not None:
        target = table[pictures.reference]
        shown.append(_figure("Reference", _png(target), target.shape))
        differences = _png(_differences(pictures, different))
        shown.append(_figure("Differences", differences, mapped.shape))
    classes = "".join(f"<li>{class_label(c)}</li>" for c in findings.legend.classes)
    key = (
        '<li><span class="class"><i class="swatch other"></i>map and reference differ</span></li>'
        if pictures.points is None
        else '<li><span class="class"><i class="swatch ring"></i>sample, filled with the colour of '
        'its reference class</span></li><li><span class="class"><i class="swatch ring off"></i>map '
        "and reference differ</span></li>"
    )
    about = '<p class="about">Only the part of the map around the reference is shown.</p>'
    style = "--different:#{:02x}{:02x}{:02x}".format(*different)
    return (
        f'<div class="shown" style="{style}">{about if cut else ""}'
        f'<div class="pictures n{len(shown)}{" cut" if cut else ""}">{"".join(shown)}</div>'
        f'<ul class="legend">{classes}{key}</ul></div>'
    )


def cut_to_reference(pictures: Thumbnails) -> Thumbnails:
    """The part of the pictures around the reference, if that is less than half of the map.

    Returns:
        Cut pictures, or the same object where the reference covers most of the map, or where no
        pixel of the reduced picture shows it.
    """
    height, width = pictures.mapped.shape
    if pictures.points is not None:
        rows, cols = pictures.points[:, 0] * height, pictures.points[:, 1] * width
    elif pictures.reference is not None:
        rows, cols = np.nonzero(pictures.reference != NODATA)
    else:
        return pictures
    if not len(rows):
        return pictures
    tall, wide = (_MARGINS * float(np.ptp(places) + 1) for places in (rows, cols))
    top, bottom = _range(rows, max(tall, _WIDE_RATIO * wide), height)
    left, right = _range(cols, max(wide, _WIDE_RATIO * tall), width)
    if (bottom - top) * (right - left) > height * width / 2:
        return pictures
    part = slice(top, bottom), slice(left, right)
    image, points = pictures.image, pictures.points
    if image is not None:
        down, across = image.shape[0] / height, image.shape[1] / width
        image = image[
            round(top * down) : round(bottom * down), round(left * across) : round(right * across)
        ]
    if points is not None:
        points = points.copy()
        points[:, 0] = (points[:, 0] * height - top) / (bottom - top)
        points[:, 1] = (points[:, 1] * width - left) / (right - left)
    reference = pictures.reference
    return replace(
        pictures, mapped=pictures.mapped[part], image=image, points=points,
        reference=None if reference is None else reference[part],
    )  # fmt: skip


def _range(places: NDArray[Any], size: float, length: int) -> tuple[int, int]:
    """First and end of the pixels to show along one axis, about the middle of the places."""
    whole = min(length, max(round(size), _SMALLEST))
    first = round((float(places.min()) + float(places.max()) + 1 - whole) / 2)
    first = min(max(first, 0), length - whole)
    return first, first + whole


def _different(legend: Legend) -> tuple[int, int, int]:
    """A colour for differences that is unlike the colours of all classes."""
    classes = np.array([c.rgb for c in legend.classes], np.float64)
    distances = [np.linalg.norm(classes - color, axis=1).min() for color in _DIFFERENT_COLORS]
    unlike = [number for number, distance in enumerate(distances) if distance >= _CONTRAST_COLORS]
    return _DIFFERENT_COLORS[unlike[0] if unlike else int(np.argmax(distances))]


def _figure(caption: str, uri: str, shape: tuple[int, ...], over: str = "") -> str:
    return (
        f'<figure><div class="frame"><img src="{uri}" alt="{caption}" width="{shape[1]}" '
        f'height="{shape[0]}">{over}</div><figcaption>{caption}</figcaption></figure>'
    )


def _point_markers(points: NDArray[np.float64], legend: Legend, shape: tuple[int, ...]) -> str:
    """Samples as circles in the colour of their reference class; differences have another rim."""
    colors = {c.value: c.color for c in legend.classes}
    side = max(shape[:2])
    radius = side / (70 if len(points) < 300 else 110)
    height, width = shape[0], shape[1]
    ordered = points[np.argsort(points[:, 2] != points[:, 3], kind="stable")]
    circles = "".join(
        f'<circle class="{"on" if mapped == target else "off"}" cx="{x * width:.1f}" '
        f'cy="{y * height:.1f}" r="{radius:.1f}" fill="{colors[int(target)]}"/>'
        for y, x, mapped, target in ordered.tolist()
    )
    return (
        f'<svg class="spots" viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        f'stroke-width="{radius / 2.2:.1f}" aria-hidden="true">{circles}</svg>'
    )


def _differences(pictures: Thumbnails, different: tuple[int, int, int]) -> NDArray[np.uint8]:
    mapped, target = pictures.mapped, pictures.reference
    known = (mapped != NODATA) & (target != NODATA)
    codes = np.where(known, np.where(mapped == target, 0, 1), 2)
    return np.array([_AGREE, different, _NO_REFERENCE], np.uint8)[codes]


def _color_table(legend: Legend) -> NDArray[np.uint8]:
    """(256, 3) colours of values, white for none."""
    table = np.full((NODATA + 1, 3), 255, np.uint8)
    for c in legend.classes:
        table[c.value] = c.rgb
    return table


def _png(picture: NDArray[np.uint8]) -> str:
    return _data_uri(picture, "png")


def _jpeg(picture: NDArray[np.uint8]) -> str:
    return _data_uri(picture, "jpeg")


def _data_uri(picture: NDArray[np.uint8], kind: str) -> str:
    """A picture (height, width, 3) as a data URI."""
    from matplotlib.image import imsave  # slow to load

    data = io.BytesIO()
    options = {"quality": 85} if kind == "jpeg" else {"optimize": True}
    imsave(data, picture, format=kind, pil_kwargs=options)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
