"""Stations at the door that nobody registered yet: remembered by name, so that an operator can take one in.

A station that is turned away knocks again and again. Knocks are counted in memory and written at most once a second,
and only so many names are kept: anybody can knock under any name.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.listener import notify
from wattbook.db.rounds import surviving
from wattbook.kernel.clock import Clock
from wattbook.ocpp.wire.server import UpgradeRequest

CHANGED: Final = "registry_stations"
"""Channel: stations that were registered or whose acceptance changed."""

NAMES_HELD_MAX: Final = 1_000
NAMES_KEPT_MAX: Final = 10_000
NAME_LENGTH_MAX: Final = 48
SUBPROTOCOLS_LENGTH_MAX: Final = 100
WRITE_EVERY_S: Final = 1.0


class Knock(Struct, frozen=True):
    """Who knocked in vain; `station_id` is what it called itself, `subprotocols` what it offered the last time."""

    station_id: str
    times: int
    first_at: datetime
    last_at: datetime
    subprotocols: str


class Knocks:
    """Takes note of knocks; `open` it in a loop, `close` it to write the last ones."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._held: dict[str, Knock] = {}
        self._heard = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, request: UpgradeRequest) -> None:
        """A station was turned away because nobody knows it; never raises, never waits."""
        name = "".join(character for character in request.identity if character.isprintable())[:NAME_LENGTH_MAX]
        now = self._clock()
        held = self._held.get(name)
        if held is None and len(self._held) >= NAMES_HELD_MAX:
            return
        times, first_at = (held.times + 1, held.first_at) if held is not None else (1, now)
        offered = "".join(each for each in ", ".join(request.subprotocols) if each.isprintable())
        self._held[name] = Knock(name, times, first_at, now, offered[:SUBPROTOCOLS_LENGTH_MAX])
        self._heard.set()

    def open(self) -> None:
        self._task = asyncio.create_task(self._keep_writing(), name="knocks")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    async def _keep_writing(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            await self._write()
            await asyncio.sleep(WRITE_EVERY_S)

    async def _write(self) -> None:
        knocks, self._held = list(self._held.values()), {}
        if not knocks:
            return
        with surviving("knocks-not-kept", names=len(knocks)):
            async with self._database.transaction() as connection:
                await _keep(connection, knocks)


async def list_knocks(connection: AsyncConnection, *, limit: int = 100) -> list[Knock]:
    """Of stations that are still not registered, the latest first."""
    found = await connection.execute(
        text("SELECT to_jsonb(knock.*)::text FROM ocpp.knocks AS knock ORDER BY last_at DESC LIMIT :limit"),
        {"limit": limit},
    )
    return [msgspec.json.decode(row, type=Knock) for row in found.scalars()]


async def welcome(connection: AsyncConnection, stations: Sequence[str]) -> None:
    """These stations were registered or changed: they knock in vain no longer, and every gateway looks again."""
    await connection.execute(
        text("DELETE FROM ocpp.knocks WHERE station_id = ANY(CAST(:stations AS text[]))"), {"stations": list(stations)}
    )
    await notify(connection, CHANGED, stations)


async def _keep(connection: AsyncConnection, knocks: Sequence[Knock]) -> None:
    await connection.execute(
        text("""
            INSERT INTO ocpp.knocks AS known (station_id, times, first_at, last_at, subprotocols)
            SELECT * FROM unnest(CAST(:names AS text[]), CAST(:times AS bigint[]), CAST(:first AS timestamptz[]),
                                 CAST(:last AS timestamptz[]), CAST(:offered AS text[])) AS given ORDER BY 1
            ON CONFLICT (station_id) DO UPDATE
            SET times = known.times + excluded.times, last_at = excluded.last_at, subprotocols = excluded.subprotocols
        """),
        {
            "names": [knock.station_id for knock in knocks],
            "times": [knock.times for knock in knocks],
            "first": [knock.first_at for knock in knocks],
            "last": [knock.last_at for knock in knocks],
            "offered": [knock.subprotocols for knock in knocks],
        },
    )
    await connection.execute(
        text("""
            DELETE FROM ocpp.knocks WHERE last_at < (
                SELECT last_at FROM ocpp.knocks ORDER BY last_at DESC OFFSET :kept LIMIT 1)
        """),
        {"kept": NAMES_KEPT_MAX - 1},
    )


async def find_knock(connection: AsyncConnection, station_id: str) -> Knock | None:
    found = await connection.execute(
        text("SELECT to_jsonb(knock.*)::text FROM ocpp.knocks AS knock WHERE station_id = :station"),
        {"station": station_id},
    )
    row = found.scalar_one_or_none()
    return None if row is None else msgspec.json.decode(row, type=Knock)


async def dismiss(connection: AsyncConnection, station_id: str) -> bool:
    """Forget who knocked, until it knocks again; whether it was on the list."""
    done = await connection.execute(
        text("DELETE FROM ocpp.knocks WHERE station_id = :station"), {"station": station_id}
    )
    return done.rowcount == 1
