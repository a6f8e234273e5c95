"""Lists and patterns of scenes."""

from pathlib import Path

import pytest

import geoseg
from geoseg.errors import GeosegError, SceneError
from tests.support.commands import here, refused


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    for name in ("b.tif", "a.tif", "a.txt", ".hidden.tif", "in/c.tif", "in/deep/d.tif", "x[1].tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("scenes", "expected"),
    [
        (["b.tif", "a.tif"], ["b.tif", "a.tif"]),
        (["?.tif"], ["a.tif", "b.tif"]),
        (["[b]*.tif", Path("a.tif")], ["b.tif", "a.tif"]),
        (["in/**/*.tif"], ["in/c.tif", "in/deep/d.tif"]),
        (["missing.tif"], ["missing.tif"]),
        (["x[1].tif"], ["x[1].tif"]),
        (["https://host/a.tif?sig=[1]*"], ["https://host/a.tif?sig=[1]*"]),
        (["/vsicurl/https://host/*.tif"], ["/vsicurl/https://host/*.tif"]),
        (["s3://bucket/*.tif"], ["s3://bucket/*.tif"]),
        (['NETCDF:"a.nc":v[0]'], ['NETCDF:"a.nc":v[0]']),
        (["<VRTDataset>a*b</VRTDataset>"], ["<VRTDataset>a*b</VRTDataset>"]),
    ],
)
def test_paths_and_patterns(scenes, expected, folder):
    assert geoseg.expand_scenes(scenes) == expected


def test_an_absolute_pattern_gives_absolute_paths(folder):
    assert geoseg.expand_scenes([folder / "?.tif"]) == [
        str(folder / "a.tif"), str(folder / "b.tif"),
    ]  # fmt: skip


def test_a_list_has_a_scene_or_a_pattern_in_each_line(folder):
    (folder / "in" / "list.txt").write_text("# scenes\n\n  b.tif  \nin/*.tif\r\nno#comment.tif\n")
    expected = ["b.tif", "in/c.tif", "no#comment.tif"]
    assert geoseg.expand_scenes(["@in/list.txt"]) == expected
    (folder / "in" / "marked.txt").write_text("b.tif", encoding="utf-8-sig")  # as Notepad writes
    assert geoseg.expand_scenes(["@in/marked.txt"]) == ["b.tif"]
    (folder / "@in").mkdir()
    (folder / "@in" / "list.txt").touch()
    assert geoseg.expand_scenes(["@in/list.txt"]) == ["@in/list.txt"]


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("no*.tif", r"no file matches no\*\.tif, check"),
        ("@no.txt", r"cannot read the list of scenes no\.txt: No such file"),
        ("@empty.txt", r"the list empty\.txt names no scene, write one"),
        ("@bytes.txt", r"bytes\.txt: it is not a text in UTF-8"),
    ],
)
def test_lists_and_patterns_without_a_scene_are_refused(scene, words, folder):
    (folder / "empty.txt").write_text("# nothing\n\n")
    (folder / "bytes.txt").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(SceneError, match=words):
        geoseg.expand_scenes([scene])


def test_a_text_is_no_list():
    with pytest.raises(GeosegError, match="scenes must be a list"):
        geoseg.expand_scenes("a.tif")


@pytest.mark.parametrize("command", ["classify", "tile"])
def test_commands_read_lists_and_patterns(command, folder):
    (folder / "list.txt").write_text("missing.tif\n")
    assert "no file matches none*.tif" in refused(here(command, "none*.tif", "--out", "o.tif"))
    assert "missing.tif" in refused(here(command, "@list.txt", "--out", "o.tif"))
