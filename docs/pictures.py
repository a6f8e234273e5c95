"""Draw the pictures of the site from the sample data.

The build of the site calls `make_pictures`. To look at the pictures alone, run
``python docs/pictures.py FOLDER``.
"""

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas
import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

import geoseg
from geoseg.blend import taper_profile, weight_sums
from geoseg.grid import WindowGrid

DPI = 110
GREY = "#555555"


def make_pictures(sample: Path) -> dict[str, bytes]:
    """Map the sample scene and return the pictures, PNG files by name.

    Args:
        sample: the folder sample_data.
    """
    with TemporaryDirectory() as folder:
        maps = Path(folder)
        geoseg.classify(
            sample / "parana.tif",
            maps / "lulc.tif",
            model=sample / "parana.safetensors",
            settings=geoseg.ClassifySettings(nodata=0),
            polygons=maps / "lulc.gpkg",
        )
        report = geoseg.evaluate(
            maps / "lulc.tif",
            sample / "parana_labels.gpkg",
            out=maps / "report",
            settings=geoseg.EvaluateSettings(class_field="name"),
        )
        draw: dict[str, Callable[[], Figure]] = {
            "scene-and-map.png": lambda: scene_and_map(sample, maps),
            "labels.png": lambda: labels(sample),
            "polygons.png": lambda: polygons(sample, maps),
            "windows.png": windows,
            "weights.png": weights,
            "error-matrix.png": lambda: error_matrix(report),
        }
        return {name: _png(picture()) for name, picture in draw.items()}


def scene_and_map(sample: Path, maps: Path) -> Figure:
    """Draw the scene and its map side by side, with the legend."""
    legend = geoseg.read_legend(sample / "legend.csv")
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _show(left, _scene(sample), "scene")
    with rasterio.open(maps / "lulc.tif") as lulc:
        values = lulc.read(1)
    colors = ListedColormap([c.color for c in legend.classes])
    index = np.ma.masked_equal(np.searchsorted(legend.values, values), len(legend.values))
    right.imshow(index, cmap=colors, vmin=-0.5, vmax=len(legend.values) - 0.5, interpolation="none")
    _show(right, None, "map")
    figure.legend(handles=_patches(legend), loc="outside lower center", ncols=4, frameon=False)
    return figure


def labels(sample: Path) -> Figure:
    """Draw the label polygons over the scene."""
    legend = geoseg.read_legend(sample / "legend.csv")
    figure = Figure(figsize=(5.6, 7.6), layout="constrained")
    axes = figure.subplots()
    _show(axes, _scene(sample), "")
    frame = _in_pixels(sample, sample / "parana_labels.gpkg", "labels")
    for cover in legend.classes:
        of_class = frame[frame["name"] == cover.name]
        of_class.plot(ax=axes, facecolor=cover.color, edgecolor="white", linewidth=1)
    axes.set(xlim=(0, 768), ylim=(1024, 0), xlabel="", ylabel="")
    figure.legend(handles=_patches(legend), loc="outside lower center", ncols=4, frameon=False)
    return figure


def polygons(sample: Path, maps: Path) -> Figure:
    """Draw the polygons of a small part of the map over the scene."""
    legend = geoseg.read_legend(sample / "legend.csv")
    row, col, side = 640, 400, 110
    figure = Figure(figsize=(6, 6.3), layout="constrained")
    axes = figure.subplots()
    _show(axes, _scene(sample), "")
    frame = _in_pixels(sample, maps / "lulc.gpkg", "lulc").cx[col : col + side, row : row + side]
    for cover in legend.classes:
        of_class = frame[frame["class_name"] == cover.name]
        if len(of_class):
            of_class.plot(ax=axes, facecolor=cover.color, edgecolor="none", alpha=0.35)
            of_class.boundary.plot(ax=axes, color="white", linewidth=1.2)
    axes.set(xlim=(col, col + side), ylim=(row + side, row), xlabel="", ylabel="")
    figure.legend(handles=_patches(legend), loc="outside lower center", ncols=4, frameon=False)
    return figure


