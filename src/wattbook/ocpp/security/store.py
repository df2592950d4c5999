"""The SQL of security."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.security import tables

OVERLAP: Final = timedelta(seconds=60)
"""A row is seen when its transaction has committed: later than its `changed_at`, but never by more than this."""


@dataclass(frozen=True, slots=True)
class StationSecurity:
    """What a station must prove, and with what."""

    station_id: str
    profile: int | None = None
    hex_passwords: bool = False
    password_hashes: tuple[bytes, ...] = ()
    next_profile: int | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate of our own authority."""

    serial_number: str
    root: int
    station_id: str
    pem: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_because: str | None = None
    renewal_asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expiring:
    """A station whose certificate ends soon, and when it was last told to ask for another."""

    station_id: str
    expires_at: datetime
    asked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """What happened at the door, and how often in a row."""

    station_id: str
    kind: str
    detail: str
    times: int
    first_at: datetime
    last_at: datetime


async def changed(connection: AsyncConnection, since: datetime | None) -> tuple[datetime, list[StationSecurity]]:
    """What changed since the moment an earlier call returned (None: everything), and the moment of this call."""
    moment = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    rows = select(*(tables.station_security.c[name] for name in StationSecurity.__slots__))
    if since is not None:
        rows = rows.where(tables.station_security.c.changed_at > since - OVERLAP)
    return moment, [_security(row) for row in await connection.execute(rows)]


async def lock_security(connection: AsyncConnection, station_id: str) -> StationSecurity:
    """The station's row, locked until the transaction ends; made if it has none."""
    table = tables.station_security
    empty = {"station_id": station_id, "hex_passwords": False, "password_hashes": [], "changed_at": _moment}
    await connection.execute(upsert(table).values(empty).on_conflict_do_nothing())
    columns = [table.c[name] for name in StationSecurity.__slots__]
    found = await connection.execute(select(*columns).where(table.c.station_id == station_id).with_for_update())
    return _security(found.one())


async def save_security(connection: AsyncConnection, security: StationSecurity) -> None:
    """Replace a row that is locked."""
    table = tables.station_security
    values = asdict(security) | {"password_hashes": list(security.password_hashes), "changed_at": _moment}
    await connection.execute(update(table).where(table.c.station_id == security.station_id).values(values))


async def retire_passwords(connection: AsyncConnection, newest: Sequence[tuple[str, bytes]]) -> None:
    """End all but the newest password of stations that came with it, if it still is the newest."""
    await connection.execute(
        text("""
            UPDATE ocpp.station_security AS kept
            SET password_hashes = ARRAY[given.hash], changed_at = clock_timestamp()
            FROM unnest(CAST(:stations AS text[]), CAST(:hashes AS bytea[])) AS given(station_id, hash)
            WHERE kept.station_id = given.station_id AND cardinality(kept.password_hashes) > 1
                AND kept.password_hashes[cardinality(kept.password_hashes)] = given.hash
        """),
        {"stations": [station for station, _ in newest], "hashes": [hashed for _, hashed in newest]},
    )


async def raise_profiles(connection: AsyncConnection, risen: Sequence[tuple[str, int]]) -> None:
    """Ask of these stations the profile that they were to reach, if they still are."""
    await connection.execute(
        text("""
            UPDATE ocpp.station_security AS kept
            SET profile = given.profile, next_profile = NULL, changed_at = clock_timestamp()
            FROM unnest(CAST(:stations AS text[]), CAST(:profiles AS smallint[])) AS given(station_id, profile)
            WHERE kept.station_id = given.station_id AND kept.next_profile = given.profile
        """),
        {"stations": [station for station, _ in risen], "profiles": [profile for _, profile in risen]},
    )


async def keep_issued(connection: AsyncConnection, issued: Issued) -> None:
    await connection.execute(insert(tables.certificates).values(asdict(issued)))


async def issued_since(connection: AsyncConnection, station_id: str, since: datetime) -> int:
    """How many certificates a station got."""
    found = await connection.execute(
        text("SELECT count(*) FROM ocpp.certificates WHERE station_id = :station AND issued_at > :since"),
        {"station": station_id, "since": since},
    )
    return int(found.scalar_one())


async def find_issued(connection: AsyncConnection, serial_numbers: Sequence[str]) -> dict[str, Issued]:
    table = tables.certificates
    return {
        each.serial_number: each
        for each in [
            Issued(**row._mapping)
            for row in await connection.execute(select(table).where(table.c.serial_number.in_(list(serial_numbers))))
        ]
    }


async def issued_to(connection: AsyncConnection, station_id: str) -> list[Issued]:
    """All certificates of a station, newest first."""
    table = tables.certificates
    rows = select(table).where(table.c.station_id == station_id).order_by(table.c.issued_at.desc())
    return [Issued(**row._mapping) for row in await connection.execute(rows)]


