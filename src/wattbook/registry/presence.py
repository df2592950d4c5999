"""What a station last said of itself: when it was seen, what it is, how it and its connectors do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.registry import checks, store, tables
from wattbook.registry.sites import Site
from wattbook.registry.stations import NUMBER_MAX, Acceptance, Station

OUT_OF_SERVICE = frozenset({"Faulted", "Unavailable"})
"""Statuses of OCPP, spelled alike in 1.6 and 2.x, in which nothing may start."""

PAGE_SIZE_MAX = 1_000
_NUMBERS = frozenset(range(NUMBER_MAX + 1))


@dataclass(frozen=True, slots=True)
class Boot:
    """What a station says of itself when it starts."""

    station: str
    vendor: str
    model: str
    serial: str | None
    firmware: str | None
    booted_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """How a station, an EVSE or a connector does.

    Attributes:
        evse_no: number of the EVSE (OCPP 1.6: connectorId); 0 for the station itself.
        connector_no: number within the EVSE; 0 for the whole EVSE, and always in OCPP 1.6.
        status: in the words of the station's protocol.
        at: when it began. The newest one stays, so a caller bounds a station's clock that runs ahead.
    """

    station: str
    evse_no: int
    connector_no: int
    status: str
    error_code: str | None
    at: datetime

    @property
    def out_of_service(self) -> bool:
        return self.status in OUT_OF_SERVICE


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known from a station's own words; all but the last is None until its first boot."""

    station: str
    vendor: str | None
    model: str | None
    serial: str | None
    firmware: str | None
    booted_at: datetime | None
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class StationOverview:
    """A line of the list of stations."""

    station: Station
    site: Site
    presence: Presence | None
    statuses: tuple[Status, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """All stations in numbers.

    Attributes:
        online: heard of since the moment asked for.
        out_of_service: heard of since then, and the station or one of its EVSEs is out of service.
    """

    stations: int
    online: int
    out_of_service: int


@dataclass(frozen=True, slots=True)
class _Said:
    station: str
    booted_at: datetime | None
    statuses: tuple[Status, ...]


async def record_boots(connection: AsyncConnection, boots: Sequence[Boot]) -> list[Acceptance | None]:
    """Keep each station's newest boot.

    Returns:
        for each, whether the station may work; None if it is not registered, and then nothing is kept.
    """
    if not boots:
        return []
    answers = await store.record_boots(connection, [_boot_row(boot) for boot in boots])
    return [None if answer is None else Acceptance(answer) for answer in answers]


async def record_statuses(connection: AsyncConnection, statuses: Sequence[Status]) -> list[bool]:
    """Keep each status that is not older than the one known; of two of the same time the later arrival.

    Returns:
        for each, whether it is the one kept; False also if the station is not registered or has no such numbers.
    """
    possible = [status for status in statuses if {status.evse_no, status.connector_no} <= _NUMBERS]
    if not possible:
        return [False] * len(statuses)
    kept = iter(await store.record_statuses(connection, [_status_row(status) for status in possible]))
    return [{status.evse_no, status.connector_no} <= _NUMBERS and next(kept) for status in statuses]


async def touch(connection: AsyncConnection, seen: Sequence[tuple[str, datetime]]) -> None:
    """Note that these stations were heard of at these times; one that is not registered is passed over."""
    if seen:
        await store.touch(connection, [(station, utc(at)) for station, at in seen])


async def makers(connection: AsyncConnection, stations: Sequence[str]) -> list[tuple[str, str] | None]:
    """Of each station the vendor and model it said at its last boot; None if it never booted."""
    found = await store.makers(connection, list(stations)) if stations else {}
    return [found.get(station) for station in stations]


async def boots_and_statuses(
    connection: AsyncConnection, stations: Sequence[str]
) -> dict[str, tuple[datetime | None, tuple[Status, ...]]]:
    """Of each station that said anything of itself: when it booted last, and how it and its connectors do."""
    if not stations:
        return {}
    rows = [msgspec.json.decode(row, type=_Said) for row in await store.boots_and_statuses(connection, stations)]
    return {row.station: (row.booted_at, row.statuses) for row in rows}


async def list_stations(
    connection: AsyncConnection, *, after: str = "", limit: int = PAGE_SIZE_MAX
) -> list[StationOverview]:
    """Stations in the order of their ids, from the first one after `after`.

    Raises:
        InvalidInput: a page of less than one station or more than 1000.
    """
    rows = await store.station_page(connection, after, checks.whole(limit, "stations on a page", 1, PAGE_SIZE_MAX))
    return [msgspec.json.decode(row, type=StationOverview) for row in rows]


async def fleet(connection: AsyncConnection, *, seen_since: datetime) -> Fleet:
    """Of all stations: how many there are, are heard of, and are out of service."""
    return Fleet(*await store.fleet(connection, utc(seen_since), sorted(OUT_OF_SERVICE)))


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """How many there are of each: parties, sites, stations, evses, meters, units, customers, tokens, households."""
    return await store.counts(
        connection,
        [
            tables.parties,
            tables.sites,
            tables.stations,
            tables.evses,
            tables.meters,
            tables.units,
            tables.customers,
            tables.tokens,
            tables.households,
        ],
    )


def _boot_row(boot: Boot) -> dict[str, Any]:
    at = utc(boot.booted_at)
    said = {name: _legible(getattr(boot, name)) for name in ("vendor", "model", "serial", "firmware")}
    return {"station": _possible(boot.station), "booted_at": at, "last_seen_at": at} | said


def _status_row(status: Status) -> dict[str, Any]:
    said = {"status": _legible(status.status), "error_code": _legible(status.error_code)}
    return asdict(status) | said | {"station": _possible(status.station), "at": utc(status.at)}


def _possible(station: str) -> str | None:
    return station if station.isprintable() else None


def _legible(text: str | None) -> str | None:
    """What can be stored and shown of a station's words; a station is not stopped for a stray control character."""
    if text is None:
        return None
    return "".join(character for character in text if character.isprintable())[: checks.TEXT_LENGTH_MAX]
