"""Credit notes: together never more than the document, and exactly all of it once every line is credited."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.billing.market import (
    DEBTOR,
    ISSUED,
    PREPAID,
    ZONE,
    charge,
    invoiced,
    one_after_another,
)
from tests.charging.world import US, posted
from wattbook.billing.credits import credit
from wattbook.billing.documents import Document
from wattbook.db.engine import Database
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused

KWH = ["1.001", "2.017", "3.303", "0.777", "5.5"]


async def credited(database: Database, number: str, positions: list[int] | None = None) -> Document:
    async with database.transaction() as connection:
        return await credit(connection, number, reason="meter was wrong", zone=ZONE, now=ISSUED, positions=positions)


async def test_a_credit_note_in_full_leaves_nothing_owed_and_nothing_earned(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR] * 5, KWH))
    (invoice,) = await invoiced(market)
    note = await credited(market, invoice.number)
    assert (note.number, note.reference, note.total) == ("LN-2026-C000001", invoice.number, -invoice.total)
    async with market.snapshot() as connection:
        for owner, purpose in ((DEBTOR, "receivable"), (US, "revenue"), (US, "tax"), (US, "rounding")):
            assert await posted(connection, owner, purpose, "EUR") == 0, purpose


async def test_what_was_paid_from_a_wallet_returns_to_it(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([PREPAID], ["4"]))
        left = await posted(connection, PREPAID, "wallet", "EUR")
    (invoice,) = await invoiced(market)
    note = await credited(market, invoice.number)
    async with market.snapshot() as connection:
        assert await posted(connection, PREPAID, "wallet", "EUR") == left - note.total


async def test_notes_of_any_cut_and_order_sum_to_the_document(market: Database) -> None:
    for seed in range(10):
        choose = random.Random(seed)
        kwh = [f"{choose.randint(1, 9_999)}e-3" for _ in range(5)]
        later = timedelta(days=seed)
        async with market.transaction() as connection:
            charges = one_after_another([DEBTOR] * 5, kwh)
            await charge(connection, [each._replace(begins=each.begins + later) for each in charges])
        (invoice,) = await invoiced(market)
        order = choose.sample(range(1, 11), 10)
        borders = [0, *sorted(choose.sample(range(1, 10), choose.randint(0, 4))), 10]
        notes = [await credited(market, invoice.number, order[start:end]) for start, end in pairwise(borders)]
        assert sum(note.total for note in notes) == -invoice.total, seed
        assert sum(note.tax for note in notes) == -invoice.tax, seed
        async with market.snapshot() as connection:
            assert await posted(connection, DEBTOR, "receivable", "EUR") == 0, seed


async def test_a_line_is_credited_once_and_a_credit_note_never(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR] * 2, ["1", "2"]))
    (invoice,) = await invoiced(market)
    note = await credited(market, invoice.number, [2])
    with pytest.raises(Conflict, match="credited already"):
        await credited(market, invoice.number, [2, 3])
    with pytest.raises(Refused, match="invoices and receipts"):
        await credited(market, note.number)
    with pytest.raises(NotFound, match="lines 1 to 4"):
        await credited(market, invoice.number, [9])
    await credited(market, invoice.number)
    with pytest.raises(Conflict, match="in full already"):
        await credited(market, invoice.number)
    async with market.transaction() as connection:
        with pytest.raises(InvalidInput, match="says why"):
            await credit(connection, invoice.number, reason=" ", zone=ZONE, now=ISSUED)
