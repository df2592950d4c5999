"""What the people of a house are told: a bill, a credit, a tier that lies ahead, readings that are missing.

A notice of a bill or a credit note is written by the transaction that issues it. The others are written by whoever
looks at houses from time to time (`watching`). Each is named by what it is about, so the same is told once, however
often it is found.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import driver_of
from wattbook.household import tables
from wattbook.household.bills.bill import Bill, CreditNote
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Money

SHOWN_MAX: Final = 1_000


class About(StrEnum):
    """What a notice is about."""

    BILL = "bill"
    CREDIT = "credit"
    """A credit note; one that charges more says so."""
    TIER = "tier"
    """The period is expected to end in a higher tier than the house is in."""
    MISSING = "missing"
    """Readings did not come."""


class Notice(NamedTuple):
    """What a house is told; `id` names what it is about."""

    id: str
    household: str
    kind: About
    words: str
    at: datetime


async def tell(connection: AsyncConnection, notices: Sequence[Notice]) -> int:
    """Keep notices; how many are new. What was told before is not told again."""
    if not notices:
        return 0
    added = await connection.execute(
        text("""
            INSERT INTO household.notices (id, household, kind, words, at)
            SELECT * FROM unnest(CAST(:id AS text[]), CAST(:household AS text[]), CAST(:kind AS text[]),
                CAST(:words AS text[]), CAST(:at AS timestamptz[]))
            ON CONFLICT (id) DO NOTHING
        """),
        {
            "id": [notice.id for notice in notices],
            "household": [notice.household for notice in notices],
            "kind": [str(notice.kind) for notice in notices],
            "words": [notice.words for notice in notices],
            "at": [utc(notice.at) for notice in notices],
        },
    )
    return added.rowcount


async def tell_of_bills(connection: AsyncConnection, bills: Sequence[Bill]) -> None:
    """By COPY, as bills are added: a bill is added once, and so is its notice."""
    if not bills:
        return
    async with (
        driver_of(connection).cursor() as cursor,
        cursor.copy(b"COPY household.notices (id, household, kind, words, at) FROM STDIN") as copy,
    ):
        for bill in bills:
            await copy.write_row((f"bill:{bill.id}", bill.household, "bill", _of_bill(bill), bill.issued_at))


async def tell_of_credit_notes(connection: AsyncConnection, notes: Sequence[CreditNote]) -> None:
    """Those that change what is owed, or make a provisional bill final."""
    changing = [note for note in notes if note.lines.total or note.becomes]
    if changing:
        await connection.execute(
            text("""
                INSERT INTO household.notices (id, household, kind, words, at)
                SELECT 'credit:' || note.id, bill.household, 'credit', note.words, note.at
                FROM unnest(CAST(:id AS text[]), CAST(:bill AS text[]), CAST(:words AS text[]),
                    CAST(:at AS timestamptz[])) AS note(id, bill, words, at)
                JOIN household.bills AS bill ON bill.id = note.bill
            """),
            {
                "id": [note.id for note in changing],
                "bill": [note.bill for note in changing],
                "words": [_of_credit_note(note) for note in changing],
                "at": [note.issued_at for note in changing],
            },
        )


async def notices_of_house(connection: AsyncConnection, household: str, *, limit: int = 100) -> list[Notice]:
    """The newest first.

    Raises:
        InvalidInput: a limit that is none.
    """
    if not 0 < limit <= SHOWN_MAX:
        raise InvalidInput(f"1 to {SHOWN_MAX} notices can be asked for, not {limit}")
    kept = tables.notices.c
    wanted = (
        select(kept.id, kept.household, kept.kind, kept.words, kept.at)
        .where(kept.household == household)
        .order_by(kept.at.desc(), kept.id.desc())
        .limit(limit)
    )
    return [Notice(row[0], row[1], About(row[2]), row[3], row[4]) for row in await connection.execute(wanted)]


def _of_bill(bill: Bill) -> str:
    words = f"The bill for {bill.period.first} to {bill.period.last} is {bill.total}"
    part = "; a part of it is an estimate, which a reading that comes later corrects" if bill.estimated_mwh else ""
    return f"{words}{part}."


def _of_credit_note(note: CreditNote) -> str:
    first_day = note.bill.rpartition(":")[2]
    is_credit = note.lines.total > 0
    final = " It is final now." if note.becomes == "final" else ""
    if not note.lines.total:
        what = (
            "final: readings came and say what was estimated" if final else "provisional: a part of it is an estimate"
        )
        return f"The bill from {first_day} on is {what}."
    with_interest = f", with {Money(note.interest, note.total.currency)} interest on it" if note.interest else ""
    changed = f"{note.total} lower{with_interest}" if is_credit else f"{-note.total} higher"
    if note.reason == "readings":
        why = "readings changed"
    else:
        why = "energy was paid elsewhere" if is_credit else "a payment does not count any more"
    return f"The bill from {first_day} on is {changed}: {why}.{final}"
