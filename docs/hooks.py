"""What the build of the site adds to the pages: pictures, and the documents outside of docs/.

MkDocs calls the functions ``on_...``. A link that leads out of docs/ works in the repository; in
the site it leads to a copy of that file under ``repository/``.
"""

import re
import sys
from os.path import relpath
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
COPIES = "repository"
"""Folder of the site with the files that are not in docs/."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)")
"""The path of a link to a file."""

sys.path.insert(0, str(Path(__file__).parent))
from pictures import make_pictures  # noqa: E402 - a script beside this one


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures, and all files outside of docs/ to which documents lead."""
    for name, content in make_pictures(ROOT / "sample_data").items():
        files.append(File.generated(config, f"pictures/{name}", content=content))
    for path in linked_files(
        [ROOT / "docs" / file.src_uri for file in files.documentation_pages()]
    ):
        source = str(ROOT / path)
        files.append(File.generated(config, f"{COPIES}/{path}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let the links of a page lead to the same files inside of the site."""
    place = PurePosixPath(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target = (in_repository(place).parent / link[0]).resolve()
        if not target.is_relative_to(ROOT):
            return link[0]  # MkDocs reports it
        return relpath(in_site(target.relative_to(ROOT)), place.parent)

    return LINK.sub(moved, markdown)


def linked_files(documents: list[Path]) -> list[str]:
    """Return the files outside of docs/ that these documents link, and those that they link."""
    linked: set[str] = set()
    waiting = list(documents)
    while waiting:
        document = waiting.pop()
        for link in LINK.findall(document.read_text()):
            target = (document.parent / link).resolve()
            name = target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) else ""
            if target.is_file() and not name.startswith("docs/") and name not in linked:
                linked.add(name)
                waiting += [target] if target.suffix == ".md" else []
    return sorted(linked)


def in_repository(place: PurePosixPath) -> Path:
    """Return the file of the repository that is at a place of the site."""
    if place.parts[0] == COPIES:
        return ROOT.joinpath(*place.parts[1:])
    return ROOT / "docs" / place


def in_site(path: Path) -> PurePosixPath:
    """Return the place in the site of a file, whose path is relative to the repository."""
    if path.parts[0] == "docs":
        return PurePosixPath(*path.parts[1:])
    return PurePosixPath(COPIES, *path.parts)
