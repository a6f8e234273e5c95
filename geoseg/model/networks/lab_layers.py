"""The layers of a U-Net as a table, as Keras' ``model.summary()`` lists them."""

from dataclasses import dataclass

from geoseg.model.spec import UNetSpec


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the layer table."""

    name: str
    kind: str
    """Keras class of the layer, such as "Conv2D"."""
    shape: tuple[int, ...]
    """Output shape (height, width, channels)."""
    parameters: int
    inputs: tuple[str, ...]
    """Names of the layers that this one reads."""


def layer_table(spec: UNetSpec) -> list[Layer]:
    """Return the layers in order of execution, named and counted as Keras does."""
    table: list[Layer] = []
    name_counts: dict[str, int] = {}

    def add(kind: str, stem: str, shape: tuple[int, ...], parameters: int, *inputs: str) -> str:
        n = name_counts.get(stem, 0)
        name_counts[stem] = n + 1
        name = f"{stem}_{n}" if n else stem
        table.append(Layer(name, kind, shape, parameters, inputs))
        return name

    def conv(source: str, side: int, channels: int, filters: int, kernel: int = 3) -> str:
        parameters = (channels * kernel**2 + 1) * filters
        return add("Conv2D", "conv2d", (side, side, filters), parameters, source)

    def double_conv(source: str, side: int, channels: int, filters: int) -> str:
        x = conv(source, side, channels, filters)
        x = add("Dropout", "dropout", (side, side, filters), 0, x)
        return conv(x, side, filters, filters)

    side, channels = spec.window, spec.bands
    x = add("InputLayer", "input_layer", (side, side, channels), 0)
    x = add("Rescaling", "rescaling", (side, side, channels), 0, x)
    skips = []
    for level in range(spec.depth):
        filters = spec.width * 2**level
        x = double_conv(x, side, channels, filters)
        skips.append(x)
        side, channels = side // 2, filters
        x = add("MaxPooling2D", "max_pooling2d", (side, side, channels), 0, x)
    filters = spec.width * 2**spec.depth
    x = add("Dropout", "dropout", (side, side, channels), 0, x)
    x = conv(x, side, channels, filters)
    x = conv(x, side, filters, filters)
    channels = filters
    for level in reversed(range(spec.depth)):
        filters, side = spec.width * 2**level, side * 2
        parameters = (channels * 4 + 1) * filters
        up = add("Conv2DTranspose", "conv2d_transpose", (side, side, filters), parameters, x)
        x = add("Concatenate", "concatenate", (side, side, 2 * filters), 0, skips[level], up)
        x = double_conv(x, side, 2 * filters, filters)
        channels = filters
    conv(x, side, channels, spec.classes, kernel=1)
    return table
