"""Households: houses billed by a household tariff, each matched with the meters that measure it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.registry import checks, store, tables
from wattbook.registry.meters import MeterPlace
from wattbook.registry.validity import Missing

CONTRACT_W_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class Household:
    """A house that is billed.

    Attributes:
        customer: who pays.
        site: where it stands, if a site is registered for it.
        tariff: name of a household tariff, such as `kr-residential-low-voltage`.
        reading_day: day of the month at whose start a billing period begins; a month without it is read on its last
            day.
        contract_w: contracted power in watts; a tariff that charges for it needs it.
    """

    id: str
    customer: str
    address: str
    tariff: str
    reading_day: int = 1
    site: str | None = None
    contract_w: int | None = None


async def add_households(connection: AsyncConnection, households: Sequence[Household]) -> None:
    """Add households, by id; one that is known is replaced.

    Raises:
        InvalidInput: a field is out of its form: no address, a reading day that no month has.
        NotFound: the customer or the site is not registered.
    """
    await store.upsert(connection, tables.households, [asdict(_checked(household)) for household in households])


async def find_households(connection: AsyncConnection, ids: Sequence[str]) -> list[Household | None]:
    return await store.find(connection, tables.households, Household, ids)


async def next_households(connection: AsyncConnection, after: str, limit: int) -> list[Household]:
    """The next ones after an id, in the order of ids."""
    return await store.following(connection, tables.households, Household, after, limit)


async def latest_reading_day(connection: AsyncConnection) -> int:
    """The latest day of the month on which any house is read; 1 where there is none."""
    found = await connection.execute(select(func.coalesce(func.max(tables.households.c.reading_day), 1)))
    return int(found.scalar_one())


async def meters_of_households(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime, datetime]]
) -> list[tuple[MeterPlace, ...] | Missing]:
    """For each (household, from, to): the meters that measure it at any moment from `from` up to, not including, `to`.

    Each with its own validity, by its start; a meter that was changed within the period comes beside its successor.
    """
    found = await store.household_meters(connection, [(household, utc(a), utc(b)) for household, a, b in asked])
    return [
        tuple(msgspec.json.decode(places, type=list[MeterPlace]))
        if known
        else Missing(f"household {household} is not registered")
        for (household, _, _), (known, places) in zip(asked, found, strict=True)
    ]


def _checked(household: Household) -> Household:
    what = f"of household {household.id}"
    return replace(
        household,
        id=checks.ocpi_id(household.id, "id of a household"),
        address=checks.plain_text(household.address, f"address {what}"),
        tariff=checks.plain_text(household.tariff, f"tariff {what}"),
        reading_day=checks.whole(household.reading_day, f"reading day {what}", 1, 31),
        contract_w=None
        if household.contract_w is None
        else checks.whole(household.contract_w, f"contracted power {what}", 0, CONTRACT_W_MAX),
    )
