"""Maps at an address with a login and a signature."""

import numpy as np
import pytest

from geoseg.evaluation import CompareSettings, EvaluateSettings, compare, evaluate
from geoseg.view import save_page
from tests.support.assessments import write_map
from tests.support.rasters import write_raster
from tests.support.servers import web


@pytest.fixture
def address(tmp_path, monkeypatch, tmp_path_factory):
    """The address of a map and a scene of its size, with a login."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    write_map(tmp_path / "map.tif", np.tile(np.arange(3, dtype=np.uint8), (30, 10)))
    write_raster(tmp_path / "scene.tif", np.full((3, 30, 30), 9, np.uint8))
    with web(tmp_path, tmp_path_factory.mktemp("control") / "control.json") as server:
        yield server.address.replace("http://", "http://me:secret@")


def test_reports_and_pages_do_not_show_the_login(address, tmp_path):
    remote, out = f"{address}/map.tif?token=secret", tmp_path / "out"
    out.mkdir()
    evaluate(
        remote, remote, out=out / "evaluation",
        settings=EvaluateSettings(image=f"{address}/scene.tif?token=secret"),
    )  # fmt: skip
    compare(
        remote, tmp_path / "map.tif", out=out / "comparison",
        settings=CompareSettings(polygons=False),
    )  # fmt: skip
    save_page(f"{address}/scene.tif?token=secret", remote, out / "page.html")
    written = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {"report.json", "report.html", "change.tif", "page.html"} <= set(written)
    assert [name for name, content in written.items() if b"secret" in content] == []
    assert b"map.tif" in written["report.json"]
    assert b"map.tif" in written["page.html"]
