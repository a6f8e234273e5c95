"""Labels in rasters: class values, colours, or a palette of colours."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.grid import Window, chunks
from geoseg.labels.class_raster import BLACK, ClassRaster
from geoseg.labels.ignore import IgnoreSpec, to_code
from geoseg.legend import DUBAI, DUBAI_MASKS, NODATA, Legend
from geoseg.raster import Scene, read_window

_WINDOW_SIZE = 1024
"""Side of the windows in which unknown codes are counted (px)."""
_MAX_LISTED = 3
"""Unknown codes that a message lists; a mask may hold thousands."""
_MAX_DRAWN_COLORS = 50
"""More unknown colours than this come from lossy compression or smooth resampling."""


@dataclass(frozen=True, slots=True)
class RasterLabels:
    """A raster whose pixels say the class by a code: its value, or its colour."""

    raster: Scene
    legend: Legend
    colors: bool
    """Whether codes are colours (see `to_code`); otherwise they are class values."""
    palette: tuple[tuple[int, int], ...] = ()
    """Pixel value and colour code, where a single band has colours."""
    ignored: frozenset[int] = frozenset()
    """Codes that mean "not labelled"."""
    mask_legend: Legend | None = None
    """The same classes in the colours of the raster; None where ``legend`` has these."""

    def clipped_to(self, window: Window) -> "RasterLabels":
        """Return itself: a raster reads only the window anyway."""
        return self

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 for pixels without data and ignored codes.

        Raises:
            LabelError: if a valid pixel has a code that the legend does not name.
            SceneError: if the pixels cannot be read.
        """
        unused = set(range(NODATA)) - set(self.legend.values)
        if self.raster.dtype == "uint8" and len(self.raster.bands) == 1 and unused:
            return self._read_bytes(window, max(unused))
        codes, valid = self._codes(window)
        values, is_named = self._class_values(codes)
        if not is_named[valid].all():
            raise LabelError(self._unknown_codes_message())
        return np.where(valid, values, np.uint8(NODATA))

    def _read_bytes(self, window: Window, unknown: int) -> NDArray[np.uint8]:
        """Read by a table of all 256 pixel values, which is several times as fast.

        The table has ``unknown``, a value of no class, for codes that the legend does not name.
        """
        pixels, valid = read_window(self.raster, window)
        values, is_named = self._class_values(self._decode(np.arange(NODATA + 1, dtype=np.uint8)))
        table = np.where(is_named, values, np.uint8(unknown))
        labels: NDArray[np.uint8] = table[pixels[0]]
        np.copyto(labels, np.uint8(NODATA), where=~valid)
        if (labels == unknown).any():
            raise LabelError(self._unknown_codes_message())
        return labels

    def _codes(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Codes and validity (height, width) of a window."""
        pixels, valid = read_window(self.raster, window)
        if self.colors and not self.palette:
            red, green, blue = pixels[:3].astype(np.int32)
            return red << 16 | green << 8 | blue, valid
        return self._decode(pixels[0]), valid

    def _decode(self, band: NDArray[Any]) -> NDArray[Any]:
        """Codes of the pixel values of a single band."""
        if not self.palette:
            return band
        table = np.zeros(np.iinfo(band.dtype).max + 1, np.int32)
        table[[value for value, _ in self.palette]] = [code for _, code in self.palette]
        codes: NDArray[np.int32] = table[band]
        return codes

    def _class_values(self, codes: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Class value of each code, 255 where it is ignored, and whether the legend names it."""
        classes = (self.mask_legend or self.legend).classes
        value_of = {to_code(c.color) if self.colors else c.value: c.value for c in classes}
        value_of |= dict.fromkeys(self.ignored, NODATA)
        if not self.colors:
            value_of[NODATA] = NODATA
        named, values = np.transpose(sorted(value_of.items()))
        indices = np.minimum(np.searchsorted(named, codes), len(named) - 1)
        return values.astype(np.uint8)[indices], named[indices] == codes

    def _unknown_codes_message(self) -> str:
        """Say which codes of the whole raster are unknown, and what to do."""
        counts: Counter[Any] = Counter()
        for window in chunks(self.raster.height, self.raster.width, _WINDOW_SIZE):
            codes, valid = self._codes(window)
            unknown = valid & ~self._class_values(codes)[1]
            values, pixels = np.unique(codes[unknown], return_counts=True)
            counts.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
        listed = counts.most_common(_MAX_LISTED)
        kind = "colours" if self.colors else "values"
        text = ", ".join(f"{pixels:,} px of {self._code_text(code)}" for code, pixels in listed)
        if len(counts) > _MAX_LISTED:
            text += f" and {len(counts) - _MAX_LISTED:,} others"
        remedy = (
            "a mask must not be compressed with loss, as in a JPEG, nor resampled smoothly"
            if self.colors and len(counts) > _MAX_DRAWN_COLORS
            else f"add them to the legend, or give --ignore '{self._code_text(listed[0][0])}' "
            "if that means not labelled"
        )
        classes = (self.mask_legend or self.legend).classes
        named = ", ".join(f"{c.name} {c.color if self.colors else c.value}" for c in classes)
        return (
            f"labels {self.raster.path} have {text}, {kind} that the legend does not name "
            f"({named}), {remedy}"
        )

    def _code_text(self, code: float) -> str:
        return f"#{int(code):06x}" if self.colors else f"{code:g}"


def as_raster_labels(raster: ClassRaster, ignore: IgnoreSpec) -> RasterLabels:
    """Return the labels of a class raster, which are read by the codes of its classes.

    Three bands or more are colours. One band is class values; but if its palette has colours of
    the legend and gives some of them to other values, it is colours too. Classes of the Dubai
    legend in map colours stand for the colours of the Dubai masks, in which black is not labelled.

    Raises:
        LabelError: if it is colours, and two classes of the legend have the same.
    """
    scene, legend, single_band = raster.scene, raster.legend, len(raster.scene.bands) < 3
    dubai = set(legend.classes) <= {*DUBAI.classes} or legend == DUBAI_MASKS
    masks = DUBAI_MASKS.subset(legend.values) if dubai else legend
    palette = raster.palette if single_band else {}
    has_colors = not single_band or bool({c.color for c in masks.classes} & set(palette.values()))
    unlabelled = {*ignore.texts, BLACK} if dubai and has_colors else {*ignore.texts}
    if not has_colors or all(palette.get(c.value) == c.color for c in masks.classes):
        ignored = ignore.codes(legend, colors=False)
        ignored |= {value for value, color in palette.items() if color in unlabelled}
        return RasterLabels(scene, legend, colors=False, ignored=ignored)
    _check_colors_differ(scene.path, masks)
    ignored = ignore.codes(masks, colors=True)
    if dubai:
        ignored |= {to_code(BLACK)}
    coded = tuple((value, to_code(color)) for value, color in palette.items())
    return RasterLabels(
        scene, legend, colors=True, palette=coded, ignored=ignored, mask_legend=masks
    )


def _check_colors_differ(path: str, legend: Legend) -> None:
    """Refuse classes that cannot be told apart by their colours."""
    first: dict[str, str] = {}
    for c in legend.classes:
        if first.setdefault(c.color, c.name) != c.name:
            raise LabelError(
                f"labels {path} show classes by their colours, but {first[c.color]!r} and "
                f"{c.name!r} have the same colour {c.color} in the legend, give labels of class "
                "values (1 band), or each class a colour of its own"
            )
