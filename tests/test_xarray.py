"""Arrays of xarray: the same map as that of a GeoTIFF with the same pixels, lazily with Dask."""

import logging
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import dask.array
import numpy as np
import pytest
import torch
from affine import Affine
from distributed import Client, LocalCluster
from matplotlib import pyplot as plt
from pyproj import CRS

import geoseg
from geoseg import ClassifySettings, Execution, Model
from geoseg.errors import ChunkError, GeosegError, RunError, SceneError
from geoseg.legend import NODATA
from geoseg.xarray import classify
from geoseg.xarray.layout import transform_of
from tests.support.maps import map_of_file
from tests.support.models import save_model
from tests.support.paths import ROOT
from tests.support.rasters import blocks, write_raster

xarray = pytest.importorskip("xarray", reason="needs xarray: pip install 'geoseg[xarray]'")

SETTINGS = ClassifySettings(overlap=8)
HEIGHT, WIDTH = 620, 1180
TRANSFORM, EPSG = Affine(10, 0, 500000, 0, -10, 2800000), "EPSG:32640"


def pixels() -> np.ndarray:
    image = np.maximum(blocks(HEIGHT, WIDTH), 1)
    image[:, :90, :200] = 0
    return image


def centres(transform: Affine, height: int, width: int) -> dict[str, np.ndarray]:
    return {
        "y": transform.f + transform.e * (np.arange(height) + 0.5),
        "x": transform.c + transform.a * (np.arange(width) + 0.5),
    }


def as_array(image, *, transform=TRANSFORM, crs=EPSG, attrs=None, **coords):
    """A DataArray as odc-stac and rioxarray make it."""
    coords |= centres(transform, *image.shape[1:])
    if crs is not None:
        names = {"crs_wkt": CRS(crs).to_wkt(), "GeoTransform": "{} {} {} {} {} {}".format(
            *transform.to_gdal()
        )}  # fmt: skip
        coords["spatial_ref"] = ((), 32640, names)
    attrs = {"nodata": 0} if attrs is None else attrs
    return xarray.DataArray(image, coords, ("band", "y", "x"), attrs=attrs)


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory) -> dict[str, np.ndarray]:
    """The labels and the confidence of a file with the pixels of `pixels`."""
    folder = tmp_path_factory.mktemp("map")
    scene = write_raster(folder / "s.tif", pixels(), nodata=0, transform=TRANSFORM, crs=EPSG)
    return map_of_file(scene, folder, model, SETTINGS, workers=1)


class CountingSource:
    """An array that counts which pixels are read."""

    dtype, ndim = np.dtype(np.uint8), 3
    shape = (3, HEIGHT, WIDTH)

    def __init__(self) -> None:
        self.reads = np.zeros(self.shape, int)
        self.image = pixels()

    def __getitem__(self, key):
        self.reads[key] += 1
        return self.image[key]


def test_an_array_of_numpy_has_the_map_of_a_file(model, expected):
    data = as_array(pixels())
    result = classify(data, model=model, settings=SETTINGS, confidence=True)
    assert list(result) == ["labels", "confidence"]
    for name in result:
        assert isinstance(result[name].data, np.ndarray)
        assert result[name].dims == ("y", "x")
        assert result[name].dtype == np.uint8
        assert np.array_equal(result[name], expected[name])
    labels = classify(data, model=model, settings=SETTINGS)
    assert labels.name == "labels"
    assert labels.identical(result.labels)


@pytest.mark.parametrize(
    ("chunks", "scheduler"),
    [
        ((1, 333, 257), "synchronous"),
        ((3, 97, 1180), "threads"),
        ((2, (1, 600, 19), (1100, 80)), "synchronous"),
        pytest.param((3, 512, 512), "processes", marks=pytest.mark.slow),
    ],
)
def test_chunks_and_schedulers_do_not_show(chunks, scheduler, model, expected):
    data = as_array(dask.array.from_array(pixels(), chunks=chunks))
    result = classify(data, model=model, settings=SETTINGS, confidence=True)
    assert result.labels.dtype == np.uint8
    computed = result.compute(scheduler=scheduler)
    for name in ("labels", "confidence"):
        assert np.array_equal(computed[name], expected[name])


def test_a_distributed_scheduler_makes_the_same_map(model, expected):
    data = as_array(dask.array.from_array(pixels(), chunks=(3, 300, 590)))
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
        as cluster,
        Client(cluster),
    ):  # fmt: skip
        labels = classify(data, model=model, settings=SETTINGS).compute()
    assert np.array_equal(labels, expected["labels"])


