"""Labels in rasters: class values, colours, or a palette of colours."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.grid import Window, chunks
from geoseg.legend import DUBAI, DUBAI_MASKS, NODATA, LandCoverClass, Legend
from geoseg.raster import Scene, read_categories, read_palette, read_window

BLACK = "#000000"
"""Not annotated, in the masks of the built-in legend; an unused entry, in palettes."""
_WINDOW_SIZE = 1024
_BYTES = 256
_NAMED = 3
"""Unknown codes that a message counts; a mask may hold thousands."""
_BLURRED = 50
"""More unknown colours than anyone draws by hand."""


@dataclass(frozen=True, slots=True)
class RasterLabels:
    """A raster whose pixels say the class, each by a code: its value, or its colour."""

    raster: Scene
    legend: Legend
    colors: bool
    """Whether codes are colours, red * 65536 + green * 256 + blue; else they are class values."""
    palette: tuple[tuple[int, int], ...] = ()
    """Value and colour code, where a single band has colours."""
    ignored: tuple[int, ...] = ()
    """Codes that mean "not labelled"."""
    mask_legend: Legend | None = None
    """The same classes in the colours of the raster; None where ``legend`` has these."""

    def near(self, window: Window) -> "RasterLabels":
        """Itself: a raster reads only the window anyway."""
        return self

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 where there is no data or the code is ignored.

        Raises:
            LabelError: if a valid pixel has a code that the legend does not name.
            SceneError: if the pixels cannot be read.
        """
        free = set(range(NODATA)) - set(self.legend.values)
        if self.raster.dtype == "uint8" and len(self.raster.bands) == 1 and free:
            return self._read_bytes(window, max(free))
        codes, valid = self._codes(window)
        known, values = self._table()
        places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        if not (valid <= (known[places] == codes)).all():
            raise LabelError(self._complaint())
        return np.where(valid, values[places], np.uint8(NODATA))

    def _read_bytes(self, window: Window, strange: int) -> NDArray[np.uint8]:
        """`read_window`, where a table holds all that a pixel can be: several times as fast.

        Args:
            window: what to read.
            strange: a value that no class has, for codes that the legend does not name.
        """
        pixels, valid = read_window(self.raster, window)
        known, values = self._table()
        codes = self._decoded(np.arange(_BYTES, dtype=np.uint8))
        places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        table = np.where(known[places] == codes, values[places], np.uint8(strange))
        found: NDArray[np.uint8] = table[pixels[0]]
        np.copyto(found, np.uint8(NODATA), where=~valid)
        if (found == strange).any():
            raise LabelError(self._complaint())
        return found

    def _codes(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        pixels, valid = read_window(self.raster, window)
        if self.colors and not self.palette:
            red, green, blue = pixels[:3].astype(np.int32)
            return red << 16 | green << 8 | blue, valid
        return self._decoded(pixels[0]), valid

    def _decoded(self, band: NDArray[Any]) -> NDArray[Any]:
        """Codes of the pixels of a single band."""
        if not self.palette:
            return band
        table = np.zeros(np.iinfo(band.dtype).max + 1, np.int32)
        table[[value for value, _ in self.palette]] = [code for _, code in self.palette]
        codes: NDArray[np.int32] = table[band]
        return codes

    def _table(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Known codes, ascending, and the class value of each."""
        classes = (self.mask_legend or self.legend).classes
        found = {_code(c.color) if self.colors else c.value: c.value for c in classes}
        found |= dict.fromkeys(self.ignored, NODATA)
        if not self.colors:
            found[NODATA] = NODATA
        known = sorted(found)
        return np.array(known, np.int64), np.array([found[k] for k in known], np.uint8)

    def _complaint(self) -> str:
        """What is unknown in the whole file, and what to do."""
        counts: Counter[Any] = Counter()
        known = self._table()[0]
        for block in chunks(self.raster.height, self.raster.width, _WINDOW_SIZE):
            codes, valid = self._codes(block)
            found, pixels = np.unique(codes[valid & ~np.isin(codes, known)], return_counts=True)
            counts.update(dict(zip(found.tolist(), pixels.tolist(), strict=True)))
        most = counts.most_common(_NAMED)
        kind = "colours" if self.colors else "values"
        told = [f"{pixels:,} px of {self._word(unknown)}" for unknown, pixels in most]
        more = f" and {len(counts) - _NAMED:,} others" if len(counts) > _NAMED else ""
        way = (
            "a mask must not be compressed with loss, as in a JPEG, nor resampled smoothly"
            if self.colors and len(counts) > _BLURRED
            else f"add them to the legend, or give --ignore '{self._word(most[0][0])}' "
            "if that means not labelled"
        )
        return (
            f"labels {self.raster.path} have {', '.join(told)}{more}, "
            f"{kind} that the legend does not name ({self._named()}), {way}"
        )

    def _word(self, code: float) -> str:
        return f"#{int(code):06x}" if self.colors else f"{code:g}"

    def _named(self) -> str:
        classes = (self.mask_legend or self.legend).classes
        return ", ".join(f"{c.name} {c.color if self.colors else c.value}" for c in classes)


def open_raster_labels(
    raster: Scene, legend: Legend | None, ignore: tuple[str, ...]
) -> RasterLabels:
    """Labels in a raster: three bands or more are colours, one is values or has a palette.

    Args:
        raster: on the grid that is wanted.
        legend: the classes; None for those of the palette, or the built-in Dubai legend for
            colours. The Dubai legend in map colours stands for the colours of the Dubai masks.
        ignore: colours (#rrggbb), values and names of classes that mean "not labelled".

    Raises:
        LabelError: if there is no legend, or it has no class of a name to ignore.
    """
    coded: tuple[tuple[int, int], ...] = ()
    if len(raster.bands) >= 3:
        legend = legend or DUBAI
    else:
        palette = read_palette(raster.path)
        legend = legend or _legend_of_palette(raster, palette)
        if not {c.color for c in _in_mask_colors(legend).classes} & set(palette.values()):
            ignored = _ignored_values(legend, ignore, colors=False)
            return RasterLabels(raster, legend, colors=False, ignored=ignored)
        coded = tuple((value, _code(color)) for value, color in palette.items())
    masks = _in_mask_colors(legend)
    ignored = _ignored_values(masks, ignore, colors=True)
    return RasterLabels(
        raster, legend, colors=True, palette=coded, ignored=ignored, mask_legend=masks
    )


def _in_mask_colors(legend: Legend) -> Legend:
    """The classes in the colours that masks have."""
    return DUBAI_MASKS if legend == DUBAI else legend


def _code(color: str) -> int:
    """#rrggbb as one number."""
    return int(color[1:], 16)


def _ignored_values(legend: Legend, ignore: tuple[str, ...], *, colors: bool) -> tuple[int, ...]:
    """Codes of what is to be ignored; colours mean nothing among values."""
    codes = {c.value: _code(c.color) if colors else c.value for c in legend.classes}
    found = [_code(BLACK)] if colors and legend == DUBAI_MASKS else []
    for text in ignore:
        if text.startswith("#"):
            found += [_code(text)] if colors else []
        elif text.lstrip("-").isdigit():
            found += [codes[int(text)]] if int(text) in codes else [] if colors else [int(text)]
        else:
            found.append(codes[legend.value_of(text)])
    return tuple(found)


def _legend_of_palette(raster: Scene, palette: dict[int, str]) -> Legend:
    if not palette:
        raise LabelError(f"labels {raster.path} have no palette, name their classes with --legend")
    if {c.color for c in DUBAI_MASKS.classes} & set(palette.values()):
        return DUBAI
    names = read_categories(raster.path)
    return Legend(
        tuple(
            LandCoverClass(value, names.get(value, str(value)), color)
            for value, color in palette.items()
            if value < NODATA and value != raster.nodata and (color != BLACK or names.get(value))
        )
    )
