"""A way to make any management system send a CALL: a command line of its own, with the CALL put in.

curl -s -H 'Authorization: Bearer …' http://host/stations/{station}/calls -d '{"action": "{action}", …}'
"""

import asyncio
import shlex
from types import TracebackType

from wattbook.conformance.outcome import Failed
from wattbook.conformance.raw_station import encode
from wattbook.conformance.versions import JsonObject


class CommandTrigger:
    """Runs the command with `{station}`, `{action}` and `{payload}` filled in, without a shell.

    A command may wait for the station's answer, which the checks hold back, so nobody waits for the command; those that
    still run at the end are killed.
    """

    def __init__(self, template: str) -> None:
        self._words = shlex.split(template)
        self._running: list[asyncio.subprocess.Process] = []

    async def __call__(self, station: str, action: str, payload: JsonObject) -> None:
        fillings = {"{station}": station, "{action}": action, "{payload}": encode(payload)}
        words = []
        for word in self._words:
            for place, filling in fillings.items():
                word = word.replace(place, filling)
            words.append(word)
        quiet = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=quiet, stdout=quiet, stderr=quiet)
        except OSError as fault:
            raise Failed(f"the command that should make the system call cannot run: {fault}") from fault
        self._running.append(process)

    async def __aenter__(self) -> "CommandTrigger":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._running:
            if process.returncode is None:
                process.kill()
            await process.wait()
