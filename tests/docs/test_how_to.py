"""Every block of the how-to pages, of the first page and of the page on scenes runs as it stands.

Commands for Slurm, GPUs and other programs are parsed only: see `follow`.
"""

import json
import shutil
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

import geoseg
from geoseg.legend import Legend
from tests.support.assessments import PLACE
from tests.support.clusters import dask_processes
from tests.support.documents import BLOCK, DOCUMENTS, code, follow
from tests.support.keras_files import KerasFile
from tests.support.models import save_model
from tests.support.onnx_files import conv_onnx
from tests.support.paths import SAMPLE, names_in
from tests.support.rasters import blocks, write_raster

HOW_TO = sorted(name for name in DOCUMENTS if name.startswith("docs/how-to/"))


def names(path: str) -> set[str]:
    """The names of the maps of a folder."""
    return {name for name in names_in(Path(path)) if name.endswith(".tif")}


def labels(path: str) -> np.ndarray:
    with rasterio.open(path) as lulc:
        return lulc.read(1)


def use(inputs: Path, folder: Path, *, made: bool = False) -> None:
    """Put more inputs of a page into the folder; ``made``: the page itself makes lulc.tif."""
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    for path in folder.glob("lulc.*") if made else ():
        path.unlink()


def fill_in(path: str) -> None:
    """Do what somebody does who looks at each point and agrees with the map."""
    points = geopandas.read_file(path, layer=Path(path).stem)
    points["reference"] = points["stratum"]
    points.to_file(path, layer=Path(path).stem)


def draw_on_the_page(scene: str, labels: str, **options: Any) -> None:
    """Do what somebody does on the page: look at the map and correct it, if that is asked for."""
    del options["started"]
    with geoseg.open_view(scene, labels, **options) as address:
        assert b'"width"' in urllib.request.urlopen(f"{address}view").read()
        for class_id in (0, 1) if options["corrections"] else ():
            corners = [[0, 0], [600, 0], [600, 120], [0, 120]]
            points = [[col + 400 * class_id, row] for col, row in corners]
            drawn = {"kind": "polygon", "class_id": class_id, "points": points}
            urllib.request.urlopen(f"{address}correct", json.dumps(drawn).encode())


@pytest.mark.slow
def test_the_first_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sample_data").symlink_to(SAMPLE)
    follow("docs/index.md")
    assert np.array_equal(labels("lulc.tif"), labels("again.tif"))
    assert Path("lulc.gpkg").exists()


@pytest.mark.slow
def test_train(folder, small_training):
    follow("docs/how-to/train.md")
    assert geoseg.Model.load("model.safetensors").legend.names == ("grass", "maize", "wheat")
    for tiles in ("tiles-of-roads", "tiles-of-classes"):
        assert {"building", "road"} <= set(geoseg.open_tiles(tiles).legend.names)


@pytest.mark.slow
def test_few_labels(folder, trained, small_training):
    use(trained, folder, made=True)

    def label_the_patches() -> None:
        patches = geopandas.read_file("patches.gpkg", layer="suggested")
        patches["class"] = ["wheat", *["grass"] * (len(patches) - 1)]
        patches.to_file("corrections.gpkg")

    follow("docs/how-to/few-labels.md", {"geoseg tile": label_the_patches})
    assert Path("improved.tif").exists()


@pytest.mark.slow
def test_sentinel_2(folder, products, small_training):
    use(products, folder, made=True)
    follow("docs/how-to/sentinel-2.md")
    assert geoseg.Model.load("s2.safetensors").band_names == ("nir", "red", "green")
    assert set(np.unique(labels("lulc.tif"))) <= {0, 1, 255}
    assert np.array_equal(labels("lulc-with-heights.tif"), labels("lulc-in-python.tif"))


@pytest.mark.slow
def test_many_scenes(folder, trained):
    use(trained, folder, made=True)
    for name in ("scenes", "orthophotos"):
        (folder / name).mkdir()
        shutil.copy("a.tif", name)
    Path("more.txt").write_text("b.tif\n")
    [toml] = code(DOCUMENTS["docs/how-to/many-scenes.md"], "toml")
    Path("job.toml").write_text(toml)
    follow("docs/how-to/many-scenes.md")
    assert names("maps") == names("maps-again") == {"a.tif", "b.tif"}
    assert Path("again.tif").read_bytes() == Path("job-lulc.tif").read_bytes()
    assert labels("part.tif").shape < labels("mosaic.tif").shape


@pytest.mark.slow
def test_own_network(folder):
    csmask = find_spec("ukis_csmask")
    if csmask is None:
        pytest.skip("the package ukis-csmask, which has a network for clouds, is not installed")
    facts = {"class_names": '{"0": "rest", "1": "road"}', "standardization_mean": "[0, 0, 0]"}
    conv_onnx(
        folder / "roads.onnx",
        channels=2,
        size=64,
        metadata=facts | {"standardization_std": "[1, 1, 1]"},
    )
    shutil.copy(Path(str(csmask.origin)).parent / "model_4b_l1c.onnx", folder)
    Path("clouds.csv").write_text(Legend.from_names(["clear", "cloud", "shadow"]).to_csv())

    def open_a_scene_with_four_bands() -> None:
        reflectance = (blocks(256, 256, bands=4) / 255).astype(np.float32)
        write_raster(folder / "scene.tif", reflectance)

    four = "geoseg classify scene.tif --model model_4b"
    follow("docs/how-to/own-network.md", {four: open_a_scene_with_four_bands})
    assert set(np.unique(labels("roads.tif"))) <= {0, 1}
    assert set(np.unique(labels("clouds.tif"))) <= {0, 1, 2}


