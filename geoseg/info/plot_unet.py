"""Draw the layers of a U-Net as a U: encoder on the left, decoder on the right."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from geoseg.drawing import MARGIN, new_canvas
from geoseg.model import Layer, UNetSpec, layer_table

_WIDTH = 1600
"""Width of the picture (px)."""
_BOX = (320, 46)
"""Width and height of the box of a layer (px)."""
_PITCH = 64
"""Distance between the tops of two rows of boxes (px)."""
_TITLE = 84
"""Height of the title (px)."""
_INDENT = 60
"""Indent of a level from the level above (px)."""
_SHIFT = 40
"""Indent of the bottleneck from the last level (px)."""
_BOTTLENECK = 3 * _BOX[0] + 2 * 60
"""Smallest width of the bottleneck: three boxes with arrows between them (px)."""
_LEVEL_ROWS = 5
"""Rows of a level: one for each layer of the decoder."""

_COLORS = {
    "InputLayer": "#f2f2f2",
    "Rescaling": "#f2f2f2",
    "Conv2D": "#cfe3f5",
    "Dropout": "#e9e4f0",
    "MaxPooling2D": "#f9d5cc",
    "Conv2DTranspose": "#d3ecd0",
    "Concatenate": "#fbe8b5",
}
_TIMES = " \N{MULTIPLICATION SIGN} "
_LINE = "#55606b"
_SKIP = "#c07a00"
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


@dataclass(frozen=True, slots=True)
class LayerBox:
    """A layer and the position of its box."""

    layer: Layer
    left: float
    """Left edge (px from the left)."""
    top: float
    """Upper edge (px from the top)."""

    @property
    def right(self) -> float:
        """Right edge (px from the left)."""
        return self.left + _BOX[0]

    @property
    def bottom(self) -> float:
        """Lower edge (px from the top)."""
        return self.top + _BOX[1]

    @property
    def middle(self) -> float:
        """Middle of the height (px from the top)."""
        return self.top + _BOX[1] / 2


def draw_unet(spec: UNetSpec, title: str) -> Figure:
    """Draw the layers of a network, 1600 px wide; the height grows with the depth."""
    boxes = layout_boxes(spec)
    height = round(max(box.bottom for box in boxes.values())) + MARGIN
    figure = new_canvas(_WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.axis("off")
    parameters = sum(box.layer.parameters for box in boxes.values())
    subtitle = f"{parameters:,} parameters in {len(boxes)} layers"
    style: dict[str, Any] = {**_CENTRED, "parse_math": False}
    axes.text(_WIDTH / 2, 30, f"U-Net {title}", fontsize=15, fontweight="bold", **style)
    axes.text(_WIDTH / 2, 58, subtitle, fontsize=11, color=_LINE, **style)
    _draw_key(axes, [box.layer.kind for box in boxes.values()])
    for box in boxes.values():
        for source in box.layer.inputs:
            _connect(axes, boxes[source], box)
    for box in boxes.values():
        _draw_box(axes, box)
    return figure


def layout_boxes(spec: UNetSpec) -> dict[str, LayerBox]:
    """Return the boxes of all layers by name, in order of execution.

    The last convolution of a level and the concatenation that reads it are in one row.
    """
    depth = spec.depth
    innermost = (_WIDTH - _BOTTLENECK) / 2 - MARGIN - _SHIFT
    indent = min(_INDENT, innermost / max(depth - 1, 1))
    layers = iter(layer_table(spec))
    boxes: dict[str, LayerBox] = {}

    def put(left: float, level: int, row: int) -> None:
        layer, top = next(layers), _TITLE + (row + level * _LEVEL_ROWS) * _PITCH
        boxes[layer.name] = LayerBox(layer, left, top)

    for row in range(2):
        put(MARGIN, 0, row)
    for level in range(depth):
        for row in range(2, 6):
            put(MARGIN + indent * level, level, row)
    first = MARGIN + indent * (depth - 1) + _SHIFT
    step = (_WIDTH - first - _BOX[0] - first) / 2
    for number in range(3):  # the bottleneck
        put(first + step * number, depth, 1)
    for level in reversed(range(depth)):
        for row in reversed(range(1, 6)):
            put(_WIDTH - (MARGIN + indent * level) - _BOX[0], level, row)
    put(_WIDTH - MARGIN - _BOX[0], 0, 0)
    return boxes


def _draw_key(axes: Axes, kinds: list[str]) -> None:
    """Draw the key of the colours, in the middle of the top."""
    for row, kind in enumerate(dict.fromkeys(kinds)):
        left, top = _WIDTH / 2 - 80, _TITLE + 12 + 24 * row
        _draw_rectangle(axes, left, top, 22, 15, kind)
        axes.text(left + 32, top + 8, kind, fontsize=9.5, va="center")


def _draw_box(axes: Axes, box: LayerBox) -> None:
    layer = box.layer
    _draw_rectangle(axes, box.left, box.top, *_BOX, layer.kind)
    shape = _TIMES.join(map(str, layer.shape))
    count = f",  {layer.parameters:,} parameters" if layer.parameters else ""
    middle = box.left + _BOX[0] / 2
    axes.text(middle, box.top + 15, layer.name, fontsize=10, fontweight="bold", **_CENTRED)
    axes.text(middle, box.top + 32, f"{shape}{count}", fontsize=9.5, **_CENTRED)


def _draw_rectangle(
    axes: Axes, left: float, top: float, width: float, height: float, kind: str
) -> None:
    patch = FancyBboxPatch(
        (left, top), width, height, boxstyle="round,pad=0,rounding_size=5",
        facecolor=_COLORS.get(kind, "white"), edgecolor=_LINE, linewidth=1,
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
