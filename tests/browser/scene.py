"""A working day of an operator: stations that do different things, cars that charge, one that feeds in, two refused."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging.world import HOUR, KWH, NOW, US, build, top_up, won
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.kernel.errors import Refused
from wattbook.registry.customers import Token, TokenType, add_tokens
from wattbook.registry.presence import Boot, Status, record_boots, record_statuses, touch

MINUTE = timedelta(minutes=1)
STATIONS = 5
LOST_TOKEN = "04E1F2A3B4C5D6"
WALLETS = {"kim-0001": 9_000, "lee-0002": 20_000, "park-0003": 90_000}
"""Customers and what they paid in, in won."""
AT = NOW - 5 * MINUTE
KIM_BEGAN = NOW - 40 * MINUTE


async def play(connection: AsyncConnection) -> None:
    """Kim charges, Lee feeds in, Park charged in the morning; CP4 is faulted, CP5 never came."""
    await build(connection, stations=STATIONS, customers=tuple(WALLETS))
    for customer, amount in WALLETS.items():
        await top_up(connection, customer, won(amount))
    await _stations(connection)
    for hours_ago, drawn_kwh, fed_in_kwh in ((9, 31, 0), (6, 12, 0), (4, 18, 3), (2, 44, 0), (1, 7, 5)):
        began = NOW - hours_ago * HOUR
        await charge(connection, "CP3", "park-0003", began, drawn_kwh, fed_in_kwh)
    await run(connection, "CP1", "kim-0001", KIM_BEGAN, drawn_kwh=11, power_w=21_400)
    await run(connection, "CP2", "lee-0002", NOW - 25 * MINUTE, fed_in_kwh=4, power_w=-9_800)
    await _refused(connection)


async def run(
    connection: AsyncConnection,
    station: str,
    customer: str,
    began: datetime,
    *,
    drawn_kwh: int = 0,
    fed_in_kwh: int = 0,
    power_w: int = 0,
) -> None:
    """A session that goes on."""
    transaction = _transaction(station, began)
    asked = SessionStart(
        station_id=station,
        connector_no=1,
        token_uid=f"T-{customer}",
        meter_start_mwh=0,
        export_start_mwh=0,
        started_at=began,
        transaction_id=transaction,
    )
    (begun,) = await start(connection, [asked], now=began)
    assert isinstance(begun, Started), begun
    reading = Reading(AT, drawn_kwh * KWH, fed_in_kwh * KWH, power_w)
    await record_samples(connection, [Samples(station, 1, transaction, (reading,))], now=AT)


async def finish(connection: AsyncConnection, station: str, began: datetime, drawn_kwh: int) -> None:
    """What `run` began ends now."""
    transaction = _transaction(station, began)
    done = SessionStop(
        station_id=station,
        transaction_id=transaction,
        meter_stop_mwh=drawn_kwh * KWH,
        export_stop_mwh=0,
        stopped_at=NOW,
    )
    (stopped,) = await stop(connection, [done], now=NOW)
    assert isinstance(stopped, Stopped), stopped


async def charge(
    connection: AsyncConnection, station: str, customer: str, began: datetime, drawn_kwh: int, fed_in_kwh: int
) -> None:
    """A session of half an hour."""
    transaction = _transaction(station, began)
    base = int(began.timestamp()) * 100
    asked = SessionStart(
        station_id=station,
        connector_no=1,
        token_uid=f"T-{customer}",
        meter_start_mwh=base,
        export_start_mwh=base,
        started_at=began,
        transaction_id=transaction,
    )
    (begun,) = await start(connection, [asked], now=began)
    assert isinstance(begun, Started), begun
    ended = began + 30 * MINUTE
    done = SessionStop(
        station_id=station,
        transaction_id=transaction,
        meter_stop_mwh=base + drawn_kwh * KWH,
        export_stop_mwh=base + fed_in_kwh * KWH,
        stopped_at=ended,
    )
    (stopped,) = await stop(connection, [done], now=ended)
    assert isinstance(stopped, Stopped), stopped
    assert stopped.state == "completed"


def _transaction(station: str, began: datetime) -> str:
    return f"{station}-{began:%H%M}"


async def _stations(connection: AsyncConnection) -> None:
    known = [f"CP{number}" for number in range(1, STATIONS)]
    await record_boots(
        connection, [Boot(each, "Hyosung", "HC-22", f"SN-{each}", "1.4.2", NOW - 30 * HOUR) for each in known]
    )
    await touch(connection, [(each, NOW - MINUTE / 3) for each in known])
    words = {"CP1": "Charging", "CP2": "Charging", "CP3": "Available", "CP4": "Faulted"}
    statuses: Sequence[Status] = [
        Status(station, 1, 0, word, "GroundFailure" if word == "Faulted" else "NoError", NOW - HOUR)
        for station, word in words.items()
    ]
    await record_statuses(connection, statuses)


async def _refused(connection: AsyncConnection) -> None:
    """Kim at the faulted station, and somebody with a lost token."""
    await add_tokens(connection, [Token(US, TokenType.RFID, LOST_TOKEN, "C-lost", "kim-0001", valid=False)])
    for station, token, at in (("CP3", LOST_TOKEN, NOW - 2 * HOUR), ("CP4", "T-kim-0001", NOW - 3 * MINUTE)):
        asked = SessionStart(station_id=station, connector_no=1, token_uid=token, meter_start_mwh=0, started_at=at)
        (refused,) = await start(connection, [asked], now=at)
        assert isinstance(refused, Refused), refused
