"""A real browser for the tests: Chromium without a window, controlled through a pipe."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)  # fmt: skip


@dataclass
class PageView:
    """A page as the browser shows it."""

    width: int
    """Width of the page (px)."""
    height: int
    """Height of the page (px)."""
    text: str
    screenshot: bytes
    """PNG of the whole page."""
    console_messages: list[str]
    """Errors and warnings of the console."""
    requests: list[str]
    """Addresses that were requested, without data inside the page."""


@dataclass
class Browser:
    """The one open page of a running Chromium."""

    commands: int
    """File descriptor to write commands to."""
    answers: Any
    """File to read answers from."""
    page: str = ""
    """Session id of the page."""
    events: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for the answer; events that come before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.page:
            message["sessionId"] = self.page
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        """Read the next message."""
        text = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            assert byte, "the browser ended"
            text += byte
        return json.loads(text)

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript in the page; return None if it has no value."""
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until a JavaScript expression is true in the page."""
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press and release a key, such as "a", "Enter" or "Ctrl+Shift+Z"."""
        *held, key = key.split("+") if len(key) > 1 else [key]
        text = {"text": key} if len(key) == 1 and not held else {}
        modifiers = sum({"Ctrl": 2, "Shift": 8}[name] for name in held)
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=modifiers, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers)

    def drag(self, *places: tuple[float, float]) -> None:
        """Press the mouse at the first place (x, y), move to the others, release; or just click."""
        mouse = {"button": "left", "buttons": 1, "clickCount": 1}
        for kind, (x, y) in zip(
            ("mousePressed", *("mouseMoved",) * (len(places) - 1), "mouseReleased"),
            (*places, places[-1]),
            strict=True,
        ):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **mouse)

    def screenshot(self) -> bytes:
        """Return a PNG of the visible part of the page."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def open(self, page: Path | str, width: int) -> PageView:
        """Open a file or an address in a window of this width (px)."""
        self.events.clear()
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())
        root = "document.documentElement"
        size = [self.value(f"{root}.scroll{side}") for side in ("Width", "Height")]
        text = self.value("document.body.innerText")
        screenshot = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        return PageView(
            *size, text, base64.b64decode(screenshot),
            self.console_messages(), self.requests(),
        )  # fmt: skip

    def console_messages(self) -> list[str]:
        """Errors and warnings of the console since the page was opened."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [json.dumps(e["params"]) for e in self.events if e.get("method") in kinds]

    def requests(self) -> list[str]:
        """Addresses requested since the page was opened, without data inside the page."""
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        urls = [e["params"]["request"]["url"] for e in sent]
        return [url for url in urls if not url.startswith("data:")]

    def pdf(self) -> bytes:
        """Return the page as a PDF."""
        options = {"printBackground": False, "preferCSSPageSize": True}
        return base64.b64decode(self.call("Page.printToPDF", **options)["data"])


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Start Chromium with its profile in a folder; skip the test without Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    (commands_read, commands), (answers_read, answers_write) = os.pipe(), os.pipe()

    def connect_pipes():  # Chromium reads from 3 and writes to 4
        os.dup2(commands_read, 63), os.dup2(answers_write, 64)
        os.dup2(63, 3), os.dup2(64, 4)

    process = subprocess.Popen(
        [program, *_ARGUMENTS, f"--user-data-dir={folder}"],
        preexec_fn=connect_pipes, close_fds=False, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(commands_read), os.close(answers_write)
    try:
        with os.fdopen(answers_read, "rb") as answers:
            browser = Browser(commands, answers)
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
            browser.page = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                browser.call(f"{domain}.enable")
            yield browser
    finally:
        process.kill()
        process.wait()
        os.close(commands)
