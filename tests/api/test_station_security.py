"""What a station must prove, set over HTTP: passwords that reach the station, profiles that only go up."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.deployment import WAIT_S, door, eventually
from wattbook.db.engine import Database
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Commands, Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import Answer, ChangeConfiguration, CommandAnswer, CommandStatus, Verbatim, VerbatimAnswer
from wattbook.ocpp.security.changeover import version_of
from wattbook.simulate.estate import Estate

V16, V201 = ("ocpp1.6",), ("ocpp2.0.1",)


@pytest.fixture
async def client(database: Database, estate: Estate) -> AsyncIterator[httpx.AsyncClient]:
    async with door(database) as opened:
        yield opened


class Told:
    """A station's memory of what it was told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    @property
    def commands(self) -> Commands:
        return {ChangeConfiguration: self._change, Verbatim: self._note}

    async def _change(self, change: ChangeConfiguration) -> Answer:
        self.heard.append((change.key, change.value))
        return CommandAnswer(CommandStatus.ACCEPTED)

    async def _note(self, call: Verbatim) -> Answer:
        self.heard.append((call.action, call.payload))
        if call.action == "SetVariables":
            (setting,) = call.payload["setVariableData"]
            result = {"attributeStatus": "Accepted", "component": setting["component"], "variable": setting["variable"]}
            return VerbatimAnswer({"setVariableResult": [result]})
        return VerbatimAnswer({"status": "Accepted"})


async def enter(
    database: Database,
    gateway: Gateway,
    station_id: str,
    told: Told,
    subprotocols: tuple[str, ...],
    password: bytes | None = None,
) -> Station:
    """Connect, and wait until its version is known: it decides what a password may be and how it is sent."""
    url = f"ws://127.0.0.1:{gateway.port}/ocpp"
    station = await Station.connect(url, station_id, told.commands, subprotocols=subprotocols, password=password)
    await station.boot("maker", "model")

    async def is_known() -> bool:
        async with database.snapshot() as connection:
            return await version_of(connection, station_id) is not None

    await eventually(is_known)
    return station


async def outcome(client: httpx.AsyncClient, command: str) -> dict[str, Any]:
    answer = await client.get(f"/commands/{command}", params={"wait_s": WAIT_S})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("subprotocols", [V16, V201])
async def test_a_new_password_reaches_the_station_and_old_and_new_open_until_it_comes_with_the_new_one(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate, subprotocols: tuple[str, ...]
) -> None:
    """R9."""
    name, told = estate.station(0), Told()
    place = f"/stations/{name}/password"
    old = b"old-password-of-it-"
    await client.put(place, json={"password": old.decode()})
    await gateway.refresh_stations()
    station = await enter(database, gateway, name, told, subprotocols, old)
    given = (await client.put(place, json={})).json()
    assert (await outcome(client, given["command"]))["state"] == "answered"
    if subprotocols == V16:
        new = bytes.fromhex(given["password_hex"])
        assert len(new) == 20
        assert told.heard == [("AuthorizationKey", new.hex().upper())]
    else:
        new = given["password"].encode()
        ((action, payload),) = told.heard
        (setting,) = payload["setVariableData"]
        assert (action, setting["component"]["name"], setting["variable"]["name"], setting["attributeValue"]) == (
            "SetVariables",
            "SecurityCtrlr",
            "BasicAuthPassword",
            new.decode(),
        )
    await station.close()
    await gateway.refresh_stations()
    assert (await client.get(f"/stations/{name}/security")).json()["valid_passwords"] == 2
    for password in (old, new):
        await (await enter(database, gateway, name, told, subprotocols, password)).close()
    await gateway.refresh_stations()
    assert (await client.get(f"/stations/{name}/security")).json()["valid_passwords"] == 1
    with pytest.raises(Unavailable, match="401"):
        await enter(database, gateway, name, told, subprotocols, old)


@pytest.mark.parametrize("subprotocols", [V16, V201])
async def test_a_password_stays_behind_nowhere(
    client: httpx.AsyncClient,
    database: Database,
    gateway: Gateway,
    estate: Estate,
    subprotocols: tuple[str, ...],
) -> None:
    name, told = estate.station(0), Told()
    station = await enter(database, gateway, name, told, subprotocols)
    secret = "kept-by-nobody-else"
    given = (await client.put(f"/stations/{name}/password", json={"password": secret})).json()
    command = await outcome(client, given["command"])
    assert (command["state"], command["payload"], command["secret"]) == ("answered", {}, True)
    assert secret not in (await client.get(f"/stations/{name}/commands")).text
    await station.close()

    async def is_journalled() -> bool:
        return given["command"] in (await client.get(f"/stations/{name}/frames")).text

    await eventually(is_journalled)
    async with database.snapshot() as connection:
        for table in ("ocpp.commands", "ocpp.frames", "registry.changes"):
            rows = (await connection.execute(text(f"SELECT kept::text FROM {table} AS kept"))).scalars().all()
            for spelled in (secret, secret.encode().hex(), secret.encode().hex().encode().hex()):
                assert not any(spelled in row.casefold() for row in rows), table


