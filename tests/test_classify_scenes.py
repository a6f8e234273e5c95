"""Several scenes in one call, and what is checked before any chunk is computed."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

import geoseg
from geoseg.classification import chunk as chunk_module
from geoseg.classification.fit import choose_bands
from geoseg.errors import GeosegError, ModelError, OutputError, RunError, SceneError
from geoseg.model import Model
from geoseg.raster import describe
from tests.commands import here, refused
from tests.conftest import tiny_model
from tests.scenes import blocks, write_raster

OPTIONS = geoseg.Options(overlap=8)


def scene_in(folder, name="scene.tif", **profile):
    folder.mkdir(parents=True, exist_ok=True)
    return write_raster(folder / name, np.maximum(blocks(100, 100), 1), **profile)


@pytest.fixture
def computed(monkeypatch):
    """The chunks that are computed."""
    chunks = []
    read = chunk_module.read

    def recording(scene, window):
        chunks.append(scene.path)
        return read(scene, window)

    monkeypatch.setattr(chunk_module, "read", recording)
    return chunks


def test_scenes_of_one_name_are_refused_before_any_chunk(model, tmp_path, computed):
    a, b = scene_in(tmp_path / "a"), scene_in(tmp_path / "b", "SCENE.tiff")
    before = sorted(tmp_path.rglob("*"))
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"a/scene\.tif and .*b/SCENE\.tiff have the same"):
            geoseg.classify_scenes(
                [a, b], tmp_path / "maps", model=model, options=OPTIONS, overwrite=overwrite
            )
    assert not computed
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_second_scene_is_told_before_the_first_is_computed(model, tmp_path, computed):
    first = scene_in(tmp_path)
    with pytest.raises(SceneError, match=r"nope\.tif: No such file"):
        geoseg.classify_scenes([first, "nope.tif"], tmp_path / "maps", model=model)
    assert not computed
    assert not (tmp_path / "maps").exists()


def test_an_existing_second_map_is_told_before_the_first_is_computed(model, tmp_path, computed):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "b.tif").write_text("precious")
    with pytest.raises(OutputError, match=r"b\.tif exists"):
        geoseg.classify_scenes(scenes, tmp_path / "maps", model=model, options=OPTIONS)
    assert not computed


def test_several_scenes_need_a_folder(model, tmp_path):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    done = here("classify", *scenes, "--model", model, "--out", tmp_path / "out.tif")
    assert "out.tif must be a folder" in refused(done)
    assert not (tmp_path / "out.tif").exists()


def test_several_scenes_make_a_map_each_and_finished_ones_stay(model, tmp_path, computed):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    folders = {"polygons": tmp_path / "polygons", "confidence": tmp_path / "confidence"}

    def run():
        return geoseg.classify_scenes(
            scenes, tmp_path / "maps", model=model, options=OPTIONS, **folders
        )

    reports = run()
    assert [report["outputs"] for report in reports] == [
        ["a.tif", "a.gpkg", "a.tif"], ["b.tif", "b.gpkg", "b.tif"],
    ]  # fmt: skip
    for folder, extension in (("maps", "tif"), ("polygons", "gpkg"), ("confidence", "tif")):
        assert {path.name for path in (tmp_path / folder).glob(f"*.{extension}")} == {
            f"a.{extension}", f"b.{extension}",
        }  # fmt: skip
    assert [report["run"] for report in run()] == [report["run"] for report in reports]
    assert len(computed) == 2


def test_one_path_is_no_list_of_scenes(model, tmp_path):
    with pytest.raises(GeosegError, match=r"scenes must be a list, give \['scene\.tif'\]"):
        geoseg.classify_scenes("scene.tif", tmp_path, model=model)


def test_settings_of_another_type_are_refused(model, tmp_path):
    scene = scene_in(tmp_path)
    with pytest.raises(GeosegError, match="options is a dict, give a Options"):
        geoseg.classify(scene, tmp_path / "map.tif", model=model, options={"overlap": 8})
    with pytest.raises(GeosegError, match="execution is a dict, give a Execution"):
        geoseg.classify(scene, tmp_path / "map.tif", model=model, execution={"workers": 1})


def test_a_loaded_model_serves_like_its_file(model, tmp_path):
    scene = scene_in(tmp_path)
    geoseg.classify(scene, tmp_path / "a.tif", model=model, options=OPTIONS)
    geoseg.classify(scene, tmp_path / "b.tif", model=Model.load(model), options=OPTIONS)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_model_without_a_file_is_refused(model, tmp_path):
    unsaved = replace(Model.load(model), path=None)
    with pytest.raises(ModelError, match="no file, which workers load: save it first"):
        geoseg.classify(scene_in(tmp_path), tmp_path / "map.tif", model=unsaved)


@pytest.mark.parametrize("option", ["--simplify", "--smooth"])
def test_cleaning_of_polygons_needs_polygons(option, model, tmp_path):
    scene = scene_in(tmp_path)
    done = here("classify", scene, "--model", model, "--out", tmp_path / "map.tif", option, 1)
    assert "simplify and smooth change polygons, but none are written" in refused(done)


def test_a_map_without_a_valid_pixel_is_warned_of(model, tmp_path):
    scene = write_raster(tmp_path / "empty.tif", np.zeros((3, 50, 50), np.uint8), nodata=0)
    options = ("--model", model, "--overlap", 8)
    done = here("classify", scene, *options, "--out", tmp_path / "map.tif")
    assert done.returncode == 0
    assert "warning: no pixel of" in done.stderr
    full = here("classify", scene_in(tmp_path), *options, "--out", tmp_path / "full.tif")
    assert "no pixel" not in full.stderr


def test_a_bottomless_manifest_is_damage(model, tmp_path):
    parts = tmp_path / "map.tif.parts"
    parts.mkdir()
    (parts / "plan.json").write_text("[" * 100_000)
    with pytest.raises(RunError, match=r"plan\.json is damaged"):
        geoseg.classify(scene_in(tmp_path), tmp_path / "map.tif", model=model, options=OPTIONS)
    with pytest.raises(RunError, match=r"plan\.json is damaged"):
        geoseg.inspect(parts)


# Bands.


def advice(path, model, bands=None):
    with pytest.raises(SceneError) as error:
        choose_bands(describe(path), Model.load(model), bands)
    return str(error.value)


def test_the_number_of_chosen_bands_is_told_not_that_of_the_file(tmp_path):
    eight = write_raster(tmp_path / "eight.tif", np.ones((8, 50, 50), np.uint8))
    model = tiny_model(tmp_path / "m.safetensors", bands=6)
    text = advice(eight, model, (4, 3, 2))
    assert "3 bands of" in text
    assert "chosen, but the model wants 6" in text
    assert "has 3 bands" not in text


def test_bands_that_do_not_exist_are_not_advised(model, tmp_path):
    one = write_raster(tmp_path / "one.tif", np.ones((1, 50, 50), np.uint8))
    text = advice(one, model)
    assert "has 1 band, but the model wants 3 (red, green, blue)" in text
    assert "--bands" not in text


def test_a_palette_is_to_be_expanded(model, tmp_path):
    paletted = write_raster(tmp_path / "paletted.tif", np.ones((1, 50, 50), np.uint8))
    with rasterio.open(paletted, "r+") as file:
        file.write_colormap(1, {1: (255, 0, 0)})
    assert "gdal_translate -expand rgb" in advice(paletted, model)


def test_named_bands_are_listed_without_a_wrong_order(model, tmp_path):
    names = ("coastal", "blue", "green", "nir", "swir")
    path = write_raster(tmp_path / "five.tif", np.ones((5, 50, 50), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.descriptions = names
    text = advice(path, model)
    assert "(1 coastal, 2 blue, 3 green, 4 nir, 5 swir)" in text
    assert "give the numbers of red, green, blue in this order" in text
    assert "1,2,3" not in text
