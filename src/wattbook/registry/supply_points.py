"""Supply points: for each of many households, the one meter and network that feed it through a whole period.

A bill run asks this for thousands of houses at once. Nearly every house has one meter, on one network, all the time;
for those the answer is one row. A house that moved, changed its meter or has several is answered with None, and whoever
asks looks at it closely (`meters_of_households`, `places_of_meters`, `allocate_meters`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import fetch
from wattbook.kernel.clock import utc


class SupplyPoint(NamedTuple):
    """`register` counts what the house draws through the meter; `contract_w` is its contracted power."""

    meter: str
    register: str
    network_operator: str
    contract_w: int | None


class Billable(NamedTuple):
    """A household, its tariff, and a meter that measured it in the time asked for, if any: the lowest number."""

    household: str
    tariff: str
    meter: str


async def billable_households(
    connection: AsyncConnection, since: datetime, until: datetime, only: Sequence[str] | None = None
) -> list[Billable]:
    """The households that a meter measured at any moment of the time, or those of `only` in any case.

    By tariff and meter number, so that neighbours in the list are neighbours in the store of readings.
    """
    rows = await fetch(
        connection,
        """
        SELECT household.id, household.tariff, coalesce(min(place.meter COLLATE "C"), '')
        FROM registry.households AS household
        LEFT JOIN registry.meter_places AS place ON place.household = household.id
            AND place.valid_from < %s AND (place.valid_to IS NULL OR place.valid_to > %s)
        WHERE %s::text[] IS NULL OR household.id = ANY(%s::text[])
        GROUP BY household.id, household.tariff
        HAVING %s::text[] IS NOT NULL OR count(place.meter) > 0
        ORDER BY 2, 3, 1
        """,
        (utc(until), utc(since), *[None if only is None else list(only)] * 3),
    )
    return [Billable(*row) for row in rows]


async def supply_points(
    connection: AsyncConnection, households: Sequence[str], since: datetime, until: datetime
) -> list[SupplyPoint | None]:
    """For each household: its supply point through all of [since, until), None if it has not just one all the time."""
    rows = await fetch(
        connection,
        """
        WITH asked AS (SELECT * FROM unnest(%s::text[]) WITH ORDINALITY AS asked(household, nth)),
        time AS (SELECT %s::timestamptz AS since, %s::timestamptz AS until),
        placed AS (
            SELECT asked.nth, count(*) AS meters, min(place.meter) AS meter,
                   bool_and(place.valid_from <= time.since AND coalesce(place.valid_to >= time.until, true)) AS is_whole
            FROM asked CROSS JOIN time
            JOIN registry.meter_places AS place ON place.household = asked.household
                AND place.valid_from < time.until AND (place.valid_to IS NULL OR place.valid_to > time.since)
            GROUP BY asked.nth
        )
        SELECT placed.meter, meter.obis_import, network.operator, household.contract_w
        FROM asked
        JOIN registry.households AS household ON household.id = asked.household
        LEFT JOIN placed ON placed.nth = asked.nth AND placed.meters = 1 AND placed.is_whole
        LEFT JOIN registry.meters AS meter ON meter.number = placed.meter
            -- A meter that is on record for several things at once is nobody's to bill without a look.
            AND 1 = (SELECT count(*) FROM time, registry.meter_places AS place WHERE place.meter = placed.meter
                     AND place.valid_from < time.until AND (place.valid_to IS NULL OR place.valid_to > time.since))
        LEFT JOIN LATERAL (
            SELECT min(fed.network_operator) AS operator FROM time, registry.meter_networks AS fed
            WHERE fed.meter = meter.number AND fed.valid_from < time.until
                AND (fed.valid_to IS NULL OR fed.valid_to > time.since)
            HAVING count(*) = 1
                AND bool_and(fed.valid_from <= time.since AND coalesce(fed.valid_to >= time.until, true))
        ) AS network ON true
        ORDER BY asked.nth
        """,
        (list(households), utc(since), utc(until)),
    )
    assert len(rows) == len(households), "every household asked for is registered"
    return [
        None if register is None or operator is None else SupplyPoint(meter, register, operator, contract_w)
        for meter, register, operator, contract_w in rows
    ]
