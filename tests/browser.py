"""A real browser without a window: opens pages, runs scripts in them, and takes pictures."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 120  # seconds
CATCH = """window.problems = [];
addEventListener("error", event => problems.push(event.message));
addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
console.error = console.warn = (...texts) => problems.push(texts.join(" "));"""


class Tab:
    """One page of a browser, told what to do over its debugging port."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, loop: asyncio.AbstractEventLoop):
        self._socket = socket
        self._loop = loop
        self._count = 0

    def tell(self, method: str, **values: Any) -> dict[str, Any]:
        """Send a command, and wait for its answer."""
        return self._loop.run_until_complete(asyncio.wait_for(self._tell(method, values), PATIENCE))

    async def _tell(self, method: str, values: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        await self._socket.send_json({"id": self._count, "method": method, "params": values})
        while True:
            answer = json.loads((await self._socket.receive()).data)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(self, url: str) -> None:
        self.tell("Page.enable")
        self.tell("Page.addScriptToEvaluateOnNewDocument", source=CATCH)
        went = self.tell("Page.navigate", url=url)
        assert "errorText" not in went, went["errorText"]
        deadline = time.monotonic() + PATIENCE
        while self.run("return document.readyState") != "complete":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """What the body of an async function returns in the page."""
        text = f"(async () => {{ {script} }})()"
        done = self.tell("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def photograph(self, path: Path) -> None:
        shot = self.tell("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(folder: Path, width: int = 1280, height: int = 900) -> Iterator[Tab]:
    """A browser with one tab; the test is skipped where there is none.

    Args:
        folder: A folder for its files.
    """
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt install chromium")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", f"--user-data-dir={folder}", "--remote-debugging-port=0",
        f"--window-size={width},{height}", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    loop = asyncio.new_event_loop()
    try:
        port = _port(folder / "DevToolsActivePort")
        with _tab(loop, port) as tab:
            yield tab
    finally:
        loop.close()
        process.terminate()
        process.wait(PATIENCE)


def _port(file: Path) -> int:
    """The debugging port, which the browser writes once it listens."""
    deadline = time.monotonic() + PATIENCE
    while not (file.exists() and file.read_text().count("\n")):
        assert time.monotonic() < deadline, "the browser does not start"
        time.sleep(0.05)
    return int(file.read_text().splitlines()[0])


@contextmanager
def _tab(loop: asyncio.AbstractEventLoop, port: int) -> Iterator[Tab]:
    async def connect() -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
        session = aiohttp.ClientSession()
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            pages = [page for page in await answer.json() if page["type"] == "page"]
        url = pages[0]["webSocketDebuggerUrl"]
        return session, await session.ws_connect(url, max_msg_size=0)

    session, socket = loop.run_until_complete(connect())
    try:
        yield Tab(socket, loop)
    finally:
        loop.run_until_complete(socket.close())
        loop.run_until_complete(session.close())
