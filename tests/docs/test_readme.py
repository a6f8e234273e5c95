"""README and all documents: commands and Python run as they stand, and links lead to files."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import click
import numpy as np
import pytest
import rasterio
import yaml

from geoseg.cli import cli
from geoseg.version import __version__
from tests.support.documents import DOCUMENTS, LINK, README, code, commands, run
from tests.support.paths import ROOT


def inline_commands() -> list[str]:
    """The geoseg commands inside of sentences and tables, without names of commands alone."""
    texts = [
        " ".join(text.split())
        for document in DOCUMENTS.values()
        for text in re.findall(r"`(geoseg\s[^`]+)`", document)
    ]
    return sorted({text for text in texts if text.count(" ") > 1 and "COMMAND" not in text})


@pytest.mark.slow
def test_the_first_commands_and_their_python_make_the_same_map(folder, one_epoch):
    for path in folder.glob("lulc.*"):
        path.unlink()
    inputs = {path: path.read_bytes() for path in folder.iterdir()}
    _, block = code(README.split("\n## ")[0])
    for words in commands(block):
        run(words)
    maps = {name: Path(name).read_bytes() for name in ("lulc.tif", "lulc.gpkg")}
    with rasterio.open("lulc.tif") as lulc:
        assert set(np.unique(lulc.read(1))) <= {0, 1, 2}
    for path in folder.iterdir():
        if path.name.startswith("model."):
            continue  # the training of the Python block finds it complete
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path, content in inputs.items():
        path.write_bytes(content)
    [block] = code(README, "python")
    exec(block, {})
    assert {name: Path(name).read_bytes() for name in maps} == maps
    assert Path("report", "report.html").exists()


@pytest.mark.slow
def test_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = subprocess.run(["make", "--dry-run", "demo", f"OUT={tmp_path}"], capture_output=True)
    for words in commands(recipe.stdout.decode()):
        if words[0].endswith("/geoseg"):
            run(["geoseg", *words[1:]])
    assert {"lulc.tif", "lulc.gpkg", "lulc.png"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_commands_inside_of_sentences(folder):
    ran = set()
    followed = [README, *(t for n, t in DOCUMENTS.items() if n.startswith("docs/how-to/"))]
    blocks = [block for text in followed for kind in ("", "sh") for block in code(text, kind)]
    in_blocks = {text for block in blocks for text in block.replace("\\\n", " ").splitlines()}
    for path in folder.glob("lulc.*"):
        path.unlink()
    for text in inline_commands():
        _, name, *words = shlex.split(text)
        command = cli.get_command(click.Context(cli), name)
        names = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= names, text
        concrete = not any(word.isupper() or word == "..." or "://" in word for word in words)
        if concrete and words[0][0] != "-" and text not in in_blocks:
            run(shlex.split(text))
            ran.add(text)
    assert "geoseg info default" in ran


def test_scripts_and_links_lead_to_files():
    for name, text in DOCUMENTS.items():
        place = (ROOT / name).parent
        for link in LINK.findall(text):
            path, _, _ = link.partition("#")
            made = "pictures/" in path  # by the build of the site: tests/docs/test_site.py
            assert made or (place / path).exists(), f"{name}: {link}"
        for script in re.findall(r"(?:slurm|dask)/\w+\.(?:sh|sbatch|py|yaml)", text):
            assert (ROOT / "workflows" / script).exists(), f"{name}: {script}"


def test_addresses_are_written_right():
    for name, text in DOCUMENTS.items():
        for address in re.findall(r"\]\((https?:[^)]+)\)", text):
            parts = urlsplit(address)
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), f"{name}: {address}"
            assert not re.search(r"[\s<>\"]", address), f"{name}: {address}"


def test_files_and_tests_named_in_the_documents_exist():
    for name, text in DOCUMENTS.items():
        for named in re.findall(r"`((?:geoseg|tests)/[\w./]+(?:::\w+)?)`", text):
            path, _, test = named.partition("::")
            assert (ROOT / path).exists(), f"{name}: {path}"
            assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{name}: {named}"


def test_every_package_is_on_the_map():
    text = DOCUMENTS["docs/explanation/architecture.md"]
    packages = {path.stem for path in (ROOT / "geoseg").iterdir() if not path.stem.startswith("_")}
    assert {name for name in packages - {"models", "py"} if f"`{name}`" not in text} == set()


def test_the_glossary_is_in_alphabetical_order():
    words = re.findall(
        r"^\| \*\*(.+?)\*\*", DOCUMENTS["docs/explanation/glossary.md"], re.MULTILINE
    )
    assert len(words) > 50
    assert words == sorted(words, key=str.casefold)


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
