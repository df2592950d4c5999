"""Paid energy beyond what the house measured in the same interval: found, listed, and never dropped."""

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.household.village import DAY, HOUR, KWH, MIDNIGHT, NOW, SERVER, UTILITY, found, hourly, measure
from wattbook.book.audit import audit
from wattbook.db.engine import Database
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill
from wattbook.household.checks import CHECKS
from wattbook.household.paid.exceptions import Part, excesses, note_exceptions
from wattbook.household.paid.payments import ChargedInterval, PaymentInformation
from wattbook.household.readings.interval_schema import Interval
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.work_list import Kind, open_work

QUARTER = timedelta(minutes=15)


def part(number: int, mwh: int, payment: str = "p", quarters: int = 1) -> Part:
    since = MIDNIGHT + number * QUARTER
    return Part(since + quarters * QUARTER, since, SERVER, payment, mwh)


def quarters(*energies_mwh: int, meter: str = "M") -> list[Interval]:
    return [
        Interval(meter, "1-0:1.8.0", MIDNIGHT + number * QUARTER, 15, mwh) for number, mwh in enumerate(energies_mwh)
    ]


def test_a_part_is_held_against_its_own_interval() -> None:
    found_excesses = excesses(quarters(100, 50, 100), [part(0, 100), part(1, 60), part(2, 10)])
    assert [(each.part.since, each.energy_mwh) for each in found_excesses] == [(MIDNIGHT + QUARTER, 10)]


def test_a_part_over_several_intervals_and_meters_takes_from_each() -> None:
    house = [*quarters(100, 50), *quarters(30, 0, meter="barn")]
    assert excesses(house, [part(0, 180, quarters=2)]) == []
    (excess,) = excesses(house, [part(0, 181, quarters=2)])
    assert excess.energy_mwh == 1
    assert [each.energy_mwh for each in excesses([], [part(0, 7)])] == [7]


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 20), st.integers(1, 4)), max_size=10),
    st.randoms(use_true_random=False),
)
def test_what_is_found_depends_on_no_order_and_loses_nothing(
    energies: list[int], charged: list[tuple[int, int, int]], chance: Random
) -> None:
    parts = [part(number, mwh, f"p{place}", length) for place, (number, mwh, length) in enumerate(charged)]
    found_excesses = excesses(quarters(*energies), parts)
    chance.shuffle(parts)
    assert excesses(quarters(*energies), parts) == found_excesses
    covered = sum(each.energy_mwh for each in parts) - sum(each.energy_mwh for each in found_excesses)
    assert 0 <= covered <= sum(energies)


def charge(payment: str, *energies_mwh: int) -> PaymentInformation:
    """Hours from one o'clock on, with their own course."""
    start = MIDNIGHT + HOUR
    course = [ChargedInterval(start + (number + 1) * HOUR, mwh) for number, mwh in enumerate(energies_mwh)]
    return PaymentInformation(
        server=SERVER,
        id=payment,
        household="h1",
        energy_mwh=sum(energies_mwh),
        started_at=start,
        ended_at=course[-1].ended_at,
        received_at=NOW,
        intervals=tuple(course),
    )


async def test_a_bill_puts_the_interval_on_the_work_list(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 240 * KWH))
        await receive_payments(connection, [charge("good", 6 * KWH, 6 * KWH), charge("too much", 3 * KWH, 9 * KWH)])
        (bill,) = await bill_period(connection, store, ["h1"], DAY, UTILITY, now=NOW)
        assert isinstance(bill, Bill)
        assert (bill.paid_mwh, bill.exception_mwh) == (24 * KWH, -5 * KWH), "whatever was measured at other hours"
        assert bill.household_mwh == (240 - 19) * KWH
        (item,) = await open_work(connection, kind=Kind.EXCEPTION)
        assert (item.household, item.energy_mwh) == ("h1", 5 * KWH)
        assert (item.since, item.until) == (MIDNIGHT + 2 * HOUR, MIDNIGHT + 3 * HOUR)
        assert "too much" in item.words
        asked = [("h1", bill.starts_at, bill.ends_at)]
        assert len(await note_exceptions(connection, store, asked, now=NOW)) == 1
        assert len(await open_work(connection, kind=Kind.EXCEPTION)) == 1, "the same finding is one item"
        assert (await audit(connection, CHECKS)).holds
