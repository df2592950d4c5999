"""Over HTTP: what stations do by themselves (lists, offline policies, tariffs), and what they keep, as they told it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.deployment import WAIT_S, door
from tests.ocpp.deployment import NOW, Deployment, Puppet, deployed
from tests.ocpp.told.test_local_lists import Listing
from wattbook.charging.policy import POLICY
from wattbook.db.engine import Database
from wattbook.ocpp.messages import IdToken, Phase, ReportedVariable, Sample, TransactionEvent, VariablesReported
from wattbook.ocpp.messages import Verbatim as Said
from wattbook.ocpp.told.tariffs_in_force import tell_tariffs
from wattbook.ocpp.transactions.reaper import Patience, reap

KWH = 1_000_000
IN_ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
TAKES = {
    "SetDefaultTariff": lambda _: {"status": "Accepted"},
    "ChangeTransactionTariff": lambda _: {"status": "Accepted"},
}


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


@pytest.fixture
async def client(place: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with door(place.database) as opened:
        yield opened


async def answered(client: httpx.AsyncClient, command: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/commands/{command}", params={"wait_s": WAIT_S})).json()
    assert found["state"] == "answered", found
    return found


async def changed(client: httpx.AsyncClient, subject: str) -> list[str]:
    return [each["what"] for each in (await client.get("/changes", params={"subject": subject})).json()["changes"]]


@IN_ALL
async def test_a_station_that_is_enrolled_is_told_its_list_at_once(
    place: Deployment, client: httpx.AsyncClient, version: str
) -> None:
    heard, name = Listing(), place.estate.station(0)
    station = await place.connect(0, version, heard)
    assert (await client.get(f"/stations/{name}/local-list")).status_code == 404
    enrolled = (await client.put(f"/stations/{name}/local-list")).json()
    (command,) = enrolled["commands"]
    assert (enrolled["state"], enrolled["command_id"], command["action"]) == ("sent", command["id"], "SendLocalList")
    await answered(client, command["id"])
    known = (await client.get(f"/stations/{name}/local-list")).json()
    assert (known["state"], known["version"], len(known["tokens"])) == ("known", 1, len(heard.list))
    assert (await client.delete(f"/stations/{name}/local-list")).status_code == 204
    assert (await client.delete(f"/stations/{name}/local-list")).status_code == 404
    assert await changed(client, name) == ["station.local-list"] * 2
    await station.close()


async def test_many_are_enrolled_together_or_none(place: Deployment, client: httpx.AsyncClient) -> None:
    stations = [place.estate.station(n) for n in range(2)]
    refused = await client.post("/local-lists", json={"stations": [*stations, "nobody"]})
    assert (refused.status_code, refused.json()["code"]) == (404, "not-found")
    assert (await client.get(f"/stations/{stations[0]}/local-list")).status_code == 404
    taken = await client.post("/local-lists", json={"stations": stations})
    assert (taken.status_code, taken.json()) == (202, {"commands": []}), "neither ever connected"
    assert (await client.get(f"/stations/{stations[1]}/local-list")).json()["state"] == "unknown"
    assert (await client.put("/stations/nobody/local-list")).status_code == 404


@IN_ALL
async def test_an_offline_policy_is_set_in_the_words_of_the_version(
    place: Deployment, client: httpx.AsyncClient, version: str
) -> None:
    def take(said: Any) -> Any:
        named = [{name: each[name] for name in ("component", "variable")} for each in said["setVariableData"]]
        return {"setVariableResult": [each | {"attributeStatus": "Accepted"} for each in named]}

    name, puppet = place.estate.station(0), Puppet(answers={"SetVariables": take})
    policy = {"takes_known": True, "takes_unknown": False}
    silent = await client.put(f"/stations/{name}/offline-policy", json=policy)
    assert (silent.status_code, silent.json()["code"]) == (503, "unavailable")
    station = await place.connect(0, version, puppet)
    told = (await client.put(f"/stations/{name}/offline-policy", json=policy)).json()["commands"]
    assert len(told) == (2 if version == "1.6" else 1)
    for each in told:
        await answered(client, each["id"])
    if version == "1.6":
        keys = (await client.get(f"/stations/{name}/configuration")).json()["keys"]
        kept = {each["key"]: each["value"] for each in keys}
        assert kept == {"AllowOfflineTxForUnknownId": "false", "LocalAuthorizeOffline": "true"}
    else:
        said = (await client.get(f"/stations/{name}/variables", params={"component": "AuthCtrlr"})).json()["variables"]
        kept = {each["variable"]: each["value"] for each in said}
        assert kept == {"OfflineTxForUnknownIdEnabled": "false", "LocalAuthorizeOffline": "true"}
    other = place.estate.station(1)
    both = (await client.post("/offline-policies", json=policy | {"stations": [name, other]})).json()["stations"]
    assert [each["station_id"] for each in both] == [name, other]
    assert all("command" in each for each in both[0]["commands"])
    assert [each["error"]["code"] for each in both[1]["commands"]] == ["unavailable"]
    assert await changed(client, name) == ["station.offline-policy"] * 2
    assert await changed(client, other) == []
    wrong = await client.put(f"/stations/{name}/offline-policy", json={"takes_everybody": True})
    assert wrong.status_code == 422
    await station.close()


async def test_a_station_is_told_its_tariffs_and_by_which_a_transaction_goes_on(
    place: Deployment, client: httpx.AsyncClient
) -> None:
    name, puppet = place.estate.station(0), Puppet(answers=dict(TAKES))
    station = await place.connect(0, "2.1", puppet)
    told = (await client.post(f"/stations/{name}/default-tariffs", json={"evses": [1, 9]})).json()["evses"]
    assert (told[0]["evse"], told[1]["error"]["code"]) == (1, "not-found")
    await answered(client, told[0]["command"])
    (kept,) = (await client.get(f"/stations/{name}/tariffs")).json()["tariffs"]
    assert (kept["evse_no"], kept["kind"]) == (1, "DefaultTariff")
    assert kept["tariff"]["energy"]["prices"] == [{"priceKwh": 324.4}]
    every = (await client.post(f"/stations/{name}/default-tariffs", json={})).json()["evses"]
    assert [each["evse"] for each in every] == [1]
    element = {"price_components": [{"type": "ENERGY", "price": 200, "vat": 10, "step_size": 1}]}
    tariff = {"country_code": "KR", "party_id": "WTB", "id": "night", "currency": "KRW", "elements": [element]}
    going = await client.put(f"/stations/{name}/transactions/tx-1/tariff", json={"tariff": tariff})
    assert going.status_code == 202
    await answered(client, going.json()["id"])
    (said,) = puppet.of("ChangeTransactionTariff")
    assert (said["transactionId"], said["tariff"]["tariffId"]) == ("tx-1", "KR*WTB*night")
    stepped = tariff | {"elements": [{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 500}]}]}
    refused = await client.put(f"/stations/{name}/transactions/tx-1/tariff", json={"tariff": stepped})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")
    assert await changed(client, name) == ["transaction.tariff", *["station.default-tariffs"] * 2]
    async with place.database.transaction() as connection:
        await tell_tariffs(connection, place.clock())
    (own,) = (await client.get(f"/stations/{name}/told-tariffs")).json()["tariffs"]
    assert (own["evse_no"], own["state"], own["tariff"]) == (1, "sent", "flat")
    await station.close()


async def test_what_a_station_keeps_is_shown_as_it_told_it(place: Deployment, client: httpx.AsyncClient) -> None:
    schedule = {
        "evseId": 1, "duration": 3600, "scheduleStart": NOW.isoformat(), "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000.5}],
    }  # fmt: skip
    yes = {"status": "Accepted"}
    puppet = Puppet(
        answers={
            "ReserveNow": lambda _: yes,
            "SetChargingProfile": lambda _: yes,
            "GetCompositeSchedule": lambda _: yes | {"schedule": schedule},
            "SetDERControl": lambda _: yes,
            "NotifyWebPaymentStarted": lambda _: {},
        }
    )
    name = place.estate.station(0)
    station = await place.connect(0, "2.1", puppet)

    async def call(action: str, **payload: Any) -> None:
        made = await client.post(f"/stations/{name}/calls", json={"action": action, "payload": payload})
        assert made.status_code in (200, 202), made.text
        await answered(client, made.json()["id"])

    async def listed(path: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.get(f"/stations/{name}/{path}")).json()[key]
        return found

    until = (NOW + timedelta(hours=1)).isoformat()
    await call("ReserveNow", id=7, expiryDateTime=until, idToken={"idToken": "T", "type": "ISO14443"}, evseId=1)
    await call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    limits = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
    profile = {
        "id": 3, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Relative",
        "chargingSchedule": [limits],
    }  # fmt: skip
    await call("SetChargingProfile", evseId=1, chargingProfile=profile)
    await call("GetCompositeSchedule", evseId=1, duration=3600)
    limit = {"priority": 1, "pctMaxDischargePower": 50}
    await call("SetDERControl", isDefault=True, controlId="c", controlType="LimitMaxDischarge", limitMaxDischarge=limit)
    await call("NotifyWebPaymentStarted", evseId=1, timeout=86_400)
    await station.call(
        Said("NotifyDERAlarm", {"controlType": "HVMustTrip", "timestamp": until, "gridEventFault": "OverVoltage"})
    )
    settlement = {
        "transactionId": "tx", "pspRef": "p-1", "status": "Settled", "settlementAmount": 12.5, "settlementTime": until,
    }  # fmt: skip
    await station.call(Said("NotifySettlement", settlement))
    enabled = ReportedVariable("TariffCostCtrlr", "Enabled", variable_instance="Cost", value="true")
    await station.call(VariablesReported(1, 0, place.clock(), (enabled,)))

    (reserved,) = await listed("reservations", "reservations")
    assert (reserved["reservation_id"], reserved["token_uid"], reserved["state"]) == (7, "T", "Accepted")
    (closed,) = await listed("availability", "places")
    assert (closed["evse_no"], closed["operative"], closed["state"]) == (1, False, "Accepted")
    (given,) = await listed("charging-profiles", "profiles")
    assert (given["profile_id"], given["purpose"]) == (3, "TxDefaultProfile")
    (composed,) = await listed("composite-schedules", "schedules")
    assert (composed["unit"], composed["periods"]) == ("W", [{"startPeriod": 0, "limit": 7000.5}])
    (control,) = await listed("der-controls", "controls")
    assert (control["control_id"], control["is_default"], control["control"]) == (
        "c",
        True,
        {"limitMaxDischarge": limit},
    )
    (alarm,) = await listed("der-alarms", "alarms")
    assert (alarm["fault"], alarm["ended"]) == ("OverVoltage", False)
    (web,) = await listed("web-payments", "payments")
    assert web["evse_no"] == 1
    (paid,) = await listed("settlements", "settlements")
    assert (paid["psp_ref"], paid["amount"], paid["status"]) == ("p-1", 12.5, "Settled")
    (variable,) = await listed("variables", "variables")
    assert (variable["component"], variable["value"]) == ("TariffCostCtrlr", "true")
    assert await listed("configuration", "keys") == []
    assert (await client.get("/stations/nobody/reservations")).status_code == 404
    assert (await client.get(f"/stations/{name}/reservations", params={"limit": 0})).status_code == 422
    await station.close()


async def test_stuck_transactions_are_listed_page_by_page(place: Deployment, client: httpx.AsyncClient) -> None:
    stations = [await place.connect(number, "2.0.1") for number in range(2)]
    for number, station in enumerate(stations):
        begin = TransactionEvent(
            Phase.STARTED, "tx", 0, NOW, "Authorized", (Sample(NOW, import_mwh=KWH),), 1, 1,
            IdToken(place.estate.token(number)),
        )  # fmt: skip
        await station.call(begin)
        await place.left(number, station)
    patience = Patience()
    place.clock.advance(patience.gone + timedelta(hours=1))
    async with place.database.transaction() as connection:
        await reap(connection, now=place.clock(), patience=patience, policy=POLICY)
    first = (await client.get("/stuck-transactions", params={"limit": 1})).json()
    second = (await client.get("/stuck-transactions", params={"limit": 1, "before": first["next"]})).json()
    third = (await client.get("/stuck-transactions", params={"limit": 1, "before": second["next"]})).json()
    listed = [*first["transactions"], *second["transactions"]]
    assert {each["station_id"] for each in listed} == {place.estate.station(n) for n in range(2)}
    assert {each["verdict"] for each in listed} <= {"station-gone", "station-away"}
    assert third == {"transactions": [], "next": None}
    of_one = (await client.get(f"/stations/{place.estate.station(1)}/stuck-transactions")).json()["transactions"]
    assert [each["station_id"] for each in of_one] == [place.estate.station(1)]
