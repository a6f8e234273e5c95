"""The commands and the Python of the documents run as they stand, and their links lead to files."""

import json
import re
import shlex
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import click
import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import yaml

import geoseg
from geoseg.cli import cli
from geoseg.legend import Legend
from geoseg.version import __version__
from tests.support.assessments import PLACE, write_map
from tests.support.clusters import dask_processes
from tests.support.commands import here
from tests.support.keras_files import KerasFile
from tests.support.models import tiny_model
from tests.support.paths import ROOT
from tests.support.rasters import blocks, write_raster

DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for pattern in ("*.md", "docs/*.md", "*/README.md", "*/*/README.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
}
README = DOCUMENTS["README.md"]
SIDE = 128
"""Side of a tile and of a window (px)."""
SCENE = (SIDE, 9 * SIDE)


def section(title: str) -> str:
    """The text of a section of the README."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def code(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for name, block in blocks if name == language]


def commands(block: str) -> list[list[str]]:
    """The words of each command of a block."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def inline_commands() -> list[str]:
    """The geoseg commands inside of sentences and tables, without names of commands alone."""
    texts = [
        " ".join(text.split())
        for document in DOCUMENTS.values()
        for text in re.findall(r"`(geoseg\s[^`]+)`", document)
    ]
    return sorted({text for text in texts if text.count(" ") > 1 and "COMMAND" not in text})


def run(words: list[str]) -> None:
    """Run one command line of geoseg, which must succeed."""
    assert words[0] == "geoseg"
    done = here(*words[1:])
    assert done.returncode == 0, (words, done.stderr)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with the files that the documents name."""
    folder = tmp_path_factory.mktemp("files")
    for name, seed in (("scene", 0), ("a", 1), ("b", 2)):
        write_raster(folder / f"{name}.tif", blocks(*SCENE, seed=seed), transform=PLACE)
    ground = np.kron(np.arange(36).reshape(2, 18) % 3, np.ones((64, 64))).astype(np.uint8)
    for name in ("lulc", "worldcover"):
        write_map(folder / f"{name}.tif", ground)
    write_map(folder / "later.tif", np.roll(ground, 9, axis=1))
    write_raster(folder / "reference.tif", np.roll(ground, 3)[None], transform=PLACE)
    corners = [(64 * row, 64 * col) for row in range(2) for col in range(18)]
    squares = [
        shapely.box(*(PLACE @ (col, row + 64)), *(PLACE @ (col + 64, row))) for row, col in corners
    ]
    names = ["maize", "wheat", "grass"]
    crops = [names[ground[corner]] for corner in corners]
    fields = geopandas.GeoDataFrame({"crop": crops}, geometry=squares, crs="EPSG:32640")
    for name in ("fields", "reference"):
        fields.to_file(folder / f"{name}.gpkg")
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch) -> Path:
    """The working folder of a test, with these files."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def one_epoch(monkeypatch) -> None:
    """Train for one epoch of one step, in the command and in Python."""
    monkeypatch.setattr("geoseg.training.batches.draw.MIN_STEPS", 1)
    command = cli.get_command(click.Context(cli), "train")
    [epochs] = [option for option in command.params if option.name == "epochs"]
    monkeypatch.setattr(epochs, "default", 1)
    settings = geoseg.TrainSettings(epochs=1)
    monkeypatch.setitem(geoseg.train.__kwdefaults__, "settings", settings)


@pytest.mark.slow
def test_the_first_commands_and_their_python_make_the_same_map(folder, one_epoch):
    for path in folder.glob("lulc.*"):
        path.unlink()
    inputs = {path: path.read_bytes() for path in folder.iterdir()}
    _, block = code(README.split("\n## ")[0])
    for words in commands(block):
        run(words)
    maps = {name: Path(name).read_bytes() for name in ("lulc.tif", "lulc.gpkg")}
    with rasterio.open("lulc.tif") as lulc:
        assert set(np.unique(lulc.read(1))) <= {0, 1, 2}
    for path in folder.iterdir():
        if path.name.startswith("model."):
            continue  # the training of the Python block finds it complete
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path, content in inputs.items():
        path.write_bytes(content)
    [block] = code(README, "python")
    exec(block, {})
    assert {name: Path(name).read_bytes() for name in maps} == maps
    assert sorted(path.name for path in Path("maps").glob("*.tif")) == ["a.tif", "b.tif"]
    assert Path("report", "report.html").exists()


