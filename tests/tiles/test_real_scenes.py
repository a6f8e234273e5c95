"""Tiles of real scenes with real labels, and of small scenes like them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.vrt import WarpedVRT

from geoseg.legend import DUBAI, DUBAI_MASKS
from geoseg.tiles import IGNORE_INDEX, TileSettings, check_split, open_tiles, tile
from tests.support.realdata import PARANA

REFERENCE_SPLIT = TileSettings(
    split="random", val=0.248015873, min_valid=0, seed=0, store="shards", preview=False
)
GOLDEN = {
    True: "3d6b58cb9fa71ca5d06c00c21f8b19162646477b04766e722d2db34985cdcc2b",
    False: "2ecbff1c3a9cfb9081a97a0270438847d55c472c053a6fc379149aaff4b09d4a",
}
"""SHA-256 of the names and splits of the Dubai tiles: of the real data, and of those like it."""


@pytest.fixture(scope="module")
def dubai(data, tmp_path_factory):
    folders = [data.dubai(number) for number in (4, 8)]
    return tile(folders, out=tmp_path_factory.mktemp("dubai") / "tiles", settings=REFERENCE_SPLIT)


@pytest.mark.slow
def test_the_dubai_tiles_and_their_split_do_not_change(data, dubai):
    """Trainings that are compared with each other rely on it."""
    counts = (2016, 1516, 500) if data.real else (72, 54, 18)
    assert (len(dubai), dubai.count("train"), dubai.count("val")) == counts
    assert dubai.names[0] == "Tile-4_image_part_001_000000_000000"
    listed = "\n".join(f"{n} {s}" for n, s in zip(dubai.names, dubai.splits, strict=True))
    assert hashlib.sha256(listed.encode()).hexdigest() == GOLDEN[data.real]
    if not data.real:
        return
    share = dubai.dataset("val").counts / 500 / 128**2
    assert share == pytest.approx([0.2433, 0.4125, 0.1165, 0.1398, 0.0663, 0.0062], abs=1e-4)


@pytest.mark.slow
def test_what_dubai_leaves_black_is_not_labelled(data, dubai):
    """545,723 px of one mask, of which the Dubai tiles have all but the remainders at the edges."""
    index = geopandas.read_parquet(f"{dubai.folder}/tiles.parquet")
    missing = index[index["labelled"] < 1]
    black = {"image_part_002.jpg", "image_part_003.jpg"} if data.real else {"image_part_002.jpg"}
    assert {Path(scene).name for scene in missing["scene"]} == black
    unlabelled = len(dubai) * 128**2 - dubai.subset(range(len(dubai))).counts.sum()
    if data.real:
        assert 460_000 < unlabelled < 546_609
    else:
        assert unlabelled == 2 * 100 * 150


@pytest.mark.slow
def test_masks_with_palettes_are_read_like_those_without(data, tmp_path):
    """Tile 2 has palettes; the colours say what is what."""
    root = data.dubai(2)
    settings = TileSettings(split="random", min_valid=0, preview=False)
    tiles = tile([root], out=tmp_path / "tiles", settings=settings)
    assert tiles.legend == DUBAI
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet").iloc[5]
    mask = index["scene"].replace("images", "masks").replace(".jpg", ".png")
    with rasterio.open(mask) as file:
        palette = {i: "#{:02x}{:02x}{:02x}".format(*c[:3]) for i, c in file.colormap(1).items()}
        window = rasterio.windows.Window(index["col"], index["row"], 128, 128)
        values, pixels = np.unique(file.read(1, window=window), return_counts=True)
    expected = {palette[v]: n for v, n in zip(values.tolist(), pixels.tolist(), strict=True)}
    found = {
        c.color: index[f"pixels_{c.name}"] for c in DUBAI_MASKS.classes if index[f"pixels_{c.name}"]
    }
    assert found == expected


@pytest.fixture(scope="module")
def carolina(data, tmp_path_factory):
    """Six files of one band each, stacked by a VRT, and the folder of their labels."""
    folder = data.carolina()
    path = tmp_path_factory.mktemp("carolina") / "stack.vrt"
    bands = sorted(folder.glob("lsat7_2000_*.tif"))
    with rasterio.open(bands[0]) as first, WarpedVRT(first) as same:
        size = f'rasterXSize="{same.width}" rasterYSize="{same.height}"'
        crs = same.crs.to_wkt().replace('"', "&quot;")
        place = ", ".join(map(str, same.transform.to_gdal()))
    sources = "".join(
        f'<VRTRasterBand dataType="Float32" band="{n}"><NoDataValue>-99999</NoDataValue>'
        f"<ComplexSource><SourceFilename>{band}</SourceFilename><SourceBand>1</SourceBand>"
        f"<NODATA>{-32768 if '_70' in band.name else -99999}</NODATA></ComplexSource>"
        "</VRTRasterBand>"
        for n, band in enumerate(bands, 1)
    )
    path.write_text(
        f"<VRTDataset {size}><SRS>{crs}</SRS><GeoTransform>{place}</GeoTransform>"
        f"{sources}</VRTDataset>"
    )
    return path, folder


CAROLINA = TileSettings(size=32, min_valid=0, class_field="label", store="shards", preview=False)


def has_data(scene):
    """Where any of the scene's bands has data, in what tiles of 32 px cover of it."""
    with rasterio.open(scene) as file:
        height, width = file.height // 32 * 32, file.width // 32 * 32
        return (file.read() != -99999).any(axis=0)[:height, :width]


