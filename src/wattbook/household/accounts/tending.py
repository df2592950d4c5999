"""Readings kept in order and looked over while a deployment serves, a bounded piece at a time.

Days whose files came in several batches are compacted, leftovers swept away, noted bills assessed again. Every
meter of every house is checked over the last whole week of its calendar, one week as often as it comes round, and what
was drawn where nobody lives: what is found again is the same item of the work list.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.household.accounts.vacancy import look_at_vacancies
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.paid.charges import MOMENT
from wattbook.household.readings import vee
from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.household.readings.spans import meter_spans
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import WattbookError
from wattbook.registry.households import next_households
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.period import BillingPeriod

HOUSES_AT_ONCE: Final = 50
READINGS_LATE: Final = timedelta(days=1)
"""A week is looked at when it is over for so long."""
WEEK: Final = timedelta(days=7)


class Tended(NamedTuple):
    """How many files were compacted and swept away, and how many credit notes issued."""

    compacted: int
    swept: int
    notes: int


@dataclass(frozen=True, slots=True)
class Checked:
    """One look: `after` is the last house that was looked at, empty when there is none after it."""

    after: str
    houses: int
    findings: int


async def tend(
    database: Database, intervals: IntervalStore, *, now: datetime, days_max: int | None = None, settled: bool = False
) -> Tended:
    """Compact, sweep, and assess noted bills again.

    Args:
        days_max: so many days are compacted, the oldest first, each in a transaction of its own; None: all.
        settled: only days that are over for a day, so that a day is not written anew with every batch.
    """
    async with database.transaction() as connection:
        days = await intervals.days_to_compact(connection)
    compacted = 0
    for day in [each for each in days if not settled or each < _settled_before(now)][:days_max]:
        async with database.transaction() as connection:
            compacted += await intervals.compact(connection, day, now=now)
    async with database.transaction() as connection:
        swept = await intervals.sweep(connection, now=now)
    async with database.transaction() as connection:
        notes = await assess_again(connection, intervals, now=now)
    return Tended(compacted, len(swept), len(notes))


async def check_houses(
    connection: AsyncConnection,
    intervals: IntervalStore,
    after: str = "",
    *,
    now: datetime,
    limit: int = HOUSES_AT_ONCE,
) -> Checked:
    """Check the meters of the next houses after an id over the last whole week; findings go on the work list."""
    houses = await next_households(connection, after, limit)
    by_zone: dict[str, list[tuple[str, datetime, datetime]]] = {}
    for house in houses:
        try:
            zone = household_tariff(house.tariff).time_zone
        except WattbookError:
            continue  # a bill would say why
        by_zone.setdefault(zone, []).append((house.id, *last_week(zone, now)))
    count = 0
    for zone, times in by_zone.items():
        spans: list[MeterSpan] = [span for of_house in await meter_spans(connection, times) for span in of_house]
        count += len(await vee.check(connection, intervals, spans, zone, now=now)) if spans else 0
        named, place = [house for house, _, _ in times], ZoneInfo(zone)
        _, since, until = times[0]
        week = BillingPeriod(since.astimezone(place).date(), (until - MOMENT).astimezone(place).date())
        count += len(await look_at_vacancies(connection, intervals, named, week, zone, now=now))
    return Checked(houses[-1].id if len(houses) == limit else "", len(houses), count)


def last_week(zone: str, now: datetime) -> tuple[datetime, datetime]:
    """The last Monday to Sunday that is over for a day where the clock of this zone holds, in UTC."""
    place = ZoneInfo(zone)
    today = (utc(now) - READINGS_LATE).astimezone(place).date()
    monday = today - timedelta(days=today.weekday())
    first, last = (datetime.combine(day, time(), place).astimezone(UTC) for day in (monday - WEEK, monday))
    return first, last


def _settled_before(now: datetime) -> date:
    return (utc(now) - READINGS_LATE).date()
