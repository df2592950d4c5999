"""Validation, estimation and editing of stored readings.

What is measured is stored as it came and stays. An estimate and an edit are further versions of an interval, with
quality and method; readers see the newest. So a true value that comes later counts in place of the estimate, and what a
bill was made of can always be told.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import work_list
from wattbook.household.readings import estimation, reading_rows, reviews
from wattbook.household.readings.estimation import Estimate, Known, estimate, stretches
from wattbook.household.readings.intake.registers import advance
from wattbook.household.readings.interval_schema import Interval, readings
from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.household.readings.validation import (
    DEFAULTS,
    Limits,
    covers_once,
    findings,
    gaps,
    sum_check,
    use_on_inactive,
)
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.kernel.units import Energy
from wattbook.registry.locations import places_of_all_times

AROUND: Final = timedelta(days=35)
"""Readings so far before and after a span are looked at."""
SPANS_AT_ONCE: Final = 200
REASON_LENGTH_MAX: Final = 200

_ESPI: Final = {estimation.LINEAR: 9, estimation.LIKE: 8, estimation.ANY: 8}
_ESPI_OF_QUALITY: Final = {"valid": 17, "questionable": 10, "provisional": 12, "estimated": 8, "edited": 7}
_MSCONS: Final = {"valid": "220", "questionable": "20", "provisional": "Z18", "estimated": "67", "edited": "67"}
_MSCONS_METHOD: Final = {estimation.LINEAR: "Z92", estimation.LIKE: "ZJ2", estimation.ANY: "ZJ2"}


class Completed(NamedTuple):
    """Of a span: what was estimated just now, and whether it is whole."""

    estimates: tuple[Estimate, ...]
    is_whole: bool


def espi_quality(interval: Interval) -> int:
    """The ESPI `ReadingQuality.quality` of an interval (NAESB REQ.21)."""
    if interval.method.startswith("ESPI "):
        return int(interval.method.removeprefix("ESPI "))
    method = interval.method.removesuffix(estimation.SCALED)
    return _ESPI.get(method, _ESPI_OF_QUALITY[interval.quality])


def mscons_quality(interval: Interval) -> tuple[str, str | None]:
    """The QTY qualifier of an interval, and the method of its substitution (STS+Z32) where there is one."""
    method = interval.method.removesuffix(estimation.SCALED)
    return _MSCONS[interval.quality], _MSCONS_METHOD.get(method)


async def complete(
    connection: AsyncConnection, store: IntervalStore, spans: Sequence[MeterSpan], zone: str, *, now: datetime
) -> list[Completed]:
    """Estimate what is missing in each span, and put it on the work list.

    Returns for each span what was estimated, and whether it is whole now: a span is not if nothing is known to
    estimate from, or if intervals of different lengths cover the same time.
    """
    results: list[Completed] = []
    for first in range(0, len(spans), SPANS_AT_ONCE):
        results += await _complete(connection, store, spans[first : first + SPANS_AT_ONCE], ZoneInfo(zone), utc(now))
    return results


async def _complete(
    connection: AsyncConnection, store: IntervalStore, spans: Sequence[MeterSpan], zone: ZoneInfo, now: datetime
) -> list[Completed]:
    await reading_rows.lock_meters(connection, {span.meter_no for span in spans})
    wide = [span._replace(since=span.since - AROUND, until=span.until + AROUND) for span in spans]
    results: list[Completed] = []
    made: dict[tuple[str, str, datetime], Interval] = {}
    noted: list[Finding] = []
    channels = await reading_rows.channels(connection, [span.meter_no for span in spans])
    for span, around in zip(spans, await store.intervals_of(connection, wide), strict=True):
        inside = [each for each in around if span.since <= each.start < span.until]
        minutes = _usual_minutes(around)
        channel = channels.get((span.meter_no, span.register), reading_rows.Channel(span.meter_no, span.register))
        missing = gaps(inside, span.since, span.until)
        estimates: list[Interval] = []
        for gap in missing:
            counted = await _counted_around(connection, channel, gap.since, gap.until)
            filled = estimate(gap, Known(around, minutes, zone, counted))
            noted.append(_noted(span, gap.since, gap.until, filled))
            estimates += filled
        made |= {(each.meter_no, each.register, each.start): each for each in estimates}
        whole = covers_once(sorted([*inside, *estimates], key=lambda each: each.start), span.since, span.until)
        results.append(Completed(tuple(stretches(estimates)), whole))
    if made:
        await store.write(connection, "estimates", readings(made.values()), now=now, by_content=True)
    await work_list.open_items(connection, noted, now)
    return results


async def check(
    connection: AsyncConnection,
    store: IntervalStore,
    spans: Sequence[MeterSpan],
    zone: str,
    *,
    now: datetime,
    limits: Limits = DEFAULTS,
) -> list[Finding]:
    """Run the checks over each span and put what they find on the work list; no value is changed."""
    wide = [span._replace(since=span.since - AROUND) for span in spans]
    found: list[Finding] = []
    channels = await reading_rows.channels(connection, [span.meter_no for span in spans])
    places = await places_of_all_times(connection, [span.meter_no for span in spans])
    for span, around in zip(spans, await store.intervals_of(connection, wide), strict=True):
        inside = [each for each in around if each.start >= span.since]
        found += use_on_inactive(inside, [(place.valid_from, place.valid_to) for place in places[span.meter_no]])
        before = [each for each in around if each.start < span.since]
        found += await asyncio.to_thread(findings, inside, before, ZoneInfo(zone), limits)
        channel = channels.get((span.meter_no, span.register), reading_rows.Channel(span.meter_no, span.register))
        found += await _sum_checks(connection, span, inside, channel, limits)
    await work_list.open_items(connection, found, utc(now))
    return found


async def edit(
    connection: AsyncConnection,
    store: IntervalStore,
    span: MeterSpan,
    energies_mwh: Sequence[int],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> list[Interval]:
    """A person sets the energy of every interval of a span; what stood before is kept, and bills are assessed again.

    Raises:
        InvalidInput: nobody's name, no reason, or not one value for each interval.
        NotFound: the span has no readings from which the length of its intervals is known.
    """
    if not 0 < len(by.strip()) <= 64 or not by.isprintable():
        raise InvalidInput("who edits has a name of 1 to 64 printable characters")
    if not 0 < len(reason.strip()) <= REASON_LENGTH_MAX:
        raise InvalidInput(f"an edit has a reason of 1 to {REASON_LENGTH_MAX} characters")
    await reading_rows.lock_meters(connection, {span.meter_no})
    wide = span._replace(since=span.since - AROUND, until=span.until + AROUND)
    around = await store.intervals(connection, wide)
    if not around:
        raise NotFound(f"meter {span.meter_no} has no readings of {span.register} near {format_rfc3339(span.since)}")
    minutes = _usual_minutes(around)
    step = timedelta(minutes=minutes)
    if len(energies_mwh) * step != span.until - span.since:
        raise InvalidInput(f"{len(energies_mwh)} values for {(span.until - span.since) // step} intervals")
    current = {each.start: each for each in around}
    edited = []
    for number, mwh in enumerate(energies_mwh):
        start = span.since + number * step
        before = current.get(start)
        version = 0 if before is None else before.version + 1
        method = f"edited by {by.strip()}"[:64]
        edited.append(Interval(span.meter_no, span.register, start, minutes, mwh, "edited", version, method))
    await store.write(connection, f"edit {span.meter_no}", readings(edited), now=now, by_content=True)
    await reading_rows.add_edit(connection, span[:2], span[2:], by=by.strip(), reason=reason.strip(), now=utc(now))
    await reviews.note_changes(connection, edited, utc(now))
    return edited


def _usual_minutes(intervals: Sequence[Interval]) -> int:
    counted = Counter(each.minutes for each in intervals)
    return counted.most_common(1)[0][0] if counted else 15


def _noted(span: MeterSpan, since: datetime, until: datetime, filled: Sequence[Interval]) -> Finding:
    if not filled:
        words = "readings are missing, and none are known to estimate them from"
        return Finding(Kind.CANNOT_ESTIMATE, span.meter_no, span.register, since, until, words)
    energy_mwh = sum(each.energy_mwh for each in filled)
    words = f"{len(filled)} readings are missing; estimated as {Energy(energy_mwh)} ({filled[0].method})"
    return Finding(Kind.ESTIMATED, span.meter_no, span.register, since, until, words, energy_mwh=energy_mwh)


async def _counted_around(
    connection: AsyncConnection, channel: reading_rows.Channel, since: datetime, until: datetime
) -> tuple[datetime, datetime, int] | None:
    """What the register counted from the last reading before the gap to the first one after it."""
    shown = await reading_rows.registers_around(connection, channel.meter, channel.register, since, until)
    before = [row for row in shown if row.at <= since]
    after = [row for row in shown if row.at >= until]
    if not before or not after:
        return None
    first, last = before[-1], after[0]
    counted = advance(first.value_mwh, last.value_mwh, last.at - first.at, channel)
    return None if counted.energy_mwh is None else (first.at, last.at, counted.energy_mwh)


async def _sum_checks(
    connection: AsyncConnection,
    span: MeterSpan,
    inside: Sequence[Interval],
    channel: reading_rows.Channel,
    limits: Limits,
) -> list[Finding]:
    """Between every two readings of the register inside the span."""
    shown = await reading_rows.registers_around(connection, span.meter_no, span.register, span.since, span.until)
    rows = [row for row in shown if span.since <= row.at <= span.until]
    found = []
    for first, last in pairwise(rows):
        counted = advance(first.value_mwh, last.value_mwh, last.at - first.at, channel).energy_mwh
        part = [each for each in inside if first.at <= each.start < last.at]
        if counted is not None and covers_once(part, first.at, last.at):
            finding = sum_check(part, first.at, last.at, counted, limits)
            found += [] if finding is None else [finding]
    return found


async def estimated(
    connection: AsyncConnection, store: IntervalStore, spans: Sequence[MeterSpan]
) -> list[list[Estimate]]:
    """For each span: what of it counts and is an estimate, of ours or of the sender; one pass over the files."""
    return [stretches(intervals) for intervals in await store.intervals_of(connection, spans, quality="estimated")]