def test_polygons_and_a_raster_of_another_datum_label_the_same_ground(carolina, tmp_path):
    scene, folder = carolina
    vector = tile(
        [scene], [folder / "landsat96_polygons.shp"], out=tmp_path / "v", settings=CAROLINA
    )
    (tmp_path / "legend.csv").write_text(
        "value,name,color\n" + "".join(f"{i},class {i},#0000{i:02}\n" for i in range(1, 8))
    )
    raster = tile(
        [scene], [folder / "landsat96_labelled_pixels.tif"], out=tmp_path / "r",
        legend=tmp_path / "legend.csv", settings=CAROLINA,
    )  # fmt: skip
    assert len(vector.band_names) == 6
    with rasterio.open(folder / "landsat96_labelled_pixels.tif") as file:
        valid = has_data(scene)
        labelled = (file.read(1)[: len(valid), : valid.shape[1]] > 0) & valid
    assert raster.subset(range(len(raster))).counts.sum() == labelled.sum() > 2000
    both = sorted(set(vector.names) & set(raster.names))
    assert len(both) == len(vector)
    one, other = (
        tiles.subset([tiles.names.index(name) for name in both]).read(np.arange(len(both)))[2]
        for tiles in (vector, raster)
    )
    assert (
        (one == IGNORE_INDEX) == (other == IGNORE_INDEX)
    ).mean() > 0.98  # they differ on polygons' edges
    labelled = (one != IGNORE_INDEX) & (other != IGNORE_INDEX)
    assert len(set(zip(one[labelled].tolist(), other[labelled].tolist(), strict=True))) == 7


def test_points_of_another_datum_label_single_pixels(data, carolina, tmp_path):
    scene, folder = carolina
    tiles = tile([scene], [folder / "landsat96_points.shp"], out=tmp_path / "t", settings=CAROLINA)
    assert len(tiles.legend) == 7
    with rasterio.open(scene) as file:
        points = geopandas.read_file(folder / "landsat96_points.shp").to_crs(file.crs).geometry
        cols, rows = np.floor(~file.transform @ (points.x.to_numpy(), points.y.to_numpy()))
    valid = has_data(scene)
    inside = (rows >= 0) & (rows < valid.shape[0]) & (cols >= 0) & (cols < valid.shape[1])
    hit = np.zeros(valid.shape, bool)
    hit[rows[inside].astype(int), cols[inside].astype(int)] = True  # some points share a pixel
    expected = (hit & valid).sum()
    assert tiles.subset(range(len(tiles))).counts.sum() == expected > (700 if data.real else 400)
    assert tiles.count("gap") > 0
    check_split(geopandas.read_parquet(tmp_path / "t" / "tiles.parquet"))


@pytest.mark.parametrize(("kind", "labelled"), [("polygons", 100), ("points", 6)])
def test_a_few_labels_in_a_large_scene_are_found(data, tmp_path, kind, labelled):
    folder = data.parana()
    settings = TileSettings(
        size=64, split="random", min_valid=0, class_field="name", nodata=0, preview=False
    )
    tiles = tile(
        [folder / f"{PARANA}.TIF"], [folder / f"{PARANA}_{kind}.gpkg"], out=tmp_path / "t",
        settings=settings,
    )  # fmt: skip
    assert tiles.legend.names == ("crop", "developed", "tree", "water")
    assert tiles.subset(range(len(tiles))).counts.sum() >= labelled
    assert open_tiles(tmp_path / "t").load("train")[0].dtype == np.uint16


# Few labels, and labels of one class each, against an oracle that knows nothing of rasters: GEOS.


