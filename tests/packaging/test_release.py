"""All files that name the version of the release name the same one, with the same date."""

import datetime as dt
import re

import yaml

from geoseg.version import __version__
from tests.support.paths import ROOT

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def releases() -> list[tuple[str, str]]:
    """Version and date of each release in CHANGELOG, the newest first."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    return [
        re.fullmatch(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)", text).groups()
        for text in headings[1:]
    ]


def test_the_version_is_that_of_the_newest_release():
    recipe = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text())
    newest, _ = releases()[0]
    assert (__version__, CITATION["version"], recipe["context"]["version"]) == (newest,) * 3


def test_the_releases_are_in_order():
    versions = [tuple(map(int, version.split("."))) for version, _ in releases()]
    dates = [dt.date.fromisoformat(date) for _, date in releases()]
    assert versions == sorted(set(versions), reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_the_date_of_the_citation_is_that_of_the_newest_release():
    _, date = releases()[0]
    assert CITATION["date-released"] == dt.date.fromisoformat(date)


def test_each_release_has_its_page():
    pages = {path.stem for path in (ROOT / "docs" / "releases").glob("*.md")}
    assert pages == {version for version, _ in releases()}
    for version in pages:
        text = (ROOT / "docs" / "releases" / f"{version}.md").read_text()
        assert text.startswith(f"# geoseg {version}\n")
