"""R27: a start that cannot be true never bills the odometer, in any version."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, deployed
from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.ocpp.messages import IdToken, Sample

WH, KWH = 1_000, 1_000_000
MINUTE = timedelta(minutes=1)
ODOMETER = 910 * KWH
IN_ALL = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running
    assert (await prove(database)).holds


async def charge(place: Deployment, version: str, *registers: int, begins_at: int = 0, ends_at: int) -> list[str]:
    """Ten minutes, with these samples; the flags of the session."""
    station = await place.connect(0, version)
    started = await station.start_transaction(1, IdToken(place.estate.token(0)), begins_at, NOW - 10 * MINUTE)
    for minute, register in enumerate(registers, start=1):
        sample = Sample(NOW - (10 - minute) * MINUTE, import_mwh=register)
        await station.meter_values(1, [sample], started.transaction_id)
    await station.stop_transaction(started.transaction_id, ends_at, NOW)
    await station.close()
    flags: list[str] = await place.value("SELECT flags FROM charging.sessions")
    return flags


async def drawn_mwh(place: Deployment) -> int:
    account = Account(place.estate.customer(0), "consumption", ENERGY)
    async with place.database.snapshot() as connection:
        return (await balances(connection, [account]))[account].posted


@IN_ALL
async def test_a_start_at_nothing_counts_from_the_first_sample(place: Deployment, version: str) -> None:
    flags = await charge(place, version, ODOMETER, ODOMETER + 40 * WH, ends_at=ODOMETER + 83 * WH)
    assert await drawn_mwh(place) == 83 * WH
    assert flags == ["baseline-implausible"]
    assert await place.value("SELECT meter_start_mwh FROM charging.sessions") == ODOMETER


@IN_ALL
async def test_without_any_sample_nothing_is_billed(place: Deployment, version: str) -> None:
    """In 2.x the events of begin and end have samples of their own: the begin's is the one that cannot be true."""
    flags = await charge(place, version, ends_at=ODOMETER)
    assert await drawn_mwh(place) == 0
    assert flags == ["baseline-implausible"]


@IN_ALL
async def test_what_an_outlet_can_give_is_billed_as_it_was_measured(place: Deployment, version: str) -> None:
    flags = await charge(place, version, ODOMETER + KWH, begins_at=ODOMETER, ends_at=ODOMETER + 4 * KWH)
    assert await drawn_mwh(place) == 4 * KWH
    assert flags == []
