"""A bill run in a process of its own that kills itself with SIGKILL at the nth exchange with the database.

Every statement, COPY and commit is an exchange. An odd number is killed before it is sent, an even one after the
database has answered and before the run hears of it: so a commit is lost once on each side.

    python -m tests.household.bill_run_process DATABASE_URL FOLDER NTH [by-cycle]
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.household.village import DAY, NOW, OCTOBER, UTILITY
from wattbook.db.engine import Database
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.runs.bill_run import BillRun

CHUNK_HOUSES = 5


def die_at(nth: int) -> Iterator[int]:
    """Let the driver count its exchanges, and die at the nth; the counter."""
    exchanges = count(1)
    wait = psycopg.AsyncConnection.wait

    async def counted(self: psycopg.AsyncConnection[Any], *arguments: Any, **options: Any) -> Any:
        number = next(exchanges)
        if number == nth and nth % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await wait(self, *arguments, **options)
        if number == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    psycopg.AsyncConnection.wait = counted  # type: ignore[method-assign]
    return exchanges


async def main(url: str, folder: str, nth: int, by_cycle: bool) -> None:
    exchanges = die_at(nth)
    database = Database(url)
    run = BillRun(
        database,
        IntervalStore(Path(folder)),
        UTILITY,
        OCTOBER if by_cycle else DAY,
        lambda: NOW,
        chunk_houses=CHUNK_HOUSES,
        by_cycle=by_cycle,
    )
    await run.run()
    await database.close()
    print(next(exchanges))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:] == ["by-cycle"]))