def test_nothing_is_read_before_it_is_computed_and_then_only_what_is_needed(model, expected):
    source = CountingSource()
    data = as_array(dask.array.from_array(source, chunks=(3, 100, 200), meta=np.empty(0, "uint8")))
    labels = classify(data, model=model, settings=SETTINGS)
    assert source.reads.sum() == 0
    corner = labels[:10, :10].compute(scheduler="synchronous")
    assert np.array_equal(corner, expected["labels"][:10, :10])
    first_row, first_col = labels.chunks[0][0], labels.chunks[1][0]
    assert 512 <= first_row < HEIGHT + 1
    assert not source.reads[:, :, first_col + 200 :].any()
    source.reads[:] = 0
    whole = labels.compute(scheduler="synchronous")
    assert np.array_equal(whole, expected["labels"])
    assert (source.reads == 1).all()  # blocks share the chunks of their halos


def test_only_the_bands_of_the_model_are_read(model, expected):
    image = np.concatenate([np.full_like(pixels()[:1], 77), pixels()[[2, 0, 1]]])
    read = set()

    def block(block_info):
        (band, _), rows, cols = block_info[None]["array-location"]
        read.add(band)
        return image[band : band + 1, slice(*rows), slice(*cols)]

    lazy = dask.array.map_blocks(
        block, chunks=((1, 1, 1, 1), (320, 300), (WIDTH,)), dtype=np.uint8,
        meta=np.empty((0, 0, 0), np.uint8),
    )  # fmt: skip
    data = as_array(lazy, band=["nir", "blue", "red", "green"])
    labels = classify(data, model=model, settings=SETTINGS).compute(scheduler="synchronous")
    assert np.array_equal(labels, expected["labels"])
    assert read == {1, 2, 3}


def test_blocks_are_chunks_of_the_input_merged_or_split(model):
    image = dask.array.zeros((3, 5000, 3000), dtype=np.uint8, chunks=(1, (4900, 100), 250))
    labels = classify(as_array(image), model=model, settings=SETTINGS)
    rows, cols = labels.chunks
    assert sum(rows) == 5000
    assert sum(cols) == 3000
    assert all(512 <= size <= 2048 for size in (*rows, *cols))
    assert all(edge % 250 == 0 for edge in np.cumsum(cols))
    assert 4900 in np.cumsum(rows) or rows[-1] > 512
    wished = classify(
        as_array(image), model=model, settings=SETTINGS, execution=Execution(chunk=512)
    )
    assert set(wished.chunks[1]) == {750}


@pytest.mark.parametrize("names", [("latitude", "longitude"), ("lat", "lon")])
def test_dimensions_are_found_by_name_in_any_order(names, model, expected):
    data = as_array(pixels()).rename(y=names[0], x=names[1], band="channel")
    for order in [(2, 0, 1), (1, 2, 0)]:
        turned = data.transpose(*np.array(data.dims)[list(order)])
        labels = classify(turned, model=model, settings=SETTINGS, band_dim="channel")
        assert labels.dims == names
        assert np.array_equal(labels, expected["labels"])


def test_the_coordinates_are_kept_exactly(model):
    data = as_array(pixels(), time=np.datetime64("2024-06-01", "ns"), band=["a", "b", "c"])
    data = data.assign_coords(common_name=("band", ["x", "y", "z"]))
    labels = classify(data.chunk(x=600), model=model, settings=SETTINGS)
    assert set(labels.coords) == {"y", "x", "time", "spatial_ref"}
    for name in labels.coords:
        assert labels[name].variable.identical(data[name].variable)
    assert labels.encoding["grid_mapping"] == "spatial_ref"


def test_the_attributes_name_the_classes_and_the_model(model):
    labels = classify(as_array(pixels()), model=model, settings=SETTINGS, confidence=True).labels
    assert labels.attrs["flag_values"].tolist() == [0, 1, 2, 3]
    assert labels.attrs["flag_meanings"] == "class_0 class_1 class_2 class_3"
    assert labels.attrs["flag_colors"].split() == [
        c.color for c in Model.load(model).legend.classes
    ]
    assert labels.attrs["class_names"] == ["class 0", "class 1", "class 2", "class 3"]
    assert labels.attrs["_FillValue"] == NODATA
    assert labels.attrs["geoseg_model"] == Model.load(model).hash
    in_memory = labels.to_dataset().to_dict()  # plain data
    assert in_memory["data_vars"]["labels"]["attrs"]["_FillValue"] == NODATA


