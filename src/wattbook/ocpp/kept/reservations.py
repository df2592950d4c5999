"""Block H: which outlets are reserved for whom, as far as their stations agreed."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.kept.answered import Answered, evse_no

USED, CANCELLED = "Used", "Cancelled"


class Reservation(Struct, frozen=True):
    """`evse_no` 0: any; `state` as the station answered or told, `Used` or `Cancelled`."""

    station_id: str
    reservation_id: int
    evse_no: int
    token_uid: str
    group_uid: str | None
    expires_at: datetime
    state: str
    changed_at: datetime


async def reserved(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ReserveNow: as the station answered; one with the same id takes the place of the former (H01)."""
    latest = {(each.station_id, _id(each)): _reservation(each) for each in answers}
    rows = [latest[key] for key in sorted(latest)]
    await connection.execute(
        text("""
            INSERT INTO ocpp.reservations AS known
                (station_id, reservation_id, evse_no, token_uid, group_uid, expires_at, state, changed_at)
            SELECT * FROM unnest(CAST(:stations AS text[]), CAST(:ids AS int[]), CAST(:evses AS int[]),
                                 CAST(:tokens AS text[]), CAST(:groups AS text[]), CAST(:expires AS timestamptz[]),
                                 CAST(:states AS text[]), CAST(:changed AS timestamptz[]))
            ON CONFLICT (station_id, reservation_id) DO UPDATE
            SET evse_no = excluded.evse_no, token_uid = excluded.token_uid, group_uid = excluded.group_uid,
                expires_at = excluded.expires_at, state = excluded.state, changed_at = excluded.changed_at
            WHERE excluded.state = 'Accepted' OR known.state <> 'Accepted'
        """),
        {
            "stations": [row.station_id for row in rows],
            "ids": [row.reservation_id for row in rows],
            "evses": [row.evse_no for row in rows],
            "tokens": [row.token_uid for row in rows],
            "groups": [row.group_uid for row in rows],
            "expires": [row.expires_at for row in rows],
            "states": [row.state for row in rows],
            "changed": [row.changed_at for row in rows],
        },
    )


async def cancelled(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """CancelReservation."""
    gone = [(each.station_id, int(each.payload["reservationId"]), CANCELLED) for each in answers if each.accepted]
    await change(connection, gone, answers[-1].at)


async def change(connection: AsyncConnection, changed: Sequence[tuple[str, int, str]], at: datetime) -> None:
    """These (station, reservation) are now so; one that is not known is passed over."""
    if not changed:
        return
    await connection.execute(
        text("""
            UPDATE ocpp.reservations AS known SET state = given.state, changed_at = :at
            FROM unnest(CAST(:stations AS text[]), CAST(:ids AS int[]), CAST(:states AS text[]))
                AS given(station, reservation, state)
            WHERE (known.station_id, known.reservation_id) = (given.station, given.reservation)
        """),
        {
            "stations": [station for station, _, _ in changed],
            "ids": [number for _, number, _ in changed],
            "states": [state for _, _, state in changed],
            "at": at,
        },
    )


async def reservations_of(connection: AsyncConnection, station_id: str, *, limit: int = 100) -> list[Reservation]:
    """The latest changed first."""
    found = await connection.execute(
        text("""
            SELECT station_id, reservation_id, evse_no, token_uid, group_uid, expires_at, state, changed_at
            FROM ocpp.reservations WHERE station_id = :station ORDER BY changed_at DESC, reservation_id LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [Reservation(*row) for row in found]


def _id(answered: Answered) -> int:
    return int(answered.payload["reservationId" if answered.is_1_6 else "id"])


def _reservation(answered: Answered) -> Reservation:
    said = answered.payload
    if answered.is_1_6:
        token, group, expires = said["idTag"], said.get("parentIdTag"), said["expiryDate"]
    else:
        token, group = said["idToken"]["idToken"], said.get("groupIdToken", {}).get("idToken")
        expires = said["expiryDateTime"]
    return Reservation(
        answered.station_id,
        _id(answered),
        evse_no(said),
        token,
        group,
        parse_rfc3339(expires),
        answered.answer["status"],
        answered.at,
    )
