"""Bills whose readings changed after they were issued are noted with the change; `reassessment` takes them up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store
from wattbook.household.readings.interval_schema import Interval
from wattbook.registry.meters import MeterPlace, places_of_meters

MOMENT: Final = timedelta(microseconds=1)


async def note_changes(connection: AsyncConnection, changed: Sequence[Interval], now: datetime) -> int:
    """Note the bills of the houses that these intervals are measured for; how many there are."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for interval in changed:
        end = interval.start + timedelta(minutes=interval.minutes)
        since, until = spans.get(interval.meter_no, (interval.start, end))
        spans[interval.meter_no] = min(since, interval.start), max(until, end)
    asked = [(meter, moment) for meter, (since, until) in spans.items() for moment in (since, until - MOMENT)]
    places = await places_of_meters(connection, asked)
    houses = {
        (place.household, *spans[meter])
        for (meter, _), place in zip(asked, places, strict=True)
        if isinstance(place, MeterPlace) and place.household is not None
    }
    bills = await store.bills_in_time(connection, sorted(houses))
    await store.note_reviews(connection, [bill["id"] for bill in bills], now)
    return len(bills)
