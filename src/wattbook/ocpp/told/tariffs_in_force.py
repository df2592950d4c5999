"""Block I (2.1): stations are told the tariff in force at each of their EVSEs, and another as soon as it is in force.

What an EVSE was told is a row with the digest of that version, so a pass finds what is new without reading tariffs. The
tariff before is taken off a station when 2.1 has no words for the new one, when the station does not take it, or when
none is offered any more: it must show no price that is not true (the cost that we tell it goes on). What a station
refuses is not told again until it changes; what did not reach it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.kept.answered import json_text
from wattbook.ocpp.told.tariffs import set_default_tariffs
from wattbook.registry.offers import Offer, offers

TOLD_MAX: Final = 500
"""EVSEs that are told something in one pass; the others have their turn in the next."""

STATIONS_AT_ONCE: Final = 1_000
ANSWERED_WITHIN: Final = timedelta(hours=1)
TRIED_AGAIN_AFTER: Final = timedelta(minutes=30)
REQUESTED_BY: Final = "tariffs"
LOCK: Final = 0x54415246
SENT, TOLD, REFUSED, UNSAYABLE, FAILED = "sent", "told", "refused", "unsayable", "failed"
HAS_ONE: Final = frozenset({TOLD, FAILED})
"""States after which the station has a tariff of ours, or may have."""

Place = tuple[str, int]
"""Station, and its number of the EVSE."""


class ToldTariff(Struct, frozen=True):
    """What an EVSE was told last; `state` see the module's constants, `because` what the station or 2.1 said to it."""

    station_id: str
    evse_no: int
    tariff: str
    digest: str
    state: str
    because: str | None
    command_id: UUID | None
    changed_at: datetime


async def tell_tariffs(
    connection: AsyncConnection, now: datetime, *, told_max: int = TOLD_MAX
) -> list[Command | WattbookError]:
    """One pass over the stations of 2.1 that are connected; what was told, or why it could not be."""
    if not (await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK})).scalar_one():
        return []
    done = await _withdraw(connection, await _settle(connection, now), now)
    for stations in _chunks(await _connected(connection)):
        offered = await offers(connection, stations, now)
        known = {(each.station_id, each.evse_no): each for each in await told_of(connection, stations)}
        due = [each for each in offered if _is_due(each, known.get((each.station, each.evse_no)), now)]
        due = due[: max(told_max - len(done), 0)]
        done += await _tell(connection, due, known, now)
        places = {(each.station, each.evse_no) for each in offered}
        gone = [place for place, each in known.items() if place not in places and each.state != SENT]
        done += await _withdraw(connection, [place for place in gone if known[place].state in HAS_ONE], now)
        await _forget(connection, gone)
        if len(done) >= told_max:
            break
    return done


async def told_of(connection: AsyncConnection, stations: Sequence[str]) -> list[ToldTariff]:
    """By station and EVSE."""
    found = await connection.execute(
        text(f"""
            SELECT {", ".join(ToldTariff.__struct_fields__)} FROM ocpp.told_tariffs
            WHERE station_id = ANY(CAST(:stations AS text[])) ORDER BY station_id, evse_no
        """),
        {"stations": list(stations)},
    )
    return [ToldTariff(*row) for row in found]


def _is_due(offer: Offer, known: ToldTariff | None, now: datetime) -> bool:
    if known is None:
        return True
    if known.state == SENT:  # its answer first
        return False
    return known.digest != offer.digest or (known.state == FAILED and now - known.changed_at >= TRIED_AGAIN_AFTER)


def _chunks(stations: Sequence[str]) -> Iterator[list[str]]:
    left = iter(stations)
    while chunk := list(islice(left, STATIONS_AT_ONCE)):
        yield chunk


async def _connected(connection: AsyncConnection) -> list[str]:
    found = await connection.execute(
        text("""
            SELECT station_id FROM ocpp.connections
            WHERE version = '2.1' AND disconnected_at IS NULL ORDER BY station_id
        """)
    )
    return list(found.scalars())


