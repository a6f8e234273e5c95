"""A web server with range requests that can be made to fail.

It has a process of its own, because GDAL holds Python's lock while it opens a file.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.clusters import wait_for

GOOD = {"fail_every": 0, "fail_when": None, "token": None, "tag": '"one"', "ranges": True}
"""Every n-th request for content fails; all fail when a folder has a part; the token that is
required; the ETag; whether the server answers range requests."""


class Web:
    """The server, as the tests see it."""

    def __init__(self, control: Path):
        self._control = control
        self.address = ""
        self.tell()

    def tell(self, **how) -> None:
        """Change the behaviour from now on."""
        temporary = self._control.with_suffix(".new")
        temporary.write_text(json.dumps({**GOOD, **how}))
        temporary.replace(self._control)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = control = Path()
    asked = 0

    def do_HEAD(self):
        self.answer(content=False)

    def do_GET(self):
        Handler.asked += 1
        self.answer(content=True)

    def status(self, how: dict, file: Path, content: bool) -> int:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if how["token"] and (kind not in ("Bearer", "Basic") or token != how["token"]):
            return 401
        if not file.is_file():
            return 404
        unlucky = content and how["fail_every"] and Handler.asked % how["fail_every"] == 0
        broken = how["fail_when"] and any(Path(how["fail_when"]).glob("part-*.json"))
        if unlucky or broken:
            return 503
        return 206 if self.headers.get("Range") and how["ranges"] else 200

    def answer(self, *, content: bool):
        how = json.loads(self.control.read_text())
        file = self.folder / self.path.partition("?")[0].lstrip("/")
        status = self.status(how, file, content)
        data = file.read_bytes() if status < 300 else b""
        self.send_response(status)
        if status == 206:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            begin, total = int(first), len(data)
            data = data[begin : int(last or total) + 1]
            place = f"bytes {begin}-{begin + len(data) - 1}/{total}"
            self.send_header("Content-Range", place)
        self.send_header("Content-Length", str(len(data)))
        if how["ranges"]:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", how["tag"])
        self.end_headers()
        if content:
            self.wfile.write(data)

    def log_message(self, *args):
        pass


@contextmanager
def web(folder: Path, control: Path) -> Iterator[Web]:
    """Serve a folder until the test ends."""
    state, port = Web(control), control.with_suffix(".port")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.servers", folder, control, port]
    )
    try:
        wait_for(port.exists)
        state.address = f"http://127.0.0.1:{port.read_text()}"
        yield state
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Serve."""
    Handler.folder, Handler.control, port = map(Path, sys.argv[1:])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    temporary = port.with_suffix(".new-port")
    temporary.write_text(str(server.server_port))
    temporary.replace(port)
    server.serve_forever()


if __name__ == "__main__":
    main()
