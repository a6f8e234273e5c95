"""Law: a window of any scene is that part of the whole, wherever the pixels come from."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseg.grid import Window
from geoseg.raster import Scene, Stack, mosaic, open_scene, read_overview, read_window, reprojected
from tests.support.rasters import blocks, write_raster
from tests.support.scenes import overlapping, stack_files

SIDE = 540


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> dict[str, Scene]:
    """The scenes that the others are composed of."""
    folder = tmp_path_factory.mktemp("scenes")
    image = np.maximum(blocks(SIDE, SIDE), 1)
    image[:, 100:180, 60:300] = 0
    zones = overlapping(folder / "zones", SIDE, SIDE, zones=True)[1]
    return {
        "file": open_scene(write_raster(folder / "image.tif", image, nodata=0)),
        "stack": open_scene(Stack(tuple(stack_files(folder / "stack", SIDE)))),
        "over": open_scene(Stack(tuple(stack_files(folder / "over", SIDE, seed=7)))),
        "mosaic": mosaic([open_scene(p) for p in overlapping(folder / "one", SIDE, SIDE)[1]]),
        "zones": mosaic([open_scene(p) for p in zones]),
    }


COMPOSED: dict[str, Callable[[dict[str, Scene]], Scene]] = {
    "stack": lambda s: s["stack"],
    "stack of physical values": lambda s: s["stack"].with_physical_values(),
    "larger pixels": lambda s: s["file"].resize(233, 197),
    "smaller pixels": lambda s: s["file"].resize(777, 1001),
    "resized stack": lambda s: s["stack"].resize(377, 301),
    "reprojected": lambda s: reprojected(s["file"], "EPSG:4326"),
    "reprojected stack": lambda s: reprojected(s["stack"], "EPSG:32641"),
    "crop": lambda s: s["stack"].crop(Window(101, 203, 303, 333)),
    "mosaic": lambda s: s["mosaic"],
    "mosaic of two zones": lambda s: s["zones"],
    "mosaic of stacks": lambda s: mosaic([s["stack"], s["over"]]),
    "resized mosaic": lambda s: s["zones"].resize(401, 399),
    "resized reprojected": lambda s: reprojected(s["file"], "EPSG:32641").resize(211, 803),
    "crop of a resized mosaic": lambda s: s["mosaic"].resize(1001, 887).crop(
        Window(33, 44, 555, 601)
    ),
    "resized crop of a mosaic": lambda s: s["zones"].crop(Window(101, 53, 403, 451)).resize(
        131, 1003
    ),
}  # fmt: skip

WARPED = ("reprojected", "zones", "resized mosaic", "resized crop")
"""Words in the names of the scenes whose tests take long."""


@pytest.fixture(scope="module")
def whole(parts) -> Callable[[str], tuple[Scene, np.ndarray, np.ndarray]]:
    """Each composed scene with all its pixels, read at once."""
    known: dict[str, tuple[Scene, np.ndarray, np.ndarray]] = {}

    def read(name: str) -> tuple[Scene, np.ndarray, np.ndarray]:
        if name not in known:
            scene = COMPOSED[name](parts)
            known[name] = scene, *read_window(scene, scene.window)
        return known[name]

    return read


@pytest.mark.parametrize("name", COMPOSED)
@given(data=st.data())
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_window_is_that_part_of_the_scene(whole, name, data):
    scene, all_pixels, all_valid = whole(name)
    row, col = (
        data.draw(st.integers(0, scene.height - 1)),
        data.draw(st.integers(0, scene.width - 1)),
    )
    longest = 200 if any(word in name for word in WARPED) else SIDE
    height = data.draw(st.integers(1, min(longest, scene.height - row)))
    width = data.draw(st.integers(1, min(longest, scene.width - col)))
    window = Window(row, col, height, width)
    pixels, valid = read_window(scene, window)
    assert pixels.dtype == scene.dtype
    assert pixels.shape == (len(scene.bands), height, width)
    assert np.array_equal(valid, all_valid[window.slices])
    assert np.array_equal(pixels[:, valid], all_pixels[:, *window.slices][:, valid])


@pytest.mark.parametrize("name", COMPOSED)
def test_a_scene_has_valid_pixels_and_others(whole, name):
    """Otherwise the law would hold without testing the valid mask."""
    scene, pixels, valid = whole(name)
    assert 0.5 < valid.mean() <= 1
    assert len(np.unique(pixels[0][valid])) > 50
    assert pixels.shape == (len(scene.bands), scene.height, scene.width)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_preview_is_like_the_scene(whole, name):
    scene, pixels, valid = whole(name)
    small, small_valid = read_overview(scene, 100)
    assert small.shape[0] == len(scene.bands)
    assert max(small.shape[1:]) == 100
    assert small.dtype == scene.dtype
    assert abs(small_valid.mean() - valid.mean()) < 0.02
    for band, all_pixels in zip(small, pixels, strict=True):
        expected = all_pixels[valid].astype(float).mean()
        assert band[small_valid].astype(float).mean() == pytest.approx(expected, rel=0.05)


def test_the_pixels_of_a_preview_are_the_nearest_of_the_mosaic(whole):
    scene, pixels, _ = whole("mosaic")
    small, _ = read_overview(scene, SIDE // 5)
    assert np.array_equal(small, pixels[:, 2::5, 2::5])


@pytest.mark.parametrize("name", [name for name in COMPOSED if name != "resized stack"])
def test_other_bands_are_those_bands_of_the_same_scene(whole, name):
    scene, pixels, valid = whole(name)
    chosen = scene.with_bands((3, 1))
    part = Window(scene.height // 3, scene.width // 4, 40, 70)
    read, read_valid = read_window(chosen, part)
    shown = valid[part.slices]
    assert (chosen.transform, chosen.height, chosen.width) == (
        scene.transform, scene.height, scene.width,
    )  # fmt: skip
    assert (read_valid >= shown).all()
    assert np.array_equal(read[:, shown], pixels[:, *part.slices][[2, 0]][:, shown])


@pytest.mark.parametrize("name", ["reprojected stack", "mosaic of stacks", "resized stack"])
def test_coarser_bands_keep_the_grid_of_a_composed_scene(whole, name):
    scene, pixels, valid = whole(name)
    chosen = scene.with_bands((2,))
    assert (chosen.transform, chosen.height, chosen.width) == (
        scene.transform, scene.height, scene.width,
    )  # fmt: skip
    part = Window(scene.height * 7 // 10, scene.width * 7 // 10, 60, 50)
    read, read_valid = read_window(chosen, part)
    shown = read_valid & valid[part.slices]
    assert shown.mean() > 0.9
    assert np.corrcoef(read[0][shown], pixels[1][part.slices][shown])[0, 1] > 0.9
