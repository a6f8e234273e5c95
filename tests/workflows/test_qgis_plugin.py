"""The plugin for QGIS without QGIS: declarations, command lines, messages, the package."""

import ast
import re
import subprocess
import sys
import threading
import time
import zipfile
from configparser import ConfigParser
from pathlib import Path

import click
import pytest
from geoseg_processing.algorithms import ALGORITHMS, CLASSIFY, EVALUATE, SAMPLE
from geoseg_processing.command_line import Extent, Source, command_line, split_words
from geoseg_processing.declarations import Parameter
from geoseg_processing.find_command import (
    CommandError,
    candidates,
    clean_environment,
    find_command,
)
from geoseg_processing.process import Ended, run

from geoseg.cli import cli
from geoseg.version import __version__
from tests.support.headless_qgis import PLUGIN
from tests.support.paths import ROOT

PARAMETERS = [
    pytest.param(algorithm, parameter, id=f"{algorithm.name} {parameter.name}")
    for algorithm in ALGORITHMS
    for parameter in algorithm.parameters
    if parameter.option
]


def option_of(algorithm, name: str) -> click.Option:
    command = cli.get_command(click.Context(cli), algorithm.name)
    [option] = [option for option in command.params if name in option.opts]
    return option


@pytest.mark.parametrize(("algorithm", "parameter"), PARAMETERS)
def test_a_parameter_is_like_its_option(algorithm, parameter):
    option = option_of(algorithm, parameter.option)
    assert option.is_flag == (parameter.kind == "flag")
    if parameter.kind == "choice":
        assert parameter.choices == tuple(option.type.choices)
    if parameter.default is not None:
        default = option.get_default(click.Context(cli))
        assert parameter.default == default or f"[default: {parameter.default}]" in option.help
    if parameter.kind == "list":
        assert option.multiple
    if option.required:
        assert not parameter.optional
    if parameter.layer_option:
        assert option_of(algorithm, parameter.layer_option)


@pytest.mark.parametrize(("algorithm", "parameter"), PARAMETERS)
def test_the_help_says_what_an_empty_field_means(algorithm, parameter):
    assert parameter.help
    if parameter.name != "CLASS_FIELD":
        assert parameter.optional == ("Empty: " in parameter.help)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_names_of_parameters_are_unique_and_parents_exist(algorithm):
    names = [parameter.name for parameter in algorithm.parameters]
    assert len(set(names)) == len(names)
    assert {p.parent for p in algorithm.parameters} - {""} <= set(names)
    arguments = [p for p in algorithm.parameters if not p.option and p.kind != "words"]
    assert all(not p.optional for p in arguments)


def test_a_parameter_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="SCENE is of the unknown kind 'picture'"):
        Parameter("SCENE", "Scene", "picture")


def test_defaults_and_empty_values_are_left_out():
    values = {p.name: p.default for p in CLASSIFY.parameters}
    values |= {"SCENE": Source("/a b.tif"), "OUTPUT": "/lulc.tif", "BANDS": [], "CRS": ""}
    assert command_line(CLASSIFY, values) == ["classify", "/a b.tif", "--out=/lulc.tif"]


def test_values_become_words():
    values = {
        "SCENE": Source("/a.tif"), "BANDS": [1, 3], "AOI": Source("/a.gpkg", "fields"),
        "EXTENT": Extent(7.5, 46.9, 7.6, 47.0, "EPSG:4326"), "NODATA": 0.0, "TTA": True,
        "OVERWRITE": False, "SMOOTH": 2, "OUTPUT": "/lulc.tif",
        "OPTIONS": r"--co COMPRESS=ZSTD --model 'C:\my models\a.onnx'",
    }  # fmt: skip
    assert command_line(CLASSIFY, values) == [
        "classify", "/a.tif", "--bands=1,3", "--aoi=/a.gpkg", "--aoi-layer=fields",
        "--bbox=7.5,46.9,7.6,47.0", "--bbox-crs=EPSG:4326", "--nodata=0.0", "--smooth=2", "--tta",
        "--co", "COMPRESS=ZSTD", "--model", r"C:\my models\a.onnx", "--out=/lulc.tif",
    ]  # fmt: skip


