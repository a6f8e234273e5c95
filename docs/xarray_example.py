"""Classify a lazy cube of satellite images with geoseg.xarray: land cover, areas, a picture.

Run it cell by cell in an editor that knows ``# %%``, or as a script. It needs
``pip install 'geoseg[xarray]'``, and writes land_cover.png into the current folder.
"""
# ruff: noqa: ERA001, T201

# %% A cube, as odc-stac loads it: a variable for each band, lazy, with time, y and x
#
# With a STAC catalogue, this cell is:
#
#     items = pystac_client.Client.open(url).search(...).item_collection()
#     cube = odc.stac.load(items, bands=["red", "green", "blue"], chunks={"y": 1024, "x": 1024})
#
# Here, the pixels are those of the example scene, and the order of the bands is not that of the
# model.

from pathlib import Path

import dask.array
import matplotlib.pyplot as plt
import numpy as np
import rasterio
import xarray
from matplotlib.colors import ListedColormap

from geoseg import ClassifySettings
from geoseg.xarray import classify

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
SCENE, MODEL = SAMPLE / "parana.tif", SAMPLE / "parana.safetensors"

with rasterio.open(SCENE) as scene:
    transform, crs, shape = scene.transform, scene.crs, scene.shape


def read_block(number: int, block_info: dict) -> np.ndarray:
    """Read one block of a band."""
    _, rows, cols = block_info[None]["array-location"]
    with rasterio.open(SCENE) as scene:
        return scene.read([number], window=rasterio.windows.Window.from_slices(rows, cols))


def band(number: int) -> dask.array.Array:
    """Return a lazy band (time, y, x) of the scene."""
    chunks = (1, (512, 512), (400, shape[1] - 400))
    return dask.array.map_blocks(read_block, number, chunks=chunks, dtype="uint16")


y = transform.f + transform.e * (np.arange(shape[0]) + 0.5)
x = transform.c + transform.a * (np.arange(shape[1]) + 0.5)
cube = xarray.Dataset(
    {
        name: (("time", "y", "x"), band(number))
        for number, name in [(3, "red"), (2, "green"), (1, "blue")]
    },
    coords={
        "time": [np.datetime64("2024-01-15", "ns")],
        "y": y,
        "x": x,
        "spatial_ref": ((), 0, {"crs_wkt": crs.to_wkt()}),
    },
)

# %% One image of the cube, as one array with a dimension of bands; the map is lazy too
#
# Pixels around the image are 0. Where an array has the attribute nodata, as those of odc-stac, the
# setting is not needed.

image = cube.isel(time=0).to_dataarray("band")
land_cover = classify(image, model=MODEL, settings=ClassifySettings(nodata=0), confidence=True)
print(land_cover)

# %% Areas of the classes, computed block by block: memory holds only a few blocks

labels = land_cover["labels"]
values, names = labels.attrs["flag_values"], labels.attrs["class_names"]
pixels = xarray.Dataset(
    {name: (labels == value).sum() for value, name in zip(values, names, strict=True)}
).compute()
pixel_km2 = abs(transform.a * transform.e) / 1e6
areas = {name: float(pixels[name]) * pixel_km2 for name in names}
for name, area in areas.items():
    print(f"{name:20} {area:8.1f} km²")

# %% A picture of labels and confidence

land_cover = land_cover.compute()
colors = ListedColormap(labels.attrs["flag_colors"].split())
index = xarray.zeros_like(land_cover["labels"], dtype=float)
for position, value in enumerate(values):
    index = index.where(land_cover["labels"] != value, position)
index = index.where(land_cover["labels"] != labels.attrs["_FillValue"])

figure, axes = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
picture = index.plot.imshow(
    ax=axes[0], cmap=colors, vmin=-0.5, vmax=len(values) - 0.5, add_colorbar=False
)
bar = figure.colorbar(picture, ax=axes[0], ticks=range(len(values)))
bar.ax.set_yticklabels(names)
land_cover["confidence"].plot.imshow(ax=axes[1], cmap="viridis", vmin=0, vmax=255)
for axis, title in zip(axes, ("land cover", "confidence"), strict=True):
    axis.set(title=title, aspect="equal")
figure.savefig("land_cover.png", dpi=120)
