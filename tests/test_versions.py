"""The versions of Python and of packages that pyproject.toml, the locks and the host of CI name."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = {path.name: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}


def requirements(group: list[str]) -> dict[str, SpecifierSet]:
    """The packages of a group of pyproject.toml, with those of the extras that it names."""
    packages = {}
    for requirement in map(Requirement, group):
        if requirement.name == PROJECT["name"]:
            for extra in requirement.extras:
                packages |= requirements(PROJECT["optional-dependencies"][extra])
        else:
            packages[canonicalize_name(requirement.name)] = requirement.specifier
    return packages


DIRECT = requirements([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])


def pins(lock: str) -> dict[str, Version]:
    """The version of each package of a lock."""
    lines = (ROOT / lock).read_text().splitlines()
    split = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in split}


def lowest(specifier: SpecifierSet) -> Version:
    [version] = [Version(s.version) for s in specifier if s.operator == ">="]
    return version


def test_the_oldest_lock_has_the_lowest_version_of_each_package():
    oldest = pins("requirements-oldest.lock")
    assert {name: oldest.get(name) for name in DIRECT} == {
        name: lowest(specifier) for name, specifier in DIRECT.items()
    }


def test_the_lock_has_a_version_of_each_package_that_is_allowed():
    lock = pins("requirements.lock")
    refused = [name for name, s in DIRECT.items() if name not in lock or lock[name] not in s]
    assert refused == []


def test_ci_runs_each_python_that_the_package_names():
    prefix = "Programming Language :: Python :: "
    named = [c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(prefix)]
    assert named[0] == str(lowest(SpecifierSet(PROJECT["requires-python"])))
    jobs = yaml.safe_load(WORKFLOWS["test.yml"])["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == named


def steps(text: str) -> list[dict[str, str]]:
    """The steps of all jobs of a workflow of CI."""
    return [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_ci_runs_programs_and_targets_that_exist(name):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    script = "\n".join(step.get("run", "") for step in steps(WORKFLOWS[name]))
    assert set(re.findall(r"\bmake ([\w-]+)", script)) <= set(targets)
    files = re.findall(r"(?:^|\s)((?:\.ci|sample_data)/\S+|\S+\.lock)", script)
    assert [path for path in files if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_ci_takes_a_version_of_each_action_and_may_only_read(name):
    used = [step["uses"] for step in steps(WORKFLOWS[name]) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@v\d+(\.\d+)*", action)] == []
    workflow = yaml.safe_load(WORKFLOWS[name])
    assert workflow["permissions"] == {"contents": "read"}
    writers = {job for job, keys in workflow["jobs"].items() if "permissions" in keys}
    assert writers <= {"publish"}
    assert workflow["concurrency"]["group"]
