"""The laws for scenes that consist of others, have other pixels, or are cut to a part."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely

from geoseg.classification import ClassifySettings, Execution, classify
from geoseg.classification import chunk as chunk_module
from geoseg.errors import ChunkError, RunError
from geoseg.grid import MapGrid, Window
from geoseg.raster import Mosaic, SceneSource, Stack, open_scene, read_window
from tests.support.rasters import blocks, write_raster
from tests.support.scenes import overlapping, place, stack_of

HEIGHT, WIDTH = 150, 1062
"""Three chunks of 512 px, or two of 1024 px, or one of 2048 px."""
SETTINGS = ClassifySettings(overlap=8)


@dataclass(frozen=True)
class Case:
    """A scene and how it is read."""

    source: Callable[[dict[str, SceneSource]], SceneSource]
    settings: ClassifySettings = SETTINGS


def with_settings(**options) -> ClassifySettings:
    return replace(SETTINGS, **options)


CASES = {
    "stack": Case(lambda s: s["stack"]),
    "larger pixels": Case(lambda s: s["file"], with_settings(resolution=17)),
    "larger pixels of the map": Case(
        lambda s: s["stack"], with_settings(resolution=9, grid="model")
    ),
    "smaller pixels": Case(lambda s: s["small"], with_settings(resolution=6)),
    "smaller pixels of the map": Case(
        lambda s: s["small"], with_settings(resolution=6, grid="model")
    ),
    "reprojected": Case(lambda s: s["small"], with_settings(crs="EPSG:32641")),
    "mosaic of two zones": Case(lambda s: s["zones"]),
}


def image_with_hole(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    image = np.maximum(blocks(height, width), 1)
    image[:, height // 3 : height // 2, width // 5 : width // 3] = 0
    return image


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, SceneSource]:
    folder = tmp_path_factory.mktemp("scenes")
    image, tall = image_with_hole(), image_with_hole(560, 180)
    paths = overlapping(folder / "zones", 130, 540, zones=True)[1]
    return {
        "file": str(write_raster(folder / "file.tif", image, nodata=0)),
        "small": str(write_raster(folder / "small.tif", tall, nodata=0)),
        "stack": Stack(tuple(map(str, stack_of(folder / "stack", image)))),
        "zones": Mosaic(tuple(map(str, paths))),
    }


def run(source: SceneSource, folder: Path, model: Path, settings=SETTINGS, **options) -> Path:
    folder.mkdir(exist_ok=True)
    options = {"workers": 1, **options}
    classify(
        source, folder / "lulc.tif", model=model, polygons=folder / "lulc.gpkg",
        confidence=folder / "confidence.tif", settings=settings, **options,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def plain(sources, model, tmp_path_factory) -> Callable[[str], Path]:
    """The map of each case in one chunk: what all others must equal."""
    known: dict[str, Path] = {}

    def map_of(name: str) -> Path:
        if name not in known:
            case, folder = CASES[name], tmp_path_factory.mktemp("plain")
            known[name] = run(
                case.source(sources), folder, model, case.settings, execution=Execution(chunk=2048)
            )
        return known[name]

    return map_of


def labels_of(folder: Path) -> np.ndarray:
    with rasterio.open(folder / "lulc.tif") as map_:
        return map_.read(1)


def polygons_of(path: Path) -> set[tuple]:
    _, _, wkb, columns = pyogrio.raw.read(path, layer="lulc")
    return set(
        zip((shapely.normalize(g).wkb for g in shapely.from_wkb(wkb)), *columns, strict=True)
    )


def assert_same_map(folder: Path, expected: Path) -> None:
    for name in ("lulc.tif", "confidence.tif"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    assert polygons_of(folder / "lulc.gpkg") == polygons_of(expected / "lulc.gpkg")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("chunk", "workers"), [(512, 2), (1024, 1)])
def test_chunks_and_workers_do_not_show(sources, model, plain, tmp_path, name, chunk, workers):
    case = CASES[name]
    run(
        case.source(sources), tmp_path, model, case.settings, execution=Execution(chunk=chunk),
        workers=workers,
    )  # fmt: skip
    assert_same_map(tmp_path, plain(name))


@pytest.mark.parametrize("name", CASES)
def test_polygons_cover_exactly_the_valid_pixels(plain, name):
    labels = labels_of(plain(name))
    frame = geopandas.read_file(plain(name) / "lulc.gpkg", layer="lulc")
    with rasterio.open(plain(name) / "lulc.tif") as map_:
        shapes = zip(frame.geometry, frame["class_id"], strict=True)
        burnt = rasterio.features.rasterize(
            shapes, out_shape=labels.shape, transform=map_.transform, fill=255, dtype="uint8"
        )
    assert len(np.unique(labels)) > 3
    assert np.array_equal(burnt, labels)
    assert frame["pixels"].sum() == (labels != 255).sum()


@pytest.mark.parametrize("grid", ["scene", "model"])
@pytest.mark.parametrize("resolution", [6, 10, 13, 43.7])
def test_invalid_pixels_are_nodata_and_all_others_have_a_class(
    sources, model, tmp_path, resolution, grid
):
    settings = with_settings(resolution=resolution, grid=grid)
    run(sources["small"], tmp_path, model, settings)
    scene, labels = open_scene(sources["small"]), labels_of(tmp_path)
    _, valid = read_window(scene, scene.window)
    if grid == "model":
        resized = scene.resize(*labels.shape)
        _, valid = read_window(resized, resized.window)
    assert 0.5 < valid.mean() < 0.99
    assert np.array_equal(labels != 255, valid)


@pytest.mark.parametrize("resolution", [6, 17])
def test_the_map_of_the_scene_is_the_nearest_of_that_of_the_network(
    sources, model, tmp_path, resolution
):
    maps = {
        grid: labels_of(
            run(sources["small"], tmp_path / grid, model,
                with_settings(resolution=resolution, grid=grid))
        )
        for grid in ("scene", "model")
    }  # fmt: skip
    scene, of_model = open_scene(sources["small"]), maps["model"]
    factor = resolution / scene.pixel_size
    assert of_model.shape == (round(scene.height / factor), round(scene.width / factor))
    rows, cols = (
        ((np.arange(length) + 0.5) * inner / length).astype(int)
        for length, inner in zip(maps["scene"].shape, of_model.shape, strict=True)
    )
    _, valid = read_window(scene, scene.window)
    expected = np.where(valid, of_model[np.ix_(rows, cols)], 255)
    assert np.array_equal(maps["scene"], expected)
    with rasterio.open(tmp_path / "scene" / "lulc.tif") as map_:
        assert map_.transform == scene.affine
    with rasterio.open(tmp_path / "model" / "lulc.tif") as map_:
        assert map_.bounds == pytest.approx(scene_bounds(scene))


def scene_bounds(scene):
    (left, top), (right, bottom) = scene.affine @ (0, 0), scene.affine @ (scene.width, scene.height)
    return left, bottom, right, top


def test_a_map_in_the_pixels_of_the_scene_needs_no_resampling(sources, model, tmp_path):
    """The resolution that the scene has, however it is asked for."""
    whole = run(sources["small"], tmp_path / "plain", model)
    asked = run(sources["small"], tmp_path / "asked", model, with_settings(resolution="scene"))
    assert_same_map(asked, whole)


@pytest.mark.parametrize("zones", [False, True])
def test_the_seams_of_a_mosaic_do_not_show(model, tmp_path, zones):
    """A mosaic gives the map of the pixels that it has, in one file."""
    image, paths = overlapping(tmp_path / "parts", 150, 540, zones=zones)
    scenes = Mosaic(tuple(map(str, paths)))
    mosaic_map = labels_of(run(scenes, tmp_path / "mosaic", model, execution=Execution(chunk=512)))
    if zones:
        from geoseg.raster import mosaic

        scene = mosaic([open_scene(path) for path in paths])
        image, valid = read_window(scene, scene.window)
        one = write_raster(tmp_path / "one.tif", np.where(valid, image, 0), nodata=0)
    else:
        one = write_raster(tmp_path / "one.tif", image)
    assert np.array_equal(mosaic_map, labels_of(run(one, tmp_path / "one", model)))


def test_a_stack_gives_the_map_of_the_vrt_of_its_files(sources, model, plain, tmp_path):
    stack = open_scene(sources["stack"])
    pixels, valid = read_window(stack, stack.window)
    one = write_raster(tmp_path / "one.tif", np.where(valid, pixels, 0), nodata=0)
    labels = labels_of(run(one, tmp_path / "one", model))
    assert np.array_equal(labels_of(plain("stack")), labels)


def box_of(window: Window, pixel: float = 10) -> tuple[float, float, float, float]:
    """West, south, east and north of a window of the scenes, a little inside of its pixels."""
    transform = place(pixel)
    west, north = transform @ (window.col + 0.2, window.row + 0.2)
    east, south = transform @ (window.col_end - 0.2, window.row_end - 0.2)
    return west, south, east, north


def part_of(name: str) -> Window:
    return Window(91, 33, 400, 101) if name == "smaller pixels" else Window(31, 133, 101, 833)


@pytest.mark.parametrize("name", ["stack", "larger pixels", "smaller pixels"])
def test_a_box_is_that_part_of_the_map(sources, model, plain, tmp_path, name):
    case, part = CASES[name], part_of(name)
    settings = replace(case.settings, bbox=box_of(part))
    run(case.source(sources), tmp_path, model, settings, execution=Execution(chunk=512), workers=2)
    assert np.array_equal(labels_of(tmp_path), labels_of(plain(name))[part.slices])
    with rasterio.open(tmp_path / "lulc.tif") as map_:
        assert map_.transform == place(10, part.row, part.col)


def test_a_box_of_a_mosaic_may_be_in_another_crs(sources, model, plain, tmp_path):
    with rasterio.open(plain("mosaic of two zones") / "lulc.tif") as map_:
        west, south, east, north = map_.bounds
        transform = map_.transform
    middle = (west + east) / 2, (south + north) / 2
    degrees = geopandas.GeoSeries.from_xy(*[[value] for value in middle], crs="EPSG:32640")
    lon, lat = degrees.to_crs("EPSG:4326")[0].coords[0]
    box = lon - 0.01, lat - 0.003, lon + 0.01, lat + 0.003
    settings = with_settings(bbox=box, bbox_crs="EPSG:4326")
    run(sources["zones"], tmp_path, model, settings)
    labels = labels_of(tmp_path)
    with rasterio.open(tmp_path / "lulc.tif") as map_:
        col, row = (round(value) for value in ~transform @ (map_.transform.c, map_.transform.f))
    whole = labels_of(plain("mosaic of two zones"))
    assert min(labels.shape) > 60
    assert np.array_equal(labels, whole[row:, col:][: labels.shape[0], : labels.shape[1]])


@pytest.mark.parametrize("name", ["larger pixels", "mosaic of two zones"])
def test_an_area_of_interest_is_the_whole_map_inside_of_it(sources, model, plain, tmp_path, name):
    """The network sees the pixels beyond it, and no class depends on where it ends."""
    case = CASES[name]
    with rasterio.open(plain(name) / "lulc.tif") as map_:
        transform, labels = map_.transform, map_.read(1)
    corners = [(101.3, 10.2), (503.7, 29.1), (399.2, 117.7), (50.1, 101.4)]
    area = shapely.Polygon([transform @ corner for corner in corners])
    frame = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[area], crs="EPSG:32640")
    frame.to_file(tmp_path / "area.gpkg")
    settings = replace(case.settings, aoi=str(tmp_path / "area.gpkg"))
    run(case.source(sources), tmp_path, model, settings, execution=Execution(chunk=512))
    inside = rasterio.features.geometry_mask([area], labels.shape, transform, invert=True)
    assert np.array_equal(labels_of(tmp_path), np.where(inside, labels, 255))


@pytest.mark.parametrize("name", ["mosaic of two zones", "smaller pixels"])
def test_shards_and_a_failed_run_end_in_the_same_map(
    sources, model, plain, tmp_path, monkeypatch, name
):
    case, chunk = CASES[name], Execution(chunk=512)
    source = case.source(sources)
    run(source, tmp_path, model, case.settings, execution=replace(chunk, shard=(2, 2)))
    done = {path.name for path in (tmp_path / "lulc.tif.parts").glob("part-*.json")}
    assert done

    def fail(scene, window):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(chunk_module, "read_window", fail)
        with pytest.raises(ChunkError, match="the disk is gone"):
            run(source, tmp_path, model, case.settings, execution=chunk)
    run(source, tmp_path, model, case.settings, execution=chunk)
    assert_same_map(tmp_path, plain(name))


def test_a_run_whose_scene_was_replaced_is_refused_by_name(model, tmp_path):
    image = image_with_hole(150, 600)
    paths = stack_of(tmp_path / "stack", image)
    stack = Stack(tuple(map(str, paths)))
    run(stack, tmp_path / "map", model, execution=Execution(chunk=512, shard=(1, 2)))
    stack_of(tmp_path / "new", image[:, ::-1])[1].replace(paths[1])
    with pytest.raises(
        RunError, match=r"parts of another run \(not the same: scene .*\), finish that run"
    ):
        run(stack, tmp_path / "map", model, execution=Execution(chunk=512))
    run(stack, tmp_path / "map", model, execution=Execution(chunk=512, resume=False))
    expected = run(stack, tmp_path / "new map", model)
    assert np.array_equal(labels_of(tmp_path / "map"), labels_of(expected))


def test_another_pixel_size_is_another_run(sources, model, tmp_path):
    first = Execution(chunk=512, shard=(1, 2))
    run(sources["file"], tmp_path, model, with_settings(resolution=13), execution=first)
    with pytest.raises(RunError, match=r"another run .*resampled"):
        run(sources["file"], tmp_path, model, with_settings(resolution=17))


def test_the_report_names_the_files_and_what_was_read(plain):
    report = json.loads((plain("mosaic of two zones") / "lulc.json").read_text())
    assert len(report["scene"]["layers"]) == 4
    tags = {}
    for name in ("stack", "larger pixels"):
        with rasterio.open(plain(name) / "lulc.tif") as map_:
            tags[name] = map_.tags()
    assert "GEOSEG_INPUT_SIZE" not in tags["stack"]
    assert tags["larger pixels"]["GEOSEG_INPUT_SIZE"] == "88 x 625"


def test_the_default_reads_a_scene_in_the_pixels_of_the_model(tmp_path, sources):
    from geoseg.model import Model
    from tests.support.models import tiny_model

    path = tiny_model(tmp_path / "sized.safetensors")
    replace(Model.load(path), pixel_size=20.0).save(tmp_path / "20m.safetensors")
    replace(Model.load(path), pixel_size=11.0).save(tmp_path / "11m.safetensors")
    asked = run(
        sources["small"], tmp_path / "asked", tmp_path / "20m.safetensors",
        with_settings(resolution=20),
    )  # fmt: skip
    default = run(sources["small"], tmp_path / "default", tmp_path / "20m.safetensors")
    close = run(sources["small"], tmp_path / "close", tmp_path / "11m.safetensors")
    as_it_is = run(
        sources["small"], tmp_path / "scene", tmp_path / "11m.safetensors",
        with_settings(resolution="scene"),
    )  # fmt: skip
    assert np.array_equal(labels_of(default), labels_of(asked))
    assert np.array_equal(labels_of(close), labels_of(as_it_is))
    assert not np.array_equal(labels_of(default), labels_of(close))


def test_maps_cover_rasters_of_any_shape():
    """A pixel of the map has one of the input, and a window of the map those of its pixels."""
    grid = MapGrid(Window(3, 5, 400, 300), (777, 1001), (131, 1203))
    rows, cols = grid.nearest(Window(0, 0, 400, 300))
    part = Window(100, 50, 77, 99)
    part_rows, part_cols = grid.nearest(part)
    whole, inner = grid.input_window(Window(0, 0, 400, 300)), grid.input_window(part)
    assert np.array_equal(rows[100:177] + whole.row, part_rows + inner.row)
    assert np.array_equal(cols[50:149] + whole.col, part_cols + inner.col)