async def set_revoked(connection: AsyncConnection, serial_numbers: Sequence[str], because: str, now: datetime) -> int:
    """How many were not revoked before."""
    table = tables.certificates
    chosen = table.c.serial_number.in_(list(serial_numbers)) & table.c.revoked_at.is_(None)
    done = await connection.execute(update(table).where(chosen).values(revoked_at=now, revoked_because=because))
    return done.rowcount


async def revoked(connection: AsyncConnection, now: datetime) -> frozenset[int]:
    """Serial numbers of revoked certificates that have not expired."""
    found = await connection.execute(
        text("SELECT serial_number FROM ocpp.certificates WHERE revoked_at IS NOT NULL AND expires_at > :now"),
        {"now": now},
    )
    return frozenset(int(serial, 16) for serial in found.scalars())


async def expiring(
    connection: AsyncConnection, before: datetime, now: datetime, *, asked_before: datetime | None = None, limit: int
) -> list[Expiring]:
    """Stations whose last valid certificate ends before this moment, the first to end first; with `asked_before`,
    only those that can be told, and were not since then."""
    found = await connection.execute(
        text("""
            SELECT station_id, max(expires_at) AS expires_at, max(renewal_asked_at) AS asked_at
            FROM ocpp.certificates
            WHERE revoked_at IS NULL AND expires_at > :now AND expires_at < :before
              AND NOT EXISTS (
                SELECT FROM ocpp.certificates AS newer
                WHERE newer.station_id = certificates.station_id AND newer.revoked_at IS NULL
                  AND newer.expires_at >= :before)
              AND (CAST(:asked_before AS timestamptz) IS NULL
                   OR EXISTS (SELECT FROM ocpp.connections AS met WHERE met.station_id = certificates.station_id))
            GROUP BY station_id
            HAVING CAST(:asked_before AS timestamptz) IS NULL
                OR coalesce(max(renewal_asked_at) < :asked_before, true)
            ORDER BY 2, 1 LIMIT :limit
        """),
        {"before": before, "now": now, "asked_before": asked_before, "limit": limit},
    )
    return [Expiring(*row) for row in found]


async def keep_events(connection: AsyncConnection, events: Sequence[SecurityEvent]) -> None:
    if events:
        await connection.execute(insert(tables.security_events), [asdict(event) for event in events])


async def latest_events(
    connection: AsyncConnection, station_id: str | None = None, *, limit: int = 100
) -> list[SecurityEvent]:
    """What happened at the door, newest first."""
    return [event for _, event in await events_page(connection, station_id, limit=limit)]


async def events_page(
    connection: AsyncConnection,
    station_id: str | None = None,
    *,
    kind: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[tuple[int, SecurityEvent]]:
    """The same with their numbers; with `before`, those that were written down before the one of this number."""
    table = tables.security_events
    fields = [table.c[name] for name in SecurityEvent.__slots__]
    rows = select(table.c.id, *fields).order_by(table.c.id.desc()).limit(limit)
    if station_id is not None:
        rows = rows.where(table.c.station_id == station_id)
    if kind is not None:
        rows = rows.where(table.c.kind == kind)
    if before is not None:
        rows = rows.where(table.c.id < before)
    return [(number, SecurityEvent(*fields)) for number, *fields in await connection.execute(rows)]


async def find_security(connection: AsyncConnection, station_id: str) -> StationSecurity:
    """What is set for a station, or nothing."""
    table = tables.station_security
    columns = [table.c[name] for name in StationSecurity.__slots__]
    row = (await connection.execute(select(*columns).where(table.c.station_id == station_id))).one_or_none()
    return StationSecurity(station_id) if row is None else _security(row)


async def ask_renewal(connection: AsyncConnection, stations: Sequence[str], now: datetime) -> None:
    """Note when these stations were told to ask for another certificate, at their last ones."""
    await connection.execute(
        text("""
            UPDATE ocpp.certificates SET renewal_asked_at = :now
            WHERE serial_number IN (
                SELECT DISTINCT ON (station_id) serial_number FROM ocpp.certificates
                WHERE station_id = ANY(CAST(:stations AS text[])) AND revoked_at IS NULL
                ORDER BY station_id, expires_at DESC)
        """),
        {"stations": list(stations), "now": now},
    )


_moment = text("clock_timestamp()")


def _security(row: Sequence[object]) -> StationSecurity:
    station_id, profile, hex_passwords, hashes, next_profile = row
    assert isinstance(station_id, str), "text"
    assert profile is None or isinstance(profile, int), "smallint"
    assert next_profile is None or isinstance(next_profile, int), "smallint"
    assert isinstance(hashes, list), "an array"
    known = tuple(bytes(each) for each in hashes)
    return StationSecurity(station_id, profile, bool(hex_passwords), known, next_profile)
