"""The bill of a house for a period: what its meters measured, less what was paid elsewhere, rated once.

Houses are billed in batches: a fixed number of statements and one pass over the interval files for all of them. What is
wrong with one house is a value in its place and does not hold up the others. A bill is issued once: asked for again, it
is returned as it was.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store
from wattbook.household.bills.documents import Bill
from wattbook.household.bills.drafting import HOUSEHOLDS_MAX, Drafting, Utility
from wattbook.household.bills.dues import Due, dues
from wattbook.household.bills.postings import Delivery
from wattbook.household.paid.exceptions import note_exceptions
from wattbook.household.readings.estimation import Estimate
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.reading_rows import lock_meters
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.registry.households import meters_of_households
from wattbook.registry.validity import Missing
from wattbook.tariffs.hours import bounds
from wattbook.tariffs.household import HouseholdTariff
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import compile_household

__all__ = [
    "HOUSEHOLDS_MAX",
    "Measured",
    "Utility",
    "bill_dues",
    "bill_period",
    "lock",
    "measure_again",
    "period_in_utc",
]


async def bill_period(
    connection: AsyncConnection,
    intervals: IntervalStore,
    households: Sequence[str],
    period: BillingPeriod | str,
    utility: Utility,
    *,
    now: datetime,
    run: int | None = None,
) -> list[Bill | WattbookError]:
    """Issue the bill of each house for the period, and post it.

    Args:
        period: days, or a month such as `2026-10`: the period of each house that begins in it by its reading day.
        run: number of the bill run that asks for it.

    Returns, for each house its bill, the one issued before if there is one; where people moved or the tariff changed
    within the period, one for each part by its first day; or:
        NotFound: the house or its tariff is not known;
        InvalidInput: the period is not over, or the tariff cannot rate it;
        Conflict: another bill of the house covers part of the period;
        Refused: nobody lived there (`reason` `vacant`), no meter measures the house (`no-meter`), a meter is not
            allocated to just one house and network operator (`allocation`), readings are missing and cannot be
            estimated (`incomplete`), or the period is closed (`closed`).

    Raises:
        InvalidInput: more than `HOUSEHOLDS_MAX` houses.
    """
    if len(households) > HOUSEHOLDS_MAX:
        raise InvalidInput(f"at most {HOUSEHOLDS_MAX} households are billed in one call, not {len(households)}")
    asked = await dues(connection, households, period)
    outcomes = iter(
        await bill_dues(
            connection, intervals, [each for each in asked if isinstance(each, Due)], utility, now=now, run=run
        )
    )
    return [next(outcomes) if isinstance(each, Due) else each for each in asked]


async def bill_dues(
    connection: AsyncConnection,
    intervals: IntervalStore,
    asked: Sequence[Due],
    utility: Utility,
    *,
    now: datetime,
    run: int | None = None,
) -> list[Bill | WattbookError]:
    """Issue the bills that are due, and post them; for each what `bill_period` returns."""
    drafting = Drafting(utility, utc(now), run)
    drafting.open(asked)
    await lock(connection, drafting.times())
    await drafting.keep_what_was_issued(connection)
    await drafting.match_meters(connection)
    await drafting.sum_up(connection, intervals)
    await drafting.assess(connection, intervals)
    await note_exceptions(connection, intervals, drafting.times(), now=now)
    await drafting.issue(connection)
    return [drafting.results[due.id] for due in asked]


async def lock(connection: AsyncConnection, times: store.Asked) -> None:
    """Nobody else bills these houses, or changes what their meters measured; meters first, as who takes readings in."""
    places = await meters_of_households(connection, times)
    found = {place.meter for each in places if not isinstance(each, Missing) for place in each}
    await lock_meters(connection, found)
    await store.lock_houses(connection, [household for household, _, _ in times])


class Measured(NamedTuple):
    """What the meters of a house measured in a billed period, as known now."""

    slots_mwh: tuple[int, ...]
    deliveries: tuple[Delivery, ...]
    estimates: tuple[Estimate, ...]
    peak_w: int | None


async def measure_again(
    connection: AsyncConnection, intervals: IntervalStore, bills: Sequence[Bill], *, now: datetime
) -> dict[str, Measured | WattbookError]:
    """Sum up what bills were made of from the readings as they are now; by bill."""
    drafting = Drafting(None, utc(now), None)
    drafting.reopen([bill.due for bill in bills])
    await drafting.match_meters(connection)
    await drafting.sum_up(connection, intervals)
    found: dict[str, Measured | WattbookError] = {}
    for bill in bills:
        draft, error = drafting.drafts.get(bill.id), drafting.results.get(bill.id)
        if draft is not None:
            measured = (tuple(draft.slots_mwh), tuple(draft.deliveries), tuple(draft.estimates))
            found[bill.id] = Measured(*measured, draft.peak_w)
        elif isinstance(error, WattbookError):
            found[bill.id] = error
    return found


def period_in_utc(tariff: HouseholdTariff, period: BillingPeriod) -> tuple[datetime, datetime]:
    """The first moment of the period, and the first after it: days begin at midnight where the tariff holds."""
    return bounds(compile_household(tariff, period))
