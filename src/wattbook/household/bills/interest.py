"""Interest on what a house was charged too much: a pure function of the documents of its bill and of dated rates.

It is simple interest over the days from the issue of what charged the money to the issue of the credit note, a 365th of
the rate a day, each day at the rate that holds on it. What is given back is what was charged last: a credit takes from
the newest charge first. A note that charges has no interest and takes none back. When the house paid is not asked: the
interest runs from the day on which it was asked to.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.household.bills.bill import Bill, CreditNote, Interest
from wattbook.kernel.units import Currency
from wattbook.registry.interest import InterestRate
from wattbook.tariffs.rounding import Rounding

INTEREST: Final = Rounding("floor")
"""The rounding step `interest`: down to the smallest coin of the currency."""
DAYS_A_YEAR: Final = 365
ONE_DAY: Final = timedelta(days=1)


def interest_on(
    bill: Bill, notes: Sequence[CreditNote], credit: int, rates: Sequence[InterestRate], now: datetime
) -> Interest:
    """The interest on a credit that is given now.

    Args:
        notes: of the bill so far, in order.
        credit: in stored units; nothing is due on less than zero.
        rates: of the utility, by their first day.
    """
    if credit <= 0 or not rates:
        return Interest()
    zone = ZoneInfo(bill.schedule.tariff.time_zone)
    today = now.astimezone(zone).date()
    charged = [(bill.issued_at.astimezone(zone).date(), bill.lines.total)]
    for note in notes:
        if note.lines.total < 0:
            charged.append((note.issued_at.astimezone(zone).date(), -note.lines.total))
        else:
            _take(charged, note.lines.total)
    given_back = _take(charged, credit)
    exact = sum((amount * _growth(rates, since, today) for since, amount in given_back), Fraction())
    coin = Currency.of(bill.currency).coin
    amount = INTEREST.step("interest", exact / coin).result * coin
    return Interest(amount, max((today - since).days for since, _ in given_back)) if amount else Interest()


def _take(charged: list[tuple[date, int]], credit: int) -> list[tuple[date, int]]:
    """Take a credit from the newest charges; what of each it gives back."""
    taken: list[tuple[date, int]] = []
    while credit and charged:
        since, amount = charged.pop()
        part = min(amount, credit)
        credit -= part
        taken.append((since, part))
        if amount > part:
            charged.append((since, amount - part))
    return taken


def _growth(rates: Sequence[InterestRate], since: date, until: date) -> Fraction:
    """What a unit earns from one day up to, not including, another."""
    total = Fraction()
    ends = [rate.valid_from for rate in rates[1:]] + [until]
    for rate, end in zip(rates, ends, strict=True):
        days = (min(end, until) - max(rate.valid_from, since)) // ONE_DAY
        total += max(days, 0) * Fraction(rate.percent) / 100 / DAYS_A_YEAR
    return total