async def test_a_password_that_the_stations_version_cannot_take_is_refused_unless_it_is_not_sent(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    station = await enter(database, gateway, estate.station(0), Told(), V16)
    place = f"/stations/{estate.station(0)}/password"
    long = {"password": "longer than twenty bytes"}
    assert (await client.put(place, json=long)).status_code == 422
    given = await client.put(place, json=long | {"send": False})
    assert (given.status_code, given.json()["command"]) == (200, None)
    await station.close()


async def test_a_profile_goes_up_and_down_only_when_that_is_meant(client: httpx.AsyncClient, estate: Estate) -> None:
    place = f"/stations/{estate.station(0)}/security"
    assert (await client.put(place, json={"profile": 2})).json()["profile"] == 2
    refused = await client.put(place, json={"profile": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert (await client.put(place, json={"hex_passwords": True})).json()["profile"] == 2, "what is left out stays"
    assert (await client.put(place, json={"profile": 1, "lower": True})).json()["profile"] == 1
    assert (await client.put(place, json={"profile": 4})).status_code == 422
    assert (await client.get("/stations/NOBODY/security")).status_code == 404
    changes = (await client.get("/changes", params={"subject": estate.station(0)})).json()["changes"]
    assert [(each["before"]["profile"], each["after"]["profile"]) for each in changes] == [(2, 1), (2, 2), (None, 2)]


async def test_a_station_that_was_told_to_go_up_must_come_so_only_after_it_has(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    """OCPP 1.6 security extension, A05."""
    name, told = estate.station(0), Told()
    password = b"sixteen bytes at least"[:20]
    station = await enter(database, gateway, name, told, V16)
    await client.put(f"/stations/{name}/security", json={"profile": 0})
    await client.put(f"/stations/{name}/password", json={"password": password.decode()})
    upgrade = (await client.post(f"/stations/{name}/security-upgrade", json={"profile": 1})).json()
    assert (await outcome(client, upgrade["commands"][0]["id"]))["state"] == "answered"
    assert told.heard[-1] == ("SecurityProfile", "1")
    await station.close()
    await gateway.refresh_stations()
    await (await enter(database, gateway, name, told, V16)).close()
    assert (await client.get(f"/stations/{name}/security")).json()["next_profile"] == 1, "it may still come without"
    await (await enter(database, gateway, name, told, V16, password)).close()
    await gateway.refresh_stations()
    shown = (await client.get(f"/stations/{name}/security")).json()
    assert (shown["profile"], shown["next_profile"]) == (1, None)
    with pytest.raises(Unavailable, match="401"):
        await enter(database, gateway, name, told, V16)
    again = await client.post(f"/stations/{name}/security-upgrade", json={"profile": 1})
    assert again.status_code == 409


async def test_a_station_of_2_x_is_given_a_network_profile_and_restarted(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    """OCPP 2.0.1 Part 2, A05 and B09."""
    name, told = estate.station(0), Told()
    place = f"/stations/{name}/security-upgrade"
    assert (await client.post(place, json={"profile": 1})).status_code == 503, "its version is not known yet"
    station = await enter(database, gateway, name, told, V201)
    assert (await client.post(place, json={"profile": 2})).status_code == 422
    plain = {"profile": 2, "csms_url": "ws://charging.example/ocpp"}
    assert (await client.post(place, json=plain)).status_code == 422
    wanted = {"profile": 2, "csms_url": "wss://charging.example/ocpp", "slot": 3}
    commands = (await client.post(place, json=wanted)).json()["commands"]
    assert [each["action"] for each in commands] == ["SetNetworkProfile", "SetVariables", "Reset"]
    for command in commands[:2]:
        assert (await outcome(client, command["id"]))["state"] == "answered"
    (_, profile), (_, priority) = told.heard[:2]
    assert (profile["configurationSlot"], profile["connectionData"]["securityProfile"]) == (3, 2)
    assert priority["setVariableData"][0]["attributeValue"] == "3"
    await station.close()


async def test_who_was_not_let_in_is_listed_and_filtered(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    for number in range(2):
        await client.put(f"/stations/{estate.station(number)}/password", json={})
    await gateway.refresh_stations()
    for number in range(2):
        with pytest.raises(Unavailable, match="401"):
            await enter(database, gateway, estate.station(number), Told(), V16, b"a wrong password indeed")
    with pytest.raises(Unavailable, match="401"):
        await enter(database, gateway, estate.station(0), Told(), V16)
    await gateway.refresh_stations()
    everyone = (await client.get("/security-events")).json()
    assert sorted((each["station_id"], each["kind"]) for each in everyone["events"]) == [
        (estate.station(0), "password-missing"),
        (estate.station(0), "password-wrong"),
        (estate.station(1), "password-wrong"),
    ]
    wrong = await client.get("/security-events", params={"station": estate.station(0), "kind": "password-wrong"})
    assert len(wrong.json()["events"]) == 1
    first = (await client.get("/security-events", params={"limit": 1})).json()
    rest = (await client.get("/security-events", params={"before": first["next"]})).json()["events"]
    assert len(rest) == 2
    assert (await client.get("/security-events", params={"kind": "boredom"})).status_code == 422
