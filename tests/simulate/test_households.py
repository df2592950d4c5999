"""Houses of real profiles: house load and charging add up to the meter, and the bill comes down to the house's own."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pytest

from tests.household.village import OCTOBER, SERVER, TARIFF, billed, found, measure
from wattbook.book.audit import audit
from wattbook.db.engine import Database
from wattbook.household.bills.billing import period_in_utc
from wattbook.household.bills.corrections import Outcome, receive_payments
from wattbook.household.bills.documents import corrected, credit_notes_of_bills
from wattbook.household.checks import CHECKS
from wattbook.household.paid.assessment import Lines
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.units import Energy
from wattbook.registry.meters import OBIS_IMPORT
from wattbook.simulate.households import Car, House, home_charges, home_quarters, home_readings, quarter_mwh
from wattbook.tariffs.household import rate_household

SINCE, UNTIL = period_in_utc(TARIFF, OCTOBER)


def test_the_first_quarters_are_those_of_the_package() -> None:
    year = datetime(2026, 1, 1, tzinfo=UTC)
    first, second, *_ = home_quarters(House.FAMILY, Car.SMALL, year, year.replace(day=2), "UTC")
    assert (first.start, first.house_mwh, first.car_mwh) == (year, 97_983, 0)  # 391.93 W
    assert second.house_mwh == 71_992  # 287.969 W


@pytest.mark.parametrize(("power_w", "energy_mwh"), [("0.002", 1), ("0.001", 0), ("391.93", 97_983), ("4", 1_000)])
def test_a_quarter_is_rounded_half_up(power_w: str, energy_mwh: int) -> None:
    assert quarter_mwh(Decimal(power_w)) == energy_mwh


@pytest.mark.parametrize(("day", "quarters"), [(29, 92), (28, 96)])
def test_a_day_has_as_many_quarters_as_its_clock_says(day: int, quarters: int) -> None:
    midnight = datetime(2026, 3, day - 1, 23, tzinfo=UTC)
    end = datetime(2026, 3, day, 22 if day == 29 else 23, tzinfo=UTC)
    assert len(home_quarters(House.SINGLE, Car.LARGE, midnight, end, "Europe/Berlin")) == quarters


@pytest.mark.parametrize("car", Car)
@pytest.mark.parametrize("house", House)
async def test_the_bill_of_a_month_comes_down_to_the_houses_own_load(
    database: Database, tmp_path: Path, house: House, car: Car
) -> None:
    quarters = home_quarters(house, car, SINCE, UNTIL, TARIFF.time_zone)
    charges = list(home_charges(quarters))
    own_mwh = sum(quarter.house_mwh for quarter in quarters)
    assert len(quarters) == 31 * 96
    assert sum(quarter.car_mwh for quarter in quarters) == sum(charge.energy_mwh for charge in charges) > 0
    payments = [
        charge.payment(SERVER, number, "h1", received_at=UNTIL) for number, charge in enumerate(charges, start=1)
    ]
    in_time, late = payments[::2], payments[1::2]
    async with database.transaction() as connection:
        await found(connection, "h1")
        store = IntervalStore(tmp_path)
        await measure(connection, store, list(home_readings(quarters, "M-h1", OBIS_IMPORT)))
        await receive_payments(connection, in_time)
        bill = await billed(connection, store, "h1", OCTOBER)
        receipts = await receive_payments(connection, [*late, *in_time], store)
        assert [receipt.outcome for receipt in receipts] == [
            *chain([Outcome.COUNTED] * len(late), [Outcome.KNOWN] * len(in_time))
        ]
        notes = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
        assert corrected(bill, notes) == Lines.of(rate_household(TARIFF, Energy(own_mwh), OCTOBER))
        assert (await audit(connection, CHECKS)).holds
