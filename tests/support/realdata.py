"""Real data, which is not part of the repository, and small made-up data in the same folders.

Tests that take the fixture `data` run on both: on what they make themselves, and on the real data
where it is.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from PIL import Image
from rasterio.windows import Window

from geoseg.legend import DUBAI_MASKS
from tests.support.paths import SAMPLE
from tests.support.rasters import blocks, write_raster

PARANA = "LC08_L1TP_224078_20200518_20200518_01_RT"
CLOUDS = "S2A_T19GBQ_omnicloudmask_10980.tif"
BANDS = (10, 20, 30, 40, 50, 70)
"""Of Landsat 7, as the files of the North Carolina data set are numbered."""


@dataclass(frozen=True)
class Data:
    """A folder with the layout of the real data."""

    folder: Path
    real: bool

    def dubai(self, number: int) -> Path:
        """A tile of the Dubai imagery: nine images/ and masks/, which are scenes of their own."""
        path = self.folder / "dubai" / f"Tile {number}"
        if not path.exists():
            make_dubai_tile(path, seed=number, palette=number == 2)
        return path

    def parana(self) -> Path:
        """A Landsat 8 scene with a margin of 0, and points and polygons with `name`."""
        path = self.folder / "scenes" / "landsat8_parana"
        if not path.exists():
            make_parana(path)
        return path

    def carolina(self) -> Path:
        """Landsat 7 bands, and points, polygons and a raster of labels in other systems."""
        path = self.folder / "scenes" / "nc_landsat_labelled"
        if not path.exists():
            make_carolina(path)
        return path

    def clouds(self) -> Path:
        """A class raster of 0 to 3 without legend."""
        path = self.folder / "scenes" / "class_rasters" / CLOUDS
        if not path.exists():
            path.parent.mkdir(parents=True)
            profile = {"tiled": True, "compress": "deflate"}
            write_raster(path, blocks(2200, 2600, bands=1) // 64, **profile)
        return path


def make_dubai_tile(folder: Path, *, seed: int, palette: bool) -> None:
    """Write nine images of 260 x 270 px with masks in the legend's colours, or with palettes.

    A corner of the second mask is black, which is no class; but not in masks with palettes.
    """
    rng = np.random.default_rng(seed)
    colors = np.array([(0, 0, 0), *(c.rgb for c in DUBAI_MASKS.classes)], np.uint8)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(1, 10):
        name = f"image_part_{number:03d}"
        coarse = rng.integers(1, len(colors), (13, 14), dtype=np.uint8)
        labels = np.kron(coarse, np.ones((20, 20), np.uint8))[:, :270]
        if number == 2 and not palette:
            labels[:100, :150] = 0
        Image.fromarray(colors[labels] // 2 + 40).save(folder / "images" / f"{name}.jpg")
        mask = Image.fromarray(labels if palette else colors[labels])
        if palette:
            mask.putpalette(colors.reshape(-1).tolist())
        mask.save(folder / "masks" / f"{name}.png")


def make_parana(folder: Path) -> None:
    """Write a corner of the sample scene, its polygons, and a point in each of six of them."""
    folder.mkdir(parents=True)
    window = Window(0, 500, 500, 524)
    with rasterio.open(SAMPLE / "parana.tif") as scene:
        pixels, crs = scene.read(window=window), scene.crs
        transform = scene.transform @ Affine.translation(window.col_off, window.row_off)
    x, y = transform @ (window.width, window.height)
    inside = shapely.box(transform.c, y, x, transform.f)
    pixels[:, :, :40] = 0
    write_raster(folder / f"{PARANA}.TIF", pixels, crs=crs, transform=transform, tiled=True)
    polygons = geopandas.read_file(SAMPLE / "parana_labels.gpkg").to_crs(crs)
    polygons = polygons[polygons.within(inside)]
    polygons.to_file(folder / f"{PARANA}_polygons.gpkg")
    points = polygons.set_geometry(polygons.representative_point())
    points = points.groupby("name").head(2).head(6)
    points.to_file(folder / f"{PARANA}_points.gpkg")


def make_carolina(folder: Path) -> None:
    """Write six bands of floats with a margin of nodata; labels on the same ground.

    The polygons lie a little inside of pixels, so that what they cover does not depend on the
    last digit of a projection.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    height, width, crs = 200, 240, "EPSG:32119"
    place = Affine(28.5, 0, 600_000, 0, -28.5, 230_000)
    for number in BANDS:
        missing = -32768 if number == 70 else -99999
        band = np.kron(rng.integers(20, 200, (20, 24)), np.ones((10, 10)))
        band += rng.random(band.shape)
        band[:, :25] = missing
        dtype = np.int16 if number == 70 else np.float32
        write_raster(
            folder / f"lsat7_2000_{number}.tif", band[None].astype(dtype), crs=crs,
            transform=place, nodata=missing,
        )  # fmt: skip
    labels = np.full((height, width), -99999, np.float32)
    boxes, names = [], []
    for row, col in np.ndindex(5, 7):
        top, begin, value = 8 + 40 * row, 8 + 34 * col, 1 + (row + col) % 7
        labels[top : top + 9, begin : begin + 11] = value
        corners = place @ (begin + 0.1, top + 8.9), place @ (begin + 10.9, top + 0.1)
        boxes.append(shapely.box(*corners[0], *corners[1]))
        names.append(f"class {value}")
    frame = geopandas.GeoDataFrame({"label": names}, geometry=boxes, crs=crs)
    frame.to_crs("EPSG:4326").to_file(folder / "landsat96_polygons.shp")
    points = frame.sample_points(20, rng=0).explode()
    outside = shapely.Point(place @ (-20, 5))
    points = geopandas.GeoDataFrame(
        {"label": [*frame["label"].loc[points.index], "class 1"]},
        geometry=[*points, outside], crs=crs,
    )  # fmt: skip
    points.to_crs("EPSG:4326").to_file(folder / "landsat96_points.shp")
    write_raster(
        folder / "landsat96_labelled_pixels.tif",
        labels[None],
        crs="EPSG:3358",
        transform=place,
        nodata=-99999,
    )
