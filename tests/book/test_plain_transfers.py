"""The short way for a transfer that is alone in its group ends where the way for every group ends."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattbook.book.accounts import PURPOSES, Account
from wattbook.book.batch import Batch
from wattbook.book.journal import Journal
from wattbook.book.locks import AccountRow
from wattbook.book.store import Content, Kind
from wattbook.book.transfers import Span, Transfer, fact_key
from wattbook.db.arrays import bigints
from wattbook.kernel.errors import WattbookError
from wattbook.kernel.units import AMOUNT_MAX

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWNERS = [
    *(Account(f"c{n}", "wallet", "KRW") for n in range(3)),
    Account("b1", "cash", "KRW"),
    Account("b2", "cash", "KRW"),
]
KNOWN = fact_key("fact:0")

transfers = st.builds(
    Transfer,
    fact=st.integers(0, 12).map("fact:{}".format) | st.just(""),
    debit=st.sampled_from(OWNERS),
    credit=st.sampled_from(OWNERS),
    amount=st.integers(-1, 60) | st.sampled_from([AMOUNT_MAX, AMOUNT_MAX - 60, AMOUNT_MAX + 1]),
    event_at=st.sampled_from([NOW, NOW - timedelta(days=90), NOW.replace(tzinfo=None)]),
    span=st.none() | st.just(Span(NOW - timedelta(hours=1), NOW)),
    memo=st.sampled_from(["", "", "why", "\0"]),
)
groups = st.lists(st.lists(transfers, min_size=1, max_size=1) | st.lists(transfers, max_size=3), max_size=15)
numbers = st.tuples(*[st.integers(0, 100)] * 4)
floors = st.none() | st.integers(-50, 50)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(played=groups, state=st.lists(st.tuples(numbers, floors), min_size=len(OWNERS), max_size=len(OWNERS)))
def test_the_short_way_ends_where_the_way_for_every_group_ends(
    played: list[list[Transfer]], state: list[tuple[tuple[int, int, int, int], int | None]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        short = play(played, state)
        patch.setattr(Batch, "_play_plain", lambda *_: False)
        assert short == play(played, state)


def play(played: list[list[Transfer]], state: list[tuple[tuple[int, int, int, int], int | None]]) -> tuple[Any, ...]:
    """Outcomes in words, the lines of the journal and the accounts after a batch."""
    rows = [
        AccountRow(account, PURPOSES[account.purpose].side == "debit", number, floor, *four, 5, 5,
                   number.to_bytes(12, "big"), b"before")
        for number, (account, (four, floor)) in enumerate(zip(OWNERS, state, strict=True))
    ]  # fmt: skip
    known = {KNOWN: Content(Kind.TRANSFER, 0, 3, 7, None, NOW, None)}
    ids = [[fact_key(entry.fact) for entry in group] for group in played]
    batch = Batch(played, ids, {row.key: row for row in rows}, {}, known, Journal(NOW, date(2026, 9, 1)))
    outcomes = [
        f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, WattbookError) else outcome.value
        for outcome in map(batch._play_group, played, ids)
    ]
    return outcomes, batch._lines, rows


def test_an_array_of_numbers_says_their_length_and_each_of_them() -> None:
    assert bigints([1, -1]).hex() == "".join(
        [
            "00000001",
            "00000000",
            "00000014",
            "00000002",
            "00000001",
            "00000008",
            "0000000000000001",
            "00000008",
            "f" * 16,
        ]
    )
    assert bigints([]).hex() == "000000000000000000000014"
