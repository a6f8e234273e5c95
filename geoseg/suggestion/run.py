"""Suggest patches of a map to label, as a GeoPackage."""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import SuggestError, check_list, check_type, count_of
from geoseg.execute import Progress, ProgressCounter
from geoseg.files import check_file_name, check_not_there
from geoseg.geodesy import apply_affine
from geoseg.grid import Window
from geoseg.labels import LabelSource, open_map
from geoseg.legend import TOP_SCORE, Legend, as_legend
from geoseg.raster import Scene, open_scene, open_scores, read_window, same_grid, warped_to
from geoseg.styles.qgis import patch_form_qml
from geoseg.suggestion.draw import draw_patches
from geoseg.suggestion.exclude import outside_of
from geoseg.suggestion.patches import BlockPixels, Patches, blocks, find_candidates
from geoseg.suggestion.settings import SuggestSettings
from geoseg.vectors import write_geopackage

log = logging.getLogger("geoseg")

_LAYER = "suggested"
"""Name of the layer of the patches."""

_ReadUncertainty = Callable[[Window], NDArray[np.float32]]
"""Reads the uncertainty (height, width) of a window, 0 to 1; NaN where it is unknown."""


@dataclass(frozen=True, slots=True)
class SuggestReport:
    """The number of suggested patches, their uncertainty and their classes."""

    patches: int
    """Number of suggested patches."""
    mean_uncertainty: float | None
    """Mean of their uncertainty, 0 to 1; None if neither uncertainty nor confidence was given."""
    classes: dict[str, int]
    """Number of patches by their most frequent class."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return asdict(self)


def suggest(  # noqa: PLR0913 - all but two by name
    lulc: str | Path,
    out: str | Path,
    *,
    uncertainty: str | Path | None = None,
    confidence: str | Path | None = None,
    scene: str | Path | None = None,
    exclude: Sequence[str | Path] = (),
    settings: SuggestSettings = SuggestSettings(),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SuggestReport:
    """Suggest patches of a class map to label next: uncertain, different, and not close together.

    The map is divided into patches. The most uncertain ones are candidates, at least ten times as
    many as wanted. Patches are drawn from them one after the other; the chance of a patch grows
    with its uncertainty and with its difference to those drawn before, in classes, uncertainty and
    colours. The patches are not a random sample: the accuracy of the map cannot be estimated from
    them.

    Args:
        lulc: class map.
        out: GeoPackage to write, in the CRS of the map, with a form for QGIS. Its layer
            "suggested" has a polygon for each patch, and the fields rank (from 1), uncertainty,
            class_name (the most frequent class), class (empty) and suggested (true).
        uncertainty: uncertainty raster of the map, as `classify` writes it.
        confidence: confidence raster of the map, in place of the uncertainty. Without both, all
            patches count as equally uncertain.
        scene: raster of the same place, on any grid; patches with different values of its bands
            are preferred. None for none.
        exclude: vector files of places that are labelled already, in any CRS. Patches that a
            feature overlaps are not suggested.
        settings: how many patches, how large and how far apart.
        overwrite: replace an existing file.
        progress: called as windows are read, see `geoseg.execute.Progress`.

    Raises:
        SuggestError: if uncertainty and confidence are both given, or the map has no pixel of a
            class outside of the excluded places.
        LabelError: if the classes of the map are not known.
        VectorError: if a file of places to exclude cannot be read.
        SceneError: if a raster cannot be read or is not on the grid of the map, or if confidence
            and uncertainty are exchanged.
        OutputError: if the file exists, or cannot be written.
    """
    check_type("settings", settings, SuggestSettings)
    check_list("exclude", exclude)
    out = Path(out)
    check_file_name(out, ".gpkg")
    inputs = (lulc, uncertainty, confidence, scene, *exclude)
    check_not_there(out, overwrite=overwrite, inputs=inputs)
    grid, mapped = open_map(str(lulc), as_legend(settings.legend), ())
    read = _block_reader(grid, mapped, _open_uncertainty(uncertainty, confidence, grid), scene)
    windows = list(blocks(grid.height, grid.width, settings.size))
    done = ProgressCounter(progress, "windows", len(windows))

    def read_block(window: Window) -> BlockPixels:
        block = read(window)
        done.add()
        return block

    known = uncertainty is not None or confidence is not None
    candidates = find_candidates(
        read_block, windows, mapped.legend.values, settings.size,
        settings.candidates(equal=not known), settings.seed,
        outside_of(exclude, grid, settings.size),
    )  # fmt: skip
    if candidates is None:
        raise SuggestError(
            f"map {grid.path} has no pixel of a class outside of the excluded places, check "
            "the files with `geoseg info`"
        )
    rng = np.random.default_rng(settings.seed)
    chosen = candidates.take(
        draw_patches(candidates, settings.number, settings.resolved_distance, rng)
    )
    if len(chosen) < settings.number:
        log.warning(
            "%s has room for only %s of %d px at this distance, lower the size or the distance",
            grid.path, count_of(len(chosen), "patch"), settings.size,
        )  # fmt: skip
    _write(out, chosen, grid, mapped.legend, settings.size, known=known)
    names = _class_names(chosen, mapped.legend)
    return SuggestReport(
        patches=len(chosen),
        mean_uncertainty=float(chosen.uncertainty.mean()) if known else None,
        classes={name: names.count(name) for name in mapped.legend.names if name in names},
    )


def _block_reader(
    grid: Scene, mapped: LabelSource, read_uncertainty: _ReadUncertainty, scene: str | Path | None
) -> Callable[[Window], BlockPixels]:
    """Return a function that reads the pixels of a block."""
    colours = None if scene is None else _scene_on_grid(scene, grid)

    def read(window: Window) -> BlockPixels:
        bands = np.zeros((0, window.height, window.width), np.float32)
        if colours is not None:
            pixels, valid = read_window(colours, window)
            bands = np.where(valid, pixels.astype(np.float32), np.float32(np.nan))
        return BlockPixels(mapped.read(window), read_uncertainty(window), bands)

    return read


def _scene_on_grid(path: str | Path, grid: Scene) -> Scene:
    """Open a scene on the grid of the map, warped (nearest pixel) if it has another grid."""
    scene = open_scene(path)
    if same_grid(scene, grid):
        return scene
    if scene.crs is None or grid.crs is None:
        raise SuggestError(
            f"scene {path} is not on the grid of {grid.path}, and not both have a CRS by which to "
            "match them, assign it with gdal_edit -a_srs, or leave --scene out"
        )
    return warped_to(scene, grid)


def _open_uncertainty(
    uncertainty: str | Path | None, confidence: str | Path | None, grid: Scene
) -> _ReadUncertainty:
    """Return a function that reads the uncertainty; without a raster it is 1 everywhere."""
    if uncertainty is not None and confidence is not None:
        raise SuggestError("uncertainty and confidence are both given, leave one of them out")
    path = uncertainty if confidence is None else confidence
    if path is None:
        return lambda window: np.ones((window.height, window.width), np.float32)
    raster = open_scores(path, "uncertainty" if confidence is None else "confidence", grid)
    table = np.full(256, np.nan, np.float32)  # 0 is nodata
    table[1:] = np.linspace(0, 1, 255) if confidence is None else 1 - np.arange(1, 256) / TOP_SCORE

    def read(window: Window) -> NDArray[np.float32]:
        pixels, valid = read_window(raster, window)
        values: NDArray[np.float32] = table[np.where(valid, pixels[0], 0)]
        return values

    return read


def _class_names(patches: Patches, legend: Legend) -> list[str]:
    """Return the name (n,) of the most frequent class of each patch."""
    return [legend.names[index] for index in patches.classes.argmax(1).tolist()]


def _write(
    out: Path, patches: Patches, grid: Scene, legend: Legend, size: int, *, known: bool
) -> None:
    """Write the patches in the order of their rank."""
    import geopandas

    number = len(patches)
    end_row = np.minimum(patches.row + size, grid.height)
    end_col = np.minimum(patches.col + size, grid.width)
    cols = np.stack([patches.col, end_col, end_col, patches.col, patches.col], 1)
    rows = np.stack([patches.row, patches.row, end_row, end_row, patches.row], 1)
    corners = np.stack(apply_affine(grid.affine, cols, rows), axis=-1)
    columns = {
        "rank": np.arange(1, number + 1),
        "uncertainty": patches.uncertainty.round(4) if known else np.full(number, np.nan),
        "class_name": _class_names(patches, legend),
        "class": np.full(number, None, object),
        "suggested": np.ones(number, bool),
    }
    frame = geopandas.GeoDataFrame(columns, geometry=shapely.polygons(corners), crs=grid.crs)
    form = patch_form_qml(legend, list(columns))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        write_geopackage(out, frame, _LAYER, form, "Patches to be labelled")
