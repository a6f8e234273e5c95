"""The wheel in an empty environment: it names all that it needs, and has all its files."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import here
from tests.support.distributions import build, install
from tests.support.paths import ROOT, SAMPLE, names_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The programs of an environment with nothing but the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = build(ROOT, folder / "dist").wheel
    return install(wheel, folder / "env")


def run(programs: Path, name: str, *arguments: object, folder: Path | None = None) -> str:
    """Run a program of the environment, which must succeed, and return what it prints."""
    env = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}
    command = [programs / name, *map(str, arguments)]
    where = folder or programs.parent
    done = subprocess.run(command, env=env, cwd=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


CLASSIFY = ["classify", SAMPLE / "parana.tif", "--model", SAMPLE / "parana.safetensors"]
CLASSIFY += ["--nodata", 0, "--workers", 1]


def outputs(folder: Path) -> list[object]:
    """The options that name the outputs of a classification."""
    return ["--out", folder / "lulc.tif", "--polygons", folder / "lulc.gpkg"]


@pytest.fixture(scope="module")
def mapped(programs, tmp_path_factory) -> Path:
    """The folder of the map of the sample, made by the installed wheel."""
    folder = tmp_path_factory.mktemp("mapped")
    run(programs, "geoseg", *CLASSIFY, *outputs(folder))
    return folder


def test_it_maps_the_sample_as_the_checkout_does(mapped, tmp_path):
    assert here(*CLASSIFY, *outputs(tmp_path)).returncode == 0
    assert names_in(tmp_path) == names_in(mapped)
    for name in ("lulc.tif", "lulc.tif.aux.xml", "lulc.qml"):
        assert (mapped / name).read_bytes() == (tmp_path / name).read_bytes()


def test_its_pages_and_models_are_complete(programs, mapped):
    labels, scene = SAMPLE / "parana_labels.gpkg", SAMPLE / "parana.tif"
    evaluate = ["evaluate", "lulc.tif", labels, "--class-field", "name", "--out", "report"]
    run(programs, "geoseg", *evaluate, folder=mapped)
    run(programs, "geoseg", "view", scene, "lulc.tif", "--save", "page.html", folder=mapped)
    assert "Leaflet" in (mapped / "page.html").read_text()
    assert "</table>" in (mapped / "report" / "report.html").read_text()
    assert "default" in run(programs, "geoseg", "models")


def test_it_has_nothing_that_it_does_not_require(programs):
    code = "import importlib.util as u, geoseg; print(geoseg.__file__, u.find_spec('pytest'))"
    file, pytest_spec = run(programs, "python", "-c", code).split()
    assert Path(file).is_relative_to(programs.parent)
    assert pytest_spec == "None"