@pytest.mark.slow
def test_export(folder, trained, monkeypatch):
    use(trained, folder, made=True)
    # A network that has hardly learnt anything changes more than one that has.
    monkeypatch.setattr("geoseg.training.trained.int8.MAX_DROP", 1)
    for package in ("onnxscript", "h5py"):
        pytest.importorskip(package)
    KerasFile(classes=3).save(folder / "network.keras")
    Path("classes.csv").write_text(Legend.from_names([*"abc"]).to_csv())
    follow("docs/how-to/export.md")
    for name in ("model.onnx", "model.json", "model-int8.onnx", "converted.safetensors"):
        assert Path(name).exists()


@pytest.mark.slow
def test_slurm(folder, trained):
    pytest.importorskip("distributed")
    use(trained, folder, made=True)

    def compute_a_shard() -> None:
        geoseg.classify(
            "scene.tif", "lulc.tif", model="model.safetensors",
            execution=geoseg.Execution(shard=(1, 2)),
        )  # fmt: skip

    with dask_processes(folder) as dask:  # its worker finds files by the same relative names
        dask.add()
        here = {"tcp://host:8786": dask.address}
        ran = follow("docs/how-to/slurm.md", {"geoseg info": compute_a_shard}, here)
    assert len(ran) == 5
    assert np.array_equal(labels("lulc.tif"), labels("lulc-dask.tif"))


@pytest.mark.slow
def test_gpu_offline(folder, trained, monkeypatch):
    use(trained, folder)
    monkeypatch.setenv("GEOSEG_MODELS", "none")  # the page sets it for this process
    ran = follow("docs/how-to/gpu-offline.md")
    assert [words[1] for words in ran] == ["models", "view"]


@pytest.mark.slow
def test_accuracy(folder):
    sample = "geoseg evaluate lulc.tif points.gpkg"
    follow("docs/how-to/accuracy.md", {sample: lambda: fill_in("points.gpkg")})
    pages = sorted(str(path.parent) for path in Path().glob("*/report.html"))
    assert pages == [
        "again", "report", "report-in-python", "report-of-polygons", "report-of-sample",
    ]  # fmt: skip
    first, again = (json.loads(Path(p, "report.json").read_text()) for p in (pages[4], pages[0]))
    assert first["area_adjusted"]["area_ha"] == pytest.approx(again["area_adjusted"]["area_ha"])


@pytest.mark.slow
def test_compare(folder):
    follow(
        "docs/how-to/compare.md",
        {
            "geoseg compare lulc.tif later.tif change-points": lambda: fill_in(
                "change-points.gpkg"
            ),
            "geoseg compare lulc.tif other.tif difference-points": see_that_the_first_is_right,
        },
    )
    assert json.loads(Path("change-areas/report.json").read_text())["estimated_changes"]
    verdict = json.loads(Path("verdict/report.json").read_text())["better_map"]
    assert verdict["only_a_right"] > 0
    assert verdict["only_b_right"] == 0


def see_that_the_first_is_right() -> None:
    """Fill in the class of the first map at each point."""
    points = geopandas.read_file("difference-points.gpkg", layer="difference-points")
    with rasterio.open("lulc.tif") as lulc:
        places = points.to_crs(lulc.crs).geometry
        values = [value for (value,) in lulc.sample(zip(places.x, places.y, strict=True))]
    points["reference"] = [("maize", "wheat", "grass")[value] for value in values]
    points.to_file("difference-points.gpkg", layer="difference-points")


@pytest.mark.slow
def test_correct(folder, trained, small_training, monkeypatch):
    use(trained, folder, made=True)
    geoseg.classify("scene.tif", "lulc.tif", model="model.safetensors")
    monkeypatch.setattr("geoseg.view.serve", draw_on_the_page)
    follow("docs/how-to/correct.md")
    assert geoseg.open_tiles("corrected").legend.names == ("maize", "wheat", "grass")
    assert Path("map.html").stat().st_size > 1e5
    assert len(geopandas.read_file("lulc-clean.gpkg", layer="lulc-clean"))


@pytest.mark.slow
def test_scenes(folder, products):
    use(products, folder, made=True)
    (folder / "orthophotos").mkdir()
    for day, name in enumerate(("a.tif", "b.tif"), 1):
        with rasterio.open(name, "r+") as scene:
            scene.update_tags(TIFFTAG_DATETIME=f"2024:05:0{day} 10:00:00")
        shutil.copy(name, "orthophotos")
    Path("scenes.txt").write_text("a.tif\nb.tif\n")
    save_model("dem_model.safetensors", bands=4, window=64)
    save_model("model.safetensors", window=64)
    with rasterio.open("optical.tif", "r+") as optical:
        optical.descriptions = ("blue", "green", "red")
    xarray = pytest.importorskip("xarray")
    pixels = blocks(96, 96)
    cube = xarray.DataArray(
        pixels[:, None], dims=("band", "time", "y", "x"), attrs={"crs": "EPSG:32640"},
        coords={"y": 2800000 - 30 * np.arange(96.0), "x": 500000 + 30 * np.arange(96.0)},
    )  # fmt: skip
    ran = follow("docs/reference/scenes.md", pixels=pixels, transform=PLACE, cube=cube)
    assert len(ran) == 5


def test_every_page_is_followed_by_a_test():
    text = Path(__file__).read_text()
    for page in HOW_TO:
        assert f'"{page}"' in text, f"add a test that follows {page}"
    languages = {language for page in HOW_TO for language, _ in BLOCK.findall(DOCUMENTS[page])}
    assert languages <= {"sh", "python", "toml", "text"}
