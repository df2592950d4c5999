"""Which slot of a schedule a moment belongs to: zones by the local hour, the type of day, and the season.

Zones are hours of the local clock, so they follow summer time: a day of 23 or 25 hours has its zones at the same clock
times. Holidays are computed from the rules of the data file.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache, partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.tariffs.household_data import DayType, Holiday, HouseholdTariff
from wattbook.tariffs.schedule import Schedule, Slot

SUNDAY = 6
QUARTER = timedelta(minutes=15)
"""Local clocks differ from UTC by whole quarter hours, so a zone begins on one."""


class Stretch(NamedTuple):
    """The time from `since` up to, not including, `until` (UTC), all of which belongs to one slot."""

    since: datetime
    until: datetime
    slot: int


def holidays(rules: Sequence[Holiday], year: int) -> frozenset[date]:
    """The holidays of a year, with the Mondays that are kept for a Sunday."""
    days: set[date] = set()
    for rule in rules:
        day = _date_of(rule, year)
        days.add(day)
        if rule.monday_after_sunday and day.weekday() == SUNDAY:
            days.add(day + timedelta(days=1))
    return frozenset(days)


def day_type(tariff: HouseholdTariff, day: date) -> DayType:
    # The Monday kept for a Sunday on 31 December is in the year after.
    if tariff.holidays and day in holidays(tariff.holidays, day.year) | holidays(tariff.holidays, day.year - 1):
        return "holiday"
    return "weekend" if day.weekday() >= SUNDAY - 1 else "weekday"


def stretches(schedule: Schedule) -> tuple[Stretch, ...]:
    """The period cut where the slot changes, in order, without gaps."""
    return _stretches(_Same(schedule))


class _Same(NamedTuple):
    """A schedule by identity: compiled ones are kept, and hold what cannot be hashed."""

    schedule: Schedule

    def __hash__(self) -> int:
        return id(self.schedule)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.schedule is other.schedule


@lru_cache(maxsize=256)
def _stretches(same: _Same) -> tuple[Stretch, ...]:
    schedule = same.schedule
    zone = ZoneInfo(schedule.tariff.time_zone)
    since, until = bounds(schedule)
    found: list[Stretch] = []
    of_hour = cache(partial(_slots_of_day, schedule))
    while since < until:
        local = since.astimezone(zone)
        slot = of_hour(local.date())[local.hour]
        if found and found[-1].slot == slot:
            found[-1] = found[-1]._replace(until=since + QUARTER)
        else:
            found.append(Stretch(since, since + QUARTER, slot))
        since += QUARTER
    return tuple(found)


def bounds(schedule: Schedule) -> tuple[datetime, datetime]:
    """The first moment of the period, and the first after it, in UTC: days begin at midnight where the tariff holds."""
    zone, period = ZoneInfo(schedule.tariff.time_zone), schedule.period
    ends = period.last + timedelta(days=1)
    return (
        datetime.combine(period.first, time(), zone).astimezone(UTC),
        datetime.combine(ends, time(), zone).astimezone(UTC),
    )


def slot_of(schedule: Schedule, start: datetime, minutes: int) -> int:
    """The slot of an interval that starts then.

    Raises:
        InvalidInput: it is not inside the period, or lies in two zones.
    """
    end = start + timedelta(minutes=minutes)
    for stretch in stretches(schedule):
        if stretch.since <= start < stretch.until:
            if end <= stretch.until:
                return stretch.slot
            raise InvalidInput(f"the interval of {minutes} minutes from {start.isoformat()} lies in two zones")
    raise InvalidInput(f"{start.isoformat()} is not in {schedule.period} of {schedule.tariff.time_zone}")


def slot_at(schedule: Schedule, moment: datetime) -> int:
    """The slot of a moment of the period.

    Raises:
        InvalidInput: it is not inside the period.
    """
    if len(schedule.slots) == 1:
        return 0
    return slot_of(schedule, moment, 0)


def energies_of_zones(schedule: Schedule, by_zone: dict[str, Energy]) -> tuple[Energy, ...]:
    """The energies of the slots from those of the zones, where the period is one stretch of days with equal terms.

    Raises:
        InvalidInput: the period has several stretches, so intervals are needed; or other zones are named than it has.
    """
    names = [slot.zone for slot in schedule.slots]
    if len(set(names)) != len(names):
        starts = ", ".join(str(day) for day in sorted({slot.first for slot in schedule.slots})[1:])
        raise InvalidInput(f"prices or the season change within {schedule.period} ({starts}): intervals are needed")
    if set(by_zone) != set(names):
        raise InvalidInput(f"{schedule.tariff.name} has the zones {', '.join(names)} in {schedule.period}")
    return tuple(by_zone[name] for name in names)


def _slots_of_day(schedule: Schedule, day: date) -> tuple[int, ...]:
    """The slot of each hour of the local clock."""
    tariff = schedule.tariff
    if not tariff.zones:
        return (next(place for place, slot in enumerate(schedule.slots) if _is_in(slot, day, "")),) * 24
    season, kind = tariff.season_of(day.month).name, day_type(tariff, day)
    place_of = {slot.zone: place for place, slot in enumerate(schedule.slots) if _is_in(slot, day, slot.zone)}
    names = (next(zone.name for zone in tariff.zones if zone.holds(season, kind, hour)) for hour in range(24))
    return tuple(place_of[name] for name in names)


def _is_in(slot: Slot, day: date, zone: str) -> bool:
    return slot.first <= day <= slot.last and slot.zone == zone


def _date_of(rule: Holiday, year: int) -> date:
    if rule.day is not None:
        return date(year, rule.month, rule.day)
    assert rule.weekday is not None
    assert rule.nth is not None
    last = monthrange(year, rule.month)[1]
    of_weekday = [day for day in range(1, last + 1) if date(year, rule.month, day).weekday() == rule.weekday]
    return date(year, rule.month, of_weekday[rule.nth - 1 if rule.nth > 0 else rule.nth])