def windows() -> Figure:
    """Draw the windows over a scene, and in how many windows each pixel lies."""
    grid = WindowGrid(height=600, width=800, size=256, stride=224)
    count = np.zeros((grid.height, grid.width), int)
    for row in grid.rows:
        for col in grid.cols:
            count[row : row + grid.size, col : col + grid.size] += 1
    figure = Figure(figsize=(8, 5.6), layout="constrained")
    axes = figure.subplots()
    numbers = np.unique(count)
    shades = ListedColormap(["#eef3f8", "#b9d2ea", "#6f9fcc"])
    axes.imshow(np.searchsorted(numbers, count), cmap=shades, vmin=-0.5, vmax=2.5)
    for row in grid.rows:
        for col in grid.cols:
            axes.add_patch(Rectangle((col, row), 256, 256, fill=False, edgecolor=GREY, linewidth=1))
    first = Rectangle((0, 0), 256, 256, fill=False, edgecolor="#c0392b", linewidth=2.5)
    axes.add_patch(first)
    axes.text(112, 112, "window\n256 px", ha="center", va="center", color="#c0392b")
    axes.text(340, 240, "overlap 32 px", ha="center", va="center", color="#1f3b57")
    axes.set(xlabel="column (px)", ylabel="row (px)")
    texts = ["in one window", *(f"in {n} windows" for n in numbers[1:])]
    handles = [Patch(color=shades(i), label=text) for i, text in enumerate(texts)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def weights() -> Figure:
    """Draw the weights of the windows along one axis, and the sum of the divided weights."""
    size, overlap = 256, 64
    grid = WindowGrid(height=1, width=640, size=size, stride=size - overlap)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    taper = taper_profile("hann", size, overlap)
    total = weight_sums(grid.cols, taper, 0, grid.width)
    shares = np.zeros(grid.width)
    for number, first in enumerate(grid.cols, 1):
        cols = np.arange(first, first + size)
        axes.plot(cols, taper, label=f"window {number}")
        shares[cols] += taper / total[cols]
    axes.plot(np.arange(grid.width), shares, color="black", linestyle="--", label="sum of shares")
    axes.set(xlabel="column (px)", ylabel="weight", ylim=(0, 1.12), xlim=(0, grid.width))
    axes.legend(loc="lower center", ncols=4, frameon=False, bbox_to_anchor=(0.5, 1))
    return figure


def error_matrix(report: geoseg.EvaluationReport) -> Figure:
    """Draw the error matrix with user's and producer's accuracy."""
    names = [*report.legend.names]
    counts = report.counts
    figure = Figure(figsize=(7.4, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    with np.errstate(invalid="ignore"):
        users = np.diag(counts) / counts.sum(axis=1)
        producers = np.diag(counts) / counts.sum(axis=0)
    rows = [
        [*(f"{n:,}" for n in row), f"{share:.1%}"] for row, share in zip(counts, users, strict=True)
    ]
    overall = np.trace(counts) / counts.sum()
    rows.append([*(f"{share:.1%}" for share in producers), f"{overall:.1%}"])
    table = axes.table(
        rows,
        rowLabels=[*names, "producer's accuracy"],
        colLabels=[*names, "user's accuracy"],
        loc="center",
        cellLoc="right",
    )
    table.scale(1, 1.7)
    for number in range(len(names)):
        table[number + 1, number].set_facecolor("#d5e8d4")
    axes.set_title("pixels: rows are the map, columns the reference", fontsize=10)
    return figure


def _scene(sample: Path) -> NDArray[np.float64]:
    """Return the scene as colours (height, width, 4), transparent where it has no data."""
    with rasterio.open(sample / "parana.tif") as scene:
        bands = scene.read([3, 2, 1]).astype(float)
    valid = bands.any(axis=0)
    low, high = np.percentile(bands[:, valid], [1, 99], axis=1)[..., None, None]
    colors = ((bands - low) / (high - low)).clip(0, 1)
    return np.moveaxis(np.concatenate([colors, valid[None]]), 0, -1)


def _in_pixels(sample: Path, path: Path, layer: str) -> geopandas.GeoDataFrame:
    """Return the features of a layer in pixels of the scene."""
    with rasterio.open(sample / "parana.tif") as scene:
        transform, crs = scene.transform, scene.crs
    frame = geopandas.read_file(path, layer=layer).to_crs(crs)
    inverse = ~transform
    six = [inverse.a, inverse.b, inverse.d, inverse.e, inverse.c, inverse.f]
    return frame.set_geometry(frame.geometry.affine_transform(six), crs=None).set_crs(
        None, allow_override=True
    )


def _show(axes: Axes, colors: NDArray[np.float64] | None, title: str) -> None:
    if colors is not None:
        axes.imshow(colors, interpolation="none")
    axes.set(title=title, xticks=[], yticks=[])


def _patches(legend: geoseg.Legend) -> list[Patch]:
    return [Patch(color=c.color, label=c.name) for c in legend.classes]


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, dpi=DPI, format="png")
    return file.getvalue()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in make_pictures(Path(__file__).parents[1] / "sample_data").items():
        (folder / name).write_bytes(content)
