"""Billing periods closed for good: with control totals, after which no bill of that period is issued any more.

What becomes known later is a credit note, or a charge, booked when it is known. A period is never opened again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import Conflict, InvalidInput
from wattbook.kernel.units import Currency, Money
from wattbook.tariffs.period import BillingPeriod


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


async def close_billing(
    connection: AsyncConnection, utility: str, period: BillingPeriod, *, now: datetime
) -> ClosedBilling:
    """Close a period of a utility. Waits for bills of it that are being issued.

    Raises:
        InvalidInput: the period has no bill.
        Conflict: it is closed already.
    """
    await _lock(connection, utility, period, shared=False)
    if await is_closed(connection, utility, [period]) == [True]:
        (known,) = await closed_billings(connection, utility, period)
        raise Conflict(f"{period} of {utility} was closed at {format_rfc3339(known.closed_at)}")
    added = await connection.execute(
        text("""
            INSERT INTO household.closed_billing
            SELECT utility, first_day, last_day, :now, sum(bills), sum(metered_mwh), sum(household_mwh), sum(paid_mwh),
                   sum(exception_mwh), jsonb_object_agg(currency, total)
            FROM (
                SELECT utility, first_day, last_day, currency, count(*) AS bills, sum(metered_mwh) AS metered_mwh,
                       sum(household_mwh) AS household_mwh, sum(paid_mwh) AS paid_mwh,
                       sum(exception_mwh) AS exception_mwh, sum(total) AS total
                FROM household.bills
                WHERE (utility, first_day, last_day) = (:utility, :first, :last) GROUP BY 1, 2, 3, 4
            ) AS by_currency GROUP BY 1, 2, 3
        """),
        {"utility": utility, "first": period.first, "last": period.last, "now": utc(now)},
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
    """Whether each period is closed; until this transaction ends, one that is not stays open."""
    for period in periods:
        await _lock(connection, utility, period, shared=True)
    closed = {each.period for each in await closed_billings(connection, utility)}
    return [period in closed for period in periods]


async def _lock(connection: AsyncConnection, utility: str, period: BillingPeriod, *, shared: bool) -> None:
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    await connection.execute(
        text(f"SELECT {function}(hashtextextended(:what, 0))"), {"what": f"household.closing {utility} {period}"}
    )
