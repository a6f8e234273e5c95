"""What goes to stdout, to stderr and to the log file: on a terminal, in pipes, with each option."""

import fcntl
import json
import logging
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import warnings
from pathlib import Path

import click
import numpy as np
import pytest

from geoseg.cli import cli
from geoseg.cli.console import Console
from geoseg.errors import GeosegError, OutputError, SceneError
from geoseg.execute.dask_client import quiet_dask
from geoseg.execute.local_cluster import local_cluster
from tests.support.assessments import write_map
from tests.support.commands import ended, here, refused, start
from tests.support.paths import ROOT
from tests.support.rasters import blocks, write_raster

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (DEBUG|INFO|WARNING|ERROR|CRITICAL) .")
PROGRESS = re.compile(
    r"geoseg: ([\d,]+) of ([\d,]+) ([a-z ]+) \((\d+)%\), [\d.]+ [a-z ]+/s, \d+:\d\d left"
)
"""A line of progress, as docs/reference/output.md promises it to other programs."""


@pytest.fixture(scope="module")
def lulc(tmp_path_factory) -> Path:
    labels = (blocks(64, 96)[0] // 100).astype(np.uint8)
    return write_map(tmp_path_factory.mktemp("console") / "lulc.tif", labels)


def on_terminal(*words: object, **variables: str) -> str:
    """What a command prints on a terminal, to which both of its outputs lead."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    command = [sys.executable, "-m", "geoseg", *map(str, words)]
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        printed = b""
        try:
            while text := os.read(master, 4096):
                printed += text
        except OSError:  # so Linux tells the end
            pass
    os.close(master)
    assert process.returncode == 0, printed
    return printed.decode()


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}], ids=str)
def test_a_terminal_shows_a_bar_and_never_a_colour(lulc, tmp_path, variables):
    printed = on_terminal("vectorise", lulc, "--out", tmp_path / "o.gpkg", **variables)
    assert re.search(r"\r100%\|.+\| \d+/\d+ \[.+ windows.*\]", printed)
    assert not PROGRESS.search(printed)
    assert not re.search(r"\x1b\[[\d;]*m", printed)


def test_a_pipe_gets_lines_of_progress_on_stderr_and_the_result_on_stdout(lulc, tmp_path):
    done = here("vectorise", lulc, "--out", tmp_path / "o.gpkg")
    assert re.fullmatch(rf"{tmp_path}/o.gpkg: \d+ polygons\n", done.stdout)
    lines = [found.groups() for line in done.stderr.splitlines() if (found := PROGRESS.match(line))]
    assert lines == [("1", "1", "windows", "100")]
    assert all(line.startswith("geoseg: ") for line in done.stderr.splitlines())
    assert "\r" not in done.stderr


def test_the_line_of_progress_on_the_page_has_the_form():
    [line] = re.findall(
        "^geoseg: .*left$", (ROOT / "docs/reference/output.md").read_text(), re.MULTILINE
    )
    assert PROGRESS.fullmatch(line).groups() == ("12", "50", "windows", "24")


@pytest.mark.parametrize("words", [["models"], ["info", "default", "--json"]], ids=" ".join)
def test_a_reader_that_ends_early_causes_no_traceback(words):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-W", "ignore", "-m", "geoseg", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_command_has_the_options_of_output(name):
    command = cli.get_command(click.Context(cli), name)
    options = {option for param in command.params for option in param.opts}
    assert {"--json", "--log-file", "--quiet", "--verbose"} <= options


def test_a_log_file_has_all_messages_also_of_a_quiet_command(lulc, tmp_path):
    log = tmp_path / "run.log"
    words = ("vectorise", lulc, "--out", tmp_path / "o.gpkg", "--log-file", log)
    done = here(*words, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = log.read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    assert f"geoseg vectorise {lulc} --out" in lines[0]
    assert "polygons in" in lines[-1]
    assert "exists" in refused(here(*words))
    more = log.read_text().splitlines()
    assert more[: len(lines)] == lines
    assert re.search(r" ERROR .*o\.gpkg exists, .* \(exit code 1\)$", more[-1])


def test_a_log_file_changes_nothing_on_stderr(lulc, tmp_path):
    printed = []
    for extra in ([], ["--log-file", tmp_path / "run.log"]):
        done = here("vectorise", lulc, "--out", tmp_path / "o.gpkg", "-f", *extra)
        printed.append(re.sub(r"[\d.]+ (s\b|windows/s)", "", done.stderr))
    assert printed[0] == printed[1] != ""


def test_a_log_file_has_no_logins_and_no_queries(tmp_path):
    log = tmp_path / "run.log"
    address = "http://me:secret@127.0.0.1:1/a.tif?token=secret"
    refused(here("vectorise", address, "--out", tmp_path / "o.gpkg", "--log-file", log))
    assert "http://127.0.0.1:1/a.tif?..." in log.read_text()
    assert "secret" not in log.read_text()


def test_an_unexpected_error_is_logged_with_its_traceback(tmp_path, capsys):
    console = Console(log_file=str(tmp_path / "run.log"))
    with pytest.raises(ZeroDivisionError), console.logging_on():
        _ = 1 // 0
    text = (tmp_path / "run.log").read_text()
    assert "CRITICAL unexpected error\nTraceback" in text
    assert text.endswith("ZeroDivisionError: integer division or modulo by zero\n")
    assert capsys.readouterr().err == ""  # Python prints it


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SceneError("cannot read a.tif"), "ERROR cannot read a.tif (exit code 1)"),
        (click.UsageError("Missing LULC."), "ERROR Missing LULC. (exit code 2)"),
        (BrokenPipeError(32, "Broken pipe"), "ERROR the program that reads the output"),
        (KeyboardInterrupt(), "ERROR interrupted (exit code 75)"),
    ],
)
def test_an_expected_end_is_logged_in_one_line(error, words, tmp_path):
    log = tmp_path / "run.log"
    with pytest.raises(type(error)), Console(log_file=str(log)).logging_on():
        raise error
    assert words in log.read_text().splitlines()[-1]


def test_a_log_file_that_cannot_be_used_is_refused_before_any_work(lulc, tmp_path):
    before = lulc.read_bytes()
    out = tmp_path / "o.gpkg"
    for log, words in ((tmp_path / "no" / "run.log", "No such file"), (lulc, "is not a text file")):
        sentence = refused(here("vectorise", lulc, "--out", out, "--log-file", log))
        assert words in sentence
        assert sentence.endswith("give another name to the log file (--log-file)")
    assert not out.exists()
    assert lulc.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_file_without_room_is_told_and_does_not_stop_the_command(lulc, tmp_path):
    out = tmp_path / "o.gpkg"
    done = here("vectorise", lulc, "--out", out, "--log-file", "/dev/full", "-q")
    assert (done.returncode, done.stdout) == (0, "")
    [line] = done.stderr.splitlines()
    assert line == "geoseg: warning: the log file is not complete (No space left on device)"
    assert out.exists()


def test_messages_of_libraries_go_to_the_log_file_and_not_to_a_terminal(tmp_path, capsys):
    log = tmp_path / "run.log"
    before = logging.getLogger("rasterio").handlers[:]
    with warnings.catch_warnings(), Console(log_file=str(log)).logging_on():
        warnings.simplefilter("default")
        warnings.warn("this is deprecated", UserWarning, stacklevel=1)
        logging.getLogger("rasterio").warning("from GDAL")
    assert "this is deprecated" in log.read_text()
    assert "WARNING from GDAL" in log.read_text()
    assert capsys.readouterr().err == ""
    assert logging.getLogger("rasterio").handlers == before


def test_messages_of_dask_and_of_its_workers_go_to_the_log_file(tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    program = "import sys; sys.exit('no room for workers at http://me:secret@host/')"
    monkeypatch.setattr(sys.modules["geoseg.execute.local_cluster"], "_PROGRAM", program)
    log = tmp_path / "run.log"
    with Console(log_file=str(log)).logging_on():
        with quiet_dask():
            logging.getLogger("distributed").warning("a connection is lost")
        with pytest.raises(GeosegError, match="did not start"), local_cluster(1):
            pytest.fail("it has no workers")
    text = log.read_text()
    assert "WARNING a connection is lost" in text
    assert "DEBUG worker processes: no room for workers at http://host/" in text
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_worker_processes_write_to_the_log_file_of_their_run(model, tmp_path):
    pytest.importorskip("distributed")
    scene = write_raster(tmp_path / "scene.tif", blocks(100, 1100))
    done = ended(
        start(
            "classify", scene, "--out", tmp_path / "map.tif", "--model", model, "--overlap", 8,
            "--chunk", 512, "--workers", 2, "--engine", "torch", "-q", "--json",
            "--log-file", tmp_path / "run.log", processes=True,
        )
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [len(result["classes"]) for result in json.loads(done.stdout)["maps"]] == [4]
    text = (tmp_path / "run.log").read_text()
    assert "DEBUG 2 worker processes" in text
    assert text.count("DEBUG chunk at rows 0-99, columns ") == 3


def test_results_that_json_or_utf_8_lack_are_escaped(capsys):
    data = {"path": "caf\udce9", "values": (math.nan, [-math.inf, 0.5], None)}
    Console(as_json=True).print_result(data, None)
    printed = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert printed == {"path": "caf\udce9", "values": ["nan", ["-inf", 0.5], None]}
    Console().print_result(data, "caf\udce9")
    assert capsys.readouterr().out == "caf\\udce9\n"


@pytest.mark.parametrize(
    ("quiet", "always", "out"), [(False, False, "x\n"), (True, False, ""), (True, True, "x\n")]
)
def test_a_quiet_command_prints_only_what_it_exists_to_print(quiet, always, out, capsys):
    Console(quiet=quiet).print_result({}, "x", always=always)
    assert capsys.readouterr().out == out
    Console(quiet=quiet, as_json=True).print_result({}, "x", always=always)
    assert capsys.readouterr().out == "{}\n"


def test_a_log_that_was_open_is_as_before_after_a_command(tmp_path):
    log = logging.getLogger("geoseg")
    before = log.handlers[:], log.level, log.propagate
    with pytest.raises(OutputError), Console(log_file=str(tmp_path)).logging_on():
        pytest.fail("it is a folder")
    with Console(verbose=True).logging_on():
        assert log.isEnabledFor(logging.DEBUG)
    assert (log.handlers[:], log.level, log.propagate) == before


def test_ctrl_c_ends_any_command_with_a_sentence(monkeypatch):
    def interrupted(_path):
        raise KeyboardInterrupt

    monkeypatch.setattr("geoseg.info.describe", interrupted)
    message = refused(here("info", "default"), code=75)
    assert message == "geoseg: interrupted, run the same command to start again"


def test_a_closed_stderr_gets_nothing(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    console = Console()
    with console.logging_on(), console.progress(seconds=0) as progress:
        logging.getLogger("geoseg").warning("nobody reads this")
        progress("windows", 1, 2)
    assert capsys.readouterr().out == ""
