"""The floors of the house, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import geoseg

PACKAGE = Path(geoseg.__file__).parent
HEAVY = ("torch", "rasterio", "dask", "geopandas", "matplotlib", "numpy")


def test_imports_point_down():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def loaded_with(module: str, heavy: tuple[str, ...]) -> str:
    code = f"import sys, {module}; print(*(m for m in {heavy} if m in sys.modules))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("module", ["geoseg", "geoseg.cli", "geoseg.cli.classify"])
def test_importing_the_command_line_loads_nothing_heavy(module):
    assert loaded_with(module, HEAVY) == ""


def test_a_worker_loads_what_it_computes_with_and_nothing_for_tables_or_charts():
    heavy = ("pandas", "geopandas", "pyogrio", "matplotlib", "distributed")
    assert loaded_with("geoseg.classification.compute", ("torch", *heavy)) == "torch"


def test_reading_a_run_folder_loads_no_torch():
    assert loaded_with("geoseg.classification", ("torch", "pandas", "geopandas")) == ""


def test_describing_a_scene_loads_nothing_that_computes():
    heavy = ("torch", "dask", "pandas", "geopandas", "matplotlib")
    assert loaded_with("geoseg.info", heavy) == ""


def test_every_public_name_can_be_had_and_is_documented():
    for name in geoseg.__all__:
        assert getattr(geoseg, name).__doc__
    with pytest.raises(AttributeError, match="banana"):
        _ = geoseg.banana
    assert set(geoseg.__all__) <= set(dir(geoseg))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_inheritance_but_from_modules_errors_and_protocols(path):
    allowed = {"nn.Module", "Exception", "Protocol", "GeosegError", "SceneError"}
    # Click's and logging's way to be extended is subclassing.
    allowed |= {"click.Group", "click.Command", "click.ParamType", "logging.Formatter"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert {ast.unparse(base) for base in node.bases} <= allowed
