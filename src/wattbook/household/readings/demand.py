"""The highest power of houses, for tariffs that charge for it: the greatest mean over a demand interval of a period.

A demand interval, such as a quarter hour, begins on a multiple of its length in UTC. What all meters of a house
measured in it is summed; readings that are shorter are put together, longer ones do not tell it. Charging that was paid
elsewhere stays in: the network had to carry it, and a charge of which only its start and end are known has no power. So
a bill before and after such payments has one and the same power.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import ibis
import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.household.readings.spans import meter_spans, within
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_WH, div_half_up
from wattbook.tariffs.hours import bounds
from wattbook.tariffs.schedule import Schedule

_OWNERS: Final = pa.schema([("place", pa.int64()), ("house", pa.int64())])


class Measured(NamedTuple):
    """Of a house: the most energy in one demand interval, and the longest reading, in minutes."""

    energy_mwh: int = 0
    minutes_max: int = 0

    def watts(self, minutes: int) -> int:
        """The mean power, half up to a watt.

        Raises:
            InvalidInput: a reading is longer than the demand interval.
        """
        if self.minutes_max > minutes:
            words = f"readings of {self.minutes_max} minutes do not tell the highest power over {minutes} minutes"
            raise InvalidInput(f"{words}, which the tariff charges for")
        return div_half_up(self.energy_mwh * 60, minutes * MWH_PER_WH)


async def demands(
    connection: AsyncConnection, intervals: IntervalStore, spans: Sequence[Sequence[MeterSpan]], minutes: int
) -> list[Measured]:
    """For each house, of which the spans of all its meters are given; one pass over the interval files."""
    flat = [(house, span) for house, of_house in enumerate(spans) for span in of_house]
    if not flat:
        return [Measured() for _ in spans]
    owners = pa.table([range(len(flat)), [house for house, _ in flat]], schema=_OWNERS)

    def expression(wanted: ibis.Table, current: ibis.Table) -> ibis.Table:
        return highest(wanted, current, ibis.memtable(owners), minutes)

    rows = await intervals.evaluate(connection, [span for _, span in flat], expression)
    found = {row["house"]: Measured(int(row["energy_mwh"]), row["minutes_max"]) for row in rows}
    return [found.get(house, Measured()) for house in range(len(spans))]


async def peaks_of_schedules(
    connection: AsyncConnection, intervals: IntervalStore, asked: Sequence[tuple[str, Schedule]], *, now: datetime
) -> list[int | None]:
    """The highest power of each house so far, in watts; None where its tariff does not charge for it, or its readings
    do not tell it."""
    places = [place for place, (_, schedule) in enumerate(asked) if schedule.tariff.demand_minutes is not None]
    times = [(asked[place][0], *bounds(asked[place][1])) for place in places]
    spans = dict(zip(places, await meter_spans(connection, times), strict=True))
    found: list[int | None] = [None] * len(asked)
    for minutes in sorted({asked[place][1].tariff.demand_minutes or 0 for place in places}):
        alike = [place for place in places if asked[place][1].tariff.demand_minutes == minutes]
        read = [[cut for span in spans[place] if (cut := within(span, span.since, now))] for place in alike]
        for place, measured in zip(alike, await demands(connection, intervals, read, minutes), strict=True):
            found[place] = measured.watts(minutes) if measured.minutes_max <= minutes else None
    return found


def highest(wanted: ibis.Table, current: ibis.Table, owners: ibis.Table, minutes: int) -> ibis.Table:
    """For each house: energy_mwh of its greatest demand interval, minutes_max of its readings.

    Args:
        wanted: place, meter_no, register, since, until.
        current: as `Manifest.readings` gives it.
        owners: place, house.
    """
    is_wanted = [
        wanted.meter_no == current.meter_no,
        wanted.register == current.register,
        current.start >= wanted.since,
        current.start < wanted.until,
    ]
    read = wanted.join(current, is_wanted).select(
        wanted.place,
        current.energy_mwh,
        current.minutes,
        demand=(current.start.epoch_seconds() // (minutes * 60)).cast("int64"),
    )
    owned = read.join(owners, "place")
    of_demand = owned.group_by(["house", "demand"]).aggregate(
        energy_mwh=owned.energy_mwh.sum(), minutes_max=owned.minutes.max()
    )
    return of_demand.group_by("house").aggregate(
        energy_mwh=of_demand.energy_mwh.max(), minutes_max=of_demand.minutes_max.max()
    )
