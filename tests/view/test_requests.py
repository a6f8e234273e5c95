"""Requests: any request gets a bounded answer, and only files of the page are sent."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geoseg.errors import GeosegError, LabelError
from geoseg.view import open_browser, open_view
from geoseg.view.routes import MAX_BYTES
from tests.support.views import open_page, write_place

NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(["", "nan", "1e9", "-0", "٣", "0x1", "1.5", "9" * 400, "%00", "../1"]),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_place(tmp_path_factory.mktemp("place"), "UTM")


@pytest.fixture(scope="module")
def page(files, tmp_path_factory):
    return open_page(files, corrections=tmp_path_factory.mktemp("drawn") / "corrections.gpkg")


def is_bounded(answer) -> bool:
    """A body has less than 2 MiB; that of an error is one sentence in JSON, without a path."""
    if len(answer.body) >= 2 << 20:
        return False
    if answer.status == 200:
        return True
    content = json.loads(answer.body)
    return list(content) == ["error"] and content["error"] != "" and "/" not in content["error"]


@given(st.sampled_from(["GET", "POST", "PUT", "get"]), st.text(max_size=60), st.binary(max_size=60))
@example("GET", "../../etc/passwd", b"")
@example("GET", "%2e%2e/page.css", b"")
@example("GET", "//[", b"")
@example("GET", "saved.html", b"")
@example("GET", "x" * 5000, b"")
def test_any_text_gets_a_bounded_answer(page, method, target, body):
    answer = page.answer(method, target, body)
    assert answer.status in {200, 400, 404, 405, 413}
    assert is_bounded(answer)


@given(st.sampled_from(["map", "image", "confidence", "x"]), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_any_number_of_a_tile_gets_a_bounded_answer(page, layer, level, row, col, off):
    answer = page.answer("GET", f"tiles/{layer}/{level}/{row}/{col}.png?off={off}")
    assert answer.status in {200, 400, 404}
    assert is_bounded(answer)


@given(st.sampled_from(["pixel", "polygons"]), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_any_number_of_a_query_gets_a_bounded_answer(page, path, row, col, size, level):
    query = f"row={row}&col={col}&height={size}&width={size}&level={level}"
    answer = page.answer("GET", f"{path}?{query}")
    assert answer.status in {200, 400}
    assert is_bounded(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
)
DRAWN = st.fixed_dictionaries(
    {
        "class_id": st.sampled_from([0, 3, 4]) | JSON,
        "kind": st.sampled_from(["polygon", "brush"]) | JSON,
        "points": st.lists(st.tuples(st.floats(), st.floats()), max_size=5) | JSON,
        "width": st.floats() | JSON,
    }
)


@settings(max_examples=60)
@given(st.sampled_from(["correct", "undo", "redo", "tiles"]), JSON | DRAWN)
@example("correct", {"class_id": 0, "kind": "polygon", "points": [[0, 0], [5, 5], [0, 5], [5, 0]]})
def test_any_content_gets_a_bounded_answer(page, path, content):
    answer = page.answer("POST", path, json.dumps(content).encode())
    assert answer.status in {200, 400, 404, 409, 413}
    assert is_bounded(answer)


@given(st.text(st.sampled_from("./\\%2ef~"), max_size=12), st.sampled_from(["page.css", "run.py"]))
def test_only_the_files_of_the_page_are_sent(page, prefix, name):
    answer = page.answer("GET", prefix + name)
    assert (answer.status == 200) == (prefix + name == "page.css")


def test_an_unexpected_failure_is_answered_and_the_page_still_works(page, monkeypatch, caplog):
    monkeypatch.setattr("geoseg.view.routes.describe_pixel", lambda *_: 1 / 0)
    answer = page.answer("GET", "pixel?row=0&col=0")
    assert answer.status == 500
    assert "failed to answer" in json.loads(answer.body)["error"]
    assert "ZeroDivisionError" in caplog.text
    assert page.answer("GET", "view").status == 200


@pytest.fixture(scope="module")
def address(files):
    with open_view(files.scene, files.map, settings=files.settings) as address:
        yield urlsplit(address)


def ask(address, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
    """Send one request; returns its status, headers and body."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.request(method, path, body, {"Host": address.netloc, **headers})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def test_the_page_is_served_to_this_machine_with_its_token_only(address):
    assert address.hostname == "127.0.0.1"
    token = address.path.strip("/")
    assert len(token) >= 20
    status, headers, content = ask(address, address.path)
    assert status == 200
    assert b"<!doctype html>" in content
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    wrong = ["/", "/view", f"/{token[:-1]}/view", f"/{token}x/view", f"/{token}"]
    for path in wrong:
        status, _, content = ask(address, path)
        assert status == 404
        assert token.encode() not in content


def test_other_sites_cannot_use_the_page(address):
    view = f"{address.path}view"
    assert ask(address, view)[0] == 200
    assert ask(address, view, Host="evil.example")[0] == 404  # DNS rebinding
    undo = f"{address.path}undo"
    assert ask(address, undo, "POST", b"{}", Origin="http://evil.example")[0] == 403
    assert ask(address, undo, "POST", b"{}", Origin=f"http://{address.netloc}")[0] == 403
    message = ask(address, undo, "POST", b"{}")[2]
    assert "corrections need a file" in json.loads(message)["error"]


def test_the_length_of_a_body_is_known_and_bounded(address):
    path = f"{address.path}correct"
    assert ask(address, path, "POST", b"", **{"Content-Length": str(MAX_BYTES + 1)})[0] == 413
    for length in ("-1", "x", "9" * 30):
        assert ask(address, path, "POST", b"", **{"Content-Length": length})[0] in (411, 413)
    assert ask(address, path, "DELETE")[0] == 501


@pytest.mark.parametrize(
    "bytes_sent",
    [b"\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"GET /" + b"a" * 70000],
)  # fmt: skip
def test_bytes_that_are_no_http_end_only_their_connection(address, bytes_sent, capfd):
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(bytes_sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert ask(address, f"{address.path}view")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_the_server_ends_with_its_block(files):
    with open_view(files.scene) as address:
        port = urlsplit(address).port
        with (
            pytest.raises(GeosegError, match=f"port {port} .* choose another one"),
            open_view(files.scene, port=port),
        ):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_corrections_need_a_map(files, tmp_path):
    with (
        pytest.raises(LabelError, match="need the classes of a map"),
        open_view(files.scene, corrections=tmp_path / "c.gpkg"),
    ):
        pass


def test_without_a_display_no_browser_is_started(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("started"))
    assert not open_browser("http://127.0.0.1:1/x/")
