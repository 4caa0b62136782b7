"""Drives a headless Chromium over its pipe, without a driver's package: enough to open a page, hover and look."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
_SECONDS = 60


class Browser:
    """One tab. `errors`: what its console complained about; `requests`: every address that it asked for."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._id = write, read, b"", 0
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._id += 1
        message: dict[str, Any] = {"id": self._id, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._id:
            self._note(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path, *, scheme: str, width: int = 1100, height: int = 900) -> None:
        """`scheme`: light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.emulate(scheme)
        self.call("Page.navigate", url=page.as_uri())
        self.wait_for("document.querySelectorAll('.chart').length > 0")
        self.wait_for("document.querySelectorAll('.chart:not([data-drawn])').length === 0")

    def visit(self, url: str, condition: str, *, seconds: float = _SECONDS) -> float:
        """Open a page; returns the seconds until the condition holds there."""
        self.call("Page.navigate", url="about:blank")
        began = time.monotonic()
        self.call("Page.navigate", url=url)
        self.wait_for(condition, seconds)
        return time.monotonic() - began

    def emulate(self, scheme: str, *, media: str = "") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def evaluate(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, condition: str, seconds: float = _SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, (condition, self.errors)
            time.sleep(0.05)

    def hover(self, selector: str) -> None:
        """Move the pointer to the middle of the first such element, and bring it into view before."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{element}.scrollIntoView({{block: 'center'}})")
        box = self.evaluate(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({element}.getBoundingClientRect())")
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def click(self, element: str) -> None:
        """`element`: an expression; waits until it gives one that stands still, and brings it into view."""
        self.wait_for(f"!!({element})")
        self.evaluate(f"({element}).scrollIntoView({{block: 'center'}})")
        middle = f"(b => [b.x + b.width / 2, b.y + b.height / 2])(({element}).getBoundingClientRect())"
        before, box = None, self.evaluate(middle)
        while box != before:
            time.sleep(0.1)
            before, box = box, self.evaluate(middle)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def screenshot(self, *, whole: bool = False) -> bytes:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = os.read(self._read, 1 << 20)
            assert block, "the browser is gone"
            self._rest += block
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("method"), message.get("params"):
            case "Network.requestWillBeSent", {"request": {"url": url}}:
                self.requests.append(url)
            case "Log.entryAdded", {"entry": entry}:
                self.errors.append(entry["text"])
            case "Runtime.exceptionThrown", details:
                self.errors.append(str(details))


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile in this folder, and end it."""
    assert CHROMIUM is not None
    commands, answers = os.pipe(), os.pipe()
    # It reads commands from descriptor 3 and writes answers to 4.
    start = f'exec "$0" "$@" 3<&{commands[0]} 4>&{answers[1]}'
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--hide-scrollbars", "--disable-background-networking", f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        ["bash", "-c", start, CHROMIUM, *options, "--remote-debugging-pipe", "about:blank"],
        pass_fds=(commands[0], answers[1]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands[0])
    os.close(answers[1])
    try:
        yield Browser(commands[1], answers[0])
    finally:
        process.terminate()
        process.wait(10)
        os.close(commands[1])
        os.close(answers[0])
