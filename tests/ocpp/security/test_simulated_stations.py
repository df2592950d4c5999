"""Simulated stations that ask for their certificates and come back with them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ocpp.security.scene import KEY, Scene
from wattbook.app.databases import prove
from wattbook.kernel.clock import ManualClock, system_clock
from wattbook.kernel.errors import Refused, Unavailable
from wattbook.ocpp.security.passwords import require_profile, set_password
from wattbook.ocpp.security.signing import ISSUED_A_DAY_MAX, issued_to
from wattbook.ocpp.security.tls import station_tls
from wattbook.ocpp.wire.versions import VERSIONS
from wattbook.simulate.certificates import StationKey, come_back_certified, take_certificate
from wattbook.simulate.fleet import FleetPlan, run_fleet
from wattbook.simulate.stations import SimulatedStation

ANY_VERSION = pytest.mark.parametrize("version", [version.name for version in VERSIONS])


def plan(scene: Scene, version: str, *, tls: bool) -> FleetPlan:
    roots = Path(scene.folder, "roots.pem")
    roots.write_bytes(scene.authority.newest.certificate.public_bytes(Encoding.PEM))
    port, scheme = (scene.gateway.tls_port, "wss") if tls else (scene.gateway.port, "ws")
    return FleetPlan(
        url=f"{scheme}://127.0.0.1:{port}/ocpp",
        count=2,
        sessions=1,
        token=scene.estate.token(0),
        ends_before=system_clock(),
        prefix="LOAD-",
        password=KEY,
        version=version,
        scenario="certificates",
        roots=roots if tls else None,
    )


@ANY_VERSION
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_a_fleet_gets_its_certificates_and_charges_with_them(scene: Scene, version: str, *, tls: bool) -> None:
    """A02; with TLS the second connection shows no password."""
    for number in range(2):
        async with scene.database.transaction() as connection:
            await set_password(connection, scene.estate.station(number), KEY)
    await scene.gateway.refresh_stations()
    report = await run_fleet(plan(scene, version, tls=tls))
    assert (report.faults, report.sessions) == ({}, 2)
    async with scene.database.snapshot() as connection:
        for number in range(2):
            assert len(await issued_to(connection, scene.estate.station(number))) == 1
    assert (await prove(scene.database)).holds


async def test_a_station_that_must_show_a_certificate_comes_back_with_its_own(scene: Scene) -> None:
    await scene.give_password(KEY)
    station, key = SimulatedStation(scene.station_id, ManualClock(system_clock())), StationKey()
    url = f"wss://127.0.0.1:{scene.gateway.tls_port}/ocpp"
    roots = [scene.authority.newest.certificate]
    await station.connect(url, KEY, station_tls(roots))
    chain = await take_certificate(station, key)
    async with scene.database.transaction() as connection:
        await require_profile(connection, scene.station_id, 3)
    await scene.gateway.refresh_stations()
    await come_back_certified(station, key, chain, roots)
    await station.heartbeat()
    await station.leave()
    with pytest.raises(Unavailable, match="403"):
        await station.connect(url, KEY, station_tls(roots))


async def test_a_certificate_of_another_key_is_rejected(scene: Scene) -> None:
    _, chain = await scene.certified(scene.station_id)
    assert not StationKey().fits(chain)
    assert not StationKey().fits("no certificate")


async def test_a_station_whose_request_is_not_signed_says_so(scene: Scene) -> None:
    station, key = SimulatedStation(scene.station_id, ManualClock(system_clock())), StationKey()
    await station.connect(f"ws://127.0.0.1:{scene.gateway.port}/ocpp")
    for _ in range(ISSUED_A_DAY_MAX):
        await take_certificate(station, key)
    with pytest.raises(Refused, match="no certificate"):
        await take_certificate(station, key)
    await station.leave()
