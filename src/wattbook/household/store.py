"""The SQL of the household room: every function takes a batch and uses one statement, locking houses two."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import driver_of
from wattbook.household import tables

Row = Mapping[str, Any]
Asked = Sequence[tuple[str, datetime, datetime]]
"""Of which house, from when, to when."""

_ASKED = """
    unnest(CAST(:households AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
    WITH ORDINALITY AS asked(household, since, until, place)
"""


def _asked(asked: Asked) -> dict[str, Any]:
    return {
        "households": [household for household, _, _ in asked],
        "since": [since for _, since, _ in asked],
        "until": [until for _, _, until in asked],
    }


def _rows(found: CursorResult[Any]) -> list[Row]:
    return [dict(row) for row in found.mappings()]


# Houses, bills, credit notes


async def lock_houses(connection: AsyncConnection, households: Sequence[str]) -> None:
    """Nobody else bills these houses or receives payments for them before this transaction ends."""
    ordered = {"households": sorted(set(households))}
    await connection.execute(
        text("""
            INSERT INTO household.houses (id) SELECT unnest(CAST(:households AS text[])) ON CONFLICT DO NOTHING
        """),
        ordered,
    )
    await connection.execute(
        text("SELECT FROM household.houses WHERE id = ANY(CAST(:households AS text[])) ORDER BY id FOR UPDATE"), ordered
    )


async def bills_of_households(connection: AsyncConnection, households: Sequence[str]) -> list[Row]:
    bills = tables.bills
    found = await connection.execute(
        select(bills).where(bills.c.household.in_(households)).order_by(bills.c.household, bills.c.first_day)
    )
    return _rows(found)


async def find_bills(connection: AsyncConnection, ids: Sequence[str]) -> list[Row]:
    bills = tables.bills
    found = await connection.execute(
        select(bills).where(bills.c.id.in_(ids)).order_by(bills.c.household, bills.c.first_day)
    )
    return _rows(found)


async def add_bill_estimates(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(insert(tables.bill_estimates), rows)


async def bill_estimates(connection: AsyncConnection, bills: Sequence[str]) -> list[Row]:
    kept = tables.bill_estimates
    wanted = select(kept).where(kept.c.bill.in_(bills)).order_by(kept.c.bill, kept.c.meter, kept.c.since)
    return _rows(await connection.execute(wanted))


async def bills_in_time(connection: AsyncConnection, asked: Asked) -> list[Row]:
    found = await connection.execute(
        text(f"""
            SELECT DISTINCT ON (bill.household, bill.first_day) bill.* FROM {_ASKED}
            CROSS JOIN LATERAL (
                SELECT * FROM household.bills WHERE household = asked.household
                    AND starts_at < asked.until AND asked.since < ends_at
                OFFSET 0 -- house by house through the index, however many bills there are
            ) AS bill
            ORDER BY bill.household, bill.first_day
        """),
        _asked(asked),
    )
    return _rows(found)


async def credit_notes_of_bills(connection: AsyncConnection, bills: Sequence[str]) -> list[Row]:
    notes = tables.credit_notes
    found = await connection.execute(
        select(notes).where(notes.c.bill.in_(bills)).order_by(notes.c.bill, notes.c.revision)
    )
    return _rows(found)


async def add_bills(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """By COPY: a bill run adds thousands at once."""
    if not rows:
        return
    names = list(rows[0])
    async with (
        driver_of(connection).cursor() as cursor,
        cursor.copy(f"COPY household.bills ({', '.join(names)}) FROM STDIN".encode()) as copy,
    ):
        for row in rows:
            await copy.write_row([row[name] for name in names])


async def add_credit_notes(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(insert(tables.credit_notes), rows)


async def note_reviews(connection: AsyncConnection, bills: Sequence[str], now: datetime) -> None:
    await connection.execute(
        text("""
            INSERT INTO household.reviews (bill, since) SELECT bill, :now FROM unnest(CAST(:bills AS text[])) AS bill
            ON CONFLICT (bill) DO NOTHING
        """),
        {"bills": list(bills), "now": now},
    )


async def take_reviews(connection: AsyncConnection, limit: int) -> list[str]:
    """Bills to be assessed again, which are noted no longer; others take other ones at the same time."""
    found = await connection.execute(
        text("""
            DELETE FROM household.reviews WHERE bill IN (
                SELECT bill FROM household.reviews ORDER BY bill LIMIT :limit FOR UPDATE SKIP LOCKED
            ) RETURNING bill
        """),
        {"limit": limit},
    )
    return list(found.scalars())


# Payments


async def add_payments(connection: AsyncConnection, rows: Sequence[Row]) -> set[tuple[str, str]]:
    """Add what is not there yet, in the order of its identity; the (server, id) that were added.

    Waits for another transaction that is adding the same one, whatever house it names.
    """
    names = (
        "server", "id", "household", "energy_mwh", "started_at", "ended_at", "received_at", "amount", "currency",
        "state", "split",
    )  # fmt: skip
    ordered = sorted(rows, key=lambda row: (row["server"], row["id"]))
    found = await connection.execute(
        text(f"""
            INSERT INTO household.payments ({", ".join(names)})
            SELECT * FROM unnest(
                CAST(:server AS text[]), CAST(:id AS text[]), CAST(:household AS text[]), CAST(:energy_mwh AS bigint[]),
                CAST(:started_at AS timestamptz[]), CAST(:ended_at AS timestamptz[]),
                CAST(:received_at AS timestamptz[]), CAST(:amount AS bigint[]), CAST(:currency AS text[]),
                CAST(:state AS text[]), CAST(:split AS text[]))
            ON CONFLICT (server, id) DO NOTHING RETURNING server, id
        """),
        {name: [row[name] for row in ordered] for name in names},
    )
    return {(server, payment) for server, payment in found}


async def add_payment_parts(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(insert(tables.payment_parts), rows)


async def payments(connection: AsyncConnection, identities: Sequence[tuple[str, str]]) -> list[Row]:
    """Those that are there, each with `part_ends` and `part_energies`, in the order in which the parts ended."""
    found = await connection.execute(
        text("""
            SELECT payment.*, (
                SELECT array_agg(part.ended_at ORDER BY part.ended_at) FROM household.payment_parts AS part
                WHERE (part.server, part.payment) = (payment.server, payment.id)
            ) AS part_ends, (
                SELECT array_agg(part.energy_mwh ORDER BY part.ended_at) FROM household.payment_parts AS part
                WHERE (part.server, part.payment) = (payment.server, payment.id)
            ) AS part_energies
            FROM household.payments AS payment
            JOIN unnest(CAST(:servers AS text[]), CAST(:ids AS text[])) AS asked(server, id) USING (server, id)
        """),
        {"servers": [server for server, _ in identities], "ids": [payment for _, payment in identities]},
    )
    return _rows(found)


async def payments_of_households(connection: AsyncConnection, households: Sequence[str]) -> list[Row]:
    paid = tables.payments
    found = await connection.execute(
        select(paid)
        .where(paid.c.household.in_(households))
        .order_by(paid.c.household, paid.c.ended_at, paid.c.server, paid.c.id)
    )
    return _rows(found)


async def withdraw_payments(connection: AsyncConnection, identities: Sequence[tuple[str, str]]) -> None:
    if not identities:
        return
    await connection.execute(
        text("""
            UPDATE household.payments AS payment SET state = 'withdrawn'
            FROM unnest(CAST(:servers AS text[]), CAST(:ids AS text[])) AS gone(server, id)
            WHERE (payment.server, payment.id) = (gone.server, gone.id)
        """),
        {"servers": [server for server, _ in identities], "ids": [payment for _, payment in identities]},
    )


async def paid_parts(connection: AsyncConnection, asked: Asked) -> list[tuple[int, datetime, str, str, int]]:
    """What was paid and not withdrawn, of charges that ended after `since` and at the latest at `until`.

    Each with the place of who asked for it, counted from zero.
    """
    found = await connection.execute(
        text(f"""
            SELECT asked.place - 1, part.ended_at, part.server, part.payment, part.energy_mwh
            FROM {_ASKED}
            JOIN household.payment_parts AS part ON part.household = asked.household
                AND part.ended_at > asked.since AND part.ended_at <= asked.until
            JOIN household.payments AS payment ON (payment.server, payment.id) = (part.server, part.payment)
            WHERE payment.state = 'paid'
        """),
        _asked(asked),
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


async def payers(connection: AsyncConnection, asked: Asked) -> list[tuple[int, str, bool]]:
    """Who ever said of charges that ended in these times that they were paid: place of who asked, counted from zero;
    server; whether it told the course of any. Also of what was withdrawn."""
    found = await connection.execute(
        text(f"""
            SELECT asked.place - 1, part.server, bool_or(payment.split = 'intervals')
            FROM {_ASKED}
            JOIN household.payment_parts AS part ON part.household = asked.household
                AND part.ended_at > asked.since AND part.ended_at <= asked.until
            JOIN household.payments AS payment ON (payment.server, payment.id) = (part.server, part.payment)
            GROUP BY 1, 2 ORDER BY 1, 2
        """),
        _asked(asked),
    )
    return [(row[0], row[1], row[2]) for row in found]


async def parts_with_course(
    connection: AsyncConnection, asked: Asked
) -> list[tuple[int, datetime, datetime, str, str, int]]:
    """Parts of paid charges that came with their own intervals: place of who asked from zero, end, start, whose, mWh.

    A part begins where the part before it ended, or the charge began.
    """
    found = await connection.execute(
        text(f"""
            SELECT asked.place - 1, part.ended_at, coalesce((
                SELECT max(before.ended_at) FROM household.payment_parts AS before
                WHERE (before.server, before.payment) = (part.server, part.payment)
                    AND before.ended_at < part.ended_at
            ), payment.started_at), part.server, part.payment, part.energy_mwh
            FROM {_ASKED}
            JOIN household.payment_parts AS part ON part.household = asked.household
                AND part.ended_at > asked.since AND part.ended_at <= asked.until
            JOIN household.payments AS payment ON (payment.server, payment.id) = (part.server, part.payment)
            WHERE payment.state = 'paid' AND payment.split = 'intervals'
        """),
        _asked(asked),
    )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in found]


async def quarantine(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Keep what could not be taken in; the same again is counted, not kept twice."""
    if not rows:
        return
    names = ("digest", "code", "reason", "content", "received_at")
    latest = sorted({row["digest"]: row for row in rows}.values(), key=lambda row: str(row["digest"]))
    await connection.execute(
        text("""
            INSERT INTO household.quarantine
                (digest, code, reason, content, first_received_at, last_received_at, times)
            SELECT digest, code, reason, content, received_at, received_at, 1
            FROM unnest(CAST(:digest AS text[]), CAST(:code AS text[]), CAST(:reason AS text[]),
                        CAST(:content AS text[]), CAST(:received_at AS timestamptz[]))
                 AS given(digest, code, reason, content, received_at)
            ON CONFLICT (digest) DO UPDATE
            SET last_received_at = excluded.last_received_at, times = household.quarantine.times + 1
        """),
        {name: [row[name] for row in latest] for name in names},
    )


async def quarantined(connection: AsyncConnection, limit: int) -> list[Row]:
    kept = tables.quarantine
    found = await connection.execute(select(kept).order_by(kept.c.last_received_at.desc()).limit(limit))
    return _rows(found)
