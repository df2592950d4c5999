"""Tariffs at a simulated station of OCPP 2.1: kept where they are of, told, changed and taken away (I07 to I11)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.simulate.conftest import GOOD, Central
from wattbook.kernel.clock import ManualClock
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.ocpp import messages as m
from wattbook.ocpp.wire.versions import V21
from wattbook.simulate.evses import Evse
from wattbook.simulate.sessions import Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import Vehicle, VehicleModel

CAR = Vehicle(VehicleModel("car", 50 * MWH_PER_KWH, 22_000, 100_000), 0)


@pytest.fixture
async def station(central: Central, clock: ManualClock) -> AsyncIterator[SimulatedStation]:
    """With two outlets."""
    simulated = SimulatedStation("SIM-1", clock, [Evse(), Evse()], subprotocols=[V21.subprotocol])
    await simulated.connect(central.url)
    yield simulated
    await simulated.leave()


async def tell(central: Central, action: str, **payload: Any) -> Any:
    return (await central.tell("SIM-1", m.Verbatim(action, payload))).payload


def tariff(tariff_id: str, *, currency: str = "KRW", prices: int = 1) -> dict[str, Any]:
    energy = {"prices": [{"priceKwh": 300 + number} for number in range(prices)]}
    return {"tariffId": tariff_id, "currency": currency, "energy": energy}


async def test_a_default_is_of_an_evse_or_of_each(central: Central, station: SimulatedStation) -> None:
    assert await tell(central, "GetTariffs", evseId=0) == {"status": "NoTariff"}
    assert await tell(central, "SetDefaultTariff", evseId=0, tariff=tariff("all")) == {"status": "Accepted"}
    assert await tell(central, "SetDefaultTariff", evseId=2, tariff=tariff("second")) == {"status": "Accepted"}
    told = await tell(central, "GetTariffs", evseId=0)
    assert told["tariffAssignments"] == [
        {"tariffId": "all", "tariffKind": "DefaultTariff", "evseIds": [1]},
        {"tariffId": "second", "tariffKind": "DefaultTariff", "evseIds": [2]},
    ]
    assert await tell(central, "SetDefaultTariff", evseId=3, tariff=tariff("x")) == {"status": "Rejected"}
    assert await tell(central, "GetTariffs", evseId=3) == {"status": "Rejected"}
    long = tariff("long", prices=11)
    assert await tell(central, "SetDefaultTariff", evseId=1, tariff=long) == {"status": "TooManyElements"}


async def test_tariffs_are_cleared_by_name_or_all(central: Central, station: SimulatedStation) -> None:
    for evse in (1, 2):
        await tell(central, "SetDefaultTariff", evseId=evse, tariff=tariff(f"T{evse}"))
    cleared = await tell(central, "ClearTariffs", tariffIds=["T1", "T9"])
    assert cleared["clearTariffsResult"] == [
        {"tariffId": "T1", "status": "Accepted"},
        {"tariffId": "T9", "status": "NoTariff"},
    ]
    assert (await tell(central, "ClearTariffs"))["clearTariffsResult"] == [{"tariffId": "T2", "status": "Accepted"}]
    assert (await tell(central, "ClearTariffs"))["clearTariffsResult"] == [{"status": "NoTariff"}]


async def test_a_transaction_gets_a_tariff_and_costs_of_its_own_until_it_ends(
    central: Central, station: SimulatedStation
) -> None:
    await tell(central, "SetDefaultTariff", evseId=0, tariff=tariff("all"))
    pace = Pace(timedelta(minutes=1), pause_s=0.01)
    charging = asyncio.create_task(station.charge(GOOD, CAR, lasting=timedelta(hours=1), pace=pace))
    await central.hears(m.TransactionEvent, 3)
    transaction_id = central.said(m.TransactionEvent)[0].transaction_id

    async def change(name: str, changed: dict[str, Any]) -> str:
        answer = await tell(central, "ChangeTransactionTariff", transactionId=name, tariff=changed)
        status: str = answer["status"]
        return status

    assert await change("another", tariff("own")) == "TxNotFound"
    assert await change(transaction_id, tariff("own", currency="EUR")) == "NoCurrencyChange"
    assert await change(transaction_id, tariff("own")) == "Accepted"
    await central.tell("SIM-1", m.CostUpdated(transaction_id, Decimal("12.5")))
    assert station.tariffs.costs == {transaction_id: Decimal("12.5")}
    told = (await tell(central, "GetTariffs", evseId=1))["tariffAssignments"]
    assert [(each["tariffId"], each["tariffKind"]) for each in told] == [
        ("all", "DefaultTariff"),
        ("own", "DriverTariff"),
    ]
    await charging
    assert station.tariffs.costs == station.tariffs.of_transactions == {}


async def test_a_payment_on_the_web_is_awaited_until_it_is_over(central: Central, station: SimulatedStation) -> None:
    assert await tell(central, "NotifyWebPaymentStarted", evseId=1, timeout=90) == {}
    assert station.tariffs.payments_awaited == {1: 90}
    await tell(central, "NotifyWebPaymentStarted", evseId=1, timeout=0)
    assert station.tariffs.payments_awaited == {}