@pytest.mark.parametrize(
    "style", ["spatial_ref", "mapping", "attribute", "argument", "replaced", "wrong"]
)
def test_the_crs_is_found_and_kept(style, model):
    image = blocks(60, 70)
    if style == "spatial_ref":
        data, crs = as_array(image), None
    elif style == "mapping":
        data, crs = as_array(image).rename(spatial_ref="crs"), None
        data.encoding["grid_mapping"] = "crs"
    elif style == "attribute":
        data, crs = as_array(image, crs=None, attrs={"crs": EPSG}), None
    elif style == "wrong":
        data, crs = as_array(image, crs="EPSG:32633"), EPSG
        data.spatial_ref.attrs["crs_wkt"] = "mars"
    else:
        own = None if style == "argument" else "EPSG:32633"
        data, crs = as_array(image, crs=own), 32640
    labels = classify(data, model=model, settings=SETTINGS, crs=crs)
    mapping = labels[labels.encoding["grid_mapping"]]
    assert CRS.from_wkt(mapping.attrs["crs_wkt"]) == CRS(EPSG)


def test_without_a_crs_there_is_no_grid_mapping_but_a_warning(model, caplog):
    with caplog.at_level(logging.WARNING, "geoseg"):
        labels = classify(as_array(blocks(60, 70), crs=None), model=model, settings=SETTINGS)
    assert "spatial_ref" not in labels.coords
    assert "the array has no CRS" in caplog.text


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("resolution", [None, 0.9])
def test_pixels_of_another_size_are_read_as_those_of_a_file(
    coordinates, lazy, resolution, tmp_path
):
    torch.manual_seed(1)  # weights that map several classes
    model = save_model(tmp_path / "m.safetensors")  # trained on 0.5 m
    image = pixels()[:, 40:340, 100:400]
    transform = Affine(1.3, 0, 500000, 0, -1.3, 2800000)
    scene = write_raster(tmp_path / "s.tif", image, nodata=0, transform=transform, crs=EPSG)
    settings = replace(SETTINGS, resolution=resolution)
    expected = map_of_file(scene, tmp_path, model, settings, workers=1)
    data = as_array(image, transform=transform)
    data = data if coordinates else data.drop_vars(["y", "x"])
    data = data.chunk(y=110, x=300) if lazy else data
    labels = classify(data, model=model, settings=settings).compute(scheduler="synchronous")
    assert np.array_equal(labels, expected["labels"])
    assert not np.array_equal(
        labels, classify(data, model=model, settings=replace(SETTINGS, resolution="scene"))
    )


def test_a_cut_array_lies_where_its_coordinates_are():
    """The GeoTransform is still that of the whole."""
    cut = as_array(pixels()).isel(y=slice(100, 200), x=slice(250, 400))
    assert transform_of(cut) == TRANSFORM @ Affine.translation(250, 100)
    assert transform_of(as_array(pixels())) == TRANSFORM
    assert transform_of(cut[:, ::-1, :]).e == 10
    assert transform_of(cut[:, :1, :]) == TRANSFORM @ Affine.translation(250, 100)


@pytest.mark.parametrize("attrs", [{"_FillValue": 7}, {"nodata": 7.0}, {"missing_value": "7"}])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_nodata_and_nan_are_nodata_in_the_map(attrs, dtype, model):
    image = blocks(60, 70).astype(dtype)
    image[:, 5:10, 5:10] = 7
    expected = (image == 7).all(0)
    if dtype == "float32":
        image[1, 30, 40] = np.nan
        expected[30, 40] = True
    labels = classify(as_array(image, attrs=attrs), model=model, settings=SETTINGS)
    assert np.array_equal(labels == NODATA, expected)
    other = classify(
        as_array(image, attrs=attrs), model=model, settings=replace(SETTINGS, nodata=-1)
    )
    assert not (other[5:10, 5:10] == NODATA).any()


