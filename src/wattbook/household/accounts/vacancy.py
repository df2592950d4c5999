"""Energy that a house draws while nobody has a contract there: nobody's bill has it, so a person has to look at it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import work_list
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.spans import meter_spans
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.clock import utc
from wattbook.kernel.units import Energy
from wattbook.registry.contracts import Contract, contracts_of_households
from wattbook.tariffs.period import BillingPeriod

ONE_DAY = timedelta(days=1)


async def look_at_vacancies(
    connection: AsyncConnection,
    intervals: IntervalStore,
    households: Sequence[str],
    days: BillingPeriod,
    zone: str,
    *,
    now: datetime,
) -> list[Finding]:
    """Put on the work list what these houses drew on days of theirs that no contract covers."""
    contracts = await contracts_of_households(connection, households)
    vacant = [(house, each) for house, of_house in contracts.items() for each in vacancies(of_house, days)]
    place = ZoneInfo(zone)
    times = [(house, _midnight(each.first, place), _midnight(each.last + ONE_DAY, place)) for house, each in vacant]
    findings: list[Finding] = []
    for (house, since, until), spans in zip(times, await meter_spans(connection, times), strict=True):
        drawn_mwh = sum(each.energy_mwh for each in await intervals.energy(connection, spans))
        if drawn_mwh:
            words = f"{Energy(drawn_mwh)} were drawn while nobody has a contract"
            findings.append(
                Finding(Kind.USE_ON_INACTIVE, None, None, since, until, words, household=house, energy_mwh=drawn_mwh)
            )
    await work_list.open_items(connection, findings, utc(now))
    return findings


def vacancies(contracts: Sequence[Contract], days: BillingPeriod) -> list[BillingPeriod]:
    """The stretches of days that none of the contracts covers."""
    found = []
    for is_let, group in groupby(days.days(), key=lambda day: any(each.covers(day) for each in contracts)):
        stretch = list(group)
        if not is_let:
            found.append(BillingPeriod(stretch[0], stretch[-1]))
    return found


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