async def _settle(connection: AsyncConnection, now: datetime) -> list[Place]:
    """What became of what was sent; where a tariff was not taken, so that one before it may still be there.

    An error that is about the action itself is a refusal; any other may pass, and so may an id that was in use.
    """
    found = await connection.execute(
        text("""
            UPDATE ocpp.told_tariffs AS told SET changed_at = :now,
                because = coalesce(command.answer ->> 'status', command.error_code, command.state),
                state = CASE
                    WHEN command.state = 'answered' AND command.answer ->> 'status' = 'Accepted' THEN 'told'
                    WHEN command.answer ->> 'status' = 'DuplicateTariffId' THEN 'failed'
                    WHEN command.state = 'answered' OR command.error_code IN ('NotImplemented', 'NotSupported')
                        OR command.state = 'undeliverable' THEN 'refused'
                    ELSE 'failed' END
            FROM ocpp.commands AS command
            WHERE told.state = 'sent' AND command.id = told.command_id AND command.state NOT IN ('accepted', 'sent')
            RETURNING told.station_id, told.evse_no, told.state, command.state = 'answered' AS answered
        """),
        {"now": now},
    )
    return [(row.station_id, row.evse_no) for row in found if row.answered and row.state != TOLD]


async def _tell(
    connection: AsyncConnection, due: Sequence[Offer], known: Mapping[Place, ToldTariff], now: datetime
) -> list[Command | WattbookError]:
    places = [(each.station, each.evse_no) for each in due]
    if not places:
        return []
    outcomes = await set_default_tariffs(
        connection, places, requested_by=REQUESTED_BY, now=now, expires_at=now + ANSWERED_WITHIN
    )
    await _keep(connection, [_told(*pair, now) for pair in zip(due, outcomes, strict=True)])
    untrue = [
        place
        for place, outcome in zip(places, outcomes, strict=True)
        if isinstance(outcome, InvalidInput) and place in known and known[place].state in HAS_ONE
    ]
    return outcomes + await _withdraw(connection, untrue, now)


def _told(offer: Offer, outcome: Command | WattbookError, now: datetime) -> ToldTariff:
    named = offer.station, offer.evse_no, offer.tariff, offer.digest
    if isinstance(outcome, Command):
        return ToldTariff(*named, SENT, None, outcome.id, now)
    state = UNSAYABLE if isinstance(outcome, InvalidInput) else FAILED
    return ToldTariff(*named, state, outcome.message, None, now)


async def _withdraw(
    connection: AsyncConnection, places: Sequence[Place], now: datetime
) -> list[Command | WattbookError]:
    """Take what these EVSEs were told off their stations."""
    requests = [
        CommandRequest(station, "ClearTariffs", {"evseId": evse}, now + ANSWERED_WITHIN, repeatable=True)
        for station, evse in places
    ]
    return await submit(connection, requests, requested_by=REQUESTED_BY, now=now) if requests else []


async def _forget(connection: AsyncConnection, places: Sequence[Place]) -> None:
    await connection.execute(
        text("""
            DELETE FROM ocpp.told_tariffs AS told
            USING unnest(CAST(:stations AS text[]), CAST(:evses AS int[])) AS gone(station, evse)
            WHERE (told.station_id, told.evse_no) = (gone.station, gone.evse)
        """),
        {"stations": [station for station, _ in places], "evses": [evse for _, evse in places]},
    )


async def _keep(connection: AsyncConnection, told: Sequence[ToldTariff]) -> None:
    await connection.execute(
        text("""
            INSERT INTO ocpp.told_tariffs AS known
            SELECT * FROM jsonb_populate_recordset(NULL::ocpp.told_tariffs, CAST(:given AS jsonb))
            ON CONFLICT (station_id, evse_no) DO UPDATE
            SET tariff = excluded.tariff, digest = excluded.digest, state = excluded.state,
                because = excluded.because, command_id = excluded.command_id, changed_at = excluded.changed_at
        """),
        {"given": json_text(told)},
    )
