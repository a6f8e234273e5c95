"""`--json`: the result of each command is one JSON document; its keys are on a page.

The page is docs/reference/output.md.
"""

import json
import re
import typing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest

from geoseg.cli import cli
from geoseg.info import Kind
from geoseg.legend import Legend
from geoseg.training import Int8Report
from tests.support.assessments import PLACE, write_map
from tests.support.commands import here, refused
from tests.support.keras_files import KerasFile
from tests.support.onnx_files import conv_onnx
from tests.support.paths import ROOT
from tests.support.products import write_safe
from tests.support.rasters import blocks, write_raster

PAGE = (ROOT / "docs" / "reference" / "output.md").read_text()
SMALL = ["--recipe", "lab", "--width", 2, "--depth", 1, "--epochs", 1, "--batch-size", 4]
"""A training of a few steps."""


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    """A folder with a scene, a map, a later map, a reference and a model."""
    folder = tmp_path_factory.mktemp("json")
    pixels = blocks(64, 96)
    write_raster(folder / "scene.tif", pixels, transform=PLACE)
    ground = (pixels[0] // 100).astype(np.uint8)
    for name, labels in (("lulc", ground), ("later", np.roll(ground, 9, axis=1))):
        write_map(folder / f"{name}.tif", labels)
    return folder


def run(*words: object) -> Any:
    """The JSON that a command prints."""
    done = here(*words, "--json", "-q")
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def results(folder, model) -> dict[str, Any]:
    """The result of each command, by the title of its section."""
    scene, lulc, later = (folder / f"{name}.tif" for name in ("scene", "lulc", "later"))
    options = ("--model", model, "--overlap", 8)
    legend, keras = folder / "classes.csv", folder / "network.keras"
    legend.write_text(Legend.from_names([*"abc"]).to_csv())
    KerasFile(classes=3).save(keras)
    return {
        "tile": run("tile", scene, "--labels", lulc, "--out", folder / "tiles", "--size", 16),
        "train": run("train", folder / "tiles", "--out", folder / "t.safetensors", *SMALL),
        "classify": run("classify", scene, *options, "--out", folder / "o.tif"),
        "classify --dry-run": run(
            "classify", scene, *options, "--out", folder / "d.tif", "--dry-run"
        ),
        "vectorise": run("vectorise", lulc, "--out", folder / "v.gpkg"),
        "evaluate": run("evaluate", lulc, later, "--out", folder / "report"),
        "compare": run("compare", lulc, later, "--out", folder / "changes"),
        "sample": run(
            "sample", lulc, "--out", folder / "p.gpkg", "--size", 9, "--min-per-class", 1
        ),
        "suggest": run(
            "suggest", lulc, "--out", folder / "areas.gpkg", "--size", 16, "--number", 3
        ),
        "view --save": run("view", scene, lulc, "--save", folder / "page.html"),
        "models": run("models"),
        "convert": run("convert", keras, "--legend", legend, "--out", folder / "k.safetensors"),
    }


@pytest.fixture(scope="module")
def described(folder, model, results, tmp_path_factory) -> dict[str, Any]:
    """The description of a path of each kind."""
    place = tmp_path_factory.mktemp("kinds")
    run_options = ("--model", model, "--overlap", 8, "--shard", "1/1", "--out", place / "s.tif")
    assert run("classify", folder / "scene.tif", *run_options) == {"maps": [], "failed": []}
    paths = {
        "model": model, "onnx": conv_onnx(place / "net.onnx"), "tiles": folder / "tiles",
        "parts": place / "s.tif.parts", "labels": folder / "lulc.tif",
        "scene": folder / "scene.tif", "product": write_safe(place), "vectors": folder / "v.gpkg",
    }  # fmt: skip
    return {kind: run("info", path) for kind, path in paths.items()}


def table_rows(title: str) -> list[str]:
    """The rows of the table in a section of the page, without its head."""
    section = PAGE.split(f"\n### `{title}`\n")[1].split("\n### ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def named_keys(title: str) -> set[str]:
    """The keys that a section of the page names."""
    rows = [row for row in table_rows(title) if not row.startswith("| `kind`")]
    return {key for row in rows for key in re.findall("`(.+?)`", row.split("|")[1])}


def printed_keys(data: dict[str, Any], named: set[str]) -> set[str]:
    """The keys of an object, and those of the objects in a list whose keys the page names too."""
    nested = {name.partition("[].")[0] for name in named if "[]." in name}
    assert all(data[key] for key in nested), "the list is empty"
    return {*data, *(f"{key}[].{inner}" for key in nested for item in data[key] for inner in item)}


TITLES = (
    "tile", "train", "classify", "classify --dry-run", "vectorise", "evaluate", "compare",
    "sample", "suggest", "view --save", "models", "convert",
)  # fmt: skip


@pytest.mark.parametrize("title", TITLES)
def test_the_page_names_all_keys(results, title):
    data, named = results[title], named_keys(title)
    for item in data if isinstance(data, list) else [data]:
        assert printed_keys(item, named) == named


def test_the_page_has_all_commands(results):
    titles = set(re.findall("^### `(.+)`$", PAGE, re.MULTILINE))
    assert {title.split()[0] for title in titles} == set(cli.list_commands(click.Context(cli)))
    assert titles == {*TITLES, "view", "export", "info"}


@pytest.mark.parametrize("kind", typing.get_args(Kind))
def test_the_page_names_the_keys_of_each_description(described, kind):
    [row] = [row for row in table_rows("info") if row.startswith(f"| `{kind}` |")]
    assert set(described[kind]) == set(re.findall("`(.+?)`", row.split("|")[2]))
    assert described[kind]["kind"] == kind


def test_a_result_is_that_of_its_file(folder, results):
    for name, title in (("report", "evaluate"), ("changes", "compare")):
        data = json.loads((folder / name / "report.json").read_text())
        assert results[title] == {"outputs": [str(folder / name)], **data}
    [lulc] = results["classify"]["maps"]
    data = json.loads((folder / "o.json").read_text())
    assert lulc == {**data, "outputs": [str(folder / "o.tif")]}


def test_outputs_exist(results):
    listed = [data for data in results.values() if isinstance(data, dict) and "outputs" in data]
    paths = [path for data in [*listed, *results["classify"]["maps"]] for path in data["outputs"]]
    assert len(paths) == len(results) - 2
    assert all(Path(path).exists() for path in paths)


def test_a_model_of_train_is_described_with_the_same_values(results):
    trained = results["train"]
    described = run("info", trained["path"])
    assert {key: described[key] for key in trained if key != "outputs"} == {
        key: value for key, value in trained.items() if key != "outputs"
    }


@pytest.mark.slow
def test_several_scenes_are_one_object_that_names_those_that_failed(folder, model, tmp_path):
    kept, missing = folder / "scene.tif", folder / "no.tif"
    options = ("--model", model, "--overlap", 8, "--confidence", tmp_path / "c")
    words = ("classify", kept, missing, *options, "--out", tmp_path / "maps", "--json")
    for extra, key in ((["--dry-run"], "runs"), ([], "maps")):
        done = here(*words, *extra)
        assert "no.tif" in refused(done)
        data = json.loads(done.stdout)
        [failure] = data["failed"]
        assert failure["scene"] == str(missing)
        assert "No such file" in failure["error"]
        paths = [str(tmp_path / place / "scene.tif") for place in ("maps", "c")]
        assert data[key][0]["outputs"] == paths
    assert all(Path(path).exists() for path in paths)


@pytest.mark.slow
def test_outputs_of_a_map_that_was_made_before_are_those_asked_for_now(folder, model, tmp_path):
    places = {name: tmp_path / name for name in ("out", "polygons", "confidence", "uncertainty")}
    options = [word for name, place in places.items() for word in (f"--{name}", place)]
    words = ("classify", folder / "scene.tif", "--model", model, "--overlap", 8, "--min-area", 9)
    (tmp_path / "out").mkdir()
    run(*words, *options)
    [lulc] = run(*words, *options[:4], *options[6:])["maps"]
    files = [("out", "scene.tif"), ("polygons", "scene.gpkg"), ("uncertainty", "scene.tif")]
    assert lulc["outputs"] == [str(places[name] / file) for name, file in files]


def test_a_failure_prints_nothing_on_stdout(folder, tmp_path):
    done = here("vectorise", folder / "no.tif", "--out", tmp_path / "o.gpkg", "--json")
    assert "no.tif" in refused(done)
    assert done.stdout == ""


def test_an_exported_model(model, tmp_path):
    pytest.importorskip("onnxscript")
    out = tmp_path / "o.onnx"
    data = run("export", model, "--out", out)
    assert data == {"outputs": [str(out), str(tmp_path / "o.json")], "int8": None}
    assert set(data) == named_keys("export")
    report = Int8Report(out, out, 1, 1, 0.5, 0.5, 0.0)
    [row] = [row for row in table_rows("export") if row.startswith("| `int8`")]
    assert [*report.to_dict()] == re.findall("`([a-z_0-9]+)`", row.split("object: ")[1])[:-1]
    json.dumps(report.to_dict())


def test_the_address_of_the_page(folder, monkeypatch):
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("geoseg.view.run.time", SimpleNamespace(sleep=stop))
    data = run("view", folder / "scene.tif", "--no-browser")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", data["address"])
    assert set(data) == named_keys("view")


def test_numbers_that_json_lacks_are_texts(model, tmp_path):
    pixels = blocks(40, 40).astype(np.float32)
    scene = write_raster(tmp_path / "s.tif", pixels, nodata=np.nan)
    data = run("classify", scene, "--model", model, "--overlap", 8, "--out", tmp_path / "o.tif")
    assert data["maps"][0]["scene"]["nodata"] == "nan"


def test_the_options_of_output_do_not_change_the_files(folder, model, tmp_path):
    maps = []
    for name, extra in (("a", []), ("b", ["--json", "--log-file", tmp_path / "run.log", "-v"])):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "o.tif"
        done = here(
            "classify", folder / "scene.tif", "--model", model, "--overlap", 8, "--out", out,
            "--polygons", out.with_suffix(".gpkg"), *extra,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = {path.name: path.read_bytes() for path in out.parent.iterdir()}
        config = json.loads(files.pop("o.json"))["config"]
        maps.append((files, {**config, "out": "", "polygons": ""}))
    assert maps[0] == maps[1]
