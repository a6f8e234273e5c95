"""Both images are built from the same files in the same way. Building them needs their tools."""

import re
import subprocess
import tomllib

from tests.support.paths import ROOT

FOLDER = ROOT / "packaging"
CONTAINERFILE = (FOLDER / "Containerfile").read_text()
APPTAINER = (FOLDER / "apptainer.def").read_text()


def section(name: str) -> list[str]:
    """The lines of a section of the Apptainer definition."""
    text = re.split(r"^%", APPTAINER, flags=re.MULTILINE)
    [lines] = [part.splitlines()[1:] for part in text if part.startswith(f"{name}\n")]
    return [line.strip() for line in lines if line.strip()]


def copied_by_containerfile() -> set[str]:
    build_stage = CONTAINERFILE.split("\nFROM")[1]
    lines = re.findall(r"^COPY (.+) \S+$", build_stage, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_both_images_begin_with_the_same_python():
    [version] = re.findall(r"^ARG PYTHON=(\S+)$", CONTAINERFILE, re.MULTILINE)
    assert f"From: python:{version}" in APPTAINER.splitlines()
    assert (
        re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)
        == ["docker.io/library/python:${PYTHON}"] * 2
    )


def test_both_images_have_the_same_defaults_and_extras_that_exist():
    arguments = dict(line.split("=") for line in section("arguments"))
    defaults = dict(re.findall(r"^ARG (DEVICE|EXTRAS)=(\S+)$", CONTAINERFILE, re.MULTILINE))
    assert arguments == defaults
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(arguments["EXTRAS"].split(",")) < set(project["optional-dependencies"])


def test_both_images_copy_the_same_files_and_these_exist():
    copied = copied_by_containerfile()
    assert copied == {line.split()[0] for line in section("files")}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    context = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in context if line.startswith("!")} == copied


def test_both_images_install_with_the_same_script_and_the_same_library():
    assert 'RUN sh install.sh /source "${DEVICE}" "${EXTRAS}"' in CONTAINERFILE
    assert 'sh /source/install.sh /source "{{ DEVICE }}" "{{ EXTRAS }}"' in section("post")
    packages = re.compile(r"apt-get install -y --no-install-recommends (.+?) *\\?$", re.MULTILINE)
    assert packages.findall(CONTAINERFILE) == packages.findall(APPTAINER) == ["libexpat1"]


def test_the_container_runs_without_rights():
    last_stage = CONTAINERFILE.split("\nFROM")[-1]
    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["1000:1000"]
    assert "useradd --uid 1000 " in last_stage


def test_an_unknown_device_is_refused_before_anything_is_installed():
    command = ["sh", FOLDER / "install.sh", ROOT, "tpu", "onnx"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "install.sh: the device must be cpu or cuda, not 'tpu'\n"
