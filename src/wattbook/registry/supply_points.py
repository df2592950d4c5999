"""Supply points: for each of many households, the one meter and network that feed it through a whole period.

A bill run asks this for thousands of houses at once. Nearly every house has one meter, on one network, and one customer
under one tariff all the time; for those the answer is one row. A house whose people moved, that changed its tariff or
its meter or has several is answered with None, and whoever asks looks at it closely (`contracts_of_households`,
`meters_of_households`, `places_of_meters`, `allocate_meters`).
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import fetch
from wattbook.kernel.clock import utc


class SupplyPoint(NamedTuple):
    """`register` counts what the house draws through the meter; `contract_w` is its contracted power.

    `customer` lives there by contract; None: the house has no contracts.
    """

    meter: str
    register: str
    network_operator: str
    contract_w: int | None
    tariff: str
    customer: str | None


class Cycle(NamedTuple):
    """The billing period of houses that are read on a day of the month, and the widest time that it has anywhere."""

    reading_day: int
    first: date
    last: date
    since: datetime
    until: datetime


class Billable(NamedTuple):
    """A household and a tariff that it has within its billing period from `first` to `last`.

    Attributes:
        meter: that measured it in the time, if any: the lowest number.
        bill_days: on which its bills under this tariff begin; several where people moved.
    """

    household: str
    tariff: str
    meter: str
    first: date
    last: date
    bill_days: tuple[date, ...]


async def billable_households(
    connection: AsyncConnection, cycles: Sequence[Cycle], only: Sequence[str] | None = None
) -> list[Billable]:
    """The households that a meter measured at any moment of their period, or those of `only` in any case; of these the
    ones in which somebody lived on any of its days.

    By tariff, period and meter number, so that neighbours in the list are neighbours in the store of readings.
    """
    rows = await fetch(
        connection,
        """
        WITH cycle AS (
            SELECT * FROM unnest(%s::smallint[], %s::date[], %s::date[], %s::timestamptz[], %s::timestamptz[])
                AS cycle(reading_day, first, last, since, until)
        ), due AS (
            SELECT household.id, household.tariff, cycle.first, cycle.last, cycle.since, cycle.until,
                   ARRAY[cycle.first] AS bill_days
            FROM registry.households AS household JOIN cycle USING (reading_day)
            WHERE household.id NOT IN (SELECT household FROM registry.household_contracts)
            UNION ALL
            SELECT household.id, contract.tariff, cycle.first, cycle.last, cycle.since, cycle.until,
                   array_agg(greatest(contract.first_day, cycle.first) ORDER BY contract.first_day)
            FROM registry.household_contracts AS contract
            JOIN registry.households AS household ON household.id = contract.household
            JOIN cycle USING (reading_day)
            WHERE contract.first_day <= cycle.last AND (contract.last_day IS NULL OR cycle.first <= contract.last_day)
            GROUP BY household.id, contract.tariff, reading_day, cycle.first, cycle.last, cycle.since, cycle.until
        )
        SELECT due.id, due.tariff, coalesce(min(place.meter COLLATE "C"), ''), due.first, due.last, min(due.bill_days)
        FROM due
        LEFT JOIN registry.meter_places AS place ON place.household = due.id
            AND place.valid_from < due.until AND (place.valid_to IS NULL OR place.valid_to > due.since)
        WHERE %s::text[] IS NULL OR due.id = ANY(%s::text[])
        GROUP BY due.id, due.tariff, due.first, due.last
        HAVING %s::text[] IS NOT NULL OR count(place.meter) > 0
        ORDER BY 2, 4, 5, 3, 1
        """,
        (
            *(list(column) for column in zip(*cycles, strict=True)),
            *[None if only is None else list(only)] * 3,
        ),
    )
    return [
        Billable(house, tariff, meter, first, last, tuple(days)) for house, tariff, meter, first, last, days in rows
    ]


async def supply_points(
    connection: AsyncConnection,
    households: Sequence[str],
    since: datetime,
    until: datetime,
    days: tuple[date, date],
) -> list[SupplyPoint | None]:
    """For each household: its supply point through all of [since, until), None if it has not just one all the time.

    Args:
        days: first and last day of the time, which contracts go by.
    """
    rows = await fetch(
        connection,
        """
        WITH asked AS (SELECT * FROM unnest(%s::text[]) WITH ORDINALITY AS asked(household, nth)),
        time AS (
            SELECT %s::timestamptz AS since, %s::timestamptz AS until, %s::date AS first_day, %s::date AS last_day
        ),
        placed AS (
            SELECT asked.nth, count(*) AS meters, min(place.meter) AS meter,
                   bool_and(place.valid_from <= time.since AND coalesce(place.valid_to >= time.until, true)) AS is_whole
            FROM asked CROSS JOIN time
            JOIN registry.meter_places AS place ON place.household = asked.household
                AND place.valid_from < time.until AND (place.valid_to IS NULL OR place.valid_to > time.since)
            GROUP BY asked.nth
        )
        SELECT placed.meter, meter.obis_import, network.operator,
               CASE WHEN contract.household IS NULL THEN household.contract_w ELSE contract.contract_w END,
               coalesce(contract.tariff, household.tariff), contract.customer,
               contract.household IS NOT NULL OR NOT EXISTS (
                   SELECT FROM registry.household_contracts AS known WHERE known.household = asked.household
               )
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
        LEFT JOIN LATERAL (
            SELECT known.* FROM time, registry.household_contracts AS known
            WHERE known.household = asked.household AND known.first_day <= time.first_day
                AND (known.last_day IS NULL OR known.last_day >= time.last_day)
        ) AS contract ON true
        ORDER BY asked.nth
        """,
        (list(households), utc(since), utc(until), *days),
    )
    assert len(rows) == len(households), "every household asked for is registered"
    return [
        SupplyPoint(meter, register, operator, *terms)
        if register is not None and operator is not None and is_whole
        else None
        for meter, register, operator, *terms, is_whole in rows
    ]
