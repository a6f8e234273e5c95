"""Draw the layers of a U-Net as a U: encoder on the left, decoder on the right."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from geoseg.drawing import MARGIN, new_canvas, shorten
from geoseg.info.unet_layout import BOX, TOP, WIDTH, LayerBox, layout_boxes
from geoseg.model import LAB, UNetSpec

_COLORS = {
    "InputLayer": "#f2f2f2",
    "Rescaling": "#f2f2f2",
    "Conv2D": "#cfe3f5",
    "Conv2D+BatchNorm": "#b5d3ef",
    "Dropout": "#e9e4f0",
    "MaxPooling2D": "#f9d5cc",
    "Conv2DTranspose": "#d3ecd0",
    "UpSampling2D": "#d3ecd0",
    "Concatenate": "#fbe8b5",
}
_STAGE = "#f9d5cc"
"""Colour of the stages of an encoder, whose kinds are many."""
_KEY_PITCH = 24
"""Height of a line of the key (px)."""
_KEY_LENGTH = 28
"""Maximum number of characters of a kind in the key, so that it ends left of the boxes."""
_TIMES = " \N{MULTIPLICATION SIGN} "
_LINE = "#55606b"
_SKIP = "#c07a00"
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


def draw_unet(spec: UNetSpec, title: str) -> Figure:
    """Draw the layers of a network, 1600 px wide; the height grows with the depth."""
    boxes = layout_boxes(spec)
    height = round(max(box.bottom for box in boxes.values())) + MARGIN
    figure = new_canvas(WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    parameters = sum(box.layer.parameters for box in boxes.values())
    subtitle = f"{parameters:,} parameters in {len(boxes)} layers"
    if spec.encoder != LAB:
        subtitle = f"encoder {spec.encoder}, {parameters:,} parameters"
    style: dict[str, Any] = {**_CENTRED, "parse_math": False}
    axes.text(WIDTH / 2, 30, f"U-Net {title}", fontsize=15, fontweight="bold", **style)
    axes.text(WIDTH / 2, 58, subtitle, fontsize=11, color=_LINE, **style)
    kinds = list(dict.fromkeys(box.layer.kind for box in boxes.values()))
    if spec.encoder == LAB:
        _draw_key(axes, kinds, WIDTH / 2 - 80, TOP + 12)
    else:
        _draw_key(axes, kinds, MARGIN, height - MARGIN - _KEY_PITCH * len(kinds))
    for box in boxes.values():
        for source in box.layer.inputs:
            _connect(axes, boxes[source], box)
    for box in boxes.values():
        _draw_box(axes, box)
    return figure


def _draw_key(axes: Axes, kinds: list[str], left: float, top: float) -> None:
    """Draw the key of the colours, with its upper left corner at (left, top)."""
    for row, kind in enumerate(kinds):
        line = top + _KEY_PITCH * row
        _draw_rectangle(axes, left, line, 22, 15, kind)
        axes.text(left + 32, line + 8, shorten(kind, _KEY_LENGTH), fontsize=9.5, va="center")


def _draw_box(axes: Axes, box: LayerBox) -> None:
    layer = box.layer
    _draw_rectangle(axes, box.left, box.top, *BOX, layer.kind)
    shape = _TIMES.join(map(str, layer.shape))
    count = f",  {layer.parameters:,} parameters" if layer.parameters else ""
    middle = box.left + BOX[0] / 2
    name = layer.name if layer.blocks == 1 else f"{layer.name}: {layer.blocks}{_TIMES}{layer.kind}"
    axes.text(middle, box.top + 15, name, fontsize=10, fontweight="bold", **_CENTRED)
    axes.text(middle, box.top + 32, f"{shape}{count}", fontsize=9.5, **_CENTRED)


def _draw_rectangle(
    axes: Axes, left: float, top: float, width: float, height: float, kind: str
) -> None:
    patch = FancyBboxPatch(
        (left, top), width, height, boxstyle="round,pad=0,rounding_size=5",
        facecolor=_COLORS.get(kind, _STAGE), edgecolor=_LINE, linewidth=1,
    )  # fmt: skip
    axes.add_patch(patch)


def _connect(axes: Axes, source: LayerBox, target: LayerBox) -> None:
    """Draw an arrow: horizontal within a row, else vertical."""
    color = _LINE
    if source.top == target.top:
        start, end = (source.right, source.middle), (target.left, target.middle)
        if target.layer.kind == "Concatenate":
            color = _SKIP
            shape = _TIMES.join(map(str, source.layer.shape))
            middle = (source.right + target.left) / 2
            axes.text(middle, source.middle - 10, shape, fontsize=9, color=color, ha="center")
    else:
        x = (max(source.left, target.left) + min(source.right, target.right)) / 2
        start, end = (x, source.bottom), (x, target.top)
        if source.top > target.top:
            start, end = (x, source.top), (x, target.bottom)
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
