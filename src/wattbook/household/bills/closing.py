"""Billing periods closed for good: with control totals, after which no bill of that period is issued any more.

Houses are read on days of their own, so a calendar month is closed for every billing period that begins in it; other
days are closed for the houses that have just this period. A bill of a part of a period belongs to the whole one. What
becomes known later is a credit note, or a charge, booked when it is known. A period is never opened again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.bills.periods import period_of_month
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import Conflict, InvalidInput
from wattbook.kernel.units import Currency, Money
from wattbook.registry.households import latest_reading_day
from wattbook.tariffs.period import BillingPeriod

ONE_DAY: Final = timedelta(days=1)
WEST_OF_UTC_MAX: Final = timedelta(hours=12)
"""So much later than in UTC a day ends at the latest."""


@dataclass(frozen=True, slots=True)
class ClosedBilling:
    """The bills of a utility for a period, as they were when it was closed.

    `household_mwh + paid_mwh + exception_mwh = metered_mwh`.

    Attributes:
        totals: of the bills in each currency.
    """

    utility: str
    period: BillingPeriod
    closed_at: datetime
    bills: int
    metered_mwh: int
    household_mwh: int
    paid_mwh: int
    exception_mwh: int
    totals: dict[str, Money]


OF_CLOSED: Final = """
    CASE WHEN closed.by_cycle
        THEN coalesce(bill.cycle_first_day, bill.first_day) BETWEEN closed.first_day AND closed.last_day
        ELSE (coalesce(bill.cycle_first_day, bill.first_day), coalesce(bill.cycle_last_day, bill.last_day))
            = (closed.first_day, closed.last_day)
    END
"""
"""Whether a `bill` is of what was `closed`."""


async def close_billing(
    connection: AsyncConnection, utility: str, period: BillingPeriod, *, now: datetime
) -> ClosedBilling:
    """Close a period of a utility. Waits for bills of it that are being issued.

    Raises:
        InvalidInput: the period has no bill; or the period of a house that begins in the month is not over yet.
        Conflict: it is closed already.
    """
    await _lock(connection, utility, [period], shared=False)
    if await is_closed(connection, utility, [period]) == [True]:
        (known,) = await _covering(connection, utility, period)
        raise Conflict(f"{known.period} of {utility} was closed at {format_rfc3339(known.closed_at)}")
    by_cycle = period == month_of(period)
    if by_cycle:
        await _require_over(connection, period, now)
    added = await connection.execute(
        text(f"""
            INSERT INTO household.closed_billing (utility, first_day, last_day, by_cycle, closed_at, bills, metered_mwh,
                household_mwh, paid_mwh, exception_mwh, totals)
            SELECT utility, :first, :last, :by_cycle, :now, sum(bills), sum(metered_mwh), sum(household_mwh),
                   sum(paid_mwh), sum(exception_mwh), jsonb_object_agg(currency, total)
            FROM (
                SELECT utility, currency, count(*) AS bills, sum(metered_mwh) AS metered_mwh,
                       sum(household_mwh) AS household_mwh, sum(paid_mwh) AS paid_mwh,
                       sum(exception_mwh) AS exception_mwh, sum(total) AS total
                FROM household.bills AS bill
                CROSS JOIN (SELECT CAST(:first AS date) AS first_day, CAST(:last AS date) AS last_day,
                                   CAST(:by_cycle AS boolean) AS by_cycle) AS closed
                WHERE utility = :utility AND {OF_CLOSED} GROUP BY utility, currency
            ) AS by_currency GROUP BY utility
        """),
        {
            "utility": utility,
            "first": period.first,
            "last": period.last,
            "by_cycle": by_cycle,
            "now": utc(now),
        },
    )
    if added.rowcount == 0:
        raise InvalidInput(f"{utility} has no bill for {period}: there is nothing to close")
    (closed,) = await closed_billings(connection, utility, period)
    return closed


async def closed_billings(
    connection: AsyncConnection, utility: str, period: BillingPeriod | None = None
) -> list[ClosedBilling]:
    """What a utility has closed, by period; only one period if it is given."""
    found = await connection.execute(
        text("""
            SELECT * FROM household.closed_billing WHERE utility = :utility
                AND (CAST(:first AS date) IS NULL OR (first_day, last_day) = (:first, CAST(:last AS date)))
            ORDER BY first_day, last_day
        """),
        {"utility": utility, "first": period and period.first, "last": period and period.last},
    )
    return [
        ClosedBilling(
            utility=row["utility"],
            period=BillingPeriod(row["first_day"], row["last_day"]),
            closed_at=row["closed_at"],
            bills=row["bills"],
            metered_mwh=row["metered_mwh"],
            household_mwh=row["household_mwh"],
            paid_mwh=row["paid_mwh"],
            exception_mwh=row["exception_mwh"],
            totals={code: Money(amount, Currency.of(code)) for code, amount in row["totals"].items()},
        )
        for row in found.mappings()
    ]


async def is_closed(connection: AsyncConnection, utility: str, periods: Sequence[BillingPeriod]) -> list[bool]:
    """Whether each period is closed, itself or with the month in which it begins; until this transaction ends, one that
    is not stays open."""
    await _lock(connection, utility, [*periods, *map(month_of, periods)], shared=True)
    found = await connection.execute(
        text("SELECT first_day, last_day, by_cycle FROM household.closed_billing WHERE utility = :utility"),
        {"utility": utility},
    )
    closed = {(BillingPeriod(row[0], row[1]), row[2]) for row in found}
    return [(period, False) in closed or (month_of(period), True) in closed for period in periods]


def month_of(period: BillingPeriod) -> BillingPeriod:
    """The calendar month in which it begins."""
    return BillingPeriod.of_month(f"{period.first:%Y-%m}")


async def _covering(connection: AsyncConnection, utility: str, period: BillingPeriod) -> list[ClosedBilling]:
    return await closed_billings(connection, utility, period) or await closed_billings(
        connection, utility, month_of(period)
    )


async def _require_over(connection: AsyncConnection, month: BillingPeriod, now: datetime) -> None:
    """Every period that begins in the month has ended, wherever on earth its days begin."""
    day = await latest_reading_day(connection)
    ends_on = period_of_month(f"{month.first:%Y-%m}", day).last
    ends_at = datetime.combine(ends_on, time(), UTC) + ONE_DAY + WEST_OF_UTC_MAX
    if utc(now) < ends_at:
        words = f"houses are read on day {day}: their period that begins in {month.first:%Y-%m} ends on {ends_on}"
        raise InvalidInput(f"{words}, and can be closed from {format_rfc3339(ends_at)} on")


async def _lock(connection: AsyncConnection, utility: str, periods: Sequence[BillingPeriod], *, shared: bool) -> None:
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    for name in sorted({str(period) for period in periods}):
        await connection.execute(
            text(f"SELECT {function}(hashtextextended(:what, 0))"), {"what": f"household.closing {utility} {name}"}
        )