def test_arguments_come_first_and_lists_are_repeated():
    values = {"LULC": Source("/lulc.tif"), "REFERENCE": Source("/p.gpkg", "points")}
    assert command_line(EVALUATE, {**values, "IGNORE": "tree, 3,"}) == [
        "evaluate", "/lulc.tif", "/p.gpkg", "--layer=points", "--ignore=tree", "--ignore=3",
    ]  # fmt: skip
    assert command_line(SAMPLE, {**values, "EXPECTED": "0.8, water=0.95"}) == [
        "sample", "/lulc.tif", "--expected=0.8", "--expected=water=0.95",
    ]  # fmt: skip


def test_an_open_quote_is_refused():
    with pytest.raises(ValueError, match="No closing quotation"):
        split_words("--model 'a")


def fake_command(folder: Path, version: str = __version__, body: str = "") -> Path:
    """A program that tells a version as geoseg does, or else runs a body of Python."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "geoseg"
    path.write_text(
        f"#!{sys.executable}\nimport os, signal, sys, time\n"
        "if sys.argv[1:] == ['--version']:\n"
        f"    print('geoseg, version {version}')\n    sys.exit()\n"
        f"{body}"
    )
    path.chmod(0o755)
    return path


def test_the_setting_comes_before_the_variable_and_the_path(tmp_path):
    commands = {name: fake_command(tmp_path / name) for name in ("setting", "variable", "path")}
    environment = {"GEOSEG_COMMAND": str(commands["variable"]), "PATH": str(tmp_path / "path")}
    assert find_command(str(commands["setting"]), environment, tmp_path) == str(commands["setting"])
    assert find_command("", environment, tmp_path) == str(commands["variable"])
    del environment["GEOSEG_COMMAND"]
    assert find_command("", environment, tmp_path) == str(commands["path"])


@pytest.mark.parametrize(
    "place",
    [
        ".venv/bin", ".local/bin", ".local/share/pipx/venvs/geoseg/bin",
        ".local/share/uv/tools/geoseg/bin", "miniforge3/envs/maps/bin", "micromamba/envs/maps/bin",
        ".pyenv/versions/3.12.1/bin", ".virtualenvs/maps/bin", "elsewhere/maps/bin",
    ],
)  # fmt: skip
def test_it_is_found_in_common_environments(place, tmp_path):
    command = fake_command(tmp_path / place)
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"{tmp_path / 'elsewhere' / 'maps'}\n")
    assert str(command) in list(candidates({"PATH": ""}, tmp_path))


def test_a_command_that_is_broken_or_old_is_passed_over(tmp_path):
    fake_command(tmp_path / "path", body="").write_text("#!/bin/sh\nexit 127\n")
    fake_command(tmp_path / ".venv" / "bin", version="0.0.9")
    new = fake_command(tmp_path / ".local" / "bin", version="99.0")
    assert find_command("", {"PATH": str(tmp_path / "path")}, tmp_path) == str(new)


def test_a_missing_wrong_or_old_command_is_told_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg_processing.find_command._environments", lambda *_: [])
    with pytest.raises(CommandError, match=r"^the command geoseg was not found, install it in an"):
        find_command("", {"PATH": ""}, tmp_path)
    with pytest.raises(CommandError, match=r"/nowhere is not the command geoseg, correct it in"):
        find_command("/nowhere", {"PATH": ""}, tmp_path)
    old = fake_command(tmp_path / "old", version="0.0.9")
    with pytest.raises(CommandError, match=rf"^{old} is geoseg 0\.0\.9, but .* needs \d+\.\d+ or"):
        find_command(str(old), {}, tmp_path)


def test_the_environment_of_qgis_does_not_reach_the_command(tmp_path):
    qgis = {"PYTHONHOME": "/qgis", "PYTHONPATH": "/qgis", "PROJ_LIB": "/qgis", "HOME": "/me"}
    clean = clean_environment(qgis, str(tmp_path / "bin" / "geoseg"))
    assert "/qgis" not in clean.values()
    assert clean["HOME"] == "/me"
    assert qgis["PYTHONHOME"] == "/qgis"


class Listener:
    """What the user sees, and the button Cancel."""

    def __init__(self):
        self.progress, self.infos, self.warnings = [], [], []
        self.cancelled = threading.Event()

    def isCanceled(self):  # noqa: N802
        return self.cancelled.is_set()

    def setProgress(self, percent):  # noqa: N802
        self.progress.append(percent)

    def pushInfo(self, text):  # noqa: N802
        self.infos.append(text)
        if text == "ready":
            self.cancelled.set()

    def pushWarning(self, text):  # noqa: N802
        self.warnings.append(text)


def test_progress_and_messages_arrive_while_it_runs(tmp_path):
    body = """
