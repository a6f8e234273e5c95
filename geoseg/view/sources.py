"""The rasters and polygons of a page, all on the grid of the map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.errors import LabelError, SceneError, VectorError, redact
from geoseg.geodesy import apply_affine
from geoseg.labels import ClassRaster, open_class_raster
from geoseg.labels.class_raster import describe_class_raster
from geoseg.labels.open import on_grid
from geoseg.legend import Legend
from geoseg.raster import Scene, open_scene, open_scores, rgb_bands
from geoseg.vectors import VectorLayer, open_layer
from geoseg.view.settings import ViewSettings


@dataclass(frozen=True, slots=True)
class Sources:
    """The rasters and polygons that a page shows, without open files."""

    image: Scene
    """All bands of the scene."""
    shown: Scene
    """The scene with the one band or the three bands that are drawn."""
    maps: tuple[ClassRaster, ...]
    """No map, the map, or the map and a second one."""
    confidence: Scene | None
    probabilities: Scene | None
    polygons: VectorLayer | None

    @property
    def grid(self) -> Scene:
        """The raster whose pixel grid the page has: the map, or the scene if there is no map."""
        return self.maps[0].scene if self.maps else self.image

    @property
    def maps_by_layer(self) -> dict[str, ClassRaster]:
        """The maps by the names of their layers: "map", and "compare" for the second one."""
        return dict(zip(("map", "compare"), self.maps, strict=False))

    @property
    def name(self) -> str:
        """Title of the page."""
        scenes = [self.image, *(raster.scene for raster in self.maps)]
        paths = [redact(scene.path) for scene in scenes]
        return ", ".join(Path(path).name or path for path in paths)


def open_sources(scene: str | Path, lulc: str | Path | None, settings: ViewSettings) -> Sources:
    """Open the files of a page; rasters on another grid are warped to that of the map (nearest).

    Args:
        scene: anything GDAL opens, or a product.
        lulc: class raster; None to show the scene alone.
        settings: further files.

    Raises:
        SceneError: if a raster cannot be opened, or cannot be placed on the map.
        LabelError: if a map is no class raster.
        VectorError: if the polygons cannot be read, or have another CRS.
    """
    image = open_scene(scene, bands=settings.bands, nodata=settings.nodata)
    maps = _open_maps(lulc, settings)
    grid = maps[0].scene if maps else image
    image = _placed(image, grid)
    chosen = [image.bands[index - 1] for index in rgb_bands(image.band_names)]
    if settings.bands is not None:
        chosen = list(image.bands[:3] if len(image.bands) >= 3 else image.bands[:1])
    confidence = probabilities = None
    if settings.confidence is not None:
        confidence = _placed(open_scores(settings.confidence, "confidence"), grid)
    if settings.probabilities is not None:
        probabilities = _placed(open_scene(settings.probabilities), grid)
        if probabilities.dtype != "uint8":
            raise SceneError(
                f"{probabilities.path} has {probabilities.dtype} pixels, but probabilities are 0 "
                "to 255 (uint8), give the raster that `geoseg classify --probabilities` wrote"
            )
    polygons = None if settings.polygons is None else open_layer(settings.polygons)
    if polygons is not None:
        check_same_crs(polygons.path, polygons.crs, grid)
    shown = image.with_bands(tuple(chosen))
    return Sources(image, shown, maps, confidence, probabilities, polygons)


def _open_maps(lulc: str | Path | None, settings: ViewSettings) -> tuple[ClassRaster, ...]:
    if lulc is None:
        if settings.compare is not None:
            raise LabelError("a second map needs a first one to be compared with, give LULC too")
        return ()
    first = _open_map(lulc, settings.legend)
    if settings.compare is None:
        return (first,)
    second = _open_map(settings.compare, settings.legend)
    placed = _placed(second.scene, first.scene)
    return first, describe_class_raster(placed, second.own_legend, "number")


def _open_map(path: str | Path, legend: Legend | str | Path | None) -> ClassRaster:
    """Open a class raster with its palette or names; without them, each value is a class."""
    raster = open_class_raster(path, legend=legend)
    known = raster.own_legend is None and (raster.palette or raster.names)
    return describe_class_raster(raster.scene, None, "error") if known else raster


def _placed(raster: Scene, grid: Scene) -> Scene:
    """Return a raster on the grid of the map."""
    same_size = (raster.height, raster.width) == (grid.height, grid.width)
    if not same_size and (raster.crs is None or grid.crs is None):
        raise SceneError(
            f"{raster.path} is {raster.height} x {raster.width} px, {grid.path} is {grid.height} x "
            f"{grid.width}, and not both have a CRS by which to match them, assign it with "
            "gdal_edit -a_srs"
        )
    return on_grid(raster, grid)


def check_same_crs(path: str, crs: str | None, grid: Scene) -> None:
    """Refuse vectors in another CRS than that of the map.

    Raises:
        VectorError: if they differ.
    """
    from pyproj import CRS

    if (crs is None) != (grid.crs is None):
        has, lacks = (path, grid.path) if crs else (grid.path, path)
        raise VectorError(f"{has} has a CRS, but {lacks} has none, assign it first (-a_srs)")
    if crs is None or grid.crs is None:
        return
    of_file, of_grid = CRS.from_user_input(crs), CRS.from_user_input(grid.crs)
    if not of_file.equals(of_grid, ignore_axis_order=True):
        raise VectorError(
            f"{path} is in the CRS {of_file.name!r}, but {grid.path} in {of_grid.name!r}, convert "
            "it with ogr2ogr -t_srs"
        )


def map_coordinates(grid: Scene, row: float, col: float) -> tuple[float, float]:
    """Return x and y (CRS units) of a row and column; 0.5 is the centre of the first pixel."""
    x, y = apply_affine(grid.affine, np.array([float(col)]), np.array([float(row)]))
    return float(x[0]), float(y[0])
