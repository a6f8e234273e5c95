"""The site: it is built strictly, is complete, and loads nothing from other hosts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import geoseg
from tests.support.documents import DOCUMENTS
from tests.support.paths import ROOT

PICTURES = {
    "error-matrix.png", "labels.png", "polygons.png", "scene-and-map.png", "weights.png",
    "windows.png",
}  # fmt: skip


def build(place: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Build the site as ``make docs`` does."""
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", place]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the site."""
    place = tmp_path_factory.mktemp("site")
    done = build(place)
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr
    return place


@pytest.mark.slow
def test_every_document_is_a_page(site):
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    for name in DOCUMENTS:
        if name.startswith("docs/"):
            assert name.removeprefix("docs/").removesuffix(".md") + ".html" in pages
        elif name != "README.md":  # the first page of the site takes its place
            path = f"repository/{name}".removesuffix(".md") + ".html"
            assert path.replace("README.html", "index.html") in pages, name


@pytest.mark.slow
def test_pages_load_nothing_from_other_hosts(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"(https?:[^\"]+)", page.read_text())
        loaded += re.findall(r"<link[^>]* href=\"(https?:[^\"]+)", page.read_text())
        assert loaded == [], page


@pytest.mark.slow
def test_pictures_are_drawn_and_shown(site):
    assert {path.name for path in (site / "pictures").iterdir()} == PICTURES
    shown = set()
    for page in site.rglob("*.html"):
        for source in re.findall(r"<img[^>]* src=\"([^\"]+)", page.read_text()):
            assert (page.parent / source).is_file(), f"{page}: {source}"
            shown.add(Path(source).name)
    assert shown >= PICTURES


@pytest.mark.slow
def test_the_python_page_describes_every_public_name(site):
    text = (site / "reference" / "python.html").read_text()
    for name in set(geoseg.__all__) - {"__version__"}:
        assert f'id="geoseg.{name}"' in text, f"add {name} to docs/reference/python.md"


@pytest.mark.slow
def test_lists_tables_and_blocks_are_not_taken_for_text(site):
    for page in site.rglob("*.html"):
        article = page.read_text().partition("<article")[2].partition("</article>")[0]
        for paragraph in re.findall(r"<p>(.*?)</p>", article, re.DOTALL):
            wrong = re.search(r"^(- |\d+\. |\||```)", paragraph, re.MULTILINE)
            assert not wrong, (page, paragraph)


def test_a_broken_link_fails_the_build(tmp_path):
    """A page with a link to nothing, in a site of two pages without pictures."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    config |= {"nav": ["index.md", "other.md"], "hooks": [], "plugins": []}
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config))
    (tmp_path / "docs/other.md").write_text("# Other\n\n## Part\n")
    for link, code in (("other.md#part", 0), ("other.md#nothing", 1), ("nothing.md", 1)):
        (tmp_path / "docs/index.md").write_text(f"# Start\n\n[there]({link})\n")
        assert build(tmp_path / "site", tmp_path).returncode == code, link
        shutil.rmtree(tmp_path / "site", ignore_errors=True)
