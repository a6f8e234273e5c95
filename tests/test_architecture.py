"""The structure of the package: imports, public names, sizes, and what an import loads."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import geoseg

PACKAGE = Path(geoseg.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "rasterio", "dask", "geopandas", "matplotlib", "numpy")


def test_imports_point_down():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_modules_import_each_other_in_a_circle_not_even_for_type_checking():
    graph = grimp.build_graph("geoseg", exclude_type_checking_imports=False)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError with the modules of the circle


def loaded_with(module: str, heavy: tuple[str, ...]) -> str:
    code = f"import sys, {module}; print(*(m for m in {heavy} if m in sys.modules))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "module", ["geoseg", "geoseg.cli", "geoseg.cli.commands.classify", "geoseg.models"]
)
def test_importing_the_command_line_or_names_of_models_loads_nothing_heavy(module):
    assert loaded_with(module, HEAVY) == ""


def test_a_worker_loads_what_it_computes_with_and_nothing_for_tables_or_charts():
    heavy = ("pandas", "geopandas", "pyogrio", "matplotlib", "distributed")
    assert loaded_with("geoseg.classification.compute", ("torch", *heavy)) == "torch"


def test_reading_a_run_folder_loads_no_torch():
    assert loaded_with("geoseg.classification", ("torch", "pandas", "geopandas")) == ""


def test_describing_a_scene_loads_nothing_that_computes():
    heavy = ("torch", "dask", "pandas", "geopandas", "matplotlib")
    assert loaded_with("geoseg.info", heavy) == ""


def test_every_public_name_exists_and_is_documented():
    for name in geoseg.__all__:
        assert getattr(geoseg, name).__doc__
    with pytest.raises(AttributeError, match="banana"):
        _ = geoseg.banana


def test_python_and_type_checkers_see_the_same_public_names():
    [block] = [
        node
        for node in ast.parse((PACKAGE / "__init__.py").read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    checked = {
        f"{statement.module}.{alias.asname}"
        for statement in block.body
        for alias in statement.names
    }
    table = {
        f"geoseg.{package}.{name}"
        for package, names in geoseg._PUBLIC_NAMES.items()
        for name in names
    }
    assert checked == table
    assert sorted([*(name.rpartition(".")[2] for name in table), "__version__"]) == dir(geoseg)


def test_files_and_folders_stay_small():
    """About 400 lines a file and a dozen modules a folder: divide by meaning, not by count."""
    lines = {str(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: n for path, n in lines.items() if n > 400} == {}
    modules = Counter(str(path.parent) for path in SOURCES if path.name != "__init__.py")
    assert {folder: n for folder, n in modules.items() if n > 16} == {}


def test_only_errors_networks_and_protocols_are_subclassed():
    allowed = {"nn.Module", "Exception", "Protocol", "GeosegError", "SceneError"}
    # Click and logging are extended by subclassing.
    allowed |= {"click.Group", "click.Command", "click.ParamType", "logging.Formatter"}
    allowed |= {"BaseHTTPRequestHandler"}  # the way of http.server
    bases = {
        f"{path.name}: {ast.unparse(base)}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if ast.unparse(base) not in allowed
    }
    assert bases == set()
