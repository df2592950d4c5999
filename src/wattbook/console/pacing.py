"""One look for all: a value that is made anew at most every so often, however many ask for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from wattbook.kernel.errors import WattbookError

Value = TypeVar("Value")

REST_SHARE: Final = 9
"""After making the value it rests at least so many times as long as that took: a tenth of one connection at most."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen(Generic[Value]):
    """The newest value, None before the first; `failed`: the last try made none."""

    value: Value | None = None
    failed: bool = False


class Paced(Generic[Value]):
    """Made on demand, by one task at a time, at most every `interval_s`."""

    def __init__(self, make: Callable[[], Awaitable[Value]], interval_s: float) -> None:
        self._make = make
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0
        self._seen: Seen[Value] = Seen()

    async def look(self, patience_s: float) -> Seen[Value]:
        """What is known after at most `patience_s`; a value still being made then is for who looks next."""
        if self._task is None or (self._task.done() and asyncio.get_running_loop().time() >= self._due):
            self._task = asyncio.create_task(self._renew(), name="console-look")
        if not self._task.done():
            await asyncio.wait({self._task}, timeout=patience_s)
        return self._seen

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _renew(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            self._seen = Seen(await self._make())
        except Exception as error:  # whatever it is, the page goes on and says so
            expected = isinstance(error, DBAPIError | OSError | WattbookError)
            log.warning("console-look-failed", error=str(error), exc_info=None if expected else error)
            self._seen = Seen(self._seen.value, failed=True)
        took = clock() - began
        self._due = began + took + max(self._interval_s - took, REST_SHARE * took)
