"""The conda recipe says what `pyproject.toml` says."""

import re
import tomllib

import yaml

from tests.support.paths import ROOT

RECIPE = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
CONDA_NAMES = {"dask": "dask-core", "matplotlib": "matplotlib-base", "torch": "pytorch"}
"""Packages that conda-forge calls differently, or that have less to install without plots."""


def as_conda(requirement: str) -> str:
    """A requirement of Python in the words of conda: "torch>=2.4" is "pytorch >=2.4"."""
    name, bounds = re.fullmatch(r"([\w-]+)(\S+)", requirement).groups()
    return f"{CONDA_NAMES.get(name, name)} {bounds}"


def test_the_dependencies_are_those_of_the_package():
    python, *others = RECIPE["requirements"]["run"]
    assert sorted(others) == sorted(as_conda(text) for text in PROJECT["dependencies"])
    assert python == "python >=${{ python_min }}"


def test_python_and_the_build_backend_are_those_of_the_package():
    assert f">={RECIPE['context']['python_min']}" == PROJECT["requires-python"]
    backend = [as_conda(text) for text in PYPROJECT["build-system"]["requires"]]
    assert RECIPE["requirements"]["host"] == ["python ${{ python_min }}.*", *backend, "pip"]


def test_the_command_is_that_of_the_package():
    [(name, function)] = PROJECT["scripts"].items()
    assert RECIPE["build"]["python"]["entry_points"] == [f"{name} = {function}"]


def test_the_licences_are_those_of_the_package():
    files = {
        path.relative_to(ROOT).as_posix()
        for pattern in PROJECT["license-files"]
        for path in ROOT.glob(pattern)
    }
    assert set(RECIPE["about"]["license_file"]) == files
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert RECIPE["about"]["summary"] == PROJECT["description"].partition(":")[0]


def test_the_files_of_its_test_exist():
    for part in RECIPE["tests"]:
        for path in part.get("files", {}).get("source", []):
            assert (ROOT / path).exists()
