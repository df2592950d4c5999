"""Which messages of a session were heard, where its station counts them (OCPP 2.x).

A station repeats what was not answered, under the same number, and sends late what it could not send; so a message
counts once. Until a transaction has begun as a session, whoever hears the station counts. Then the session does, from
there on for good: `hand_over`. What is surely the next message is counted with its readings, by
`meter_values.record_next`; every other one is counted here first.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Key = tuple[str, str]
"""Station and transaction id."""


class Heard(Struct, frozen=True, gc=False):
    """A message of a session; `told_at` is by the station's clock."""

    station_id: str
    transaction_id: str
    number: int
    told_at: datetime


class Counted(Struct, frozen=True, gc=False):
    """What is known of a session when a message of it is counted.

    Attributes:
        fresh: the message was not heard before.
        register_mwh: of energy drawn, as far as it was read.
    """

    fresh: bool
    register_mwh: int | None


async def count(connection: AsyncConnection, heard: Sequence[Heard]) -> dict[Key, Counted]:
    """Count messages, at most one a session; sessions that do not count, or are not known, are left out.

    A number that comes again with a later time than any before is no repetition: some stations do not count.
    """
    if not heard:
        return {}
    found = await connection.execute(
        text("""
            WITH known AS (
                SELECT session.id, session.station_id, session.transaction_id, session.import_register_mwh, number,
                       NOT session.heard @> number OR said.at > session.told_at AS fresh,
                       greatest(session.told_at, said.at) AS told_at
                FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[]), CAST(:numbers AS bigint[]),
                            CAST(:times AS timestamptz[])) AS said(station, transaction, number, at)
                JOIN charging.sessions AS session
                  ON (session.station_id, session.transaction_id) = (said.station, said.transaction)
                WHERE session.heard IS NOT NULL
                ORDER BY session.id FOR NO KEY UPDATE OF session
            ), counted AS (
                UPDATE charging.sessions AS session
                SET heard = session.heard + int8multirange(int8range(known.number, known.number, '[]')),
                    told_at = known.told_at
                FROM known WHERE session.id = known.id
            )
            SELECT station_id, transaction_id, fresh, import_register_mwh FROM known
        """),
        {
            "stations": [each.station_id for each in heard],
            "transactions": [each.transaction_id for each in heard],
            "numbers": [each.number for each in heard],
            "times": [each.told_at for each in heard],
        },
    )
    return {(row[0], row[1]): Counted(*row[2:]) for row in found}


async def hand_over(connection: AsyncConnection, counted: Sequence[tuple[str, str, str, datetime]]) -> None:
    """From now on these sessions count: (station, transaction, numbers heard so far, time of the newest).

    Numbers are written as PostgreSQL writes a `int8multirange`.
    """
    if not counted:
        return
    stations, transactions, numbers, times = (list(column) for column in zip(*counted, strict=True))
    await connection.execute(
        text("""
            UPDATE charging.sessions AS session
            SET heard = coalesce(session.heard, '{}') + CAST(said.numbers AS int8multirange),
                told_at = greatest(session.told_at, said.at)
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[]), CAST(:numbers AS text[]),
                        CAST(:times AS timestamptz[])) AS said(station, transaction, numbers, at)
            WHERE (session.station_id, session.transaction_id) = (said.station, said.transaction)
        """),
        {"stations": stations, "transactions": transactions, "numbers": numbers, "times": times},
    )


async def heard_of(connection: AsyncConnection, transactions: Sequence[Key]) -> dict[Key, tuple[str, datetime]]:
    """Of sessions that count: numbers heard, as PostgreSQL writes a `int8multirange`, and the time of the newest."""
    found = await connection.execute(
        text("""
            SELECT station_id, transaction_id, heard::text, told_at FROM charging.sessions
            JOIN unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS asked(station, transaction)
              ON (station_id, transaction_id) = (asked.station, asked.transaction)
            WHERE heard IS NOT NULL
        """),
        {
            "stations": [station for station, _ in transactions],
            "transactions": [transaction for _, transaction in transactions],
        },
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in found}
