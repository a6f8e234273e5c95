"""A small web server for one page and one person: on this machine only, at a secret address."""

import hmac
import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from geoseg.errors import GeosegError, root_message
from geoseg.view.routes import MAX_BYTES, Answer, Page, error_answer

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_READERS = 4
"""Number of threads that read rasters. Each keeps files open; their number bounds the memory."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@contextmanager
def serving(page: Page, port: int) -> Iterator[str]:
    """Serve a page until the end of the block.

    Args:
        page: answers the requests.
        port: of 127.0.0.1; 0 for any free one.

    Yields:
        The address of the page, with a random token that no other program can guess.

    Raises:
        GeosegError: if the port is in use or not allowed.
    """
    token = secrets.token_urlsafe(16)
    with ThreadPoolExecutor(_READERS, "geoseg-view") as readers:
        site = _Site(page, readers, f"/{token}/")
        try:
            server = ThreadingHTTPServer((_HOST, port), partial(_Handler, site))
        except (OSError, OverflowError) as error:
            raise GeosegError(
                f"cannot serve a page at port {port} of {_HOST} ({root_message(error)}), choose "
                "another one (--port), or leave --port out"
            ) from None
        with server:
            site.hosts = tuple(f"{host}:{server.server_port}" for host in (_HOST, "localhost"))
            thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
            thread.start()
            try:
                yield f"http://{_HOST}:{server.server_port}{site.root}"
            finally:
                server.shutdown()
                thread.join()


@dataclass(slots=True)
class _Site:
    """The values that all connections share."""

    page: Page
    readers: ThreadPoolExecutor
    root: str
    """Path of the page: the token between slashes."""
    hosts: tuple[str, ...] = ()
    """Host names, with port, that a request may have; requests with another one are refused."""


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, checks its address, and sends the answer of the page."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    """Seconds after which a connection that sends nothing is closed."""

    def __init__(self, site: _Site, *connection: Any) -> None:  # noqa: ANN401 - of http.server
        self.site = site
        super().__init__(*connection)

    def handle(self) -> None:
        """Answer the requests of a connection until one side closes it."""
        try:
            super().handle()
        except OSError:  # the browser is gone
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer a GET."""
        self._send(self._checked("GET", b""))

    def do_POST(self) -> None:
        """Answer a POST, but refuse unknown or too large lengths, and requests of other sites."""
        text = self.headers.get("Content-Length", "")
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
        if length is None or length > MAX_BYTES:
            self.close_connection = True  # its body is not read
            status = 411 if length is None else 413
            self._send(error_answer(status, "the request has no length, or is too long"))
            return
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.site.hosts:
            self.close_connection = True
            self._send(error_answer(403, "a page of another site cannot change the corrections"))
            return
        self._send(self._checked("POST", self.rfile.read(length)))

    def _checked(self, method: str, body: bytes) -> Answer:
        """Return the answer if host and token are right."""
        begin = self.path[: len(self.site.root)].encode("utf-8", "replace")
        known = hmac.compare_digest(begin, self.site.root.encode())
        if not known or self.headers.get("Host") not in self.site.hosts:
            return error_answer(404, "there is nothing at this address")
        target = self.path[len(self.site.root) :]
        try:
            answer = self.site.readers.submit(self.site.page.answer, method, target, body)
        except RuntimeError:  # the server has just ended
            return error_answer(503, "geoseg view has ended, start it again")
        return answer.result()

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "private, max-age=3600" if answer.keep else "no-store")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is not valid HTTP: an error as JSON."""
        del explain
        self.close_connection = True
        self._send(error_answer(code, message or "the request is malformed"))

    def version_string(self) -> str:
        """Return the name of the server."""
        return "geoseg"

    def log_message(self, format: str, *args: object) -> None:
        """Log a request at the lowest level, without the token."""
        log.debug("%s", (format % args).replace(self.site.root, "/"))
