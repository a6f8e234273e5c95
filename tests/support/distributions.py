"""The wheel and the sdist of a source tree, built as a release builds them, and installed."""

import subprocess
import sys
import tarfile
import venv
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class Distributions:
    """A wheel and an sdist."""

    wheel: Path
    sdist: Path

    def unpacked_sdist(self, folder: Path) -> Path:
        """Unpack the sdist, and return its only folder."""
        with tarfile.open(self.sdist) as archive:
            archive.extractall(folder, filter="data")
        [source] = folder.iterdir()
        return source


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into an empty environment, and return the folder of its programs.

    The environment gets links to the packages that the wheel requires, directly or through others,
    as they are installed here, and no other packages.
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-index", "--no-deps", "--no-compile", wheel)
    [packages] = folder.glob("lib/python*/site-packages")
    [own] = distributions(path=[str(packages)])
    link_packages(required(own), packages)
    pip("--python", python, "check")
    return folder / "bin"


def link_packages(needed: list[Distribution], packages: Path) -> None:
    """Link files of distributions into a folder; folders that only one of them has, as a whole."""
    owners = Counter(name for other in distributions() for name in top_level(other))
    links = {
        Path(path.parts[0]) if owners[path.parts[0]] == 1 else Path(path): owner
        for owner in needed
        for path in owner.files or ()
        if path.parts[0] in owners
    }
    for path, owner in links.items():
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).symlink_to(owner.locate_file(path))


def top_level(owner: Distribution) -> set[str]:
    """The files and folders of a distribution beside those of others; programs are elsewhere."""
    return {path.parts[0] for path in owner.files or ()} - {".."}


def required(start: Distribution) -> list[Distribution]:
    """The installed distributions that one requires, directly or through others."""
    found: dict[str, Distribution] = {}
    todo = [(start, "")]
    done = set()
    while todo:
        current, extra = todo.pop()
        for requirement in map(Requirement, current.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            found[name] = distribution(name)
            wanted = {(name, extra) for extra in ("", *requirement.extras)} - done
            done |= wanted
            todo += [(found[name], extra) for _, extra in wanted]
    return list(found.values())


def pip(*arguments: object) -> None:
    """Run pip."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def build(source: Path, out: Path) -> Distributions:
    """Build both from a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", out]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [wheel], [sdist] = out.glob("*.whl"), out.glob("*.tar.gz")
    return Distributions(wheel, sdist)