def test_bands_are_matched_by_name(model):
    image = np.random.default_rng(0).integers(0, 255, (4, 60, 70), dtype=np.uint8)
    expected = classify(as_array(image[[3, 0, 2]]), model=model, settings=SETTINGS)
    names = ["green", "NIR", "blue", "red"]
    by_coordinate = as_array(image, band=names)
    by_long_name = as_array(image, attrs={"nodata": 0, "long_name": tuple(names)})
    for data in (by_coordinate, by_long_name, by_coordinate.chunk()):
        assert np.array_equal(classify(data, model=model, settings=SETTINGS), expected)
    chosen = replace(SETTINGS, bands=("red", "green", "blue"))
    assert np.array_equal(classify(by_coordinate, model=model, settings=chosen), expected)
    with pytest.raises(SceneError, match=r"the array has 4 bands .*but the model wants 3"):
        classify(as_array(image), model=model, settings=SETTINGS)


def test_an_unchecked_range_of_lazy_pixels_gets_a_warning(model, tmp_path, caplog):
    trained = tmp_path / "m.safetensors"
    replace(Model.load(model), dtype="uint8").save(trained)
    data = as_array(blocks(60, 70).astype("float32")).chunk()
    with caplog.at_level(logging.WARNING, "geoseg"):
        classify(data, model=trained, settings=SETTINGS)
    assert "float32 pixels and is lazy, so their range is not compared" in caplog.text


def test_an_error_in_a_block_is_raised(model, tmp_path):
    copy = tmp_path / "m.safetensors"
    copy.write_bytes(Path(model).read_bytes())
    labels = classify(as_array(blocks(60, 70)).chunk(), model=copy, settings=SETTINGS)
    copy.unlink()
    with pytest.raises(ChunkError, match=r"chunk at rows 0-59, columns 0-69 failed"):
        labels.compute(scheduler="synchronous")


def irregular(data):
    return data.assign_coords(y=data.y.values + np.arange(60) % 2)


@pytest.mark.parametrize(
    ("match", "change"),
    [
        (r"are a Dataset, .*to_dataarray\('band'\)", lambda a: a.to_dataset("band")),
        ("are a ndarray, give an xarray.DataArray", lambda a: a.values),
        (r"dimensions y, x, but no 'band'.*expand_dims", lambda a: a[0]),
        ("rows must be 'y' or 'latitude' or 'lat'", lambda a: a.rename(y="row")),
        (r"time, band, y, x, take one .*\.isel\(time=0\)", lambda a: a.expand_dims(time=3)),
        ("coordinates 'y' are not regular, resample", irregular),
        ("'x' are not regular", lambda a: a.assign_coords(x=np.zeros(70))),
        ("coordinates 'x' are not one number", lambda a: a.assign_coords(x=[*"ab"] * 35)),
        (r"no pixels \(band: 3, y: 0, x: 70\)", lambda a: a.sel(y=slice(2799500, 2799900))),
        ("one pixel along 'y'", lambda a: a[:, :1].drop_vars("spatial_ref")),
        ("nodata of the array is 'no', give a number", lambda a: a.assign_attrs(nodata="no")),
        ("unknown CRS 'mars'", lambda a: a.drop_vars("spatial_ref").assign_attrs(crs="mars")),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_sentence(match, change, model):
    with pytest.raises(SceneError, match=match) as caught:
        classify(change(as_array(blocks(60, 70))), model=model, settings=SETTINGS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"bbox": (0, 0, 1, 1)}, {"grid": "model"}, {"crs": EPSG}])
def test_settings_of_the_grid_are_refused(change, model):
    with pytest.raises(RunError, match=r"leave (it )?out"):
        classify(as_array(blocks(60, 70)), model=model, settings=replace(SETTINGS, **change))


def test_without_xarray_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(GeosegError, match=r"pip install 'geoseg\[xarray\]'"):
        classify(None)


@pytest.mark.slow
def test_the_example_runs_and_its_areas_are_those_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scene, model = ROOT / "sample_data" / "parana.tif", ROOT / "sample_data" / "parana.safetensors"
    plt.switch_backend("Agg")
    names = runpy.run_path(str(ROOT / "docs" / "xarray_example.py"))
    plt.close("all")
    report = geoseg.classify(
        scene, "lulc.tif", model=model, settings=ClassifySettings(nodata=0),
        execution=Execution(engine="torch"), workers=2,
    )  # fmt: skip
    pixels = {c.name: c.pixels for c in report.classes}
    assert {name: int(count) for name, count in names["pixels"].items()} == pixels
    assert min(names["areas"].values()) > 1
    assert Path("land_cover.png").stat().st_size > 10_000
