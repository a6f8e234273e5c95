"""The documents of the repository, and how tests follow what they say."""

import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from geoseg.cli import cli
from tests.support.commands import here
from tests.support.paths import ROOT

PATTERNS = ("*.md", "docs/**/*.md", "*/README.md", "*/*/README.md", "benchmarks/*.md")
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for pattern in PATTERNS
    for path in ROOT.glob(pattern)
    if not path.relative_to(ROOT).parts[0].startswith(".")
}
"""The text of each document by its path."""
README = DOCUMENTS["README.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)")


def code(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language."""
    return [block for name, block in BLOCK.findall(text) if name == language]


def commands(block: str) -> list[list[str]]:
    """The words of each command of a block."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(words: list[str]) -> None:
    """Run one command line of geoseg, which must succeed."""
    assert words[0] == "geoseg"
    done = here(*words[1:])
    assert done.returncode == 0, (words, done.stderr)


def follow(
    document: str,
    before: Mapping[str, Callable[[], None]] | None = None,
    replace: Mapping[str, str] | None = None,
    **names: Any,
) -> list[list[str]]:
    """Do what a page says, block by block, in the working folder; return the commands that ran.

    Commands of geoseg and blocks of Python run. A command that needs Slurm, a GPU or another
    program does not: its options are compared with those of geoseg.

    Args:
        document: path of the page.
        before: what a person does before the command that begins with a text, such as to fill in a
            sample. Each entry must be used.
        replace: words of the commands that are others in the test.
        names: what the blocks of Python find in memory.
    """
    before, replace, ran = dict(before or {}), replace or {}, []
    for language, block in BLOCK.findall(DOCUMENTS[document]):
        if language == "python":
            exec(block, names)
        elif language == "toml":
            tomllib.loads(block)
        elif language == "sh":
            for words in commands(block):
                text = " ".join(words)
                for beginning in [b for b in before if text.startswith(b)]:
                    before.pop(beginning)()
                words = [replace.get(word, word) for word in words]
                if words[0] != "geoseg" or "cuda" in words:
                    check(words)
                else:
                    run(words)
                    ran.append(words)
        else:
            assert language == "text", f"{document}: a block without a language: {block}"
    assert not before, f"{document} has no such commands: {list(before)}"
    return ran


def check(words: list[str]) -> None:
    """Check a command line that no test runs: its script exists, and its options are known."""
    program = words[0]
    if program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for named in re.findall(r"\[([\w,-]+)\]", " ".join(words)):
            assert set(named.split(",")) <= set(extras["optional-dependencies"]), words
    elif program == "export":
        name, _, value = words[1].partition("=")
        assert name.startswith("GEOSEG_")
        os.environ[name] = value
    elif "_GEOSEG_COMPLETE=" in " ".join(words):
        assert re.search(r"=(bash|zsh|fish)_source geoseg", " ".join(words)), words
    elif "geoseg" in words:  # torchrun ... -m geoseg train ..., or geoseg itself
        parse(words[words.index("geoseg") + 1 :])
    else:  # workflows/slurm/submit.sh ..., or sbatch workflows/slurm/....sbatch ...
        [script] = [word for word in words if word.startswith("workflows/")]
        assert (ROOT / script).is_file(), words
        parse(command_of(Path(script).name, words[words.index(script) + 1 :]))


def command_of(script: str, words: list[str]) -> list[str]:
    """The words of the command of geoseg that a script runs with these arguments."""
    if script == "submit.sh":  # SHARDS SCENE ...
        return ["classify", *words[1:]]
    if script == "classify_scenes.sbatch":  # LIST FOLDER ...
        return ["classify", "scene.tif", "--out", f"{words[1]}/scene.tif", *words[2:]]
    assert script == "train.sbatch"
    return ["train", *words]


def parse(words: list[str]) -> None:
    """Parse a command line of geoseg, without calling the command."""
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], parent=click.Context(cli))
