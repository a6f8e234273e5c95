"""Scenes that cannot be one: each is refused in a sentence that ends with what to do."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geoseg.classification import ClassifySettings, classify
from geoseg.errors import GeosegError, RemoteError, RunError, SceneError
from geoseg.raster import Mosaic, SceneSource, Stack
from tests.support.products import write_stac_item
from tests.support.rasters import write_raster
from tests.support.refusals import refusal
from tests.support.scenes import place


def band(path: Path, *, side: int = 40, pixel: float = 10, **profile) -> str:
    profile = {"transform": place(pixel), **profile}
    return str(write_raster(path, np.full((1, side, side), 9, np.uint8), **profile))


def image(path: Path, **profile) -> str:
    profile = {"transform": place(10), **profile}
    return str(write_raster(path, np.full((3, 40, 40), 9, np.uint8), **profile))


def without_nir(folder: Path) -> str:
    item = write_stac_item(folder)
    document = json.loads(item.read_text())
    document["assets"] = {name: document["assets"][name] for name in ("red", "green", "thumbnail")}
    item.write_text(json.dumps(document))
    return str(item)


def unreachable(folder: Path) -> str:
    item = write_stac_item(folder)
    item.write_text(item.read_text().replace("./green.tif", "http://127.0.0.1:9/green.tif"))
    return str(item)


def stack_with(folder: Path, **profile) -> Stack:
    names = ("red.tif", "green.tif")
    return Stack((*(band(folder / name) for name in names), band(folder / "blue.tif", **profile)))


CASES: dict[str, tuple[Callable[[Path], SceneSource], type[GeosegError], str]] = {
    "another extent": (
        lambda f: stack_with(f, side=30), SceneError,
        r"blue\.tif has another extent than .*red\.tif, cut it to the same one first \(gdalwarp "
        r"-te\)$",
    ),
    "another CRS": (
        lambda f: stack_with(f, crs="EPSG:32633"), SceneError,
        r"blue\.tif has another CRS than .*red\.tif, warp it onto that grid first \(gdalwarp -t_srs"
        r"\)$",
    ),
    "a band too few": (
        lambda f: Stack((band(f / "red.tif"), band(f / "green.tif"))), SceneError,
        r"stack of .*red\.tif and 1 more has 2 bands \(1 red, 2 green\), but the model wants 3 "
        r"\(red, green, blue\), give a scene that has them",
    ),
    "an item without the assets": (
        without_nir, SceneError,
        r"item\.json has 2 bands \(1 red, 2 green\), but the model wants 3 \(red, green, blue\), "
        r"give a scene that has them",
    ),
    "an asset that does not answer": (
        unreachable, RemoteError,
        r"http://127\.0\.0\.1:9/green\.tif.*, .* run the same again later$",
    ),
    "scenes far apart": (
        lambda f: Mosaic((image(f / "a.tif"), image(f / "b.tif", transform=place(7, col=900)))),
        SceneError,
        r"b\.tif has another grid than .*a\.tif and touches no other scene of the mosaic, "
        r"classify it separately$",
    ),
    "no dates": (
        lambda f: Mosaic((image(f / "a.tif"), image(f / "b.tif")), order="newest"), SceneError,
        r"a\.tif has no date in its tags .*give the scenes in the order .*--order first\)$",
    ),
    "a scene without a CRS": (
        lambda f: Mosaic((image(f / "a.tif"), image(f / "b.tif", crs=None))), SceneError,
        r"b\.tif has no CRS and .*a\.tif has one, .* give it its CRS \(gdal_edit\.py -a_srs\)$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_scenes_that_are_not_one_are_refused(model, tmp_path, monkeypatch, name):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make, error, sentence = CASES[name]
    source = make(tmp_path)
    with refusal(error, sentence, tmp_path):
        classify(source, tmp_path / "map.tif", model=model)


def test_a_mosaic_of_nothing_is_refused(model, tmp_path):
    with refusal(SceneError, r"the mosaic is empty, give at least one scene$", tmp_path):
        classify(Mosaic(()), tmp_path / "map.tif", model=model)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bbox": (0, 0, 10, 10)}, r"the box 0,0,10,10 is outside of .*scene\.tif, which has "
         r"500000,2799600,500400,2800000, check its coordinates and its CRS \(bbox, --bbox\)$"),
        ({"bbox": (54, 20, 55, 21), "bbox_crs": "EPSG:4326"}, r"the box 54,20,55,21 is outside"),
        ({"bbox": (54, 20, 55, 21), "bbox_crs": "EPSG:0"}, r"unknown CRS 'EPSG:0', give a code "
         r"such as EPSG:4326 \(--bbox-crs\)$"),
        ({"crs": "utm"}, r"unknown CRS 'utm', give a code such as EPSG:32640 \(--crs\)$"),
        ({"resolution": "model"}, r"the size of the pixels of model .* is unknown, give the "
         r"resolution in metres \(--resolution\)$"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_scene_is_refused(model, tmp_path, options, sentence):
    scene = image(tmp_path / "scene.tif")
    with refusal((RunError, SceneError), sentence, tmp_path):
        classify(scene, tmp_path / "map.tif", model=model, settings=ClassifySettings(**options))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"crs": "EPSG:32640"}, r"scene\.tif has no CRS, so it cannot be reprojected, leave out "
         r"--crs$"),
        ({"resolution": 3.0}, r"scene\.tif has no CRS on the earth, so the size of its pixels is "
         r"unknown, leave out the resolution \(--resolution\) or give it its CRS$"),
        ({"bbox": (500_000, 2_799_700, 500_100, 2_800_000), "bbox_crs": "EPSG:4326"},
         r"scene\.tif has no CRS, so the box must be in its coordinates, leave out --bbox-crs$"),
    ],
)  # fmt: skip
def test_a_scene_without_a_crs_is_not_moved(model, tmp_path, options, sentence):
    scene = image(tmp_path / "scene.tif", crs=None)
    with refusal((RunError, SceneError), sentence, tmp_path):
        classify(scene, tmp_path / "map.tif", model=model, settings=ClassifySettings(**options))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"resolution": 0.0}, r"resolution is 0 m, it must be above 0$"),
        ({"resolution": "fine"}, r"unknown resolution 'fine', use scene, model or a number of "
         r"metres$"),
        ({"grid": "mine"}, r"unknown grid 'mine', use scene or model$"),
        ({"bbox": (3, 0, 1, 2)}, r"bbox is not west, south, east, north in this order"),
        ({"bbox": (0, 0, math.inf, 2)}, r"bbox is \(0, 0, inf, 2\), give four finite numbers"),
        ({"bbox": 5}, r"bbox is 5, give west"),
        ({"bbox": (1, 2, 3)}, r"bbox is \(1, 2, 3\), give west, south, east and north"),
        ({"nodata": "x"}, r"nodata is 'x', give a number"),
        ({"bands": "321"}, r"bands"),
        ({"tta": "no"}, r"tta must be of the type bool, not str"),
        ({"creation_options": ["COMPRESS=ZSTD"]}, r"must be of the type Mapping, not list"),
        ({"aoi_layer": "fields"}, r"of an area of interest, give one \(aoi, --aoi\)$"),
        ({"bbox_crs": "EPSG:4326"}, r"is the CRS of a bbox, give one \(bbox, --bbox\)$"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused_at_once(options, sentence):
    with pytest.raises(GeosegError, match=sentence):
        ClassifySettings(**options)
