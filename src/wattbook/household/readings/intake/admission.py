"""What of the items of a source is taken in: the same rules for every format.

A reading is taken in when its meter is known and measures a house, its register is one of the meter's, and its time and
amount can be. What is there already changes nothing; what differs becomes a new version, which counts from then on; two
values for one interval in one source contradict each other, and neither is taken. Everything that is not taken in is
told with its line and kept in quarantine; what is right beside it is stored, in one batch.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.readings import reading_rows, reviews
from wattbook.household.readings.intake.items import Complaint, IntervalReading, Item, RegisterReading
from wattbook.household.readings.intake.matching import Matcher
from wattbook.household.readings.intake.registers import take_in_registers
from wattbook.household.readings.intake.report import Report
from wattbook.household.readings.interval_schema import ENERGY_MWH_MAX, MINUTES, TEXT_LENGTH_MAX, Interval, readings
from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import InvalidInput

SOURCE_LENGTH_MAX: Final = 150
TIME_TOLERANCE: Final = timedelta(seconds=30)
"""A meter's clock may be so far off the beginning of its interval, and is then put right."""
POWER_W_MAX: Final = 250_000
"""What can pass the meter of a house, if nothing else is known of it: more is a wrong unit or a wrong multiplier."""

Key = tuple[str, str, datetime]


async def take_in(
    connection: AsyncConnection,
    store: IntervalStore,
    source: str,
    items: Iterable[Item],
    *,
    now: datetime,
    dry_run: bool = False,
) -> Report:
    """Store what is right among the items of a source, keep the rest in quarantine, and report.

    Args:
        source: file name or sender, for people; at most 150 characters.
        dry_run: only report.

    Raises:
        InvalidInput: the source has no name.
    """
    if not 0 < len(source) <= SOURCE_LENGTH_MAX or not source.isprintable():
        raise InvalidInput(f"the name of a source is 1 to {SOURCE_LENGTH_MAX} printable characters")
    report = Report(source)
    found = list(items)
    for item in found:
        if isinstance(item, Complaint):
            report.refuse(item)
    readings_found = [item for item in found if not isinstance(item, Complaint)]
    matcher = await Matcher.of(connection, [(each.meter, _moment(each)) for each in readings_found])
    matched = [_refused_or(report, matcher.matched(each)) for each in readings_found]
    registers = [each for each in matched if isinstance(each, RegisterReading)]
    given = [each for each in matched if isinstance(each, IntervalReading)]
    await reading_rows.lock_meters(connection, {each.meter for each in registers} | {each.meter for each in given})
    derived = await take_in_registers(connection, registers, report, matcher, now=utc(now), dry_run=dry_run)
    stated = {(each.meter, each.register, each.start) for each in given}
    given += [each for each in derived if (each.meter, each.register, each.start) not in stated]
    sound = [each for each in (_checked(each, matcher, utc(now), report) for each in given) if each is not None]
    wanted = await _versions(connection, store, _without_contradictions(sound, report), report)
    if not dry_run:
        await _keep(connection, store, wanted, report, utc(now))
    return report


def _moment(item: IntervalReading | RegisterReading) -> datetime:
    return item.start if isinstance(item, IntervalReading) else item.at


def _refused_or(report: Report, item: Item) -> Item:
    if isinstance(item, Complaint):
        report.refuse(item)
    return item


def _checked(reading: IntervalReading, matcher: Matcher, now: datetime, report: Report) -> IntervalReading | None:
    """The reading with its start put on the grid; None when it is refused."""
    wrong = _wrong(reading, matcher, now)
    if wrong is not None:
        _refuse(reading, *wrong, report)
        return None
    return reading._replace(start=_nearest(reading.start, timedelta(minutes=reading.minutes)))


def _wrong(reading: IntervalReading, matcher: Matcher, now: datetime) -> tuple[str, str] | None:
    """Code and words, when the reading cannot be."""
    if reading.minutes not in MINUTES:
        return "time", f"an interval of {reading.minutes} minutes: one of {MINUTES} is stored"
    length = timedelta(minutes=reading.minutes)
    nearest = _nearest(reading.start, length)
    if abs(nearest - reading.start) > TIME_TOLERANCE:
        return "time", f"{format_rfc3339(reading.start)} is no multiple of {reading.minutes} minutes"
    if nearest + length > now:
        return "future", f"the interval ends at {format_rfc3339(nearest + length)}"
    if not 0 <= reading.energy_mwh <= ENERGY_MWH_MAX or len(reading.method) > TEXT_LENGTH_MAX:
        return "value", f"{reading.energy_mwh} mWh: an interval has 0 to {ENERGY_MWH_MAX}"
    power_w = reading.energy_mwh * 60 // reading.minutes // 1_000
    power_w_max = matcher.channel(reading.meter, reading.register).power_w_max or POWER_W_MAX
    if power_w > power_w_max:
        return "unit", f"{power_w} W is more than the {power_w_max} W that can pass the meter: is the unit right?"
    return None


