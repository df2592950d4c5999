"""A house of real profiles in the village: a family with a small or a large car, under any tariff, up to any moment."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.village import GRID, SERVER, found
from wattbook.household.bills.corrections import Outcome, receive_payments
from wattbook.household.readings.intervals import IntervalStore, readings
from wattbook.registry import meters
from wattbook.registry.households import Household, add_households
from wattbook.registry.meters import OBIS_IMPORT, Measures, Meter, MeterNetwork, MeterPlace
from wattbook.simulate.households import Car, House, Quarter, home_charges, home_quarters, home_readings
from wattbook.tariffs.catalogue import household_tariff


async def live(
    connection: AsyncConnection,
    store: IntervalStore,
    house: str,
    since: datetime,
    until: datetime,
    *,
    tariff: str = "kr-residential-low-voltage",
    profile: House = House.FAMILY,
    car: Car = Car.SMALL,
    reading_day: int = 1,
    pays: bool = True,
) -> list[Quarter]:
    """Let a house be read from `since` to `until`, and its charging be paid at the wallbox; what it used."""
    await found(connection)
    await add_households(connection, [Household(house, "kim", "3 Hill", tariff, reading_day)])
    await meters.add_meters(connection, [Meter(f"M-{house}", Measures.HOUSEHOLD)])
    await meters.assign_meter_networks(connection, [MeterNetwork(f"M-{house}", GRID, since)])
    await meters.assign_meter_places(connection, [MeterPlace(f"M-{house}", None, house, since)])
    quarters = home_quarters(profile, car, since, until, household_tariff(tariff).time_zone)
    await read(connection, store, house, quarters)
    if pays:
        await pay(connection, store, house, quarters, until)
    return quarters


async def read(connection: AsyncConnection, store: IntervalStore, house: str, quarters: Sequence[Quarter]) -> None:
    table = readings(home_readings(quarters, f"M-{house}", OBIS_IMPORT))
    last = quarters[-1].start + timedelta(hours=1)
    await store.write(connection, f"{house} {len(quarters)} from {quarters[0].start}", table, now=last)


async def pay(
    connection: AsyncConnection, store: IntervalStore, house: str, quarters: Sequence[Quarter], until: datetime
) -> None:
    payments = [
        charge.payment(SERVER, f"{charge.started_at:%Y%m%d%H%M}", house, received_at=until)  # type: ignore[arg-type]
        for charge in home_charges(quarters)
    ]
    receipts = await receive_payments(connection, payments, store)
    assert all(receipt.outcome is Outcome.COUNTED for receipt in receipts)


def local(zone: str, year: int, month: int, day: int, hour: int = 0) -> datetime:
    """A moment on the clock of a zone, in UTC."""
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)
