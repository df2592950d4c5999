"""What stations said, shown over HTTP: raw frames by their words, rejected ones byte by byte, notices; and quirks."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.deployment import connect, door, eventually
from wattbook.db.engine import Database
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.wire.errors import PeerRefused
from wattbook.simulate.estate import Estate


@pytest.fixture
async def client(database: Database, estate: Estate) -> AsyncIterator[httpx.AsyncClient]:
    async with door(database) as opened:
        yield opened


async def test_frames_are_found_by_their_words_their_direction_and_their_time(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    station = await connect(gateway, estate.station(0))
    for _ in range(3):
        await station.heartbeat()
    place = f"/stations/{estate.station(0)}/frames"

    async def found(**wanted: str) -> list[str]:
        return [each["frame"] for each in (await client.get(place, params=wanted)).json()["frames"]]

    async def are_kept() -> bool:
        return len(await found()) == 8

    await eventually(are_kept)
    beats = await found(holds='"Heartbeat"')
    assert (len(beats), all(frame.startswith("[2,") for frame in beats)) == (3, True)
    answers = await found(direction="out", holds="currentTime")
    assert len(answers) == 4
    assert await found(direction="in", holds="currentTime") == []
    assert await found(since="2999-01-01T00:00:00Z") == []
    assert (await client.get(place, params={"holds": ""})).status_code == 422
    await station.close()


async def test_a_rejected_frame_is_shown_byte_by_byte(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    """R22."""
    station = await connect(gateway, estate.station(0))
    with pytest.raises(PeerRefused):
        await station.connection.rpc.call("MeterValues", {"connectorId": "one"}, 10.0)

    async def is_kept() -> bool:
        return bool((await client.get("/rejected-frames")).json()["frames"])

    await eventually(is_kept)
    (listed,) = (await client.get("/rejected-frames")).json()["frames"]
    shown = (await client.get(f"/rejected-frames/{listed['id']}")).json()
    assert (shown["station_id"], shown["error_code"], shown["accepted"]) == (
        estate.station(0),
        listed["error_code"],
        False,
    )
    assert bytes.fromhex(shown["frame_hex"]).decode() == listed["frame"]
    assert (await client.get("/rejected-frames/999999")).status_code == 404
    await station.close()


async def test_what_a_station_told_of_its_own_security_is_listed(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    station = await connect(gateway, estate.station(0))
    for kind in ("FirmwareUpdated", "TamperDetectionActivated"):
        event = {"type": kind, "timestamp": "2026-11-21T10:00:00Z"}
        await station.connection.rpc.call("SecurityEventNotification", event, 10.0)
    place = f"/stations/{estate.station(0)}/notices"
    told = (await client.get(place, params={"action": "SecurityEventNotification"})).json()["notices"]
    assert [each["payload"]["type"] for each in told] == ["TamperDetectionActivated", "FirmwareUpdated"]
    assert (await client.get(place, params={"before": told[0]["id"]})).json()["notices"] == told[1:]
    assert (await client.get("/stations/NOBODY/notices")).status_code == 404
    await station.close()


async def test_the_quirks_of_a_makers_models_are_set_listed_and_taken_back(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    """R21."""
    names = {each["name"] for each in (await client.get("/quirk-profiles")).json()["profiles"]}
    assert "long-texts" in names
    acme = {"vendor": "Acme", "model": "One*", "quirks": ["long-texts"]}
    assert (await client.put("/quirks", json=acme)).status_code == 200
    assert (await client.get("/quirks")).json() == {"makers": [acme]}
    assert (await client.put("/quirks", json=acme | {"quirks": ["telepathy"]})).status_code == 422
    assert (await client.put("/quirks", json=acme | {"quirks": []})).status_code == 200
    assert (await client.get("/quirks")).json() == {"makers": []}
    changes = (await client.get("/changes", params={"subject": "Acme One*"})).json()["changes"]
    assert [(each["before"], each["after"]) for each in changes] == [(["long-texts"], []), (None, ["long-texts"])]
