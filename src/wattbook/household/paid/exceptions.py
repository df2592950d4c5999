"""Paid energy that the house's meters did not measure, found interval by interval.

A charge that comes with its own course says how much it took from when to when. That is held against what the meters of
the house measured in the same time: whatever goes beyond cannot have passed them. All charges of a house are set
against its intervals together, the one that ended first served first, so what is found does not depend on the order in
which payments arrived. A charge of which only start and end are known is held against the period as a whole, elsewhere;
so is a part of whose time readings are missing.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store, work_list
from wattbook.household.readings.interval_schema import MINUTES, Interval
from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.clock import utc
from wattbook.kernel.units import Energy
from wattbook.registry.households import meters_of_households
from wattbook.registry.meters import MeterPlace, find_meters
from wattbook.registry.validity import Missing

NAMED_MAX: Final = 10
"""Payments that an item of the work list names."""
LONGEST: Final = timedelta(minutes=max(MINUTES))


class Part(NamedTuple):
    """What a charge took in (since, until]."""

    until: datetime
    since: datetime
    server: str
    payment: str
    energy_mwh: int


class Excess(NamedTuple):
    """So much of a part is more than was measured while it was charged."""

    part: Part
    energy_mwh: int


def excesses(intervals: Sequence[Interval], parts: Sequence[Part]) -> list[Excess]:
    """The parts that took more than the intervals of the house, of all its meters, have left for them.

    A part may take from every interval that it shares time with, the earliest first, and the part that ended first is
    served first. Where parts and intervals have one grid, that is each part against its own interval.
    """
    ordered = sorted(intervals, key=lambda each: (each.start, each.minutes))
    starts = [each.start for each in ordered]
    left = [each.energy_mwh for each in ordered]
    found: list[Excess] = []
    for part in sorted(parts):
        wanted = part.energy_mwh
        for place in range(bisect_left(starts, part.since - LONGEST), bisect_left(starts, part.until)):
            if starts[place] + timedelta(minutes=ordered[place].minutes) > part.since:
                taken = min(wanted, left[place])
                left[place] -= taken
                wanted -= taken
        if wanted:
            found.append(Excess(part, wanted))
    return found


async def beyond_meters(
    connection: AsyncConnection, intervals: IntervalStore, asked: store.Asked
) -> list[dict[tuple[datetime, str, str], int]]:
    """For each (household, from, to): what each part of a charge took beyond the house's intervals, by the end of the
    part, its server and its payment. Parts that took no more are left out."""
    return [
        {(part.until, part.server, part.payment): energy_mwh for part, energy_mwh in found}
        for found in await _found(connection, intervals, asked)
    ]


async def note_exceptions(
    connection: AsyncConnection, intervals: IntervalStore, asked: store.Asked, *, now: datetime
) -> list[Finding]:
    """Put on the work list, for each (household, from, to), what charges took beyond the house's intervals."""
    findings = []
    for (house, _, _), found in zip(asked, await _found(connection, intervals, asked), strict=True):
        by_time: dict[tuple[datetime, datetime], list[Excess]] = {}
        for excess in found:
            by_time.setdefault((excess.part.since, excess.part.until), []).append(excess)
        findings += [_finding(house, *time, at_once) for time, at_once in by_time.items()]
    await work_list.open_items(connection, findings, utc(now))
    return findings


async def _found(connection: AsyncConnection, intervals: IntervalStore, asked: store.Asked) -> list[list[Excess]]:
    by_place: list[list[Part]] = [[] for _ in asked]
    for place, until, since, server, payment, energy_mwh in await store.parts_with_course(connection, asked):
        by_place[place].append(Part(until, since, server, payment, energy_mwh))
    charged = [place for place, parts in enumerate(by_place) if parts]
    found: list[list[Excess]] = [[] for _ in asked]
    if not charged:
        return found
    # A part may have begun in the period before.
    times = [
        (asked[place][0], min(asked[place][1], *(part.since for part in by_place[place])), asked[place][2])
        for place in charged
    ]
    spans = await _spans(connection, times)
    measured: list[list[Interval]] = [[] for _ in charged]
    for (number, _), of_span in zip(
        spans, await intervals.intervals_of(connection, [span for _, span in spans]), strict=True
    ):
        measured[number] += of_span
    for number, place in enumerate(charged):
        found[place] = excesses(measured[number], [part for part in by_place[place] if is_read(measured[number], part)])
    return found


def is_read(intervals: Sequence[Interval], part: Part) -> bool:
    """Whether there are readings of all the time of a part; as long as there are not, nothing is known to be beyond."""
    reached = part.since
    for each in sorted(intervals, key=lambda interval: interval.start):
        if each.start <= reached:
            reached = max(reached, each.start + timedelta(minutes=each.minutes))
    return reached >= part.until


async def _spans(connection: AsyncConnection, times: store.Asked) -> list[tuple[int, MeterSpan]]:
    """The import registers of the houses, each with the place of its house."""
    places: list[tuple[int, MeterPlace]] = []
    for number, found in enumerate(await meters_of_households(connection, times)):
        places += [] if isinstance(found, Missing) else [(number, place) for place in found]
    meters = await find_meters(connection, [place.meter for _, place in places])
    spans = []
    for (number, place), meter in zip(places, meters, strict=True):
        _, since, until = times[number]
        ends = until if place.valid_to is None else min(until, utc(place.valid_to))
        if meter is not None and meter.obis_import is not None:
            begins = max(since, utc(place.valid_from))
            spans.append((number, MeterSpan(place.meter, meter.obis_import, begins, ends)))
    return spans


def _finding(house: str, since: datetime, until: datetime, at_once: Sequence[Excess]) -> Finding:
    """One item for all that was charged in the same time."""
    said = "; ".join(
        f"payment {part.payment} of {part.server}: {Energy(mwh)} more than the meters measured then"
        for part, mwh in at_once[:NAMED_MAX]
    )
    energy_mwh = sum(excess.energy_mwh for excess in at_once)
    return Finding(Kind.EXCEPTION, None, None, since, until, said, household=house, energy_mwh=energy_mwh)