def centres_in(polygons, scene):
    """(height, width) number of the last polygon with the centre of a pixel, from 0; -1 for none.

    The polygons are in the CRS of the scene.
    """
    with rasterio.open(scene) as file:
        place, shape = file.transform, file.shape
    numbers = np.full(shape, -1)
    for number, polygon in enumerate(polygons):
        left, bottom, right, top = polygon.bounds
        (col, row), (end_col, end_row) = ~place @ (left, top), ~place @ (right, bottom)
        near = np.s_[max(int(row), 0) : int(end_row) + 1, max(int(col), 0) : int(end_col) + 1]
        rows, cols = (indices[near] + 0.5 for indices in np.indices(shape))
        numbers[near][shapely.contains_xy(polygon, *place @ (cols, rows))] = number
    return numbers


@pytest.mark.parametrize("kind", ["polygons", "points"])
def test_by_default_each_labelled_pixel_of_a_large_scene_is_kept(data, tmp_path, kind):
    folder = data.parana()
    scene, vector = folder / f"{PARANA}.TIF", folder / f"{PARANA}_{kind}.gpkg"
    settings = TileSettings(size=64, val=0, class_field="name", nodata=0, preview=False)
    tiles = tile([scene], [vector], out=tmp_path / "t", settings=settings)
    frame = geopandas.read_file(vector)
    with rasterio.open(scene) as file:
        frame = frame.to_crs(file.crs)
        valid = file.read().any(axis=0)
        cols, rows = np.floor(~file.transform @ (frame.centroid.x, frame.centroid.y)).astype(int)
    height, width = valid.shape[0] // 64 * 64, valid.shape[1] // 64 * 64
    if kind == "polygons":
        numbers = centres_in(frame.geometry, scene)
    else:
        numbers = np.full(valid.shape, -1)
        numbers[rows, cols] = range(len(frame))
    numbers = np.where(valid, numbers, -1)[:height, :width]
    names = frame["name"].to_numpy()[numbers[numbers >= 0]]
    expected = [(names == name).sum() for name in tiles.legend.names]
    assert tiles.counts.sum(axis=0).tolist() == expected
    assert (tiles.counts.sum(axis=1) > 0).all()
    of_tiles = numbers.reshape(height // 64, 64, width // 64, 64).max(axis=(1, 3))
    assert len(tiles) == (of_tiles >= 0).sum()


@pytest.mark.parametrize("background", [None, "forest and others"])
def test_files_of_one_class_label_the_same_ground_as_one_file(carolina, tmp_path, background):
    scene, folder = carolina
    with rasterio.open(scene) as file:
        frame = geopandas.read_file(folder / "landsat96_polygons.shp").to_crs(file.crs)
    frame = frame.sort_values("label", kind="stable")  # where files overlap the later one wins
    files = {}
    for number, name in enumerate(frame["label"].unique()):
        files[name] = tmp_path / f"{number}.gpkg"
        of_class = frame[frame["label"] == name]
        feet = "EPSG:2264"  # of the same datum, so that only the last digits may differ
        of_class.to_crs(feet if number % 2 else frame.crs).to_file(files[name])
    settings = replace(CAROLINA, min_valid=None, val=0, background=background)
    tiles = tile([scene], files, out=tmp_path / "t", settings=replace(settings, class_field=None))
    valid = has_data(scene)
    numbers = centres_in(frame.geometry, scene)[: valid.shape[0], : valid.shape[1]]
    rest = {None: [], "forest and others": ["forest and others"]}[background]
    assert tiles.legend.names == (*files, *rest)
    values = np.array([list(files).index(name) for name in frame["label"]] + [len(files)])
    index = geopandas.read_parquet(tmp_path / "t" / "tiles.parquet")
    labels = tiles.subset(range(len(tiles))).read(np.arange(len(tiles)))[2]
    expected = np.full(labels.shape, IGNORE_INDEX)
    for tile_labels, row, col in zip(expected, index["row"], index["col"], strict=True):
        place = np.s_[row : row + 32, col : col + 32]
        labelled = valid[place] & ((numbers[place] >= 0) | (background is not None))
        tile_labels[labelled] = values[numbers[place]][labelled]
    assert (labels != expected).sum() <= 2
    assert (expected != IGNORE_INDEX).sum() == (
        ((numbers >= 0) & valid).sum() if background is None else valid.sum() - too_empty(valid)
    )


def too_empty(valid):
    """Valid pixels in the tiles of 32 px that have less than half of them."""
    height, width = valid.shape
    of_tiles = valid.reshape(height // 32, 32, width // 32, 32).sum(axis=(1, 3))
    return of_tiles[of_tiles < 512].sum()
