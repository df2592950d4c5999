"""Whatever stations send, how often and in which order: the proof holds, and energy posted is energy measured.

A seeded simulator plays stations that start, sample, stop, forget answers, repeat themselves, step their meters back,
send late and send nonsense, in batches as the group commit makes them. A failure names its seed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging.world import BALANCE_GROUP, KWH, NOW, US, build, funds, posted, prove, top_up, won
from wattbook.book.accounts import ENERGY
from wattbook.book.posting import expire_holds
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import Orphaned, SessionStop, Stopped, stop
from wattbook.db.engine import Database
from wattbook.kernel.errors import Refused

STATIONS = ("CP1", "CP2", "CP3", "CP4")
CUSTOMERS = ("rich", "poor", "broke")
STEPS = 60


@dataclass
class Station:
    """What a station knows of itself."""

    id: str
    register_mwh: int = 100 * KWH
    export_mwh: int = 0
    transaction_id: str | None = None
    said: list[SessionStart | SessionStop | Samples] = field(default_factory=list)
    drawn_mwh: dict[str, int] = field(default_factory=dict)
    started_at_mwh: int = 0


def next_message(chance: Random, station: Station, at: datetime) -> SessionStart | SessionStop | Samples:
    if station.said and chance.random() < 0.3:
        return chance.choice(station.said)
    if chance.random() < 0.05:
        return SessionStop(station_id=station.id, transaction_id="-1", meter_stop_mwh=1, stopped_at=at)
    if station.transaction_id is None:
        return SessionStart(
            station_id=station.id,
            connector_no=1,
            token_uid=f"T-{chance.choice(CUSTOMERS)}",
            meter_start_mwh=station.register_mwh,
            started_at=at,
            export_start_mwh=station.export_mwh if chance.random() < 0.5 else None,
        )
    station.register_mwh += chance.randrange(20 * KWH)
    station.export_mwh += chance.randrange(5 * KWH)
    if chance.random() < 0.3:
        return SessionStop(
            station_id=station.id,
            transaction_id=station.transaction_id,
            meter_stop_mwh=station.register_mwh,
            stopped_at=at,
            export_stop_mwh=station.export_mwh if chance.random() < 0.5 else None,
        )
    wrong_by = chance.choice((0, 0, 0, -50 * KWH, -(10**17)))
    late_by = chance.choice((timedelta(0), timedelta(0), timedelta(hours=3)))
    reading = Reading(
        at - late_by, station.register_mwh + wrong_by, station.export_mwh, chance.randrange(-9_000, 22_000)
    )
    return Samples(station.id, 1, chance.choice((station.transaction_id, None)), (reading,))


async def play(
    connection: AsyncConnection,
    stations: list[Station],
    batch: list[SessionStart | SessionStop | Samples],
    now: datetime,
) -> None:
    """One batch, kind by kind, as the group commit does it; each station hears its answer, or misses it."""
    starts = [each for each in batch if isinstance(each, SessionStart)]
    stops = [each for each in batch if isinstance(each, SessionStop)]
    by_id = {station.id: station for station in stations}
    for said, begun in zip(starts, await start(connection, starts, now=now), strict=True):
        assert isinstance(begun, Started | Refused), begun
        station = by_id[said.station_id]
        transaction_id = begun.transaction_id if isinstance(begun, Started) else begun.details["transaction_id"]
        if transaction_id not in station.drawn_mwh and station.transaction_id is None:
            station.transaction_id, station.started_at_mwh = transaction_id, said.meter_start_mwh
    await record_samples(connection, [each for each in batch if isinstance(each, Samples)], now=now)
    for told, ended in zip(stops, await stop(connection, stops, now=now), strict=True):
        assert isinstance(ended, Stopped | Orphaned), ended
        station = by_id[told.station_id]
        if isinstance(ended, Stopped):
            if not ended.repeated:
                station.drawn_mwh[told.transaction_id] = told.meter_stop_mwh - station.started_at_mwh
            assert ended.import_mwh == station.drawn_mwh[told.transaction_id]
            station.transaction_id = None if station.transaction_id == told.transaction_id else station.transaction_id


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_stations_send_the_proof_holds(database: Database, seed: int) -> None:
    chance = Random(seed)
    stations = [Station(each) for each in STATIONS]
    async with database.transaction() as connection:
        await build(connection, stations=len(STATIONS), customers=CUSTOMERS)
        await top_up(connection, "rich", won(1_000_000))
        await top_up(connection, "poor", won(5_000))
    now = NOW
    for _ in range(STEPS):
        now += timedelta(minutes=chance.randrange(1, 120))
        speaking = chance.sample(stations, chance.randrange(1, len(stations) + 1))
        batch = [next_message(chance, station, now) for station in speaking]
        for station, message in zip(speaking, batch, strict=True):
            station.said.append(message)
        try:
            async with database.transaction() as connection:
                await play(connection, stations, batch, now)
                if chance.random() < 0.1:
                    await expire_holds(connection, now=now)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
    await prove(database)
    async with database.snapshot() as connection:
        measured = sum(sum(station.drawn_mwh.values()) for station in stations)
        sessions = await connection.execute(
            text("""
                SELECT sum(import_mwh)::bigint, sum(export_mwh)::bigint FROM charging.sessions
                WHERE ended_at IS NOT NULL
            """)
        )
        drawn, fed_in = sessions.one()
        assert drawn == measured > 0
        billed = sum([await posted(connection, each, "consumption", ENERGY) for each in CUSTOMERS])
        assert billed + await posted(connection, US, "energy_exception", ENERGY) == drawn
        assert (
            await posted(connection, BALANCE_GROUP, "balance_group", ENERGY)
            + await posted(connection, US, "balance_group", ENERGY)
            == drawn - fed_in
        )
        for customer in CUSTOMERS:
            assert min(await funds(connection, customer, "wallet")) >= 0
