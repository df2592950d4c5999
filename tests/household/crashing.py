"""Works on an interval store and is killed at a chosen step of it: a process by itself, asked line by line.

Started as `python -m tests.household.crashing <database url> <folder>`. It reads lines of `<action> <step>` and answers
each with `killed`, or with `finished 0` when the action has fewer steps. A step is whatever reaches disk or database.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection as Driver

from tests.household.village import MIDNIGHT, NOW, hourly, measure
from wattbook.db.engine import Database
from wattbook.household.readings.intervals import IntervalStore

LATE = [*hourly("M1", 480, hours=24), *hourly("M2", 4_800, hours=24)]
"""Two UTC days, in which an earlier batch has the first meter already."""


async def act(url: str, folder: Path, action: str) -> None:
    database = Database(url)
    store = IntervalStore(folder)
    async with database.transaction() as connection:
        if action == "write":
            await measure(connection, store, LATE, "late")
        elif action == "compact":
            await store.compact(connection, MIDNIGHT.date(), now=NOW)
        else:
            await store.sweep(connection, now=NOW)
    await database.close()


def die_at(step: int) -> None:
    """Make the process kill itself when it is about to take its step of this number."""
    taken = 0

    def counted(done: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **named: Any) -> Any:
            nonlocal taken
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            taken += 1
            return done(*arguments, **named)

        return stepping

    for owner, name in (
        (os, "fsync"),
        (Path, "rename"),
        (Path, "unlink"),
        (Driver, "commit"),
        (Database, "close"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))


def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    for line in sys.stdin:
        action, step = line.split()
        child = os.fork()  # this process has no threads, so its children start sound
        if child == 0:
            die_at(int(step))
            asyncio.run(act(url, folder, action))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else f"finished {os.WEXITSTATUS(status)}", flush=True)


if __name__ == "__main__":
    main()