print("geoseg: parana.tif: 4 chunks", file=sys.stderr)
print("geoseg: 1,200 of 5,000 windows (24%), 12.0 windows/s, 5:16 left", file=sys.stderr)
print("geoseg: warning: the area is in m²", file=sys.stderr)
print("lulc.tif: water 12%")
sys.exit("geoseg: a.tif exists, use another output name, or overwrite (-f)")
"""
    listener = Listener()
    command = fake_command(tmp_path, body=body)
    ended = run([str(command), "classify"], listener)
    assert ended == Ended(
        1, "a.tif exists, use another output name, or overwrite (-f)", cancelled=False
    )
    assert listener.progress == [24]
    assert listener.warnings == ["the area is in m²"]
    assert {"parana.tif: 4 chunks", "lulc.tif: water 12%"} <= set(listener.infos)


def test_a_wrong_option_is_the_sentence(tmp_path):
    body = "sys.exit('Usage: geoseg sample\\n\\nError: No such option: --banana')"
    ended = run([str(fake_command(tmp_path, body=body)), "sample"], Listener())
    assert ended == Ended(1, "No such option: --banana", cancelled=False)


def test_cancel_interrupts_the_command_and_its_children(tmp_path):
    body = """
if not os.fork():
    signal.signal(signal.SIGINT, lambda *_: (open(sys.argv[1] + ".child", "w"), os._exit(0)))
    time.sleep(60)
signal.signal(signal.SIGINT, lambda *_: None)
time.sleep(0.2)
print("ready", flush=True)
os.wait()
print("geoseg: interrupted, finished chunks are kept", file=sys.stderr)
sys.exit(75)
"""
    ended = run([str(fake_command(tmp_path, body=body)), str(tmp_path / "mark")], Listener())
    assert ended == Ended(75, "interrupted, finished chunks are kept", cancelled=True)
    assert (tmp_path / "mark.child").exists()


def test_a_command_that_does_not_stop_is_killed(tmp_path):
    body = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
    start = time.monotonic()
    ended = run([str(fake_command(tmp_path, body=body))], Listener(), patience=0.3)
    assert (ended.code, ended.cancelled) == (-9, True)
    assert time.monotonic() - start < 30


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout of git")
def test_the_package_is_what_the_repository_of_plugins_asks_for(tmp_path):
    recipe = subprocess.run(
        ["make", "--silent", "qgis-plugin", f"DIST={tmp_path}"], cwd=ROOT, capture_output=True
    )
    assert recipe.returncode == 0, recipe.stderr
    with zipfile.ZipFile(tmp_path / "geoseg_processing.zip") as package:
        names = package.namelist()
        text = package.read("geoseg_processing/metadata.txt").decode()
        assert package.read("geoseg_processing/LICENSE") == (ROOT / "LICENSE").read_bytes()
    files = {str(p.relative_to(PLUGIN.parent)) for p in PLUGIN.iterdir() if p.is_file()}
    assert {name for name in names if not name.endswith("/")} == files
    metadata = ConfigParser()
    metadata.read_string(text)
    general = metadata["general"]
    required = (
        "name", "qgisMinimumVersion", "description", "about", "version", "author", "email",
        "repository", "tracker",
    )  # fmt: skip
    assert all(general.get(name) for name in required)
    assert general["hasProcessingProvider"] == "yes"
    assert general["version"] == __version__
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", names[0].split("/")[0])
    assert f"geoseg_processing/{general['icon']}" in names


@pytest.mark.parametrize("path", sorted(PLUGIN.glob("*.py")), ids=lambda path: path.name)
def test_the_plugin_is_python_3_9_and_imports_no_geoseg(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    modules = {
        name
        for node in ast.walk(tree)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else []
        )
    }  # fmt: skip
    own = ("geoseg_processing", "qgis", "processing")
    foreign = {name for name in modules if name.split(".")[0] not in own}
    assert {name.split(".")[0] for name in foreign} <= set(sys.stdlib_module_names)
