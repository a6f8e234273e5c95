"""Files and folders that are written whole or not at all."""

from pathlib import Path

import pytest

from geoseg.errors import OutputError
from geoseg.files import (
    atomic_file,
    atomic_folder,
    check_file_name,
    check_folder,
    check_not_there,
    write_texts,
)


def test_texts_are_written_by_name_and_a_failure_is_one_sentence(tmp_path):
    write_texts(tmp_path, {"a.csv": "water,水\n", "b.html": "<p>"})
    assert (tmp_path / "a.csv").read_bytes() == "water,水\n".encode()
    assert (tmp_path / "b.html").read_text() == "<p>"
    with pytest.raises(OutputError, match=r"^cannot write a\.csv in \S+ \(.*run the same command"):
        write_texts(tmp_path / "missing", {"a.csv": ""})


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_that_another_program_changes_is_not_replaced(tmp_path, durable):
    path = tmp_path / "a.gpkg"
    path.write_text("old")

    def write_while_it_changes():
        with atomic_file(path, durable=durable) as temporary:
            temporary.write_text("new")
            (tmp_path / "a.gpkg-wal").write_text("changes")

    with pytest.raises(OutputError, match=r"^\S+a\.gpkg is open in .* then run again$"):
        write_while_it_changes()
    assert path.read_text() == "old"


@pytest.mark.parametrize("length", [235, 300])
def test_a_name_that_leaves_no_room_for_temporary_names_is_refused(tmp_path, length):
    sentence = r"^the name of output \S+ is longer than 234 bytes, give a shorter name$"
    path = tmp_path / "a.tif".rjust(length, "x")
    with pytest.raises(OutputError, match=sentence):
        check_file_name(path)
    with pytest.raises(OutputError, match=sentence):
        check_not_there(path, overwrite=True)
    longest = path.with_name(path.name[-234:])
    check_file_name(longest)
    with atomic_file(longest) as temporary:
        temporary.with_name(f"{temporary.name}-journal").touch()
        temporary.touch()


def write_folder(out: Path, text: str) -> None:
    with atomic_folder(out) as folder:
        write_texts(folder, {"a.txt": text})


@pytest.mark.parametrize("error", [PermissionError, KeyboardInterrupt])
def test_a_folder_that_cannot_be_replaced_stays(error, tmp_path, monkeypatch):
    out, rename = tmp_path / "out", Path.replace
    write_folder(out, "old")

    def failing(path, target):
        if path.name == ".out.writing":
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError if error is PermissionError else error):
        write_folder(out, "new")
    assert (out / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_the_old_folder_of_a_killed_process_is_deleted_or_comes_back(tmp_path):
    out, old = tmp_path / "out", tmp_path / ".out.old"
    write_folder(old, "older")
    write_folder(out, "old")
    write_folder(old, "older")
    write_folder(out, "new")
    assert (out / "a.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]
    out.replace(old)
    check_folder(out, "a.txt", "a folder", overwrite=True)
    assert (out / "a.txt").read_text() == "new"


def test_a_folder_of_a_similar_kind_is_not_replaced(tmp_path):
    write_folder(tmp_path / "out", "old")
    check_folder(tmp_path / "out", "a.txt", "a map", overwrite=True, other_marker="b.txt")
    write_texts(tmp_path / "out", {"b.txt": ""})
    with pytest.raises(OutputError, match="out is not a map, so it cannot be overwritten"):
        check_folder(tmp_path / "out", "a.txt", "a map", overwrite=True, other_marker="b.txt")