def _nearest(moment: datetime, length: timedelta) -> datetime:
    since_epoch = utc(moment).timestamp()
    seconds = int(length.total_seconds())
    return datetime.fromtimestamp((since_epoch + seconds / 2) // seconds * seconds, utc(moment).tzinfo)


def _refuse(reading: IntervalReading, code: str, reason: str, report: Report) -> None:
    report.refuse(Complaint(reading.line, code, reason, _content(reading)))


def _content(reading: IntervalReading) -> str:
    when = format_rfc3339(reading.start)
    return f"{reading.meter} {reading.register} {when} {reading.minutes} min {reading.energy_mwh} mWh"


def _without_contradictions(given: Sequence[IntervalReading], report: Report) -> list[IntervalReading]:
    """What stands once, or again with the same content; of the sender's own versions the highest."""
    by_key: dict[Key, list[IntervalReading]] = defaultdict(list)
    for reading in given:
        by_key[reading.meter, reading.register, reading.start].append(reading)
    kept: list[IntervalReading] = []
    for readings_of_key in by_key.values():
        numbered = [each for each in readings_of_key if each.version is not None]
        highest = max((each.version or 0 for each in numbered), default=0)
        rivals = [each for each in numbered if each.version == highest] or readings_of_key
        if len({each[4:8] for each in rivals}) == 1 and len(numbered) in (0, len(readings_of_key)):
            kept.append(rivals[0])
            report.known += len(readings_of_key) - 1
            continue
        lines = ", ".join(str(each.line) for each in readings_of_key[:5])
        for each in readings_of_key:
            _refuse(each, "version", f"lines {lines} say different things of one interval", report)
    return _without_overlaps(kept, report)


def _without_overlaps(given: Sequence[IntervalReading], report: Report) -> list[IntervalReading]:
    """Intervals of different lengths may follow each other, but not cover the same time."""
    kept: list[IntervalReading] = []
    ends: dict[tuple[str, str], tuple[datetime, int]] = {}
    for reading in sorted(given, key=lambda each: (each.meter, each.register, each.start)):
        series = reading.meter, reading.register
        end, line = ends.get(series, (reading.start, 0))
        if reading.start < end:
            _refuse(reading, "overlap", f"the interval of line {line} covers a part of it", report)
            continue
        ends[series] = reading.start + timedelta(minutes=reading.minutes), reading.line
        kept.append(reading)
    return kept


async def _versions(
    connection: AsyncConnection, store: IntervalStore, given: Sequence[IntervalReading], report: Report
) -> list[Interval]:
    """What is to be stored, each with the version by which it counts, or does not if the sender's own is older."""
    by_series: dict[tuple[str, str], list[IntervalReading]] = defaultdict(list)
    for reading in given:
        by_series[reading.meter, reading.register].append(reading)
    hour = timedelta(hours=1)
    spans = [
        MeterSpan(meter, register, each[0].start - hour, each[-1].start + hour)
        for (meter, register), each in by_series.items()
    ]
    wanted: list[Interval] = []
    stored = await store.intervals_of(connection, spans)
    for series, current in zip(by_series.values(), stored, strict=True):
        by_start = {interval.start: interval for interval in current}
        lengths = {interval.minutes for interval in current}
        for reading in series:
            others = lengths - {reading.minutes}
            if others and (other := _covering(reading, by_start, others)) is not None:
                words = f"an interval of {other.minutes} minutes from {format_rfc3339(other.start)} is stored"
                _refuse(reading, "overlap", words, report)
                continue
            interval = _next_version(reading, by_start.get(reading.start), report)
            if interval is not None:
                wanted.append(interval)
    return wanted


def _covering(reading: IntervalReading, stored: dict[datetime, Interval], lengths: Iterable[int]) -> Interval | None:
    """A stored interval of one of these lengths that shares time with the reading."""
    end = reading.start + timedelta(minutes=reading.minutes)
    for minutes in lengths:
        length = timedelta(minutes=minutes)
        start = _floor(reading.start, length)
        while start < end:
            other = stored.get(start)
            if other is not None and other.minutes == minutes:
                return other
            start += length
    return None


def _floor(moment: datetime, length: timedelta) -> datetime:
    seconds = int(length.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, moment.tzinfo)


def _next_version(reading: IntervalReading, current: Interval | None, report: Report) -> Interval | None:
    interval = Interval(
        reading.meter,
        reading.register,
        reading.start,
        reading.minutes,
        reading.energy_mwh,
        reading.quality,
        reading.version or 0,
        reading.method,
    )
    if current is None:
        report.new += 1
        return interval
    if interval._replace(version=current.version) == current:
        report.known += 1
        return None
    report.changed += 1
    return interval if reading.version is not None else interval._replace(version=current.version + 1)


async def _keep(
    connection: AsyncConnection, store: IntervalStore, wanted: Sequence[Interval], report: Report, now: datetime
) -> None:
    if wanted:
        await store.write(connection, report.source, readings(wanted), now=now, by_content=True)
        report.bills = await reviews.note_changes(connection, wanted, now)
    await reading_rows.quarantine(connection, report.source, report.refused, now)
