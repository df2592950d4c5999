"""A real browser, headless: what a person sees of a page, with nothing to reach but this machine.

Driven through the Chrome DevTools protocol, so that a test can wait for what is to appear instead of for a time.
"""

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # Whatever is not on this machine does not exist: a page that needs more than we serve shows it here.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE_S = 60

_VISIBLE = "(document.body?.innerText ?? '').replace(/\\s+/g, ' ')"
_WAIT = """
new Promise(done => {
  const text = () => %s, all = () => %s.every(words => text().includes(words));
  const look = () => all() && done(text());
  new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
  setTimeout(() => done(text()), %d);
  look();
})
"""


class Gone(Exception):
    """What was looked at is no longer there."""


class Page:
    """The one page of a browser."""

    def __init__(self, devtools: aiohttp.ClientWebSocketResponse) -> None:
        self._devtools = devtools
        self._ids = count()

    async def open(self, url: str) -> None:
        await self._call("Page.navigate", url=url)

    async def shows(self, *words: str) -> str:
        """The visible text, once all these words stand in it; fails with that text when they do not come."""
        wait = _WAIT % (_VISIBLE, json.dumps(words), PATIENCE_S * 1_000)
        try:
            text = str(await self._evaluate(wait))
        except Gone:  # another page came while we looked at the one before
            text = str(await self._evaluate(wait))
        missing = [each for each in words if each not in text]
        assert not missing, f"{missing} not in: {text}"
        return text

    async def click(self, selector: str) -> None:
        await self._evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def resize(self, width: int, height: int) -> None:
        """To the size of another screen, in CSS pixels."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < height}
        await self._call("Emulation.setDeviceMetricsOverride", **screen)

    async def press(self, x: float, y: float) -> None:
        """With the mouse, at a place of the window."""
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self._call("Input.dispatchMouseEvent", type=kind, **at)

    async def value(self, expression: str) -> Any:
        return await self._evaluate(expression)

    async def _evaluate(self, expression: str) -> Any:
        answer = await self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def _call(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        await self._devtools.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._devtools.receive_json(timeout=PATIENCE_S + 5)
            if message.get("id") == number:
                if "error" in message:
                    raise Gone(message["error"])
                return message["result"]


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """A browser while the block runs. Skips the test where there is none."""
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium), so nobody looks at the page")
    process = await asyncio.create_subprocess_exec(
        binary, *FLAGS, f"--user-data-dir={profile}", "about:blank", stdout=DEVNULL, stderr=PIPE
    )
    try:
        async with asyncio.timeout(60):
            address = await _devtools_address(process)
        drained = asyncio.create_task(_drain(process))
        async with aiohttp.ClientSession() as session:
            targets = await (await session.get(f"http://{address}/json/list")).json()
            page = next(target for target in targets if target["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as devtools:
                yield Page(devtools)
    finally:
        process.terminate()
        await process.wait()
    await drained


async def _devtools_address(process: Process) -> str:
    """Host and port, from `DevTools listening on ws://127.0.0.1:40613/devtools/browser/…`."""
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if "ws://" in line:
            return line.split("ws://")[1].split("/")[0]
    raise AssertionError("the browser ended before it listened")


async def _drain(process: Process) -> None:
    """A browser whose words nobody reads would stop at a full pipe."""
    assert process.stderr is not None
    while await process.stderr.read(65_536):
        pass
