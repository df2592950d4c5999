"""Block I: stations of 2.1 are told tariffs by themselves; stations that show costs hear them while a session runs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.ocpp.deployment import NOW, Deployment, Puppet, deployed
from wattbook.db.engine import Database
from wattbook.ocpp.messages import (
    CostNoted,
    CostUpdated,
    IdToken,
    Phase,
    ReportedVariable,
    Sample,
    TransactionEvent,
    VariablesReported,
)
from wattbook.ocpp.told.costs import tell_costs
from wattbook.ocpp.told.tariffs_in_force import TRIED_AGAIN_AFTER, tell_tariffs, told_of
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.stations import Evse, StationTariff, add_evses, add_station_tariffs, find_evses

KWH = 1_000_000
MINUTE = timedelta(minutes=1)


class Showing(Puppet):
    """A station of 2.1 that shows the tariffs it is given, by EVSE."""

    def __init__(self, status: str = "Accepted") -> None:
        super().__init__()
        self.shown: dict[int, JsonObject] = {}
        self.says = status
        self.answers |= {"SetDefaultTariff": self.take, "ClearTariffs": self.clear}

    def take(self, said: JsonObject) -> JsonObject:
        if self.says == "Accepted":
            self.shown[int(said["evseId"])] = said["tariff"]
        return {"status": self.says}

    def clear(self, said: JsonObject) -> JsonObject:
        gone = self.shown.pop(int(said["evseId"]), None)
        return {"clearTariffsResult": [{"status": "NoTariff" if gone is None else "Accepted"}]}

    @property
    def price(self) -> Any:
        return self.shown[1]["energy"]["prices"][0]["priceKwh"] if 1 in self.shown else None


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


async def step(place: Deployment, **limits: int) -> int:
    """One pass; how many commands it made. Returns when all of them are over."""
    async with place.database.transaction() as connection:
        told = await tell_tariffs(connection, place.clock(), **limits)

    async def over() -> bool:
        return not await place.value("SELECT count(*) FROM ocpp.commands WHERE state IN ('accepted', 'sent')")

    await place.until(over)
    return len(told)


async def states(place: Deployment) -> list[tuple[str, str | None]]:
    async with place.database.snapshot() as connection:
        return [(each.state, each.because) for each in await told_of(connection, [place.estate.station(0)])]


async def offer(place: Deployment, valid_from: timedelta = timedelta(), **component: Any) -> None:
    """Another version of the tariff of the estate."""
    party, name, currency = (
        await place.rows("SELECT party, id, currency FROM registry.station_tariffs ORDER BY valid_from LIMIT 1")
    )[0]
    document = {
        "country_code": party[:2],
        "party_id": party[-3:],
        "id": name,
        "currency": currency,
        "elements": [{"price_components": [{"type": "ENERGY", "step_size": 1, "vat": 10} | component]}],
    }
    async with place.database.transaction() as connection:
        version = StationTariff(party, name, place.clock() + valid_from, currency, document)
        await add_station_tariffs(connection, [version])


async def test_a_station_is_told_its_tariff_once_and_again_when_another_is_in_force(place: Deployment) -> None:
    heard = Showing()
    station = await place.connect(0, "2.1", heard)
    other = await place.connect(1, "2.0.1")
    assert await step(place) == 1
    assert heard.price == Decimal("324.4")
    assert await step(place) == 0
    assert await states(place) == [("told", "Accepted")]
    await offer(place, valid_from=MINUTE, price=400)
    assert await step(place) == 0
    place.clock.advance(2 * MINUTE)
    assert await step(place) == 1
    assert heard.price == 400
    await offer(place, price=400)  # a version that says the same
    place.clock.advance(MINUTE)
    assert await step(place) == 0
    for each in (station, other):
        await each.close()


async def test_a_station_keeps_no_price_that_is_not_true_any_more(place: Deployment) -> None:
    heard = Showing()
    station, name = await place.connect(0, "2.1", heard), place.estate.station(0)
    await step(place)
    assert heard.shown != {}
    await offer(place, price=400, step_size=1000)  # 2.1 has no words for it
    place.clock.advance(MINUTE)
    await step(place)
    assert heard.shown == {}
    ((state, because),) = await states(place)
    assert state == "unsayable"
    assert because is not None
    assert "a step of 1000" in because
    assert await step(place) == 0
    await offer(place, price=500)
    place.clock.advance(MINUTE)
    await step(place)
    assert heard.price == 500
    async with place.database.transaction() as connection:
        evse_id = await place.value("SELECT id FROM registry.evses WHERE station = :name AND number = 1", name=name)
        (evse,) = await find_evses(connection, [evse_id])
        assert evse is not None
        await step(place)
        await add_evses(connection, [Evse(evse.id, evse.station, evse.number, None)])
    await step(place)
    assert heard.shown == {}
    assert await states(place) == []
    await station.close()


async def test_what_a_station_refuses_is_told_again_only_when_it_changes(place: Deployment) -> None:
    heard = Showing("ConditionNotSupported")
    station = await place.connect(0, "2.1", heard)
    await step(place)
    await step(place)
    assert await states(place) == [("refused", "ConditionNotSupported")]
    place.clock.advance(2 * TRIED_AGAIN_AFTER)
    await step(place)
    assert len(heard.of("SetDefaultTariff")) == 1
    heard.says = "Accepted"
    await offer(place, price=400)
    place.clock.advance(MINUTE)
    await step(place)
    assert heard.price == 400
    await station.close()


async def test_an_error_that_may_pass_is_tried_again_later(place: Deployment) -> None:
    heard = Showing("DuplicateTariffId")
    station = await place.connect(0, "2.1", heard)
    await step(place)
    await step(place)
    assert await states(place) == [("failed", "DuplicateTariffId")]
    assert len(heard.of("ClearTariffs")) == 1
    heard.says = "Accepted"
    assert await step(place) == 0
    place.clock.advance(TRIED_AGAIN_AFTER)
    await step(place)
    assert heard.shown != {}
    await station.close()


async def test_a_pass_tells_so_many_and_the_next_one_goes_on(place: Deployment) -> None:
    heard = [Showing(), Showing()]
    stations = [await place.connect(number, "2.1", each) for number, each in enumerate(heard)]
    assert await step(place, told_max=1) == 1
    assert [each.price is None for each in heard].count(True) == 1
    assert await step(place, told_max=1) == 1
    assert [each.price is None for each in heard] == [False, False]
    for station in stations:
        await station.close()


# Costs


class Told(Puppet):
    def __init__(self) -> None:
        super().__init__()
        self.costs: list[CostUpdated] = []

    @property
    def commands(self) -> dict[Any, Any]:
        async def note(said: CostUpdated) -> CostNoted:
            self.costs.append(said)
            return CostNoted()

        return super().commands | {CostUpdated: note}


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_station_that_shows_costs_hears_them_while_its_session_runs(place: Deployment, version: str) -> None:
    heard, silent = Told(), Told()
    shows, other = await place.connect(0, version, heard), await place.connect(1, version, silent)
    enabled = ReportedVariable("TariffCostCtrlr", "Enabled", variable_instance="Cost", value="true")
    await shows.call(VariablesReported(1, 0, place.clock(), (enabled,)))
    for number, station in enumerate((shows, other)):
        token = IdToken(place.estate.token(number))
        for seq_no, phase in enumerate((Phase.STARTED, Phase.UPDATED)):
            at = NOW + seq_no * MINUTE
            sample = Sample(at, import_mwh=(1 + seq_no) * KWH)
            said = TransactionEvent(phase, "tx", seq_no, at, "Authorized", (sample,), 1, 1, token)
            await station.call(said)

    async def tell() -> int:
        async with place.database.transaction() as connection:
            told = len(await tell_costs(connection, place.clock(), every=MINUTE))
        if told:
            await place.answered("CostUpdated")
        return told

    assert await tell() == 0, "the answer to the event told it"
    place.clock.advance(MINUTE)
    assert await tell() == 1
    cost = await place.value("SELECT (payload ->> 'totalCost')::numeric FROM ocpp.commands")
    assert heard.costs == [CostUpdated("tx", cost)]
    assert cost == Decimal("324.4") * Decimal("1.1"), "a kilowatt-hour, with its tax"
    assert await tell() == 0
    place.clock.advance(MINUTE)
    assert await tell() == 1
    assert silent.costs == []
    ended = TransactionEvent(
        Phase.ENDED, "tx", 2, NOW + MINUTE, "StopAuthorized", (Sample(NOW + MINUTE, import_mwh=2 * KWH),), 1, 1
    )
    await shows.call(ended)
    place.clock.advance(MINUTE)
    assert await tell() == 0
    for station in (shows, other):
        await station.close()
