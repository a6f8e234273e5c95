"""A map is made again from its own report, and creation options change the file, not the pixels."""

import json
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo.cogeo import cog_validate
from shapely import box

import geoseg
from geoseg.classification import run as run_module
from geoseg.classification.report import replay_config
from geoseg.errors import OutputError
from tests.support.commands import here, refused
from tests.support.rasters import blocks, write_raster
from tests.support.refusals import refusal

SETTINGS = geoseg.ClassifySettings(overlap=8)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_raster(tmp_path / "my scene.tif", np.maximum(blocks(100, 550), 1))


def map_files(folder) -> dict[str, bytes]:
    """The files of a map, without its report, which has times."""
    files = [path for path in folder.iterdir() if path.suffix != ".json"]
    return {path.name: path.read_bytes() for path in files}


def test_the_report_of_a_map_makes_it_again(scene, model, tmp_path):
    shape = box(500000, 2795000, 504000, 2800000)
    geopandas.GeoDataFrame(geometry=[shape], crs="EPSG:32640").to_file(tmp_path / "aoi.gpkg")
    first, again = tmp_path / "first", tmp_path / "again"
    first.mkdir()
    again.mkdir()
    out = ("--out", "first/m.tif", "--polygons", "first/m.gpkg", "--confidence", "first/c.tif")
    done = here(
        "classify", scene.name, "--model", model, *out, "--overlap", 8, "--blend", "linear",
        "--bands", "3,2,1", "--nodata", 0, "--aoi", "aoi.gpkg", "--min-area", 500, "--smooth", 1,
        "--chunk", 512, "--tta", "--batch-size", 3, "--co", "compress=zstd", "--co", "LEVEL=3",
        "--workers", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = json.loads((first / "m.json").read_text())["config"]
    assert config["scenes"] == ["my scene.tif"]
    assert "workers" not in config
    assert (config["engine"], config["precision"], config["device"]) == ("torch", "fp32", "cpu")
    made = map_files(first)
    report = (first / "m.json").rename(tmp_path / "m.json")
    assert "first/m.tif exists" in refused(here("classify", "--config", report))
    files = ("--out", "again/m.tif", "--polygons", "again/m.gpkg", "--confidence", "again/c.tif")
    done = here("classify", "--config", report, *files)
    assert done.returncode == 0, done.stderr
    assert map_files(again) == made
    assert json.loads((again / "m.json").read_text())["config"] == config | {
        "out": "again/m.tif", "polygons": "again/m.gpkg", "confidence": "again/c.tif",
    }  # fmt: skip
    assert here("classify", "--config", report, "-f").returncode == 0
    assert map_files(first) == made


@pytest.mark.parametrize(
    "options",
    [
        ("--resolution", 25, "--grid", "model", "--crs", "EPSG:3857"),
        ("--bbox", "500100,2799200,503000,2799900", "--bands", "1,2,3"),
        ("--resolution", "scene", "--blend", "crop"),
    ],
    ids=["grid", "box", "scene"],
)
def test_a_map_on_another_grid_is_made_again(options, scene, model, tmp_path):
    done = here("classify", scene, "--model", model, "--overlap", 8, "--out", "a.tif", *options)
    assert done.returncode == 0, done.stderr
    done = here("classify", "--config", "a.json", "--out", "b.tif")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize("together", ["--stack", "--mosaic"])
def test_a_map_of_several_files_is_made_again(together, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bands = 1 if together == "--stack" else 3
    scenes = [
        write_raster(
            tmp_path / f"{name}.tif", np.maximum(blocks(100, 100, bands, seed), 1),
            transform=Affine(10, 0, 5e5 + (500 * seed if bands == 3 else 0), 0, -10, 2.8e6),
        )
        for seed, name in enumerate(["c", "a, b", "d"])
    ]  # fmt: skip
    done = here("classify", *scenes, together, "--model", model, "--overlap", 8, "--out", "m.tif")
    assert done.returncode == 0, done.stderr
    done = here("classify", "--config", "m.json", "--out", "again.tif")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "m.tif").read_bytes()
    done = here("classify", "--config", "m.json", "--out", "dry.tif", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert str(scenes[0]) in done.stdout.splitlines()[0]


def test_a_band_of_transparency_does_not_change_the_name_of_the_model(model, tmp_path):
    pixels = np.maximum(blocks(60, 60, bands=4), 1)
    scene = write_raster(tmp_path / "a.tif", pixels, photometric="RGB", alpha="yes")
    report = geoseg.classify(scene, tmp_path / "m.tif", model=model, settings=SETTINGS)
    assert report.config["model"] == str(model)


def test_python_writes_the_same_options_and_those_of_one_scene_of_many(scene, model, tmp_path):
    copy = write_raster(tmp_path / "b.tif", np.maximum(blocks(100, 100), 1))
    reports = geoseg.classify_scenes(
        [scene, copy], tmp_path / "maps", model=geoseg.Model.load(model), settings=SETTINGS
    )
    assert reports[1].config == {
        "scenes": [str(copy)], "out": str(tmp_path / "maps" / "b.tif"), "model": str(model),
        "overlap": 8, "engine": "torch", "device": "cpu", "precision": "fp32", "batch_size": 128,
        "chunk": reports[1].execution["chunk"],
    }  # fmt: skip
    made = map_files(tmp_path / "maps")
    done = here("classify", "--config", tmp_path / "maps" / "b.json", "-f")
    assert done.returncode == 0, done.stderr
    assert map_files(tmp_path / "maps") == made


def test_credentials_are_not_written_into_the_options(scene, model, monkeypatch):
    jobs = []

    def capture(job, source, files, name):
        jobs.append(job)
        return replay_config(job, source, files, name)

    monkeypatch.setattr(run_module, "replay_config", capture)
    geoseg.classify(scene, "m.tif", model=model, settings=SETTINGS)
    remote = "https://me:word@host/a.tif?sig=abc"
    settings = replace(SETTINGS, aoi="https://me:word@host/aoi.gpkg?sig=abc")
    config = replay_config(replace(jobs[0], settings=settings), remote, {}, "default")
    assert config["scenes"] == ["https://host/a.tif?..."]
    assert config["aoi"] == "https://host/aoi.gpkg?..."


def test_creation_options_change_the_files_and_not_their_pixels(scene, model, tmp_path):
    pixels = {}
    for name, options in (("a", None), ("b", {"COMPRESS": "ZSTD", "blocksize": "256"})):
        (tmp_path / name).mkdir()
        files = [tmp_path / name / f"{kind}.tif" for kind in ("lulc", "confidence", "scores")]
        geoseg.classify(
            scene, files[0], model=model, confidence=files[1], probabilities=files[2],
            settings=replace(SETTINGS, creation_options=options),
        )  # fmt: skip
        for path in files:
            assert cog_validate(path, strict=True) == (True, [], [])
            with rasterio.open(path) as raster:
                pixels[name, path.name] = raster.read()
                expected = ("zstd", 256) if options else ("deflate", 512)
                profile = raster.profile
                assert (profile["compress"], profile["blockxsize"]) == expected
    for (name, file), values in pixels.items():
        assert (values == pixels["a", file]).all(), name


def test_parts_serve_for_other_creation_options_but_a_map_is_made_again(scene, model, monkeypatch):
    first_shard = geoseg.Execution(shard=(1, 1))
    geoseg.classify(scene, "m.tif", model=model, settings=SETTINGS, execution=first_shard)
    zstd = replace(SETTINGS, creation_options={"COMPRESS": "ZSTD"})
    monkeypatch.setattr(run_module, "compute", lambda *_, **__: 1)  # no chunk is left to compute
    report = geoseg.classify(scene, "m.tif", model=model, settings=zstd)
    same = replace(SETTINGS, creation_options={"compress": "zstd"})
    assert geoseg.classify(scene, "m.tif", model=model, settings=same) == report
    with pytest.raises(OutputError, match=r"m\.tif exists"):
        geoseg.classify(scene, "m.tif", model=model, settings=SETTINGS)


def test_an_unknown_creation_option_is_told_before_anything_is_written(scene, model, tmp_path):
    with refusal(OutputError, "COMPRES is not known", tmp_path):
        geoseg.ClassifySettings(creation_options={"COMPRES": "ZSTD"})
    done = here("classify", scene, "--model", model, "--out", "m.tif", "--co", "LEVEL=99")
    assert "LEVEL cannot be 99" in refused(done)


def test_maps_of_several_scenes_have_the_names_and_colours_that_a_vrt_over_them_needs(
    scene, model, tmp_path
):
    other = write_raster(tmp_path / "b.tif", np.maximum(blocks(100, 100), 1))
    geoseg.classify_scenes([scene, other], tmp_path / "maps", model=model, settings=SETTINGS)
    facts = []
    for path in sorted((tmp_path / "maps").glob("*.tif")):
        with rasterio.open(path) as lulc:
            facts.append((lulc.descriptions, lulc.colormap(1), lulc.nodata, lulc.dtypes))
    assert len(facts) == 2
    assert facts[0] == facts[1]
    assert facts[0][0] == ("land cover",)
