"""Paid energy that the house's meters did not measure, found interval by interval.

A charge that comes with its own course says how much it took from when to when. That is held against what the meters of
the house measured in the same time: whatever goes beyond cannot have passed them. All charges of a house are set
against its intervals together, the one that ended first served first, so what is found does not depend on the order in
which payments arrived. A charge of which only start and end are known is held against the period as a whole, elsewhere.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store, work_list
from wattbook.household.interval_schema import MINUTES, Interval
from wattbook.household.intervals import IntervalStore, MeterSpan
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.clock import utc
from wattbook.kernel.units import Energy
from wattbook.registry.households import meters_of_households
from wattbook.registry.meters import MeterPlace, find_meters
from wattbook.registry.validity import Missing

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


async def note_exceptions(
    connection: AsyncConnection, intervals: IntervalStore, asked: store.Asked, *, now: datetime
) -> list[Finding]:
    """Put on the work list, for each (household, from, to), what charges took beyond the house's intervals."""
    by_place: list[list[Part]] = [[] for _ in asked]
    for place, until, since, server, payment, energy_mwh in await store.parts_with_course(connection, asked):
        by_place[place].append(Part(until, since, server, payment, energy_mwh))
    charged = [(asking, parts) for asking, parts in zip(asked, by_place, strict=True) if parts]
    # A part may have begun in the period before.
    times = [(house, min(since, *(part.since for part in parts)), until) for (house, since, until), parts in charged]
    spans = await _spans(connection, times)
    measured = await intervals.intervals_of(connection, [span for _, span in spans])
    of_houses: list[list[Interval]] = [[] for _ in charged]
    for (number, _), found in zip(spans, measured, strict=True):
        of_houses[number] += found
    findings = [
        _finding(house, excess)
        for ((house, _, _), parts), found in zip(charged, of_houses, strict=True)
        for excess in excesses(found, parts)
    ]
    await work_list.open_items(connection, findings, utc(now))
    return findings


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


def _finding(house: str, excess: Excess) -> Finding:
    part = excess.part
    words = f"payment {part.payment} of {part.server}: {Energy(excess.energy_mwh)} more than the meters measured then"
    return Finding(
        Kind.EXCEPTION, None, None, part.since, part.until, words, household=house, energy_mwh=excess.energy_mwh
    )
