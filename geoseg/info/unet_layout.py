"""Where the layers of a U-Net are in its picture: encoder on the left, decoder on the right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from geoseg.drawing import MARGIN
from geoseg.model import ENCODER_DEPTH, LAB, Layer, UNetSpec, layer_table

WIDTH = 1600
"""Width of the picture (px)."""
TOP = 84
"""Upper edge of the first row of boxes (px)."""
BOX = (320, 46)
"""Width and height of the box of a layer (px)."""
_PITCH = 64
"""Distance between the tops of two rows of boxes (px)."""
_INDENT = 60
"""Indent of a level from the level above (px)."""
_SHIFT = 40
"""Indent of the bottleneck from the last level (px)."""
_BOTTLENECK = 3 * BOX[0] + 2 * 60
"""Smallest width of the bottleneck: three boxes with arrows between them (px)."""
_LAB_ROWS, _ENCODER_ROWS = 5, 3
"""Rows of a level, one for each layer of its decoder: in the reference network, in others."""


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
        return self.left + BOX[0]

    @property
    def bottom(self) -> float:
        """Lower edge (px from the top)."""
        return self.top + BOX[1]

    @property
    def middle(self) -> float:
        """Middle of the height (px from the top)."""
        return self.top + BOX[1] / 2


def layout_boxes(spec: UNetSpec) -> dict[str, LayerBox]:
    """Return the boxes of all layers by name, in order of execution.

    The last layer of a level of the encoder and the concatenation that reads it are in one row.
    """
    layers = layer_table(spec)
    is_lab = spec.encoder == LAB
    positions = _lab_positions(spec.depth) if is_lab else _encoder_unet_positions(layers)
    return {
        layer.name: LayerBox(layer, left, TOP + row * _PITCH)
        for layer, (left, row) in zip(layers, positions, strict=True)
    }


def _lab_positions(depth: int) -> Iterator[tuple[float, int]]:
    """Yield the left edge (px) and the row of each box of the reference network."""
    innermost = (WIDTH - _BOTTLENECK) / 2 - MARGIN - _SHIFT
    indent = min(_INDENT, innermost / max(depth - 1, 1))
    for row in range(2):
        yield MARGIN, row
    for level in range(depth):
        for row in range(2, 6):
            yield MARGIN + indent * level, row + level * _LAB_ROWS
    first = MARGIN + indent * (depth - 1) + _SHIFT
    step = (WIDTH - first - BOX[0] - first) / 2
    for number in range(3):  # the bottleneck
        yield first + step * number, 1 + depth * _LAB_ROWS
    for level in reversed(range(depth)):
        for row in reversed(range(1, 6)):
            yield _mirror(MARGIN + indent * level), row + level * _LAB_ROWS
    yield _mirror(MARGIN), 0


def _encoder_unet_positions(layers: Sequence[Layer]) -> Iterator[tuple[float, int]]:
    """Yield the left edge (px) and the row of each box of a network with a pretrained encoder.

    The convolution of the full size is beside the encoder, which does not read it.
    """
    stages = layers[3 : -3 * ENCODER_DEPTH - 2]
    levels = [(layers[0].shape[0] // stage.shape[0]).bit_length() - 1 for stage in stages]
    lefts = [MARGIN + _INDENT * level for level in range(ENCODER_DEPTH + 1)]
    rows = [2 + _ENCODER_ROWS * level for level in range(ENCODER_DEPTH + 1)]
    yield MARGIN, 0
    yield MARGIN, rows[0]
    yield MARGIN + BOX[0] + _INDENT, rows[0]
    for index, level in enumerate(levels):
        yield lefts[level], rows[level] - levels[index + 1 :].count(level)
    yield _mirror(lefts[-1]), rows[-1]  # dropout
    for level in reversed(range(ENCODER_DEPTH)):
        for offset in (1, 0, -1):  # upwards
            yield _mirror(lefts[level]), rows[level] + offset
    yield _mirror(MARGIN), 0


def _mirror(left: float) -> float:
    """Return the left edge of a box on the other side of the picture (px)."""
    return WIDTH - left - BOX[0]
