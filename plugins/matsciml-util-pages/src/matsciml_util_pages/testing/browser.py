"""A real browser without a window, driven over its debugging pipe, without any package.

A ``conftest.py`` imports the fixture ``browser``; its tests are skipped where no Chromium is::

    from matsciml_util_pages.testing.browser import browser

    __all__ = ["browser"]
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # in a container there may be none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_TROUBLE = ("error", "warning", "assert")
_CONTRAST = """
(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (let up = one; up; up = up.parentElement) {
      const c = channels(getComputedStyle(up).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let worst = [99, ""];
  const texts = "p, td, th, dt, dd, button, label, a, h1, h2, h3, li, span, b, small, code, " +
    "figcaption, summary, .figure-title";
  for (const one of document.querySelectorAll(texts)) {
    if (!one.textContent.trim() || !one.offsetParent) continue;
    const [a, b] = [light(channels(getComputedStyle(one).color)), light(ground(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, one.outerHTML.slice(0, 120)];
  }
  return worst;
})()
"""
"""Finds the text that contrasts least with its ground: the ratio of WCAG 2.2, and the element."""

_LEAST_CONTRAST = 4.5
"""Of WCAG 2.2, level AA."""
_BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_EMPTY_PLOTS = """
[...document.querySelectorAll("svg.plot")].flatMap((plot, index) => {
  const name = `plot ${index + 1}`;
  if (plot.getBoundingClientRect().width < 200) return [`${name} is hardly there`];
  const marks = [...plot.querySelectorAll("circle, path, rect, polyline, polygon, use, image")];
  const seen = marks.filter((mark) => {
    const box = mark.getBoundingClientRect();
    return box.width > 0 || box.height > 0;
  });
  const broken = plot.outerHTML.includes("NaN") ? [`${name} has a NaN`] : [];
  return seen.length ? broken : [...broken, `${name} is empty`];
})
"""


class Browser:
    """One tab of a headless Chromium."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start the browser and open an empty tab."""
        # It reads commands from its file descriptor 3 and answers on 4.
        command_read, self._commands = os.pipe()
        self._answers, answer_write = os.pipe()
        redirect = f'exec 3<&{command_read} 4>&{answer_write}; exec "$0" "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, program, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(command_read, answer_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        self._serial = count(1)
        self._rest = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        for _ in range(200):  # it answers before it has opened its tab
            targets = self.ask("Target.getTargets")["targetInfos"]
            tabs = [target for target in targets if target["type"] == "page"]
            if tabs:
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("the browser opens no tab")
        (tab,) = tabs
        attached = self.ask("Target.attachToTarget", targetId=tab["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        # Without a window a page never has the focus, and its elements would not learn of theirs.
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and return its result."""
        serial = next(self._serial)
        message = {"id": serial, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == serial:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise RuntimeError("the browser has gone")
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def open(
        self, page: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> None:
        """Show a file or an address, in a window of this size, and wait until it is loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        address = page if isinstance(page, str) else page.resolve().as_uri()
        self.ask("Page.navigate", url=address)
        # Scripts at the end of the body have run when the event comes.
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, and return its value."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press and release a key, which may type a text."""
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, **typed)

    def worst_contrast(self) -> tuple[float, str]:
        """Return the smallest contrast of any text with its ground, and the element it is in."""
        ratio, element = self.run(_CONTRAST)
        return float(ratio), str(element)

    def faults(self, page: Path | str) -> list[str]:
        """Return what is wrong with a page on a telephone and a screen, by day and by night.

        It must be no wider than the window, every text must contrast with its ground by 4.5, every
        plot must be there and have something in it, the console must be silent, and nothing may be
        asked of a network.
        """
        faults = []
        for width in (390, 1280):
            for dark in (False, True):
                self.open(page, width=width, dark=dark)
                where = f"{width} px, {'dark' if dark else 'light'}"
                beyond = self.run(_BEYOND)
                if beyond > 0:
                    faults.append(f"{where}: {beyond} px too wide")
                ratio, text = self.worst_contrast()
                if ratio < _LEAST_CONTRAST:
                    faults.append(f"{where}: contrast {ratio:.1f} of {text}")
                faults += [f"{where}: {one}" for one in self.run(_EMPTY_PLOTS)]
                faults += [f"{where}: {one}" for one in (*self.troubles, *self.requests)]
        return faults

    def screenshot(self, path: Path) -> None:
        """Save what the window shows as a PNG file."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    @property
    def troubles(self) -> list[str]:
        """What the console complained about since the page was opened."""
        self.run("1")  # whatever was under way has been answered now
        troubles = []
        for event in self.events:
            data = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                troubles.append(str(data["exceptionDetails"]))
            elif event.get("method") == "Log.entryAdded" and data["entry"]["level"] in _TROUBLE:
                troubles.append(str(data["entry"]["text"]))
            elif event.get("method") == "Runtime.consoleAPICalled" and data["type"] in _TROUBLE:
                troubles.append(str(data["args"]))
        return troubles

    @property
    def requests(self) -> list[str]:
        """Addresses that the page has asked for, but for its own and for what it holds itself."""
        urls = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in urls[1:] if not url.startswith("data:")]

    def close(self) -> None:
        """End the browser."""
        self._session = None
        try:
            self.ask("Browser.close")
        except (OSError, RuntimeError):
            self._process.kill()
        self._process.wait(30)
        os.close(self._commands)
        os.close(self._answers)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a headless Chromium; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed; with one, pages are tested as readers see them")
    chromium = Browser(program, tmp_path_factory.mktemp("browser"))
    yield chromium
    chromium.close()
