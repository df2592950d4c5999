"""A `wattbook serve` as a process of its own, for whoever needs a real one: the demonstration, tests, benchmarks."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from wattbook.config import Settings
from wattbook.kernel.errors import Unavailable

UP_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0
LOG_SHOWN_MAX: Final = 2_000


@asynccontextmanager
async def serving_process(settings: Settings, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Started at once, see `require_up`; told to stop when the block ends, unless it is gone by then."""
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wattbook", "serve", env=os.environ | settings.environment(), stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def require_up(settings: Settings, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until it answers.

    Raises:
        Unavailable: it ended, or does not answer in time; the message shows the end of its log.
    """
    deadline = asyncio.get_running_loop().time() + UP_WITHIN_S
    async with aiohttp.ClientSession() as http:
        while process.returncode is None and asyncio.get_running_loop().time() < deadline:
            try:
                async with http.get(f"http://{settings.web_host}:{settings.web_port}/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise Unavailable(f"{settings.name} did not come up:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_SHOWN_MAX:]
