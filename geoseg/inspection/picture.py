"""A path to a picture file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import OutputError
from geoseg.inspection.kind import find_kind
from geoseg.raster import describe, read_categories, read_palette, writing
from geoseg.tiles import open_tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")


def plot(path: str | Path, out: str | Path) -> None:
    """Draw what a path is, and replace ``out`` if it is there.

    A model: its layers as a U. A label map: the map with its legend. A scene: a preview in colour,
    each band stretched over 2 to 98 % of its valid pixels. A tile set: some tiles with their
    labels, and a map of the split. Large rasters are read at reduced size.

    Args:
        path: a model file or "default", a tile set, a label map or a scene.
        out: the picture, .png, .svg or .pdf; the name appears when the file is complete.

    Raises:
        OutputError: if the name has another extension, is the path itself, or cannot be written;
            or if the path is a vector file or a folder of parts.
        GeosegError: as `inspect` does, if the path is missing, unknown or damaged.
    """
    from geoseg.model import resolve

    out = Path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{out} is no picture, name it {', '.join(SUFFIXES[:-1])} or .pdf")
    if out.resolve() == resolve(path).resolve():
        raise OutputError(f"{out} is what is to be drawn, give the picture another name")
    if not out.parent.is_dir():
        raise OutputError(f"folder {out.parent} does not exist, create it first")
    figure = _draw(path)
    beside = out.with_name(f".{out.stem}.{os.getpid()}{out.suffix}")
    with writing(out):
        try:
            figure.savefig(beside, format=out.suffix[1:].lower())
            beside.replace(out)
        finally:
            beside.unlink(missing_ok=True)


def _draw(path: str | Path) -> "Figure":
    # Importing matplotlib takes long, and reports in words do without.
    from geoseg.inspection import diagram, maps
    from geoseg.model import Model, resolve
    from geoseg.tiles.preview import draw_tiles

    kind = find_kind(path)
    if kind == "model":
        model = Model.load(path)
        return diagram.draw_unet(model.spec, f"{resolve(path).name}, {model.hash}")
    if kind == "tiles":
        return draw_tiles(open_tiles(path))
    if kind == "labels":
        return maps.draw_labels(describe(path), read_palette(path), read_categories(path))
    if kind == "scene":
        return maps.draw_scene(describe(path))
    if kind == "vectors":
        raise OutputError(f"{path} is a vector file, which geoseg does not draw, open it in QGIS")
    raise OutputError(f"{path} is a folder of parts, which has no picture; finish the run first")
