"""A path to a picture file."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import OutputError
from geoseg.files import atomic_file, check_file_name
from geoseg.info.detect import find_kind
from geoseg.labels import open_class_raster
from geoseg.raster import open_scene
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
    from geoseg.model import find_model

    out = Path(out)
    check_file_name(out, *SUFFIXES)
    if out.resolve() == find_model(path).resolve():
        raise OutputError(f"{out} is what is to be drawn, give the picture another name")
    figure = _draw(path)
    with atomic_file(out) as temporary:
        figure.savefig(temporary, format=out.suffix[1:].lower())


def _draw(path: str | Path) -> "Figure":
    # Importing matplotlib takes long, and reports in words do without.
    from geoseg.info import plot_rasters as maps
    from geoseg.info import plot_unet as diagram
    from geoseg.model import Model, find_model
    from geoseg.tiles.preview import draw_tiles

    kind = find_kind(path)
    if kind == "model":
        model = Model.load(path)
        return diagram.draw_unet(model.spec, f"{find_model(path).name}, {model.hash}")
    if kind == "tiles":
        return draw_tiles(open_tiles(path))
    if kind == "labels":
        raster = open_class_raster(path)
        return maps.plot_labels(raster.scene, raster.palette, raster.names)
    if kind == "scene":
        return maps.plot_scene(open_scene(path))
    if kind == "vectors":
        raise OutputError(f"{path} is a vector file, which geoseg does not draw, open it in QGIS")
    raise OutputError(f"{path} is a folder of parts, which has no picture; finish the run first")
