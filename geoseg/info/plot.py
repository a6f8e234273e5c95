"""Draw a model, tile set, class map, scene or product into a picture file."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import OutputError
from geoseg.files import atomic_file, check_file_name, check_inputs_stay
from geoseg.info.detect import find_kind
from geoseg.labels import open_class_raster
from geoseg.models import find_model, is_model_name
from geoseg.raster import open_scene
from geoseg.tiles import open_tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")


def plot(path: str | Path, out: str | Path) -> None:
    """Draw a model, tile set, class map, scene or product. An existing picture is replaced.

    A model: its layers as a U. A class map: the map with its legend. A scene or product: a preview
    in colour, each band stretched from the 2nd to the 98th percentile of its valid pixels. A tile
    set: example tiles with their labels, and a map of the split. Large rasters are read at reduced
    size.

    Args:
        path: a model file or its name, a tile set, a class map, a scene or a product.
        out: picture file, .png, .svg or .pdf.

    Raises:
        OutputError: if the picture has another extension, is the path itself, or cannot be written;
            or if the path is an ONNX file, a vector file or the parts of a run.
        GeosegError: as in `describe`, if the path is missing, unknown or damaged.
    """
    out = Path(out)
    check_file_name(out, *SUFFIXES)
    check_inputs_stay([out], [find_model(path) if is_model_name(path) else path])
    figure = _draw(path)
    with atomic_file(out) as temporary:
        figure.savefig(temporary, format=out.suffix[1:].lower())


def _draw(path: str | Path) -> "Figure":
    # Importing matplotlib takes long, and other reports do not need it.
    from geoseg.info.plot_rasters import plot_labels, plot_scene
    from geoseg.info.plot_unet import draw_unet
    from geoseg.tiles.preview import draw_tiles

    kind = find_kind(path)
    if kind == "model":
        from geoseg.model import Model

        model = Model.load(path)
        return draw_unet(model.spec, f"{find_model(path).name}, {model.hash}")
    if kind == "tiles":
        return draw_tiles(open_tiles(path))
    if kind == "labels":
        raster = open_class_raster(path)
        return plot_labels(raster.scene, raster.palette, raster.names)
    if kind in ("scene", "product"):
        return plot_scene(open_scene(path))
    if kind == "onnx":
        raise OutputError(f"{path} is an ONNX file, which geoseg does not draw, open it in Netron")
    if kind == "vectors":
        raise OutputError(f"{path} is a vector file, which geoseg does not draw, open it in QGIS")
    raise OutputError(
        f"{path} holds the parts of a run, which geoseg does not draw, finish the run first"
    )
