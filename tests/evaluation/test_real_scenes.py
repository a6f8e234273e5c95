"""Evaluation on real scenes with real labels, and on small scenes like them."""

import json
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg import ClassifySettings, classify
from geoseg.evaluation import EvaluateSettings, SampleSettings, evaluate, sample
from geoseg.legend import DUBAI_MASKS, Legend
from geoseg.metrics import Confusion
from tests.support.assessments import write_map
from tests.support.paths import SAMPLE
from tests.support.rasters import write_raster
from tests.support.realdata import PARANA

PLACE = Affine(0.5, 0, 320000, 0, -0.5, 2790000)
BLACK = 546_609
"""Pixels of Tile 8 that nobody annotated: 545,723 in one mask, slivers at edges elsewhere."""


def stitched(folder, kind, suffix):
    """The nine parts of a tile as one scene."""
    parts = []
    for number in range(1, 10):
        with rasterio.open(folder / kind / f"image_part_{number:03d}.{suffix}") as part:
            parts.append(part.read())
    return np.concatenate([np.concatenate(parts[i : i + 3], 2) for i in (0, 3, 6)], 1)


@pytest.mark.slow
def test_dubai_against_its_masks(data, tmp_path):
    """A quarter of Tile 8, mapped; what is black in the masks is left out, and counted."""
    tile = data.dubai(8)
    masks = stitched(tile, "masks", "png")
    write_raster(tmp_path / "masks.tif", masks, transform=PLACE, tiled=True, compress="deflate")
    rows, first = (1024, 4096) if data.real else (200, 300)
    part = stitched(tile, "images", "jpg")[:, :rows, first:]
    place = PLACE @ Affine.translation(first, 0)
    write_raster(tmp_path / "scene.tif", part, transform=place, tiled=True)
    classify(tmp_path / "scene.tif", tmp_path / "lulc.tif", confidence=tmp_path / "confidence.tif")
    report = evaluate(
        tmp_path / "lulc.tif", tmp_path / "masks.tif", out=tmp_path / "report",
        settings=EvaluateSettings(
            confidence=tmp_path / "confidence.tif", ignore=(DUBAI_MASKS.classes[5].color,)
        ),
    ).to_dict()  # fmt: skip
    masks = masks[:, :rows, first:]
    unlabelled = np.array(DUBAI_MASKS.classes[5].rgb)[:, None, None]
    black = int((masks == 0).all(0).sum())
    left_out = black + int((masks == unlabelled).all(0).sum())
    assert report["left_out"]["no class in the reference"] == left_out
    assert report["compared"] == masks[0].size - left_out
    with rasterio.open(tmp_path / "lulc.tif") as map_:
        mapped = map_.read(1)
    colors = np.array([c.rgb for c in DUBAI_MASKS.classes])
    right = (masks == colors[mapped].transpose(2, 0, 1)).all(0).sum()
    assert report["overall_accuracy"] == pytest.approx(right / report["compared"])
    if data.real:
        assert black > 200_000
        assert report["overall_accuracy"] > 0.75
        assert report["calibration"]["expected_calibration_error"] < 0.1
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<img ") == 4  # the scene is found by what the map says of itself


@pytest.mark.slow
def test_all_of_dubais_tile_8_is_compared_but_what_is_black(data, tmp_path):
    masks = stitched(data.dubai(8), "masks", "png")
    path = write_raster(tmp_path / "masks.tif", masks, transform=PLACE, tiled=True)
    report = evaluate(path, path, out=tmp_path / "report").to_dict()
    assert report["overall_accuracy"] == 1
    black = BLACK if data.real else 100 * 150
    assert report["left_out"]["no class in either"] == black
    assert report["compared"] == masks[0].size - black


@pytest.fixture(scope="module")
def parana(data, tmp_path_factory):
    """A map of the Landsat scene by the small model of the sample."""
    folder = data.parana()
    out = tmp_path_factory.mktemp("parana") / "lulc.tif"
    classify(
        folder / f"{PARANA}.TIF", out, model=SAMPLE / "parana.safetensors",
        settings=ClassifySettings(nodata=0, overlap=0), workers=1,
    )  # fmt: skip
    return folder, out


@pytest.mark.slow
def test_parana_against_its_points_and_polygons(data, parana, tmp_path):
    folder, lulc = parana
    settings = EvaluateSettings(class_field="name")
    report = evaluate(
        lulc, folder / f"{PARANA}_polygons.gpkg", out=tmp_path / "polygons", settings=settings
    ).to_dict()
    assert report["compared"] > 50
    margin = 600_000 if data.real else 524 * 40
    assert report["left_out"]["no class in either"] >= margin
    assert report["area_adjusted"] is None
    report = evaluate(
        lulc, folder / f"{PARANA}_points.gpkg", out=tmp_path / "points", settings=settings
    ).to_dict()
    assert report["compared"] == 6
    assert any("fewer than 50 points" in n for n in report["notes"])


@pytest.fixture(scope="module")
def carolina(data, tmp_path_factory):
    """A made-up map on the grid of the Landsat bands: brightness in seven steps."""
    folder = data.carolina()
    with rasterio.open(folder / "lsat7_2000_40.tif") as band:
        values, place, crs = band.read(1), band.transform, band.crs
    has_data = values > -99999
    steps = np.quantile(values[has_data], np.arange(1, 7) / 7)
    mapped = np.where(has_data, 1 + np.searchsorted(steps, values), 255).astype(np.uint8)
    names = sorted(set(geopandas.read_file(folder / "landsat96_polygons.shp")["label"]))
    legend = Legend.from_names(["none", *names])
    path = tmp_path_factory.mktemp("carolina") / "map.tif"
    return folder, write_map(path, mapped, legend, transform=place, crs=crs), mapped, legend


