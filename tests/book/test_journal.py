"""The journal: what a transfer says is what the database reads back, to the microsecond and the last character."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import audit
from wattbook.book.periods import close_period
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Capture, Entry, Hold, Span, Transfer, fact_id
from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX

BOOKED = datetime(2026, 11, 21, 12, 30, 15, 123_456, tzinfo=UTC)
SEOUL = timezone(timedelta(hours=9))
EARLY = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
MEMO = 'tab\t, line\nand return\r, back\\slash, "quotes", \\N, 한글, 🔌'
GRID, METER = Account("dso", "grid", ENERGY), Account("m1", "meter", ENERGY)
BANK, ANNA = Account("bank", "cash", "KRW"), Account("anna", "wallet", "KRW")


async def test_every_column_of_a_transfer_is_read_back_as_it_was_written(database: Database) -> None:
    local = datetime(2026, 11, 1, 8, 59, tzinfo=SEOUL)  # still October in UTC
    span = Span(local - timedelta(minutes=15), local)
    groups: list[list[Entry]] = [
        [Transfer(fact="early: é \\ 🔌", debit=METER, credit=GRID, amount=AMOUNT_MAX, event_at=EARLY, memo=MEMO)],
        [
            Transfer(fact="t1", debit=BANK, credit=ANNA, amount=90, event_at=BOOKED),
            Hold(fact="h1", debit=ANNA, credit=BANK, amount=60, event_at=BOOKED, expires_at=BOOKED),
        ],
        [Capture(fact="c1", hold="h1", amount=25, event_at=BOOKED, memo="in part")],
        [Transfer(fact="span", debit=Account("m2", "meter", ENERGY), credit=Account("dso2", "grid", ENERGY), amount=7,
                  event_at=local, span=span)],
    ]  # fmt: skip
    async with database.transaction() as connection:
        await close_period(connection, date(2026, 9, 1), now=BOOKED)
        assert await post(connection, groups, booked_at=BOOKED.astimezone(SEOUL)) == [Posted.NEW] * 4
        found = await connection.execute(
            text("""
                SELECT transfer.*, debit.owner AS debit, credit.owner AS credit FROM book.transfers AS transfer
                JOIN book.accounts AS debit ON debit.id = debit_account
                JOIN book.accounts AS credit ON credit.id = credit_account
            """)
        )
        rows = {row.fact: row for row in found}

    early, top_up, hold, capture, metered = (rows[fact] for fact in ("early: é \\ 🔌", "t1", "h1", "c1", "span"))
    assert all(row.id.hex == fact_id(row.fact) and row.booked_at == BOOKED for row in rows.values())
    assert (early.event_at, early.period, early.corrects) == (EARLY, date(2026, 10, 1), date(1999, 12, 1))
    assert (early.amount, early.debit, early.credit, early.memo) == (AMOUNT_MAX, "m1", "dso", MEMO)
    assert (early.debit_balance, early.credit_balance) == (AMOUNT_MAX, -AMOUNT_MAX)
    assert [(row.kind, row.group_size, row.group_id) for row in (early, top_up, hold, capture)] == [
        (0, 1, early.id), (0, 2, top_up.id), (1, 2, top_up.id), (2, 1, capture.id)
    ]  # fmt: skip
    assert [row.hold_id for row in (early, top_up, hold, capture)] == [None, None, None, hold.id]
    assert [(row.debit_version, row.debit_balance) for row in (hold, capture)] == [(2, -90), (3, -65)]
    assert [(row.credit_version, row.credit_balance) for row in (hold, capture)] == [(2, 90), (3, 65)]
    assert (top_up.memo, capture.memo) == ("", "in part")
    assert (metered.span_start, metered.span_end) == (span.start, span.end)
    assert (early.span_start, early.span_end) == (None, None)
    assert (metered.event_at, metered.period, metered.corrects) == (local, date(2026, 10, 1), None)


async def test_a_batch_of_many_stretches_posts_in_order_and_comes_again_as_known(database: Database) -> None:
    many = [
        [
            Transfer(
                fact=f"t{n}", debit=BANK, credit=Account(f"c{n % 7}", "wallet", "KRW"), amount=n + 1, event_at=BOOKED
            )
        ]
        for n in range(350)
    ]
    many.append([Transfer(fact="t349", debit=BANK, credit=ANNA, amount=1, event_at=BOOKED)])
    many[200] = [Transfer(fact="too much", debit=ANNA, credit=BANK, amount=1, event_at=BOOKED)]
    async with database.transaction() as connection:
        first = await post(connection, many, booked_at=BOOKED)
        assert [n for n, outcome in enumerate(first) if outcome is not Posted.NEW] == [200, 350]
        again = await post(connection, many, booked_at=BOOKED)
        assert [n for n, outcome in enumerate(again) if outcome is not Posted.KNOWN] == [200, 350]
        found = await connection.execute(text("SELECT fact FROM book.transfers ORDER BY debit_version"))
        assert list(found.scalars()) == [f"t{n}" for n in range(350) if n != 200]
        assert (await audit(connection)).holds


@pytest.mark.parametrize("memo", ["a\0b", "half a character: \ud83d"])
async def test_a_memo_that_is_no_text_is_refused_and_the_others_post(database: Database, memo: str) -> None:
    async with database.transaction() as connection:
        outcomes = await post(
            connection,
            [
                [Transfer(fact="bad", debit=BANK, credit=ANNA, amount=1, event_at=BOOKED, memo=memo)],
                [Transfer(fact="good", debit=BANK, credit=ANNA, amount=1, event_at=BOOKED)],
            ],
            booked_at=BOOKED,
        )
    assert isinstance(outcomes[0], InvalidInput)
    assert outcomes[1] is Posted.NEW
