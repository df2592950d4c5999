"""Block I and payment at terminals: tariffs told in the words of 2.1, costs, limits, settlements, VAT numbers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.billing.parties import LegalParty
from wattbook.billing.registers import put_recipient
from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.ocpp.commands.orders import order
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.controllers.vat import checked_vat_number
from wattbook.ocpp.kept.payments import payments_of
from wattbook.ocpp.kept.tariffs import tariffs_of
from wattbook.ocpp.messages import (
    CostNoted,
    CostUpdated,
    IdToken,
    Phase,
    Sample,
    TransactionEvent,
    VatNumberQuestion,
    Verbatim,
    VerbatimAnswer,
)
from wattbook.ocpp.told.tariffs import set_default_tariffs, written_tariff
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import Part, check, validator
from wattbook.ocpp.wire.versions import V21
from wattbook.tariffs.ocpi import parse_tariff

KWH = 1_000_000
LATER = NOW + timedelta(hours=1)
SET_DEFAULT = validator(V21, "SetDefaultTariff", Part.REQUEST)


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


def tariff(*elements: JsonObject, **more: Any) -> Any:
    document = {"country_code": "KR", "party_id": "WTB", "id": "t", "currency": "KRW", "elements": list(elements)}
    return parse_tariff(document | more)


def element(restrictions: JsonObject | None = None, **prices: Any) -> JsonObject:
    components = [{"type": name, "price": price, "vat": 10, "step_size": 1} for name, price in prices.items()]
    return {"price_components": components} | ({"restrictions": restrictions} if restrictions else {})


def written(*elements: JsonObject, **more: Any) -> JsonObject:
    """As a station reads it, once the schema has let it pass."""
    said = {"evseId": 1, "tariff": written_tariff(tariff(*elements, **more))}
    check(SET_DEFAULT, said)
    read: JsonObject = msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(said["tariff"]))
    return read


def test_a_tariff_is_ordered_by_dimension_and_prices_are_those_of_a_minute() -> None:
    said = written(element(FLAT=500, ENERGY=324.4, TIME=60, PARKING_TIME=100))
    vat = [{"type": "VAT", "tax": 10}]
    assert said == {
        "tariffId": "KR*WTB*t",
        "currency": "KRW",
        "fixedFee": {"prices": [{"priceFixed": 500}], "taxRates": vat},
        "energy": {"prices": [{"priceKwh": 324.4}], "taxRates": vat},
        "chargingTime": {"prices": [{"priceMinute": 1}], "taxRates": vat},
        "idleTime": {"prices": [{"priceMinute": 1.66666667}], "taxRates": vat},
    }


def test_restrictions_are_conditions_in_the_units_of_2_1() -> None:
    night = {"start_time": "22:00", "end_time": "06:00", "day_of_week": ["FRIDAY"], "max_kwh": 20, "min_power": 7.4}
    said = written(element(night, ENERGY=200), element({"min_duration": 3600}, ENERGY=400), element(ENERGY=300))
    assert said["energy"]["prices"] == [
        {
            "priceKwh": 200,
            "conditions": {
                "startTimeOfDay": "22:00",
                "endTimeOfDay": "06:00",
                "dayOfWeek": ["Friday"],
                "maxEnergy": 20_000,
                "minPower": 7_400,
            },
        },
        {"priceKwh": 400, "conditions": {"minTime": 3_600}},
        {"priceKwh": 300},
    ]


def test_limits_reservations_and_prices_that_hold_their_tax() -> None:
    said = written(
        element({"reservation": "RESERVATION"}, TIME=120, FLAT=50),
        element(ENERGY=110),
        tax_included="YES",
        min_price={"excl_vat": 100, "incl_vat": 110},
    )
    assert said["energy"]["prices"] == [{"priceKwh": 100}]
    assert said["reservationTime"]["prices"] == [{"priceMinute": 1.81818182}]
    assert said["reservationFixed"]["prices"] == [{"priceFixed": 45.45454545}]
    assert said["minCost"] == {"exclTax": 100, "inclTax": 110}


@pytest.mark.parametrize(
    ("elements", "more", "what"),
    [
        ([{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1000}]}], {}, "a step of 1000"),
        (
            [{"price_components": [{"type": "ENERGY", "price": 1, "vat": rate}]} for rate in (7, 19)],
            {},
            "several tax rates",
        ),
        ([element({"min_kwh": 1}, FLAT=1)], {}, "min_kwh of a fixed fee"),
        ([element({"reservation": "RESERVATION_EXPIRES"}, FLAT=1)], {}, "of a reservation"),
        (
            [element(ENERGY=1)],
            {"wattbook_feed_in": [{"price_components": [{"type": "ENERGY_EXPORT", "price": 1}]}]},
            "energy fed in",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_2_1_has_no_words_for_is_refused(elements: list[JsonObject], more: JsonObject, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        written_tariff(tariff(*elements, **more))


async def test_i07_a_station_is_told_the_tariff_in_force_and_it_is_known_until_it_is_cleared(
    place: Deployment,
) -> None:
    puppet = Puppet(
        answers={
            "SetDefaultTariff": lambda _: {"status": "Accepted"},
            "GetTariffs": lambda _: {
                "status": "Accepted",
                "tariffAssignments": [
                    {"tariffId": "KR*WTB*flat", "tariffKind": "DefaultTariff", "evseIds": [1]},
                    {"tariffId": "another", "tariffKind": "DriverTariff", "evseIds": [1]},
                ],
            },
            "ClearTariffs": lambda said: {
                "clearTariffsResult": [{"tariffId": each, "status": "Accepted"} for each in said["tariffIds"]]
            },
        }
    )
    station, name = await place.connect(0, "2.1", puppet), place.estate.station(0)

    async def kept() -> dict[str, bool]:
        async with place.database.snapshot() as connection:
            return {each.tariff_id: each.tariff is not None for each in await tariffs_of(connection, name)}

    async with place.database.transaction() as connection:
        told, missing = await set_default_tariffs(
            connection, [(name, 1), (name, 9)], requested_by="test", now=place.clock(), expires_at=LATER
        )
    assert isinstance(told, Command), told
    assert isinstance(missing, NotFound)
    await place.answered("SetDefaultTariff")
    (said,) = puppet.of("SetDefaultTariff")
    assert said["tariff"]["energy"] == {
        "prices": [{"priceKwh": Decimal("324.4")}],
        "taxRates": [{"type": "VAT", "tax": 10}],
    }
    assert await kept() == {"KR*WTB*flat": True}
    await send(place, "GetTariffs", {"evseId": 1})
    assert await kept() == {"KR*WTB*flat": True, "another": False}
    await send(place, "ClearTariffs", {"tariffIds": ["another"]})
    assert await kept() == {"KR*WTB*flat": True}
    await station.close()


async def send(place: Deployment, action: str, payload: JsonObject) -> None:
    async with place.database.transaction() as connection:
        request = CommandRequest(place.estate.station(0), action, payload, LATER)
        (command,) = await submit(connection, [request], requested_by="test", now=place.clock())
    assert isinstance(command, Command), command
    await place.answered(action)


@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_i02_a_cost_is_told_in_neutral_words(place: Deployment, version: str) -> None:
    heard: list[Any] = []

    class Listening(Puppet):
        @property
        def commands(self) -> dict[Any, Any]:
            async def note(said: CostUpdated) -> Any:
                heard.append(said)
                return CostNoted()

            return super().commands | {CostUpdated: note}

    station = await place.connect(0, version, Listening())
    cost = CostUpdated("tx", Decimal("12.34"))
    async with place.database.transaction() as connection:
        (command,) = await order(
            connection, [place.estate.station(0)], cost, requested_by="test", now=place.clock(), expires_at=LATER
        )
    assert isinstance(command, Command), command
    await place.answered("CostUpdated")
    assert heard == [cost]
    await station.close()


@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_e16_in_2_1_a_driver_who_pays_in_advance_is_held_to_what_there_is(
    place: Deployment, version: str
) -> None:
    station = await place.connect(0, version)
    begin = TransactionEvent(
        Phase.STARTED, "tx", 0, NOW, "Authorized", (Sample(NOW, import_mwh=KWH),), 1, 1, IdToken(place.estate.token(0))
    )
    answer = await station.call(begin)
    assert answer.cost_max == (Decimal(100_000_000) if version == "2.1" else None)
    async with place.database.transaction() as connection:
        await connection.execute(text("UPDATE registry.customers SET account_kind = 'postpaid'"))
    later = await place.connect(1, version)
    again = TransactionEvent(
        Phase.STARTED, "ty", 0, NOW, "Authorized", (Sample(NOW, import_mwh=KWH),), 1, 1, IdToken(place.estate.token(1))
    )
    assert (await later.call(again)).cost_max is None
    for each in (station, later):
        await each.close()


async def test_c20_what_a_payment_provider_settled_is_kept_once(place: Deployment) -> None:
    station = await place.connect(0, "2.1")
    said = {
        "pspRef": "P-1",
        "transactionId": "tx",
        "status": "Settled",
        "settlementAmount": 12.345,
        "settlementTime": NOW.isoformat().replace("+00:00", "Z"),
        "receiptId": "R-9",
    }
    for _ in range(2):
        answer = await station.call(Verbatim("NotifySettlement", said))
        assert answer == VerbatimAnswer({})
    await station.call(Verbatim("NotifySettlement", said | {"status": "Canceled"}))
    async with place.database.snapshot() as connection:
        kept = await payments_of(connection, place.estate.station(0))
    assert [(each.status, each.amount, each.receipt_id, each.settled_at) for each in kept] == [
        ("Canceled", Decimal("12.345"), "R-9", NOW),
        ("Settled", Decimal("12.345"), "R-9", NOW),
    ]
    await station.close()


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("de 136 695 976", "DE136695976"),
        ("DE136695977", None),
        ("ATU13585627", "ATU13585627"),
        ("EL 094259216", "EL094259216"),
        ("NL4495445B01", "NL004495445B01"),
        ("CHE-107.787.577 IVA", "CHE107787577IVA"),
        ("GB 980 7806 84", "GB980780684"),
        ("XX123", None),
        ("", None),
    ],
)
def test_a_vat_number_has_the_form_and_the_check_digits_of_its_country(typed: str, number: str | None) -> None:
    assert checked_vat_number(typed) == number


async def test_c25_a_vat_number_is_checked_and_its_company_told_if_it_is_on_record(place: Deployment) -> None:
    company = LegalParty(
        id="kim", name="Kim GmbH", street="Weg 1", postcode="10115", city="Berlin", country="DE", vat_id="DE 136695976"
    )
    async with place.database.transaction() as connection:
        await put_recipient(connection, company)
    station = await place.connect(0, "2.1")
    known = await station.call(VatNumberQuestion("DE136.695.976", 1))
    assert (known.valid, known.vat_number, known.evse) == (True, "DE136.695.976", 1)
    assert known.company == {
        "name": "Kim GmbH",
        "address1": "Weg 1",
        "city": "Berlin",
        "country": "DE",
        "postalCode": "10115",
    }
    unknown = await station.call(VatNumberQuestion("ATU13585627"))
    assert (unknown.valid, unknown.company) == (True, None)
    assert not (await station.call(VatNumberQuestion("ATU13585628"))).valid
    await station.close()
