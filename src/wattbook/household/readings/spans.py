"""Which registers measured a house, and when."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.readings.intervals import MeterSpan
from wattbook.kernel.clock import utc
from wattbook.registry.households import meters_of_households
from wattbook.registry.meters import find_meters
from wattbook.registry.validity import Missing


async def meter_spans(
    connection: AsyncConnection, times: Sequence[tuple[str, datetime, datetime]]
) -> list[list[MeterSpan]]:
    """For each (house, from, to): the registers that measured what it drew, and when."""
    matched = [
        [] if isinstance(places, Missing) else list(places) for places in await meters_of_households(connection, times)
    ]
    numbers = [place.meter for places in matched for place in places]
    known = dict(zip(numbers, await find_meters(connection, numbers), strict=True))
    found: list[list[MeterSpan]] = []
    for (_, since, until), places in zip(times, matched, strict=True):
        of_house: list[MeterSpan] = []
        for place in places:
            meter = known[place.meter]
            end = until if place.valid_to is None else utc(place.valid_to)
            if meter is not None and meter.obis_import is not None:
                span = within(MeterSpan(place.meter, meter.obis_import, utc(place.valid_from), end), since, until)
                of_house += [] if span is None else [span]
        found.append(of_house)
    return found


def within(span: MeterSpan, since: datetime, until: datetime) -> MeterSpan | None:
    """What of a span lies in [since, until)."""
    cut = span._replace(since=max(span.since, since), until=min(span.until, until))
    return cut if cut.since < cut.until else None
