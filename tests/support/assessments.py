"""Write maps, points and tables for the tests of evaluation."""

import csv

import geopandas
import numpy as np
import shapely
from affine import Affine

from geoseg.evaluation import EvaluateSettings
from geoseg.grid import Window
from geoseg.legend import Legend
from geoseg.raster import RasterProfile, write_cog
from geoseg.styles.gdal_pam import pam_sidecar
from tests.support.published_samples import OLOFSSON_2014

PLACE = Affine(30, 0, 500000, 0, -30, 2800000)

LEGEND = Legend.from_names(["water", "grass", "rock"])

BY_NAME = EvaluateSettings(legend=LEGEND)


def write_map(path, values, legend=LEGEND, **options):
    """Write a map as `classify` does: with a palette, and a sidecar with names."""
    transform = options.pop("transform", PLACE)
    target = RasterProfile(
        *values.shape, 1, tuple(transform)[:6], options.pop("crs", "EPSG:32640"), nodata=255,
        colormap={c.value: c.rgb for c in legend.classes},
    )  # fmt: skip
    write_cog(path, target, [(Window(0, 0, *values.shape), values[None])])
    path.with_name(f"{path.name}.aux.xml").write_text(pam_sidecar(legend, [0] * len(legend)))
    return path


def write_points(path, rows, cols, classes, crs="EPSG:4326", place=PLACE, **columns):
    """Write points at the centres of pixels, by default in another CRS than the map."""
    x, y = place @ (np.asarray(cols) + 0.5, np.asarray(rows) + 0.5)
    frame = geopandas.GeoDataFrame(
        {"reference": classes, **columns}, geometry=shapely.points(x, y), crs="EPSG:32640"
    )
    frame.to_crs(crs).to_file(path)
    return path


def write_tables(folder, names, counts, area_ha=None):
    """Write an error matrix and the areas of its classes."""
    matrix, areas = folder / "matrix.csv", folder / "areas.csv"
    area_ha = OLOFSSON_2014.area_ha if area_ha is None else area_ha
    with matrix.open("w", newline="") as file:
        rows = [[name, *row] for name, row in zip(names, np.array(counts).tolist(), strict=True)]
        csv.writer(file).writerows([["", *names], *rows])
    with areas.open("w", newline="") as file:
        csv.writer(file).writerows([["class", "area_ha"], *zip(names, area_ha, strict=True)])
    return matrix, areas
