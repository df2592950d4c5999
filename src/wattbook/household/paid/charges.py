"""What was charged at houses and paid elsewhere, as every assessment sees it: bill, correction, account, forecast."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store
from wattbook.household.paid.assessment import PER_INTERVAL, Charge
from wattbook.household.paid.exceptions import beyond_meters
from wattbook.household.readings.intervals import IntervalStore
from wattbook.tariffs.hours import slot_at
from wattbook.tariffs.schedule import Schedule

MOMENT: Final = timedelta(microseconds=1)
"""The finest step of time that is stored."""


async def charges_in_time(
    connection: AsyncConnection,
    intervals: IntervalStore | None,
    asked: store.Asked,
    schedules: Sequence[Schedule],
    bases: Sequence[str] | None = None,
) -> list[list[Charge]]:
    """For each (household, from, to) and its schedule: what was charged there and paid elsewhere, by the end of each
    part of a charge, which is after `from` and at the latest at `to` and decides its zone of the day.

    Args:
        intervals: what charges with a course are held against; None only where all are held against the period.
        bases: of each, one of `assessment.BASES`; None: per interval.
    """
    by_interval = [basis == PER_INTERVAL for basis in bases or [PER_INTERVAL] * len(asked)]
    beyond: list[dict[tuple[datetime, str, str], int]] = [{} for _ in asked]
    if any(by_interval):
        assert intervals is not None, "what is held against intervals needs them"
        beyond = await beyond_meters(connection, intervals, asked)
    charges: list[list[Charge]] = [[] for _ in asked]
    for place, ended_at, server, payment, energy_mwh in await store.paid_parts(connection, asked):
        slot = slot_at(schedules[place], ended_at - MOMENT)
        beyond_mwh = beyond[place].get((ended_at, server, payment), 0) if by_interval[place] else 0
        charges[place].append(Charge(ended_at, server, payment, energy_mwh, slot, beyond_mwh))
    return charges