@pytest.mark.slow
def test_carolinas_labels_in_another_crs(data, carolina, tmp_path):
    folder, path, mapped, legend = carolina
    settings = EvaluateSettings(class_field="label", ignore=("none",))
    counts = ((2121, 752), (115, 133)) if data.real else ((2970, 600), (1, 100))
    for name, compared in zip(("polygons", "points"), counts[0], strict=True):
        report = evaluate(
            path, folder / f"landsat96_{name}.shp", out=tmp_path / name, settings=settings
        ).to_dict()
        assert report["compared"] == compared
        assert report["classes"] == list(legend.names[1:])
    assert report["left_out"]["outside of the map"] == counts[1][0]
    assert report["left_out"]["no class in the map"] == counts[1][1]
    frame = geopandas.read_file(folder / "landsat96_points.shp").to_crs("EPSG:32119")
    with rasterio.open(path) as map_:
        cols, rows = ~map_.transform @ (frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy())
    rows, cols = np.floor(rows).astype(int), np.floor(cols).astype(int)
    inside = (rows >= 0) & (rows < mapped.shape[0]) & (cols >= 0) & (cols < mapped.shape[1])
    values = np.array([legend.value_of(name) for name in frame["label"]], np.uint8)
    expected = Confusion.of(
        mapped[rows[inside], cols[inside]], values[inside], len(legend), 255
    ).counts[1:, 1:]
    assert report["matrix"] == expected.tolist()


@pytest.mark.slow
def test_carolinas_label_raster_of_floats(carolina, tmp_path):
    """Of another datum by name only, so that its grid is the map's."""
    folder, path, _, _ = carolina
    report = evaluate(
        path, folder / "landsat96_labelled_pixels.tif", out=tmp_path / "report",
        settings=EvaluateSettings(ignore=("none",)),
    ).to_dict()  # fmt: skip
    with rasterio.open(folder / "landsat96_labelled_pixels.tif") as file:
        labelled = (file.read(1) > 0).sum()
    assert report["compared"] + report["left_out"]["no class in the map"] == labelled
    assert report["notes"] == []


@pytest.fixture(scope="module")
def clouds(data, tmp_path_factory):
    """A map (really of 10,980 px squared), the same shifted by 7 rows and 5 columns, a legend."""
    path = data.clouds()
    shifted = tmp_path_factory.mktemp("clouds") / "shifted.tif"
    with rasterio.open(path) as file, rasterio.open(shifted, "w", **file.profile) as out:
        values = file.read()
        out.write(np.roll(values, (7, 5), (1, 2)))
    legend = Legend.from_names(["clear", "thick cloud", "thin cloud", "shadow"])
    return path, shifted, legend, values[0]


ITSELF = """
import sys
from pathlib import Path
from geoseg.evaluation import EvaluateSettings, evaluate

path, legend, out = sys.argv[1:]
evaluate(path, path, out=out, settings=EvaluateSettings(legend=legend), workers=2)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
"""Evaluate a map against itself and print the most memory that it took (kB)."""


@pytest.mark.slow
def test_a_large_map_against_itself_and_shifted(clouds, tmp_path):
    """In bounded memory: one side alone, counted whole, takes a GB as 64-bit integers."""
    path, shifted, legend, values = clouds
    settings = EvaluateSettings(legend=legend)
    (tmp_path / "legend.csv").write_text(legend.to_csv())
    child = [sys.executable, "-c", ITSELF, path, tmp_path / "legend.csv", tmp_path / "same"]
    peak = int(subprocess.run(child, capture_output=True, check=True, text=True).stdout)
    assert peak < 0.8e6
    same = json.loads((tmp_path / "same" / "report.json").read_text())
    assert same["overall_accuracy"] == same["mean_iou"] == same["kappa"] == 1
    assert same["boundary_iou"] == [1, 1, 1, 1]
    moved = evaluate(path, shifted, out=tmp_path / "moved", settings=settings).to_dict()
    rolled = np.roll(values, (7, 5), (0, 1))
    assert moved["matrix"] == Confusion.of(values, rolled, 4, 255).counts.tolist()
    assert moved["mean_iou"] < 0.9
    assert max(moved["boundary_iou"]) < 0.2


@pytest.mark.slow
def test_a_sample_of_a_large_map(clouds, tmp_path):
    path, _, legend, values = clouds
    settings = SampleSettings(legend=legend, size=600)
    drawn = sample(path, out=tmp_path / "points.gpkg", settings=settings)
    assert [s.pixels for s in drawn.strata] == np.bincount(values.reshape(-1)).tolist()
    frame = geopandas.read_file(tmp_path / "points.gpkg", layer="points")
    frame["reference"] = frame["stratum"]
    frame.to_file(tmp_path / "points.gpkg", layer="points")
    report = evaluate(
        path, tmp_path / "points.gpkg", out=tmp_path / "report",
        settings=EvaluateSettings(legend=legend),
    ).to_dict()  # fmt: skip
    assert report["compared"] == 600
    assert report["area_adjusted"]["area_ha"] == pytest.approx(report["mapped_area_ha"])
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == report
