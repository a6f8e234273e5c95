"""Files that are written whole or not at all."""

import pytest

from geoseg.errors import OutputError
from geoseg.files import write_texts


def test_texts_are_written_by_name_and_a_failure_is_one_sentence(tmp_path):
    write_texts(tmp_path, {"a.csv": "water,水\n", "b.html": "<p>"})
    assert (tmp_path / "a.csv").read_bytes() == "water,水\n".encode()
    assert (tmp_path / "b.html").read_text() == "<p>"
    with pytest.raises(OutputError, match=r"^cannot write a\.csv in \S+ \(.*run the same command"):
        write_texts(tmp_path / "missing", {"a.csv": ""})
