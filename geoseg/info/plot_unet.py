"""The layers of a U-Net drawn as a U: down on the left, up on the right, skips across."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from geoseg.model import Layer, UNetSpec, layer_table

_DPI = 100
_WIDTH = 1600
"""Width of the picture (px)."""
_BOX = (320, 46)
"""Width and height of a layer's box (px)."""
_PITCH = 64
"""From the top of one row of boxes to the next (px)."""
_MARGIN = 24
_TITLE = 84
"""Room for the title (px)."""
_INDENT = 60
"""How far the boxes of a level stand further in than those of the level above (px)."""
_SHIFT = 40
"""How far the bottleneck begins further in than the last level (px)."""
_BOTTOM = 3 * _BOX[0] + 2 * 60
"""Least width of the bottleneck, three boxes with arrows between them (px)."""
_LEVEL_ROWS = 5
"""Rows of a level: one for each layer of its way up."""

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


@dataclass(frozen=True, slots=True)
class LayerBox:
    """A layer and where it stands."""

    layer: Layer
    left: float
    """px from the left of the picture."""
    top: float
    """px from the top of the picture."""

    @property
    def right(self) -> float:
        """Right edge (px)."""
        return self.left + _BOX[0]

    @property
    def bottom(self) -> float:
        """Lower edge (px)."""
        return self.top + _BOX[1]

    @property
    def middle(self) -> float:
        """Height of the middle (px from the top)."""
        return self.top + _BOX[1] / 2


def draw_unet(spec: UNetSpec, title: str) -> Figure:
    """A chart of a network's layers, 1600 px wide; the deeper the network, the higher.

    Args:
        spec: the network.
        title: what it is called, in the head of the picture.
    """
    boxes = layout_boxes(spec)
    height = max(box.bottom for box in boxes.values()) + _MARGIN
    figure = Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.axis("off")
    parameters = sum(box.layer.parameters for box in boxes.values())
    _write_head(axes, f"U-Net {title}", f"{parameters:,} parameters in {len(boxes)} layers")
    _draw_key(axes, [box.layer.kind for box in boxes.values()])
    for box in boxes.values():
        for source in box.layer.inputs:
            _connect(axes, boxes[source], box)
    for box in boxes.values():
        _draw_box(axes, box)
    return figure


def layout_boxes(spec: UNetSpec) -> dict[str, LayerBox]:
    """Boxes of all layers by name, in order of execution.

    The last convolution of a level and the concatenation that reads it stand in one row.
    """
    table = layer_table(spec)
    depth = spec.depth
    innermost = (_WIDTH - _BOTTOM) / 2 - _MARGIN - _SHIFT
    indent = min(_INDENT, innermost / max(depth - 1, 1))
    boxes: dict[str, LayerBox] = {}

    def put(layer: Layer, level: int, row: int, *, up: bool) -> None:
        left = _MARGIN + indent * level
        if up:
            left = _WIDTH - left - _BOX[0]
        boxes[layer.name] = LayerBox(layer, left, _TITLE + (row + level * _LEVEL_ROWS) * _PITCH)

    layers = iter(table)
    for row in range(2):
        put(next(layers), 0, row, up=False)
    for level in range(depth):
        for row in range(2, 6):
            put(next(layers), level, row, up=False)
    for box in _bottom([next(layers) for _ in range(3)], depth, indent):
        boxes[box.layer.name] = box
    for level in reversed(range(depth)):
        for row in reversed(range(1, 6)):
            put(next(layers), level, row, up=True)
    put(next(layers), 0, 0, up=True)
    return boxes


def _bottom(layers: list[Layer], depth: int, indent: float) -> list[LayerBox]:
    """The bottleneck, side by side under the last level."""
    first = _MARGIN + indent * (depth - 1) + _SHIFT
    last = _WIDTH - first - _BOX[0]
    top = _TITLE + (1 + depth * _LEVEL_ROWS) * _PITCH
    step = (last - first) / (len(layers) - 1)
    return [LayerBox(layer, first + step * i, top) for i, layer in enumerate(layers)]


def _write_head(axes: Axes, title: str, below: str) -> None:
    middle = _WIDTH / 2
    style: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
    axes.text(middle, 30, title, fontsize=15, fontweight="bold", **style)
    axes.text(middle, 58, below, fontsize=11, color=_LINE, **style)


def _draw_key(axes: Axes, kinds: list[str]) -> None:
    """What the colours mean, in the middle of the picture's top."""
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
    style: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(middle, box.top + 15, layer.name, fontsize=10, fontweight="bold", **style)
    axes.text(middle, box.top + 32, f"{shape}{count}", fontsize=9.5, **style)


def _draw_rectangle(
    axes: Axes, left: float, top: float, width: float, height: float, kind: str
) -> None:
    patch = FancyBboxPatch(
        (left, top), width, height, boxstyle="round,pad=0,rounding_size=5",
        facecolor=_COLORS.get(kind, "white"), edgecolor=_LINE, linewidth=1,
    )  # fmt: skip
    axes.add_patch(patch)


def _connect(axes: Axes, source: LayerBox, target: LayerBox) -> None:
    """An arrow: across where both stand in one row, else down or up where they overlap."""
    if source.top == target.top:
        skip = target.layer.kind == "Concatenate"
        if skip:
            shape = _TIMES.join(map(str, source.layer.shape))
            middle = (source.right + target.left) / 2
            axes.text(middle, source.middle - 10, shape, fontsize=9, color=_SKIP, ha="center")
        color = _SKIP if skip else _LINE
        _arrow(axes, (source.right, source.middle), (target.left, target.middle), color)
        return
    x = (max(source.left, target.left) + min(source.right, target.right)) / 2
    if source.top < target.top:
        _arrow(axes, (x, source.bottom), (x, target.top), _LINE)
    else:
        _arrow(axes, (x, source.top), (x, target.bottom), _LINE)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
