"""`geoseg info`: reports and pictures of each kind of file and folder."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from xml.sax.saxutils import escape

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from geoseg.errors import GeosegError, ModelError, OutputError, RunError, SceneError, TileError
from geoseg.grid import Window
from geoseg.info import as_text, describe, find_kind, plot
from geoseg.info.unet_layout import layout_boxes
from geoseg.legend import DUBAI, NODATA, LandCoverClass, Legend
from geoseg.model import Model, UNetSpec, layer_table
from geoseg.raster import (
    RasterProfile,
    open_scene,
    percentile_stretch,
    read_metadata,
    read_overview,
    read_window,
    write_cog,
)
from geoseg.styles.gdal_pam import pam_sidecar, read_categories
from tests.support.commands import here
from tests.support.models import LEGEND, TRAINING, as_json, parse_facts, save_model
from tests.support.paths import ROOT
from tests.support.rasters import write_raster
from tests.support.torch_packages import import_or_skip

UTM = "EPSG:32640"

# model.summary() of the reference Keras U-Net: layers and parameters, and inputs of the joins.
REFERENCE_LAYERS = """
input_layer 0, rescaling 0, conv2d 448, dropout 0, conv2d_1 2320, max_pooling2d 0,
conv2d_2 4640, dropout_1 0, conv2d_3 9248, max_pooling2d_1 0,
conv2d_4 18496, dropout_2 0, conv2d_5 36928, max_pooling2d_2 0,
conv2d_6 73856, dropout_3 0, conv2d_7 147584, max_pooling2d_3 0,
dropout_4 0, conv2d_8 295168, conv2d_9 590080,
conv2d_transpose 131200, concatenate 0, conv2d_10 295040, dropout_5 0, conv2d_11 147584,
conv2d_transpose_1 32832, concatenate_1 0, conv2d_12 73792, dropout_6 0, conv2d_13 36928,
conv2d_transpose_2 8224, concatenate_2 0, conv2d_14 18464, dropout_7 0, conv2d_15 9248,
conv2d_transpose_3 2064, concatenate_3 0, conv2d_16 4624, dropout_8 0, conv2d_17 2320,
conv2d_18 102
"""
REFERENCE_JOINS = {
    "concatenate": "conv2d_7[0][0], conv2d_transpose[0][0]",
    "concatenate_1": "conv2d_5[0][0], conv2d_transpose_1[0][0]",
    "concatenate_2": "conv2d_3[0][0], conv2d_transpose_2[0][0]",
    "concatenate_3": "conv2d_1[0][0], conv2d_transpose_3[0][0]",
}


def save_raster(path, pixels, *, alpha=None, **profile):
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[None]])
    looks = {
        "photometric": "RGB" if len(pixels) >= 3 else "MINISBLACK",
        "alpha": "NO" if alpha is None else "YES",
        "transform": Affine(2, 0, 5e5, 0, -3, 4e6),
    }
    return write_raster(path, np.asarray(pixels), **looks | profile)


def save_labels(path, labels, *, legend=LEGEND, sidecar=True, crs=UTM, tags=None):
    height, width = labels.shape
    target = RasterProfile(
        height, width, 1, (2, 0, 5e5, 0, -3, 4e6), crs, nodata=NODATA, overviews="mode",
        colormap={c.value: c.rgb for c in legend.classes}, tags=tags or {},
    )  # fmt: skip
    write_cog(path, target, [(whole(height, width), labels[None])])
    if sidecar:
        counts = [int((labels == v).sum()) for v in legend.values]
        path.with_name(f"{path.name}.aux.xml").write_text(pam_sidecar(legend, counts))
    return path


def whole(height, width):
    return Window(0, 0, height, width)


def save_image_mask_folder(folder, number=3, size=32):
    """Write a folder of images/ and masks/, the masks with a palette."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(number):
        colors = rng.integers(0, 255, (size, size, 3), np.uint8)
        Image.fromarray(colors).save(folder / "images" / f"tile_{i}.png")
        mask = np.zeros((size, size), np.uint8)
        mask[: size // 4] = 1
        mask = Image.fromarray(mask)
        mask.putpalette([0x3C, 0x10, 0x98, 0x84, 0x29, 0xF6])
        mask.save(folder / "masks" / f"tile_{i}.png")
    return folder


def save_parts(folder, *, shards=1):
    """Classify shards of a scene, each with 2 of its 6 chunks; return the folder of the parts."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (3, 1200, 700), np.uint8)
    scene = save_raster(folder / "scene.tif", pixels)
    model = save_model(folder / "m.safetensors", window=64)
    for number in range(1, shards + 1):
        done = here(
            "classify", scene, "--out", folder / "map.tif", "--polygons", folder / "map.gpkg",
            "--model", model, "--device", "cpu", "--chunk", 512, "--shard", f"{number}/3",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder / "map.tif.parts"


# --- models


def layer_rows(text):
    """Rows of the layer table: cells with their lines joined, without frame."""
    start = text.index("┡")
    for block in re.split(r"\n├.*┤\n", text[start : text.index("└")].split("\n", 1)[1]):
        lines = [[c.strip() for c in line.strip("│").split("│")] for line in block.splitlines()]
        yield [" ".join(filter(None, column)) for column in zip(*lines, strict=True)]


@pytest.fixture(scope="module")
def reference_text(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "m.safetensors"
    return as_text(describe(save_model(path, classes=6, width=16, depth=4, window=128)))


def test_layer_table_is_that_of_the_reference_network(reference_text):
    wanted = [item.split() for item in REFERENCE_LAYERS.replace("\n", " ").split(",")]
    rows = list(layer_rows(reference_text))
    found = [(row[0].split()[0], int(row[2].replace(",", ""))) for row in rows]
    assert found == [(name, int(count)) for name, count in wanted]
    assert sum(count for _, count in found) == 1_941_190
    for line in (
        "Total params: 1,941,190 (7.41 MB)",
        "Trainable params: 1,941,190 (7.41 MB)",
        "Non-trainable params: 0 (0.00 B)",
    ):
        assert f"\n {line}" in reference_text


def test_layer_table_has_the_inputs_and_shapes_of_the_reference_network(reference_text):
    rows = {row[0].split()[0]: row for row in layer_rows(reference_text)}
    assert {name: rows[name][3] for name in REFERENCE_JOINS} == REFERENCE_JOINS
    assert rows["input_layer"] == ["input_layer (InputLayer)", "(None, 128, 128, 3)", "0", "-"]
    assert rows["conv2d_9"][1] == "(None, 8, 8, 256)"
    assert rows["conv2d_18"][1:] == ["(None, 128, 128, 6)", "102", "conv2d_17[0][0]"]


def test_layer_table_fits_a_terminal_and_cuts_nothing(reference_text):
    table = reference_text[reference_text.index("Model: ") :].splitlines()
    assert {len(line) for line in table if line[0] in "┏┃┡│├└"} == {80}
    assert "…" not in reference_text


def test_model_in_words(tmp_path):
    path = save_model(
        tmp_path / "m.safetensors", training=TRAINING, bands=4, low=(0.0,), high=(10000.0,)
    )
    text = as_text(describe(path))
    facts = parse_facts(text)
    assert facts["Model"].startswith(str(path))
    assert facts["Hash"] == Model.load(path).hash
    assert facts["Bands"] == "red, green, blue, nir (uint8)"
    assert facts["Pixel size"] == "0.5 m"
    assert facts["Scaling"] == "0..10000 to 0..1"
    assert facts["Classes"] == "0 wood & scrub, 3 water, 7 rock"
    assert "lr 0.001" in facts["Training"]
    assert "on 900 tiles, 100 for validation" in facts["Training"]
    assert "patience" not in facts["Training"]
    assert facts["Best epoch"] == "7 of 25"
    assert facts["Validation"] == "accuracy 87.5 %, mean IoU 50.0 %, 1,000 pixels"
    assert re.search(r"wood & scrub +62\.5 % +75\.0 % +70\.0 % +600\n", text)
    assert re.search(r"rock +- +- +- +0\n", text)


def test_model_without_training_in_words(tmp_path):
    text = as_text(describe(save_model(tmp_path / "m.safetensors")))
    assert parse_facts(text)["Training"] == "not recorded"
    assert "Class " not in text


def test_model_scaling_of_each_band_in_words(tmp_path):
    path = save_model(tmp_path / "m.safetensors", bands=2, low=(0.0, 5.0), high=(1.0, 50.0))
    assert parse_facts(as_text(describe(path)))["Scaling"] == "0..1, 5..50 to 0..1"


def test_model_with_another_encoder_in_words_and_as_json(tmp_path):
    path = save_model(
        tmp_path / "m.safetensors", training=TRAINING, encoder="efficientnet-lite0", depth=5
    )
    report = describe(path)
    text, data = as_text(report), as_json(report)
    assert parse_facts(text)["Encoder"] == "efficientnet-lite0"
    spec = Model.load(path).spec
    assert UNetSpec.from_dict({**data["unet"], "low": (0,), "high": (255,)}) == spec
    assert data["unet"].keys() == spec.to_dict().keys()
    assert data["trainable"] == Model.load(path).trainable_parameters < data["parameters"]
    rows = {row[0].split()[0]: row for row in layer_rows(text)}
    assert len(rows) == len(data["layers"])
    assert rows["stage_6"][0] == "stage_6 (4 x InvertedResidual)"
    assert rows["concat_5"][1:] == ["(None, 32, 32, 12)", "0", "upsample_5[0][0], full_size[0][0]"]
    statistics = data["parameters"] - data["trainable"]
    assert f"\n Non-trainable params: {statistics:,} (" in text
    frame = [line for line in text.splitlines() if line[0:1] in tuple("┏┃┡│├└")]
    assert {len(line) for line in frame} == {80}


def test_the_encoder_of_the_reference_network_in_words(reference_text):
    assert parse_facts(reference_text)["Encoder"] == "lab (of the reference Keras U-Net)"


def test_model_as_json(tmp_path):
    path = save_model(tmp_path / "m.safetensors", training=TRAINING)
    data = as_json(describe(path))
    assert data["kind"] == "model"
    assert data["parameters"] == data["trainable"] == Model.load(path).trainable_parameters
    assert sum(layer["parameters"] for layer in data["layers"]) == data["parameters"]
    assert data["unet"]["depth"] == 2
    assert data["training"] == TRAINING
    assert data["bytes"] == path.stat().st_size
    assert data["bundled"] is False


# --- label maps


@pytest.fixture
def labels():
    labels = np.full((700, 600), 3, np.uint8)
    labels[:100] = 0
    labels[600:, :300] = NODATA
    return labels


def test_label_map_counts_every_class(tmp_path, labels):
    path = save_labels(tmp_path / "map.tif", labels, tags={"GEOSEG_MODEL": "abc"})
    report = describe(path)
    assert report.kind == "labels"
    assert report.data["nodata_pixels"] == 30_000
    assert report.data["valid_pixels"] == 390_000
    assert report.data["tags"] == {"GEOSEG_MODEL": "abc"}
    found = {c["value"]: c for c in report.data["classes"]}
    assert list(found) == [0, 3, 7]
    assert found[0] == {
        "value": 0, "name": "wood & scrub", "color": "#118833", "pixels": 60_000,
        "share": round(60 / 390, 6), "area_m2": 360_000.0,
    }  # fmt: skip
    assert found[3]["pixels"] == 330_000
    assert found[7]["pixels"] == 0


def test_label_map_in_words(tmp_path, labels):
    path = save_labels(tmp_path / "map.tif", labels, tags={"GEOSEG_MODEL": "abc"})
    text = as_text(describe(path))
    facts = parse_facts(text)
    assert facts["Size"] == "700 rows x 600 columns, uint8"
    assert facts["CRS"] == "WGS 84 / UTM zone 40N (EPSG:32640)"
    assert facts["Pixel size"].startswith("2 x 3 metre, about 2.4")
    assert facts["Extent"] == "x 500000 to 501200, y 3997900 to 4000000"
    assert facts["Made by"] == "geoseg (model abc)"
    assert re.search(r"\n +3  water +#2255cc +330,000 +84\.6 % +1,980,000\.00(\n|$)", text)


def test_label_map_is_counted_over_blocks(tmp_path, labels, monkeypatch):
    path = save_labels(tmp_path / "map.tif", labels)
    at_once = describe(path).data
    monkeypatch.setattr("geoseg.info.class_counts._WINDOW_SIZE", 512)
    assert describe(path).data == at_once


def test_label_map_without_names_or_crs(tmp_path, labels):
    path = save_labels(tmp_path / "map.tif", labels, sidecar=False, crs=None)
    report = describe(path)
    assert [c["value"] for c in report.data["classes"]] == [0, 3]
    assert {c["name"] for c in report.data["classes"]} == {""}
    assert {c["area_m2"] for c in report.data["classes"]} == {None}
    assert "Area" not in as_text(report)


def test_label_map_area_is_true_in_degrees(tmp_path):
    cells = np.zeros((1, 180, 360), np.uint8)
    path = save_raster(
        tmp_path / "world.tif", cells, crs="EPSG:4326", transform=Affine(1, 0, -180, 0, -1, 90)
    )
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, {0: (1, 2, 3)})
    (earth,) = describe(path).data["classes"]
    assert earth["area_m2"] == pytest.approx(510_065_621_724_000, rel=1e-6)


def test_categories_are_read_as_they_were_written(tmp_path):
    (tmp_path / "map.tif.aux.xml").write_text(pam_sidecar(LEGEND, [1, 2, 3]))
    assert read_categories(tmp_path / "map.tif") == {0: "wood & scrub", 3: "water", 7: "rock"}
    assert read_categories(tmp_path / "other.tif") == {}
    (tmp_path / "bad.tif.aux.xml").write_text(f"<PAMDataset>{escape('<')}")
    with pytest.raises(GeosegError, match=r"bad\.tif\.aux\.xml"):
        read_categories(tmp_path / "bad.tif")


def test_confidence_is_no_label_map(tmp_path):
    path = tmp_path / "conf.tif"
    target = RasterProfile(
        64, 64, 1, (2, 0, 5e5, 0, -3, 4e6), UTM, nodata=0, names=("confidence",),
        tags={"GEOSEG_MODEL": "abc"},
    )  # fmt: skip
    write_cog(path, target, [(whole(64, 64), np.ones((1, 64, 64), np.uint8))])
    assert find_kind(path) == "scene"


# --- scenes


def test_scene(tmp_path):
    alpha = np.full((300, 500), 255, np.uint8)
    path = save_raster(tmp_path / "rgb.tif", np.zeros((3, 300, 500), np.uint8), alpha=alpha)
    report = describe(path)
    assert report.kind == "scene"
    assert report.data["mask"] == "alpha"
    assert report.data["crs"] == {
        "name": "WGS 84 / UTM zone 40N", "epsg": 32640, "unit": "metre"
    }  # fmt: skip
    assert [b["name"] for b in report.data["bands"]] == ["red", "green", "blue"]
    size = Model.load("default").spec.window
    starts = [{min(k, max(n - size, 0)) for k in range(0, n, size - 32)} for n in (300, 500)]
    count = len(starts[0]) * len(starts[1])
    assert report.data["windows"] == {"count": count, "size": size, "overlap": 32}
    facts = parse_facts(as_text(report))
    assert facts["No data by"] == "alpha band"
    words = f"{count} of {size} px with an overlap of 32 px (model default)"
    assert facts["Windows"] == words
    assert as_json(report)["height"] == 300


def test_scene_with_nan_as_nodata_and_no_place(tmp_path):
    pixels = np.zeros((2, 20, 30), np.float32)
    path = save_raster(
        tmp_path / "f.tif", pixels, crs=None, transform=Affine.identity(), nodata=np.nan
    )
    report = describe(path)
    assert report.data["extent"] is None
    assert report.data["pixel_size"] is None
    assert as_json(report)["nodata"] == "nan"
    facts = parse_facts(as_text(report))
    assert facts["No data by"] == "the value nan"
    assert (facts["CRS"], facts["Extent"], facts["Pixel size"]) == (
        "none",
        "not known",
        "not known",
    )


def test_nodata_of_each_band(tmp_path):
    """A stack of an optical band and an elevation, as ``gdalbuildvrt -separate`` makes it."""
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{number}"><NoDataValue>{nodata}</NoDataValue>'
        "</VRTRasterBand>"
        for number, nodata in ((1, 0), (2, -9999))
    )
    path = tmp_path / "s.vrt"
    path.write_text(f'<VRTDataset rasterXSize="30" rasterYSize="20">{bands}</VRTDataset>')
    report = describe(path)
    assert [band["nodata"] for band in report.data["bands"]] == [0, -9999]
    assert parse_facts(as_text(report))["No data by"] == "a value of each band, see below"
    assert re.search(r"^ +1 .* 0$.*^ +2 .* -9999$", as_text(report), re.MULTILINE | re.DOTALL)


def test_the_lowest_number_as_nodata(tmp_path):
    pixels = np.ones((1, 8, 8), np.float32)
    lowest = float(np.finfo(np.float32).min)
    report = describe(save_raster(tmp_path / "s.tif", pixels, nodata=lowest))
    assert as_json(report)["nodata"] == lowest
    assert "the value -3.4028234663852886e+38" in as_text(report)


def test_scene_without_any_nodata_in_words(tmp_path):
    path = save_raster(tmp_path / "s.tif", np.zeros((1, 20, 30), np.uint16))
    assert parse_facts(as_text(describe(path)))["No data by"] == "nothing, every pixel has data"
    assert read_metadata(path).mask == "none"


# --- tile sets


def test_describe_a_folder_of_images_and_masks(tmp_path):
    report = describe(save_image_mask_folder(tmp_path / "tiles"))
    assert report.kind == "tiles"
    assert report.data["tiles"] == 3
    assert report.data["unlabelled_pixels"] == 0
    shares = {c["name"]: c["share"] for c in report.data["classes"]}
    assert shares["building"] == 0.75
    assert shares["land"] == 0.25
    facts = parse_facts(as_text(report))
    assert facts["Tiles"] == "3 of 32 x 32 px"
    assert facts["Splits"] == "3 not yet split"
    assert facts["Scenes"] == "1 (all images of one folder count as one scene)"
    assert as_json(report)["classes"][1]["pixels"] == 3 * 32 * 8


def test_tile_set_that_tile_wrote(tmp_path, labels):
    from geoseg.tiles import TileSettings, tile

    pixels = np.random.default_rng(0).integers(0, 255, (3, 700, 600), np.uint8)
    scene = save_raster(tmp_path / "scene.tif", pixels)
    path = save_labels(tmp_path / "map.tif", labels)
    tile(
        [scene],
        [path],
        out=tmp_path / "tiles",
        legend=LEGEND,
        settings=TileSettings(split="random", preview=False),
    )
    shutil.rmtree(tmp_path / "tiles" / "masks")  # the index says it all
    report = describe(tmp_path / "tiles")
    assert report.data["own"]
    assert sum(report.data["splits"].values()) == report.data["tiles"] == 20
    found = [c["pixels"] for c in report.data["classes"]]
    assert sum(found) + report.data["unlabelled_pixels"] == 20 * 128**2
    assert found[0] == 100 * 512
    facts = parse_facts(as_text(report))
    assert facts["Made by"] == "geoseg tile"
    assert re.fullmatch(r"\d+ for training, \d+ for validation", facts["Splits"])
    split = replace(report, data={**report.data, "splits": {"gap": 1, "train": 11, "val": 4}})
    assert parse_facts(as_text(split))["Splits"] == (
        "11 for training, 4 for validation, 1 in the gap between them (not used)"
    )
    assert "EPSG:32640" in facts["CRS"]
    assert facts["Extent"].startswith("x ")


# --- parts


def test_describe_counts_the_finished_chunks_of_a_run(tmp_path):
    folder = save_parts(tmp_path / "run")
    (folder / "part-0001024-0000000.json").write_text('{"row": 1024, "col": 0, "bytes": 100}')
    report = describe(folder)
    assert report.kind == "parts"
    data, manifest = report.data, json.loads((folder / "plan.json").read_text())
    assert (data["done"], data["total"]) == (2, 6)
    assert (data["run"], data["model"]) == (manifest["run"], manifest["model"])
    files = list(folder.glob("part-*.safetensors"))
    assert data["bytes"] == sum(file.stat().st_size for file in files)
    records = [json.loads(file.with_suffix(".json").read_text()) for file in files]
    assert data["windows"] == sum(record["windows"] for record in records) > 0
    assert data["scene"]["crs"]["epsg"] == 32640
    assert data["options"]["outputs"] == ["labels", "polygons"]
    assert not {"run", "scene", "model", "window"} & data["options"].keys()
    facts = parse_facts(as_text(report))
    assert facts["Chunks"] == "2 of 6 done (33.3 %), 4 to do"
    assert facts["Windows"] == f"{data['windows']:,} computed"
    assert "blend hann" in facts["Options"]
    assert as_json(report) == {"kind": "parts", **data} == report.to_dict()


def test_parts_of_all_chunks_are_ready_to_assemble(tmp_path):
    text = as_text(describe(save_parts(tmp_path / "run", shards=3)))
    assert "6 of 6 done (100.0 %), all done, ready to assemble" in text


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '{"scene": {"height": 5, "width": 5}, "chunk": 7}', "[" * 100_000],
    ids=["cut", "empty", "no run", "too deep"],
)
def test_a_damaged_manifest_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(RunError, match=r"plan\.json is damaged .*--no-resume"):
        describe(tmp_path)


# --- refused paths


def test_missing_path(tmp_path):
    with pytest.raises(SceneError, match=r"nope\.tif"):
        describe(tmp_path / "nope.tif")
    with pytest.raises(ModelError, match=r"nope\.safetensors"):
        describe(tmp_path / "nope.safetensors")


def test_unknown_file_and_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SceneError, match=r"notes\.txt"):
        describe(tmp_path / "notes.txt")
    with pytest.raises(SceneError, match="neither a tile set"):
        describe(tmp_path)


def test_damaged_model_and_tile_set(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(ModelError):
        describe(tmp_path / "m.safetensors")
    (tmp_path / "m.pt").write_bytes(b"PK\3\4")
    with pytest.raises(ModelError, match="may run code"):
        describe(tmp_path / "m.pt")
    (tmp_path / "tiles.json").write_text("{")
    with pytest.raises(TileError):
        describe(tmp_path)


def test_truncated_label_map(tmp_path, labels):
    path = save_labels(tmp_path / "map.tif", np.random.default_rng(0).permuted(labels))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SceneError):
        describe(path)


# --- pictures


def picture(path):
    """Pixels (height, width, 3) of a drawn PNG."""
    return np.asarray(Image.open(path).convert("RGB"))


def test_model_picture(tmp_path):
    plot(save_model(tmp_path / "m.safetensors"), tmp_path / "m.png")
    drawn = picture(tmp_path / "m.png")
    assert drawn.shape[1] == 1600
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20
    assert 0.1 < (drawn != 255).any(axis=2).mean() < 0.9
    assert not list(tmp_path.glob(".*"))


def test_pictures_show_the_encoder(tmp_path):
    model = save_model(tmp_path / "m.safetensors", encoder="efficientnet-lite0", depth=5)
    plot(model, tmp_path / "m.svg")
    plot(model, tmp_path / "m.png")
    drawn = (tmp_path / "m.svg").read_text()
    for text in ("encoder efficientnet-lite0", "stage_6", "InvertedResidual", "full_size"):
        assert f"<!-- {text}" in drawn, text
    assert (picture(tmp_path / "m.png") != 255).any(axis=2).mean() > 0.1


LITE = {"encoder": "efficientnet-lite0", "depth": 5}
RESNET = {"encoder": "smp:resnet18", "depth": 5}


def boxes_of(**fields):
    if "smp" in fields.get("encoder", ""):
        import_or_skip("segmentation_models_pytorch")
    return layout_boxes(UNetSpec(window=128, **fields))


@pytest.mark.parametrize("fields", [*({"depth": d} for d in (1, 2, 4, 6, 7)), LITE, RESNET])
def test_boxes_of_the_picture_do_not_touch(fields):
    boxes = boxes_of(**fields)
    assert len(boxes) == len(layer_table(UNetSpec(window=128, **fields)))
    for a, b in itertools.combinations(boxes.values(), 2):
        apart = a.right < b.left or b.right < a.left or a.bottom < b.top or b.bottom < a.top
        assert apart, (a, b)
    assert all(box.left >= 0 and box.right <= 1600 for box in boxes.values())


@pytest.mark.parametrize(
    ("fields", "expected"), [*(({"depth": d}, d + 2) for d in (1, 4, 7)), (LITE, 7), (RESNET, 7)]
)
def test_skips_of_the_picture_are_level_and_its_other_arrows_meet_both_boxes(fields, expected):
    boxes = boxes_of(**fields)
    level = 0
    for box in boxes.values():
        for source in (boxes[name] for name in box.layer.inputs):
            if source.top == box.top:
                level += 1
                assert source.right < box.left
                between = (b for b in boxes.values() if b.top == box.top)
                assert not any(source.right < b.left < box.left for b in between)
            else:
                assert max(source.left, box.left) < min(source.right, box.right)
    assert level == expected


def test_label_map_picture_has_its_colours(tmp_path, labels):
    path = save_labels(tmp_path / "map.tif", labels)
    plot(path, tmp_path / "map.png")
    drawn = picture(tmp_path / "map.png")
    assert drawn.shape[0] > 700
    for c, minimum in zip(LEGEND.classes, (55_000, 320_000, 200), strict=True):
        assert (drawn == c.rgb).all(axis=2).sum() > minimum
    # Pixels without data are as white as the paper.
    assert (drawn[56 + 605 : 56 + 690, 24 + 5 : 24 + 290] == 255).all()


def test_large_map_is_read_at_reduced_size(tmp_path):
    labels = np.zeros((100, 4000), np.uint8)
    labels[:, 2000:] = 3
    path = save_labels(tmp_path / "map.tif", labels)
    plot(path, tmp_path / "map.png")
    assert picture(tmp_path / "map.png").shape[1] == 1500 + 48
    pixels, valid = read_overview(open_scene(path), 1500)
    assert pixels.shape == (1, 38, 1500)
    assert valid.all()
    assert set(np.unique(pixels)) == {0, 3}


def test_small_scene_is_read_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 9, (3, 40, 50), np.uint8)
    scene = open_scene(save_raster(tmp_path / "s.tif", pixels, nodata=0))
    for overview, whole_scene in zip(
        read_overview(scene, 1500), read_window(scene, scene.window), strict=True
    ):
        np.testing.assert_array_equal(overview, whole_scene)


def test_scene_picture(tmp_path):
    pixels = np.random.default_rng(0).integers(1000, 3000, (3, 90, 120), np.uint16)
    pixels[:, :30] = 0
    plot(save_raster(tmp_path / "s.tif", pixels, nodata=0), tmp_path / "s.png")
    drawn = picture(tmp_path / "s.png")
    # Four times as large; white where there is no data, of all tones elsewhere.
    assert (drawn[56 + 5 : 56 + 115, 24 + 5 : 24 + 475] == 255).all()
    assert drawn[56 + 125 : 56 + 355, 24 + 5 : 24 + 475].std() > 50


def test_grey_scene_without_valid_pixels_is_drawn(tmp_path):
    pixels = np.full((1, 30, 30), np.nan, np.float32)
    plot(save_raster(tmp_path / "s.tif", pixels), tmp_path / "s.png")
    assert picture(tmp_path / "s.png").shape[0] > 400


def test_stretch_goes_from_2_to_98_percent_of_valid_pixels():
    band = np.arange(500, 601, dtype=np.int16).reshape(1, 1, 101)
    valid = np.ones((1, 101), bool)
    grey = percentile_stretch(band, valid)
    assert grey.shape == (1, 101, 3)
    assert (grey[0, :3] == 0).all()
    assert (grey[0, 98:] == 255).all()
    band[0, 0, 100], valid[0, 100] = 30_000, False
    assert (percentile_stretch(band, valid)[0, 98] == 255).all()


def test_stretch_leaves_out_a_black_frame_that_the_file_does_not_declare():
    pixels = np.random.default_rng(0).integers(5000, 9000, (3, 20, 20), np.uint16)
    valid = np.ones((20, 20), bool)
    alone = percentile_stretch(pixels[:, 10:], valid[10:])
    pixels[:, :10] = 0
    framed = percentile_stretch(pixels, valid)
    np.testing.assert_array_equal(framed[10:], alone)
    assert (framed[:10] == 0).all()
    assert (percentile_stretch(np.zeros((3, 4, 4), np.uint8), np.ones((4, 4), bool)) == 0).all()


def test_tile_picture(tmp_path):
    plot(save_image_mask_folder(tmp_path / "tiles", number=11), tmp_path / "t.png")
    drawn = picture(tmp_path / "t.png")
    # Ten masks, a quarter land and the rest building, at 128 px a side.
    building, land = (c.rgb for c in DUBAI.classes[:2])
    assert (drawn == land).all(axis=2).sum() > 10 * 128 * 128 // 4 * 0.9
    assert (drawn == building).all(axis=2).sum() > 10 * 128 * 128 * 3 // 4 * 0.9


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".PNG"])
def test_other_formats(tmp_path, suffix):
    out = tmp_path / f"m{suffix}"
    plot(save_model(tmp_path / "m.safetensors", depth=1), out)
    head = {".svg": b"<?xml", ".pdf": b"%PDF", ".PNG": b"\x89PNG"}[suffix]
    assert out.read_bytes().startswith(head)


def test_names_with_dollars_and_underscores_are_drawn_as_they_are(tmp_path):
    legend = Legend(
        (LandCoverClass(0, "_a $\\frac{$", "#112233"), LandCoverClass(1, "$x_", "#445566"))
    )
    path = save_labels(tmp_path / "$m_.tif", np.eye(20, dtype=np.uint8), legend=legend)
    plot(path, tmp_path / "m.png")
    assert (picture(tmp_path / "m.png") == (0x11, 0x22, 0x33)).all(axis=2).any()


def test_pictures_that_are_refused(tmp_path):
    model = save_model(tmp_path / "m.safetensors")
    with pytest.raises(OutputError, match=r"\.png, \.svg or \.pdf"):
        plot(model, tmp_path / "m.jpg")
    with pytest.raises(OutputError, match="does not exist"):
        plot(model, tmp_path / "no" / "m.png")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text("{}")
    with pytest.raises(OutputError, match="parts of a run, which geoseg does not draw, finish"):
        plot(tmp_path / "run", tmp_path / "p.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "s.png")
    with pytest.raises(OutputError, match="is an input of this command"):
        plot(tmp_path / "s.png", tmp_path / "s.png")
    assert {p.name for p in tmp_path.iterdir()} == {"m.safetensors", "run", "s.png"}


def test_reports_load_no_torch_and_pictures_neither_pyplot_nor_the_compiler(tmp_path):
    code = (
        "import sys; from geoseg.info import describe, plot\n"
        "for path in sys.argv[3:]: describe(path)\n"
        "loaded = {'matplotlib', 'torch', 'pandas', 'geopandas', 'dask'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "for path in sys.argv[1:3]: plot(path, path + '.png')\n"
        "assert 'torch' in sys.modules\n"
        "assert not {'matplotlib.pyplot', 'torch._dynamo'} & set(sys.modules)"
    )
    lab = save_model(tmp_path / "lab.safetensors", depth=1)
    lite = save_model(tmp_path / "lite.safetensors", depth=5, encoder="efficientnet-lite0")
    scene = save_raster(tmp_path / "s.tif", np.zeros((3, 40, 50), np.uint8))
    labels = save_labels(tmp_path / "l.tif", np.zeros((40, 50), np.uint8))
    tiles, parts = save_image_mask_folder(tmp_path / "tiles"), save_parts(tmp_path / "run")
    command = [sys.executable, "-W", "ignore", "-c", code, lab, lite, scene, labels, tiles, parts]
    subprocess.run(command, check=True, cwd=ROOT)
