"""Several scenes in one call, and what is checked before any chunk is computed."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import rasterio

import geoseg
from geoseg.classification import chunk as chunk_module
from geoseg.classification.outputs import outputs_in_folders
from geoseg.classification.prepare.compatibility import match_bands
from geoseg.errors import (
    GeosegError,
    InterruptedRun,
    ModelError,
    OutputError,
    RunError,
    SceneError,
    ScenesError,
)
from geoseg.model import Model
from geoseg.raster import open_scene
from tests.support.commands import here, refused
from tests.support.models import tiny_model
from tests.support.rasters import blocks, write_raster

SETTINGS = geoseg.ClassifySettings(overlap=8)


def scene_in(folder, name="scene.tif", **profile):
    folder.mkdir(parents=True, exist_ok=True)
    return write_raster(folder / name, np.maximum(blocks(100, 100), 1), **profile)


@pytest.fixture
def computed(monkeypatch):
    """The chunks that are computed."""
    chunks = []
    read = chunk_module.read_window

    def recording(scene, window):
        chunks.append(scene.path)
        return read(scene, window)

    monkeypatch.setattr(chunk_module, "read_window", recording)
    return chunks


def test_scenes_of_one_name_are_refused_before_any_chunk(model, tmp_path, computed):
    a, b = scene_in(tmp_path / "a"), scene_in(tmp_path / "b", "SCENE.tiff")
    before = sorted(tmp_path.rglob("*"))
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"a/scene\.tif and .*b/SCENE\.tiff have the same"):
            geoseg.classify_scenes(
                [a, b], tmp_path / "maps", model=model, settings=SETTINGS, overwrite=overwrite
            )
    assert not computed
    assert sorted(tmp_path.rglob("*")) == before


def test_a_scene_that_cannot_be_used_is_left_out(model, tmp_path, computed):
    names = ("a.tif", "b.tif")
    alone = scene_in(tmp_path, "a.tif")
    five = write_raster(tmp_path / "five.tif", np.ones((5, 50, 50), np.uint8))
    maps = tmp_path / "maps"
    scenes = [tmp_path / "nope.tif", alone, five, scene_in(tmp_path, "b.tif")]
    with pytest.raises(
        ScenesError, match=r"2 scenes of 4 failed: cannot open .*; .*5 bands"
    ) as told:
        geoseg.classify_scenes(scenes, maps, model=model, settings=SETTINGS)
    assert list(told.value.failures) == [str(scenes[0]), str(five)]
    assert {type(error) for error in told.value.failures.values()} == {SceneError}
    assert [report.outputs for report in told.value.reports] == [(name,) for name in names]
    geoseg.classify(alone, tmp_path / "a-alone.tif", model=model, settings=SETTINGS)
    assert (maps / "a.tif").read_bytes() == (tmp_path / "a-alone.tif").read_bytes()
    assert sorted(path.name for path in maps.glob("*.tif*")) == [
        "a.tif", "a.tif.aux.xml", "b.tif", "b.tif.aux.xml",
    ]  # fmt: skip
    assert not computed.count(str(five))


def test_a_scene_that_fails_while_it_is_computed_does_not_stop_the_rest(model, tmp_path):
    damaged, good = (scene_in(tmp_path, name) for name in ("a.tif", "b.tif"))
    maps, read = tmp_path / "maps", chunk_module.read_window

    def failing(scene, window):
        if scene.path == str(damaged):
            raise SceneError(f"{scene.path} is damaged")
        return read(scene, window)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_module, "read_window", failing)
        done = here("classify", damaged, good, "--model", model, "--overlap", 8, "--out", maps)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert any(line.startswith("geoseg: warning: left out: chunk at rows") for line in lines)
    assert lines[-1].startswith("geoseg: 1 scene of 2 failed: ")
    assert "a.tif" in lines[-1]
    assert done.stdout.startswith(f"{maps / 'b.tif'}: ")
    assert not (maps / "a.tif").exists()
    again = here("classify", damaged, good, "--model", model, "--overlap", 8, "--out", maps)
    assert again.returncode == 0, again.stderr
    assert (maps / "a.tif").read_bytes() == (maps / "b.tif").read_bytes()


def test_an_interruption_stops_all_scenes(model, tmp_path, monkeypatch):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]

    def interrupted(scene, window):
        raise InterruptedRun("interrupted")

    monkeypatch.setattr(chunk_module, "read_window", interrupted)
    done = here("classify", *scenes, "--model", model, "--overlap", 8, "--out", tmp_path / "maps")
    assert done.returncode == 75
    assert not (tmp_path / "maps" / "b.tif.parts").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_signal_while_scenes_are_opened_is_an_interruption(model, tmp_path, monkeypatch, name):
    opened = []

    def opening(scene, *_):
        opened.append(scene)
        signal.raise_signal(getattr(signal, name))

    monkeypatch.setattr("geoseg.classification.plan.prepare", opening)
    before = signal.signal(getattr(signal, name), lambda *_: None)
    scenes = [scene_in(tmp_path, f"{number}.tif") for number in range(2)]
    try:
        with pytest.raises(InterruptedRun, match=r"^interrupted while the scenes are opened, run"):
            geoseg.classify_scenes(scenes, tmp_path / "maps", model=model)
    finally:
        signal.signal(getattr(signal, name), before)
    assert len(opened) == 1


def test_lists_and_patterns_name_scenes(model, tmp_path, monkeypatch):
    for name in ("b.tif", "a.tif", "c.tif"):
        scene_in(tmp_path / "scenes", name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("# the last\nscenes/c.tif\n")
    options = ("--model", model, "--overlap", 8)
    done = here("classify", "scenes/[ab].tif", "@list.txt", *options, "--out", "maps")
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "maps/a.tif", "maps/b.tif", "maps/c.tif",
    ]  # fmt: skip
    done = here("classify", "@list.txt", *options, "--out", "one")
    assert done.stdout.startswith("one/c.tif: ")
    done = here("classify", "@list.txt", *options, "--out", "one.tif")
    assert done.stdout.startswith("one.tif: ")
    assert "no file matches none*.tif" in refused(here("classify", "none*.tif", "--out", "maps"))


def test_an_existing_second_map_is_told_before_the_first_is_computed(model, tmp_path, computed):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "b.tif").write_text("precious")
    with pytest.raises(OutputError, match=r"b\.tif exists"):
        geoseg.classify_scenes(scenes, tmp_path / "maps", model=model, settings=SETTINGS)
    assert not computed


def test_parts_of_another_run_of_the_second_scene_are_told_first(model, tmp_path, computed):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    maps = tmp_path / "maps"
    maps.mkdir()
    first_shard = geoseg.Execution(shard=(1, 2))
    other = replace(SETTINGS, overlap=16)
    geoseg.classify(scenes[1], maps / "b.tif", model=model, settings=other, execution=first_shard)
    computed.clear()
    with pytest.raises(RunError, match=r"b\.tif\.parts holds parts of another run"):
        geoseg.classify_scenes(scenes, maps, model=model, settings=SETTINGS)
    assert not computed
    assert [path.name for path in maps.iterdir()] == ["b.tif.parts"]


def test_starting_again_does_not_replace_an_output_without_being_asked(model, tmp_path):
    scene, out = scene_in(tmp_path), tmp_path / "map.tif"
    first_shard = geoseg.Execution(shard=(1, 2))
    geoseg.classify(scene, out, model=model, settings=SETTINGS, execution=first_shard)
    out.write_text("precious")
    again = geoseg.Execution(resume=False)
    with pytest.raises(OutputError, match=r"map\.tif exists, .*overwrite \(-f\)"):
        geoseg.classify(scene, out, model=model, settings=SETTINGS, execution=again)
    assert out.read_text() == "precious"


@pytest.mark.parametrize("name", ["out.tif", "out.parquet", "out"])
def test_several_scenes_need_a_folder(name, model, tmp_path):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    if name == "out":
        (tmp_path / name).write_text("a file")
    done = here("classify", *scenes, "--model", model, "--out", tmp_path / name)
    assert f"{name} must be a folder" in refused(done)
    assert not (tmp_path / "out.tif").exists()


def test_no_scene_at_all_is_refused(model, tmp_path):
    with pytest.raises(SceneError, match="the list of scenes is empty"):
        geoseg.classify_scenes([], tmp_path / "maps", model=model)


@pytest.mark.parametrize(
    ("scene", "name"),
    [
        ("https://host/a/b.tif?sig=x/y.z", "b"), ("zip://data/a.zip!b.tif", "b"),
        ("data/b.old.tif", "b.old"), ("/vsicurl/https://host/b.tif?sig=x/y", "b"),
    ],
)  # fmt: skip
def test_a_map_has_the_name_of_its_scene_without_the_query_of_its_address(scene, name):
    [outputs] = outputs_in_folders([scene], {"labels": "maps"})
    assert outputs.labels.name == f"{name}.tif"


def test_progress_counts_the_windows_of_all_scenes(model, tmp_path):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    calls = []
    geoseg.classify_scenes(
        scenes, tmp_path / "maps", model=model, settings=SETTINGS,
        progress=lambda unit, done, total: calls.append((done, total)),
    )  # fmt: skip
    done, totals = zip(*calls, strict=True)
    assert done[0] == 0
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}


def test_several_scenes_make_a_map_each_and_finished_ones_stay(model, tmp_path, computed):
    scenes = [scene_in(tmp_path, name) for name in ("a.tif", "b.tif")]
    folders = {"polygons": tmp_path / "polygons", "confidence": tmp_path / "confidence"}

    def run():
        return geoseg.classify_scenes(
            scenes, tmp_path / "maps", model=model, settings=SETTINGS, **folders
        )

    reports = run()
    assert [report.outputs for report in reports] == [
        ("a.tif", "a.gpkg", "a.tif"), ("b.tif", "b.gpkg", "b.tif"),
    ]  # fmt: skip
    for folder, extension in (("maps", "tif"), ("polygons", "gpkg"), ("confidence", "tif")):
        assert {path.name for path in (tmp_path / folder).glob(f"*.{extension}")} == {
            f"a.{extension}", f"b.{extension}",
        }  # fmt: skip
    assert run() == reports
    assert len(computed) == 2


def test_one_path_is_no_list_of_scenes(model, tmp_path):
    with pytest.raises(GeosegError, match=r"scenes must be a list, give \['scene\.tif'\]"):
        geoseg.classify_scenes("scene.tif", tmp_path, model=model)


def test_settings_of_another_type_are_refused(model, tmp_path):
    scene = scene_in(tmp_path)
    with pytest.raises(GeosegError, match="settings must be of the type ClassifySettings"):
        geoseg.classify(scene, tmp_path / "map.tif", model=model, settings={"overlap": 8})
    with pytest.raises(GeosegError, match="execution must be of the type Execution, not dict"):
        geoseg.classify(scene, tmp_path / "map.tif", model=model, execution={"chunk": 512})


def test_a_loaded_model_serves_like_its_file(model, tmp_path):
    scene = scene_in(tmp_path)
    geoseg.classify(scene, tmp_path / "a.tif", model=model, settings=SETTINGS)
    geoseg.classify(scene, tmp_path / "b.tif", model=Model.load(model), settings=SETTINGS)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_model_without_a_file_is_refused(model, tmp_path):
    unsaved = replace(Model.load(model), path=None)
    with pytest.raises(ModelError, match="no file, which workers load: save it first"):
        geoseg.classify(scene_in(tmp_path), tmp_path / "map.tif", model=unsaved)


@pytest.mark.parametrize("changed", ["weights", "temperature"])
def test_a_model_that_differs_from_its_file_is_refused(changed, model, tmp_path):
    loaded = Model.load(model)
    if changed == "weights":
        next(loaded.network.parameters()).data += 1
    else:
        loaded = replace(loaded, temperature=2.0)
    with pytest.raises(ModelError, match=r"not the one in its file .*save it first"):
        geoseg.classify(scene_in(tmp_path), tmp_path / "map.tif", model=loaded, settings=SETTINGS)


@pytest.mark.parametrize("option", ["--simplify", "--smooth"])
def test_cleaning_of_polygons_needs_polygons(option, model, tmp_path):
    scene = scene_in(tmp_path)
    out = tmp_path / "map.tif"
    done = here("classify", scene, "--model", model, "--overlap", 8, "--out", out, option, 1)
    assert "simplify and smooth change polygons, but none are written" in refused(done)


@pytest.mark.parametrize(("out", "polygons"), [("map.tif", "a!b.gpkg"), ("a!b.tif", "map.gpkg")])
def test_polygons_for_which_gdal_would_write_another_file(out, polygons, model, tmp_path):
    files = ("--overlap", 8, "--out", tmp_path / out, "--polygons", tmp_path / polygons)
    done = here("classify", scene_in(tmp_path), "--model", model, *files)
    assert "GDAL would write another file" in refused(done)


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
        geoseg.classify(scene_in(tmp_path), tmp_path / "map.tif", model=model, settings=SETTINGS)
    with pytest.raises(RunError, match=r"plan\.json is damaged"):
        geoseg.describe(parts)


# Bands.


def advice(path, model, bands=None):
    with pytest.raises(SceneError) as error:
        match_bands(open_scene(path), Model.load(model), bands)
    return str(error.value)


def test_the_number_of_chosen_bands_is_told_not_that_of_the_file(tmp_path):
    eight = write_raster(tmp_path / "eight.tif", np.ones((8, 50, 50), np.uint8))
    model = tiny_model(tmp_path / "m.safetensors", bands=6)
    text = advice(eight, model, (4, 3, 2))
    assert "3 bands of" in text
    assert "chosen, but the model wants 6" in text
    assert "has 3 bands" not in text
    assert "the file has 8 bands" in text


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


def test_an_order_is_advised_where_names_say_it(model, tmp_path):
    path = write_raster(tmp_path / "five.tif", np.ones((5, 50, 50), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("B01 coastal", "B02 blue", "B03 green", "B04 red (665 nm)", "B05")
    assert advice(path, model).endswith("bands=(4,3,2) (--bands 4,3,2)")
    unnamed = replace(Model.load(model), band_names=("", "", ""))
    unnamed.save(tmp_path / "unnamed.safetensors")
    text = advice(path, tmp_path / "unnamed.safetensors")
    assert "if it was trained on red, green and blue, choose" in text


def test_an_alpha_band_that_the_model_may_want_is_told(tmp_path):
    path = write_raster(tmp_path / "naip.tif", np.ones((4, 50, 50), np.uint8))
    text = advice(path, tiny_model(tmp_path / "m.safetensors", bands=4))
    assert "band 4 is tagged as transparency (alpha): if it holds data" in text
    assert "--bands 1,2,3,4" in text
