"""A village of houses under the Korean low-voltage tariff, each with one meter, and readings for any of their days."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.bills.billing import Utility, bill_period
from wattbook.household.bills.documents import Bill
from wattbook.household.paid.payments import PaymentInformation, PaymentState
from wattbook.household.readings.intervals import Interval, IntervalStore, readings
from wattbook.kernel.errors import WattbookError
from wattbook.kernel.identifiers import Eic
from wattbook.registry import customers, households, meters, parties
from wattbook.registry.customers import AccountKind, Customer
from wattbook.registry.households import Household
from wattbook.registry.meters import OBIS_IMPORT, Measures, Meter, MeterNetwork, MeterPlace
from wattbook.registry.parties import BalanceGroup, NetworkOperator, Party, Role, Supplier
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.period import BillingPeriod

YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TARIFF = household_tariff("kr-residential-low-voltage")
BALANCE_GROUP = "11XVILLAGE-----" + Eic.check_of("11XVILLAGE-----")
UTILITY = Utility("KR*KPW", BALANCE_GROUP)
GRID = "KR*GRD"
SERVER = "wallbox.example"

DAY = BillingPeriod(date(2026, 10, 1), date(2026, 10, 1))
"""A short period, which is billed as a whole month: all the arithmetic of a month with 24 readings."""
OCTOBER = BillingPeriod.of_month("2026-10")
MIDNIGHT = datetime(2026, 9, 30, 15, tzinfo=UTC)
"""When 1 October begins in Seoul."""
HOUR = timedelta(hours=1)
KWH = 1_000_000


async def found(connection: AsyncConnection, *houses: str) -> None:
    """The village's records, with these houses; each has the meter `M-<house>` since the beginning of the year."""
    await parties.add_parties(connection, [Party("KR*KPW", "Village power", (Role.OTHER,))])
    await parties.add_suppliers(connection, [Supplier("KR*KPW", "Village power")])
    await parties.add_balance_groups(connection, [BalanceGroup(BALANCE_GROUP, "KR*KPW")])
    await parties.add_network_operators(connection, [NetworkOperator(GRID, "Village grid")])
    people = [Customer(name.lower(), "KR*KPW", name, "ko", AccountKind.POSTPAID, "KRW") for name in ("Kim", "Lee")]
    await customers.add_customers(connection, people)
    await households.add_households(connection, [Household(each, "kim", "1 Hill", TARIFF.name) for each in houses])
    for house in houses:
        await add_meter(connection, f"M-{house}", house, YEAR)


async def add_meter(
    connection: AsyncConnection, number: str, house: str, since: datetime, until: datetime | None = None
) -> None:
    await meters.add_meters(connection, [Meter(number, Measures.HOUSEHOLD)])
    await meters.assign_meter_networks(connection, [MeterNetwork(number, GRID, YEAR)])
    await meters.assign_meter_places(connection, [MeterPlace(number, None, house, since, until)])


def hourly(meter: str, total_mwh: int, *, start: datetime = MIDNIGHT, hours: int = 24) -> list[Interval]:
    """Hours of a meter that sum to the total exactly."""
    each, rest = divmod(total_mwh, hours)
    return [
        Interval(meter, OBIS_IMPORT, start + number * HOUR, 60, each + (rest if number == 0 else 0))
        for number in range(hours)
    ]


async def measure(
    connection: AsyncConnection, store: IntervalStore, intervals: Sequence[Interval], batch: str = "first"
) -> bool:
    return await store.write(connection, batch, readings(intervals), now=NOW)


async def bill(
    connection: AsyncConnection, store: IntervalStore, house: str, period: BillingPeriod = DAY
) -> Bill | WattbookError:
    (outcome,) = await bill_period(connection, store, [house], period, UTILITY, now=NOW)
    return outcome


async def billed(connection: AsyncConnection, store: IntervalStore, house: str, period: BillingPeriod = DAY) -> Bill:
    outcome = await bill(connection, store, house, period)
    assert isinstance(outcome, Bill), outcome
    return outcome


def paid(
    house: str,
    name: str,
    energy_mwh: int,
    *,
    ended_at: datetime = MIDNIGHT + 5 * HOUR,
    state: PaymentState = PaymentState.PAID,
    server: str = SERVER,
) -> PaymentInformation:
    """A charge of two hours."""
    return PaymentInformation(
        server=server,
        id=name,
        household=house,
        energy_mwh=energy_mwh,
        started_at=ended_at - 2 * HOUR,
        ended_at=ended_at,
        received_at=NOW,
        state=state,
    )