@pytest.mark.slow
def test_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = subprocess.run(["make", "--dry-run", "demo", f"OUT={tmp_path}"], capture_output=True)
    for words in commands(recipe.stdout.decode()):
        if words[0].endswith("/geoseg"):
            run(["geoseg", *words[1:]])
    assert {"lulc.tif", "lulc.gpkg", "lulc.png"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_the_commands_for_accuracy(folder):
    [block] = code(section("Accuracy"))
    for words in commands(block):
        for path, out in (("points", "report-of-sample"), ("change-points", "change-areas")):
            if words[-1] == out:  # by then somebody has filled in the classes
                points = geopandas.read_file(f"{path}.gpkg", layer=path)
                points["reference"] = points["stratum"]
                points.to_file(f"{path}.gpkg", layer=path)
        run(words)
    pages = sorted(str(path.parent) for path in Path().rglob("report.html"))
    assert pages == ["again", "change-areas", "changes", "report", "report-of-sample"]


def visit_and_draw(scene: str, labels: str, **options: Any) -> None:
    """Do what somebody does on the page: look at the map and correct it, if that is asked for."""
    del options["started"]
    with geoseg.open_view(scene, labels, **options) as address:
        assert b'"width"' in urllib.request.urlopen(f"{address}view").read()
        for class_id in (0, 1) if options["corrections"] else ():
            corners = [[0, 0], [600, 0], [600, 120], [0, 120]]
            points = [[col + 400 * class_id, row] for col, row in corners]
            drawn = {"kind": "polygon", "class_id": class_id, "points": points}
            urllib.request.urlopen(f"{address}correct", json.dumps(drawn).encode())


def test_the_commands_for_looking_and_correcting(folder, monkeypatch):
    monkeypatch.setattr("geoseg.view.serve", visit_and_draw)
    [block] = code(section("Look and correct"))
    for words in commands(block):
        run(words)
    assert geoseg.open_tiles("corrected").legend.names == ("grass", "water")
    assert Path("map.html").stat().st_size > 1e5


@pytest.mark.slow
def test_the_commands_that_improve_a_model(folder, one_epoch):
    run(["geoseg", "tile", "scene.tif", "--labels", "lulc.tif", "--out", "tiles"])
    small = ["--recipe", "lab", "--width", "2"]
    run(["geoseg", "train", "tiles", "--out", "model.safetensors", *small])
    for path in folder.glob("lulc.*"):
        path.unlink()
    [block] = code(DOCUMENTS["docs/improve.md"])
    for words in commands(block):
        if words[1] == "tile":  # by then somebody has labelled the areas
            areas = geopandas.read_file("areas.gpkg", layer="suggested")
            areas["class"] = ["water", *["grass"] * (len(areas) - 1)]
            areas.to_file("corrections.gpkg")
        run(words)
    assert Path("improved.tif").exists()


@pytest.mark.slow
def test_the_commands_for_models(folder, tmp_path):
    for package in ("onnxscript", "h5py"):
        pytest.importorskip(package)
    KerasFile(classes=3).save(tmp_path / "network.keras")
    Path("classes.csv").write_text(Legend.from_names([*"abc"]).to_csv())
    tiny_model(Path("model.safetensors"))
    [block] = code(section("Models"))
    for words in commands(block):
        run(words)
    for name in ("model.onnx", "model.json", "converted.safetensors"):
        assert Path(name).exists()


@pytest.mark.slow
def test_the_commands_for_options_and_many_scenes(folder, monkeypatch):
    block, completion = code(section("Options from files, and many scenes"))
    [toml] = code(section("Options from files, and many scenes"), "toml")
    (folder / "scenes").mkdir()
    shutil.copy("a.tif", "scenes")
    Path("more.txt").write_text("b.tif\n")
    Path("job.toml").write_text(toml)
    for path in folder.glob("lulc.*"):
        path.unlink()
    for words in commands(block):
        run(words)
    assert sorted(path.name for path in Path("maps").glob("*.tif")) == ["a.tif", "b.tif"]
    assert Path("again.tif").read_bytes() == Path("lulc.tif").read_bytes()
    for words in commands(completion):
        assert "geoseg" in " ".join(words)
        assert re.search(r"_GEOSEG_COMPLETE=(bash|zsh|fish)_source", " ".join(words))


@pytest.mark.slow
def test_the_commands_for_large_scenes(folder):
    pytest.importorskip("distributed")
    [block] = code(section("Large scenes and clusters"))
    lines = [words for words in commands(block) if words[0] == "geoseg"]
    maps = set()
    with dask_processes(folder) as dask:  # its worker finds files by the same relative names
        dask.add()
        for words in lines:
            for path in folder.glob("lulc.*"):
                path.unlink()
            if words[1] == "info":
                run([*lines[0], "--shard", "1/1"])  # leaves the finished chunks
                run(words)
            else:
                run([dask.address if word.startswith("tcp:") else word for word in words])
                maps.add(Path("lulc.tif").read_bytes())
    assert len(lines) == 3
    assert len(maps) == 1


@pytest.mark.slow
def test_commands_inside_of_sentences(folder):
    ran = set()
    in_blocks = {" ".join(words) for text in code(README) for words in commands(text)}
    for text in inline_commands():
        _, name, *words = shlex.split(text)
        command = cli.get_command(click.Context(cli), name)
        names = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= names, text
        concrete = not any(word.isupper() or word == "..." for word in words)
        if concrete and words[0][0] != "-" and text not in in_blocks:
            run(shlex.split(text))
            ran.add(text)
    assert {"geoseg info default", "geoseg info fields.gpkg"} <= ran


def test_scripts_and_links_lead_to_files():
    for name, text in DOCUMENTS.items():
        place = (ROOT / name).parent
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (place / link).exists(), f"{name}: {link}"
        for script in re.findall(r"(?:slurm|dask)/\w+\.(?:sh|sbatch|py|yaml)", text):
            assert (ROOT / "workflows" / script).exists(), f"{name}: {script}"


def test_files_and_tests_named_in_the_documents_exist():
    for name, text in DOCUMENTS.items():
        for named in re.findall(r"`((?:geoseg|tests)/[\w./]+(?:::\w+)?)`", text):
            path, _, test = named.partition("::")
            assert (ROOT / path).exists(), f"{name}: {path}"
            assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{name}: {named}"


def test_every_room_is_on_the_map():
    text = DOCUMENTS["docs/ARCHITECTURE.md"]
    rooms = {path.stem for path in (ROOT / "geoseg").iterdir() if not path.stem.startswith("_")}
    assert {room for room in rooms - {"models", "py"} if f"`{room}`" not in text} == set()


def test_the_glossary_is_in_alphabetical_order():
    words = re.findall(r"^\| \*\*(.+?)\*\*", DOCUMENTS["docs/glossary.md"], re.MULTILINE)
    assert len(words) > 50
    assert words == sorted(words, key=str.casefold)


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
