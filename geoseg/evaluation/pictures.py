"""The pictures of the page: scene, map, reference, and where they differ."""

import base64
import io

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.findings import Findings, Pictures
from geoseg.evaluation.words import named
from geoseg.legend import NODATA, Legend

_SAME, _OTHER, _NONE = (228, 232, 235), (196, 43, 28), (255, 255, 255)
"""Colours of pixels that agree, that do not, and that are not labelled on both sides."""


def figures(findings: Findings) -> str:
    """All pictures that there are, over their legend."""
    pictures = findings.pictures
    if pictures is None:
        return ""
    table = _palette(findings.legend)
    shown = []
    if pictures.image is not None:
        shown.append(_figure("Scene", _jpeg(pictures.image), pictures.image.shape))
    mapped = table[pictures.mapped]
    if pictures.points is None:
        shown.append(_figure("Map", _png(mapped), mapped.shape))
    else:
        spots = _spots(pictures.points, findings.legend, mapped.shape)
        shown.append(_figure("Map and samples", _png(mapped), mapped.shape, spots))
    if pictures.reference is not None:
        target = table[pictures.reference]
        shown.append(_figure("Reference", _png(target), target.shape))
        shown.append(_figure("Where they disagree", _png(_differences(pictures)), mapped.shape))
    classes = "".join(f"<li>{named(c)}</li>" for c in findings.legend.classes)
    key = (
        '<li><span class="class"><i class="swatch other"></i>disagreement</span></li>'
        if pictures.points is None
        else '<li><span class="class"><i class="swatch ring"></i>sample, in the colour of its '
        'reference</span></li><li><span class="class"><i class="swatch ring off"></i>mapped as '
        "another class</span></li>"
    )
    return (
        f'<div class="pictures n{len(shown)}">{"".join(shown)}</div>'
        f'<ul class="legend">{classes}{key}</ul>'
    )


def _figure(caption: str, uri: str, shape: tuple[int, ...], over: str = "") -> str:
    return (
        f'<figure><div class="frame"><img src="{uri}" alt="{caption}" width="{shape[1]}" '
        f'height="{shape[0]}">{over}</div><figcaption>{caption}</figcaption></figure>'
    )


def _spots(points: NDArray[np.float64], legend: Legend, shape: tuple[int, ...]) -> str:
    """Samples as circles in the colour of their reference class; those mapped wrong in red."""
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


def _differences(pictures: Pictures) -> NDArray[np.uint8]:
    mapped, target = pictures.mapped, pictures.reference
    known = (mapped != NODATA) & (target != NODATA)
    codes = np.where(known, np.where(mapped == target, 0, 1), 2)
    return np.array([_SAME, _OTHER, _NONE], np.uint8)[codes]


def _palette(legend: Legend) -> NDArray[np.uint8]:
    """(256, 3) colours of values, white for none."""
    table = np.full((NODATA + 1, 3), 255, np.uint8)
    for c in legend.classes:
        table[c.value] = c.rgb
    return table


def _png(picture: NDArray[np.uint8]) -> str:
    return _encoded(picture, "png")


def _jpeg(picture: NDArray[np.uint8]) -> str:
    return _encoded(picture, "jpeg")


def _encoded(picture: NDArray[np.uint8], kind: str) -> str:
    """A picture (height, width, 3) as a data URI."""
    from matplotlib.image import imsave  # slow to load

    data = io.BytesIO()
    options = {"quality": 85} if kind == "jpeg" else {"optimize": True}
    imsave(data, picture, format=kind, pil_kwargs=options)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
