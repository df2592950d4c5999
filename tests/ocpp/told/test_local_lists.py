"""Block D: lists of tokens at stations stay in step with the registry; block C: what stations do while offline."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.db.engine import Database
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.kept.settings import configuration_of
from wattbook.ocpp.messages import ChangeConfiguration
from wattbook.ocpp.told import local_lists
from wattbook.ocpp.told.local_lists import enrol, keep_in_step, lists_of
from wattbook.ocpp.told.offline_policy import OfflinePolicy, send_policy
from wattbook.ocpp.wire.frames import JsonObject

IN_ALL = pytest.mark.parametrize("version", VERSIONS)


class Listing(Puppet):
    """A station that keeps a list as it is told, and answers what it is made to."""

    def __init__(self) -> None:
        super().__init__()
        self.list: dict[str, Any] = {}
        self.version = 0
        self.told_lists: list[tuple[str, int, int]] = []
        self.answers["SendLocalList"] = self.take
        self.answers["GetLocalListVersion"] = self.tell

    def take(self, payload: JsonObject) -> JsonObject:
        number = int(payload["listVersion"] if "listVersion" in payload else payload["versionNumber"])
        entries = payload.get("localAuthorizationList", [])
        self.told_lists.append((payload["updateType"], number, len(entries)))
        if payload["updateType"] == "Differential" and number <= self.version:
            return {"status": "VersionMismatch"}
        if payload["updateType"] == "Full":
            self.list = {}
        for entry in entries:
            uid = entry["idTag"] if "idTag" in entry else entry["idToken"]["idToken"]
            info = entry.get("idTagInfo", entry.get("idTokenInfo"))
            self.list.pop(uid, None)
            if info is not None:
                self.list[uid] = info
        self.version = number
        return {"status": "Accepted"}

    def tell(self, _: JsonObject) -> JsonObject:
        return {self.word: self.version}

    word = "versionNumber"


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database, stations=5) as running:
        yield running


async def put(place: Deployment, numbers: range, **columns: Any) -> None:
    """What is on record of the tokens of these drivers."""
    assigned = ", ".join(f"{name} = :{name}" for name in columns)
    async with place.database.transaction() as connection:
        await connection.execute(
            text(f"UPDATE registry.tokens SET {assigned} WHERE uid = ANY(:uids)"),
            columns | {"uids": [place.estate.token(n) for n in numbers]},
        )


async def step(place: Deployment) -> int:
    """One round; how many messages it took. Returns when they are answered."""
    async with place.database.transaction() as connection:
        sent = await keep_in_step(connection, place.clock())
    if sent:
        await place.answered("SendLocalList")
    return len(sent)


async def start(place: Deployment, version: str, heard: Listing) -> Any:
    heard.word = "listVersion" if version == "1.6" else "versionNumber"
    station = await place.connect(0, version, heard)
    async with place.database.transaction() as connection:
        await enrol(connection, [place.estate.station(0)], place.clock())
    return station


async def state(place: Deployment) -> tuple[str, int]:
    async with place.database.snapshot() as connection:
        (kept,) = await lists_of(connection, [place.estate.station(0)])
    return kept.state, kept.version


@IN_ALL
async def test_d01_a_list_is_told_in_full_and_then_by_what_changed(place: Deployment, version: str) -> None:
    heard = Listing()
    await put(place, range(3), whitelist="ALWAYS", group_uid="FAMILY")
    station = await start(place, version, heard)
    assert await step(place) == 1
    assert sorted(heard.list) == [place.estate.token(n) for n in range(3)]
    assert await step(place) == 0, "nothing is new"
    await put(place, range(1), valid=False)
    await put(place, range(1, 2), valid_until=NOW + timedelta(days=1))
    await put(place, range(3, 4), whitelist="ALLOWED_OFFLINE")
    assert await step(place) == 1
    assert sorted(heard.list) == [place.estate.token(n) for n in range(1, 4)]
    assert heard.told_lists == [("Full", 1, 3), ("Differential", 2, 3)]
    info = heard.list[place.estate.token(1)]
    assert ("expiryDate" if version == "1.6" else "cacheExpiryDateTime") in info
    group = info["parentIdTag"] if version == "1.6" else info["groupIdToken"]["idToken"]
    assert group == "FAMILY"
    assert await state(place) == ("known", 2)
    await station.close()


@IN_ALL
async def test_d01_after_a_version_mismatch_the_whole_list_is_told(place: Deployment, version: str) -> None:
    heard = Listing()
    await put(place, range(2), whitelist="ALWAYS")
    station = await start(place, version, heard)
    await step(place)
    heard.version = 9
    await put(place, range(2, 3), whitelist="ALWAYS")
    await step(place)
    assert await state(place) == ("unknown", 1)
    assert await step(place) == 0, "not at once again"
    place.clock.advance(timedelta(minutes=6))
    assert await step(place) == 1
    assert [kind for kind, _, _ in heard.told_lists] == ["Full", "Differential", "Full"]
    assert len(heard.list) == 3
    await station.close()


@IN_ALL
async def test_d02_a_station_that_tells_another_version_is_told_the_whole_list(place: Deployment, version: str) -> None:
    heard = Listing()
    await put(place, range(2), whitelist="ALWAYS")
    station = await start(place, version, heard)
    await step(place)

    async def ask() -> None:
        async with place.database.transaction() as connection:
            request = CommandRequest(place.estate.station(0), "GetLocalListVersion", {}, NOW + timedelta(hours=1))
            await submit(connection, [request], requested_by="test", now=place.clock())
        await place.answered("GetLocalListVersion")

    await ask()
    assert await state(place) == ("known", 1)
    heard.version, heard.list = 40, {}
    await ask()
    assert await state(place) == ("unknown", 40)
    await step(place)
    assert heard.told_lists[-1] == ("Full", 41, 2)
    assert await state(place) == ("known", 41)
    await station.close()


@IN_ALL
async def test_a_long_list_comes_in_parts_and_ends_complete(
    place: Deployment, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_lists, "CHANGES_MAX", 2)
    heard = Listing()
    await put(place, range(5), whitelist="ALWAYS")
    station = await start(place, version, heard)
    while await step(place):
        pass
    assert heard.told_lists == [("Full", 1, 2), ("Differential", 2, 2), ("Differential", 3, 1)]
    assert len(heard.list) == 5
    await station.close()


@IN_ALL
async def test_a_station_that_has_no_lists_is_left_alone(place: Deployment, version: str) -> None:
    heard = Listing()
    heard.answers["SendLocalList"] = lambda _: {"status": "NotSupported" if version == "1.6" else "Failed"}
    await put(place, range(2), whitelist="ALWAYS")
    station = await start(place, version, heard)
    await step(place)
    assert (await state(place))[0] == ("NotSupported" if version == "1.6" else "unknown")
    assert await step(place) == 0
    await station.close()


@IN_ALL
async def test_what_stations_do_while_offline_is_one_policy_in_their_own_names(place: Deployment, version: str) -> None:
    def accept(payload: JsonObject) -> JsonObject:
        return {
            "setVariableResult": [
                {"attributeStatus": "Accepted", "component": each["component"], "variable": each["variable"]}
                for each in payload["setVariableData"]
            ]
        }

    heard = Puppet(answers={"SetVariables": accept})
    station = await place.connect(0, version, heard)
    policy = OfflinePolicy(takes_known=True, takes_unknown=False, master_pass_group="GUARDS")
    async with place.database.transaction() as connection:
        sent = await send_policy(
            connection,
            [place.estate.station(0), place.estate.station(1)],
            policy,
            requested_by="test",
            now=place.clock(),
            expires_at=NOW + timedelta(hours=1),
        )
    assert all(isinstance(each, Command) for each in sent[place.estate.station(0)])
    assert [type(each) for each in sent[place.estate.station(1)]] == [Unavailable], "its version is not known yet"
    if version == "1.6":
        await place.until(lambda: place.value("SELECT count(*) = 2 FROM ocpp.configuration"))
        async with place.database.snapshot() as connection:
            kept = await configuration_of(connection, place.estate.station(0))
        assert [(each.key, each.value) for each in kept] == [
            ("AllowOfflineTxForUnknownId", "false"),
            ("LocalAuthorizeOffline", "true"),
        ]
        assert all(isinstance(each, ChangeConfiguration) for each in heard.told)
    else:
        await place.until(lambda: place.value("SELECT count(*) = 3 FROM ocpp.variables"))
        assert await place.rows("SELECT component, variable, value FROM ocpp.variables ORDER BY variable") == [
            ("AuthCtrlr", "LocalAuthorizeOffline", "true"),
            ("AuthCtrlr", "MasterPassGroupId", "GUARDS"),
            ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false"),
        ]
    await station.close()


async def test_lists_are_read_a_few_at_a_time_and_every_station_is_told(
    place: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_lists, "LISTS_AT_ONCE", 2)
    stations = [await place.connect(n, VERSIONS[n % len(VERSIONS)], Listing()) for n in range(5)]
    everyone = [place.estate.station(n) for n in range(5)]
    async with place.database.transaction() as connection:
        await enrol(connection, everyone, place.clock())
        told = await keep_in_step(connection, place.clock())
    assert [each.station_id for each in told] == everyone
    for station in stations:
        await station.close()
