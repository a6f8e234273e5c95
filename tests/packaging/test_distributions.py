"""The wheel and the sdist: what is inside, and that the same sources give the same bytes."""

import tarfile
import tomllib
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from geoseg.version import __version__
from tests.support.distributions import Distributions, build
from tests.support.paths import ROOT

CODE = ("**/*.py", "py.typed")
DATA = (
    "evaluation/report/*.css",
    "evaluation/report/*.html.j2",
    "models/*.safetensors",
    "models/README.md",
    "view/page/*.css",
    "view/page/*.html",
    "view/page/*.js",
)
LICENCES = ("models/LICENSE.efficientnet-lite0", "view/page/LICENSE.leaflet")
"""Of what other people made and the wheel contains."""
LARGEST = 20e6
"""Bytes."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def package_files() -> set[str]:
    """The files that the package is made of, relative to the checkout."""
    package = ROOT / "geoseg"
    paths = [path for pattern in (*CODE, *DATA, *LICENCES) for path in package.glob(pattern)]
    return {path.relative_to(ROOT).as_posix() for path in paths}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Distributions:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        text = archive.read(f"geoseg-{__version__}.dist-info/METADATA").decode()
    return HeaderParser().parsestr(text)


def test_the_wheel_has_the_package_and_its_licences_and_nothing_else(built):
    about = f"geoseg-{__version__}.dist-info"
    licences = {"LICENSE", *(f"geoseg/{name}" for name in LICENCES)}
    records = {f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    with ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    assert names == package_files() | records | {f"{about}/licenses/{name}" for name in licences}
    assert {"geoseg/view/page/leaflet.js", "geoseg/models/default.safetensors"} < names


def test_the_sdist_has_what_the_wheel_is_built_from_and_nothing_else(built):
    documents = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md"}
    with tarfile.open(built.sdist) as archive:
        names = {
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        }
    made = {"PKG-INFO", "pyproject.toml", ".gitignore"}  # hatchling adds them
    assert names == package_files() | documents | made


def test_both_are_small(built):
    assert built.wheel.stat().st_size < LARGEST
    assert built.sdist.stat().st_size < LARGEST


def test_the_sdist_builds_the_same_wheel_and_the_same_sdist_byte_for_byte(built, tmp_path):
    source = built.unpacked_sdist(tmp_path / "source")
    for path in source.rglob("*"):  # another clone has other times and another umask
        path.chmod(0o700 if path.is_dir() else 0o600)
        path.touch()
    again = build(source, tmp_path / "dist")
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_metadata_is_that_of_the_project(built):
    about = metadata(built.wheel)
    assert about["Name"] == "geoseg"
    assert about["Version"] == __version__
    assert about["License-Expression"] == "MIT AND BSD-2-Clause AND Apache-2.0"
    needed = {text for text in about.get_all("Requires-Dist") if "extra ==" not in text}
    assert needed == set(PROJECT["dependencies"])
    assert set(about.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert about.get_payload() == (ROOT / "README.md").read_text()
