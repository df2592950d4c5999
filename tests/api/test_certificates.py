"""Certificates over HTTP, in a whole deployment: renewed by themselves, revoked, roots rotated without a restart."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import wattbook.app.chores
from tests.api.deployment import WAIT_S, eventually
from tests.ocpp.security.scene import csr
from wattbook.app.serving import Running, serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Commands, Station
from wattbook.ocpp.messages import Answer, SignCertificate, Verbatim, VerbatimAnswer
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.renewal import ask_for_renewals
from wattbook.ocpp.security.signing import sign
from wattbook.ocpp.security.tls import station_tls
from wattbook.simulate.estate import Estate, furnish


class Certified:
    """A station with a certificate of the deployment's authority, and what it was told."""

    def __init__(self, station_id: str, folder: Path) -> None:
        self.station_id = station_id
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.triggers: list[str] = []
        self.roots: list[str] = []
        self.signed: list[str] = []

    async def hear(self, call: Verbatim) -> Answer:
        match call.action:
            case "ExtendedTriggerMessage" | "TriggerMessage":
                self.triggers.append(call.payload["requestedMessage"])
            case "InstallCertificate":
                self.roots.append(call.payload["certificate"])
            case "CertificateSigned":
                self.signed.append(call.payload["certificateChain"])
        return VerbatimAnswer({"status": "Accepted"})

    def tls(self, chain: str | None = None) -> ssl.SSLContext:
        roots = [
            x509.load_pem_x509_certificate(path.read_bytes())
            for path in sorted((self.folder / "authority").glob("root-*.pem"))
        ]
        if chain is None:
            return station_tls(roots)
        certificate, key = self.folder / "station.pem", self.folder / "station.key"
        certificate.write_text(chain)
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return station_tls(roots, certificate, key)

    async def enter(self, running: Running, chain: str | None = None, version: str = "ocpp1.6") -> Station:
        url = f"wss://localhost:{running.ocpp_tls_port}/ocpp"
        commands: Commands = {Verbatim: self.hear}
        station = await Station.connect(url, self.station_id, commands, tls=self.tls(chain), subprotocols=(version,))
        await station.boot("maker", "model")
        return station


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 2)


@asynccontextmanager
async def deployed(folder: Path, database_url: str) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    settings = Settings(data=folder, ocpp_host="127.0.0.1", ocpp_port=0, ocpp_tls_port=0, web_port=0)
    async with (
        serving(settings, database_url) as running,
        httpx.AsyncClient(base_url=f"{running.web_url}/api/v1", trust_env=False, timeout=30) as client,
    ):
        yield running, client


async def issue(database: Database, folder: Path, certified: Certified, age: timedelta = timedelta()) -> str:
    made_at = system_clock() - age
    authority = Authority.open(folder / "authority", "wattbook", made_at)
    async with database.transaction() as connection:
        request = csr(certified.station_id, certified.key)
        return await sign(connection, authority, certified.station_id, request, now=made_at)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("ocpp1.6", "SignChargePointCertificate"), ("ocpp2.0.1", "SignChargingStationCertificate")],
)
async def test_a_certificate_that_ends_soon_is_renewed_without_anybody_asking(
    database: Database,
    database_url: str,
    estate: Estate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    wanted: str,
) -> None:
    monkeypatch.setattr(wattbook.app.chores, "RENEWS_EVERY", timedelta(seconds=0.1))
    certified = Certified(estate.station(0), tmp_path)
    old = await issue(database, tmp_path, certified, timedelta(days=700))
    async with deployed(tmp_path, database_url) as (running, client):
        station = await certified.enter(running, old, version)

        async def is_told() -> bool:
            return certified.triggers == [wanted]

        await eventually(is_told)
        (due,) = (await client.get("/certificates/expiring")).json()["stations"]
        assert (due["station_id"], due["asked_at"] is not None) == (estate.station(0), True)
        certified.key = ec.generate_private_key(ec.SECP256R1())
        assert (await station.call(SignCertificate(csr(certified.station_id, certified.key)))).accepted

        async def is_signed() -> bool:
            return bool(certified.signed)

        await eventually(is_signed)
        await station.close()
        await (await certified.enter(running, certified.signed[0], version)).close()
        assert (await client.get("/certificates/expiring")).json()["stations"] == []
        listed = (await client.get(f"/stations/{estate.station(0)}/certificates")).json()["certificates"]
        assert [each["pem"] for each in listed] == [certified.signed[0], old]
        assert certified.triggers == [wanted], "once a day"


async def test_a_station_is_told_again_a_day_later_and_one_with_a_new_certificate_is_not(
    database: Database, database_url: str, estate: Estate, tmp_path: Path
) -> None:
    first, second = Certified(estate.station(0), tmp_path), Certified(estate.station(1), tmp_path)
    async with deployed(tmp_path, database_url) as (running, _):
        for certified in (first, second):
            await (await certified.enter(running)).close()
    for certified in (first, second):
        await issue(database, tmp_path, certified, timedelta(days=700))
    await issue(database, tmp_path, second)
    now, within = system_clock(), timedelta(days=60)
    async with database.transaction() as connection:
        for later, told in (
            (timedelta(), [estate.station(0)]),
            (timedelta(hours=23), []),
            (timedelta(hours=25), [estate.station(0)]),
        ):
            assert await ask_for_renewals(connection, now=now + later, within=within) == told


async def test_a_revoked_certificate_shuts_the_station_out_and_who_did_it_is_on_record(
    database: Database, database_url: str, estate: Estate, tmp_path: Path
) -> None:
    certified = Certified(estate.station(0), tmp_path)
    chain = await issue(database, tmp_path, certified)
    async with deployed(tmp_path, database_url) as (running, client):
        station = await certified.enter(running, chain)
        (issued,) = (await client.get(f"/stations/{estate.station(0)}/certificates")).json()["certificates"]
        place = f"/certificates/{issued['serial_number'].upper()}/revocation"
        revoked = await client.post(place, json={"because": "key_compromise"})
        assert (revoked.status_code, revoked.json()["revoked_because"]) == (200, "key_compromise")
        await station.wait_closed()
        with pytest.raises(Unavailable, match="403"):
            await certified.enter(running, chain)
        assert (await client.post(place, json={})).status_code == 409
        assert (await client.post("/certificates/abc/revocation", json={})).status_code == 404
        assert (await client.post("/certificates/xyz/revocation", json={})).status_code == 422
        (change,) = (await client.get("/changes", params={"subject": estate.station(0)})).json()["changes"]
        assert (change["what"], change["after"]["because"]) == ("certificate.revoked", "key_compromise")


async def test_a_new_root_signs_and_is_trusted_at_once_and_stations_are_given_it(
    database: Database, database_url: str, estate: Estate, tmp_path: Path
) -> None:
    certified, other = Certified(estate.station(0), tmp_path), Certified(estate.station(1), tmp_path)
    async with deployed(tmp_path, database_url) as (running, client):
        station = await certified.enter(running)
        (before,) = (await client.get("/authority")).json()["roots"]
        rotated = await client.post("/authority/roots", json={})
        assert (rotated.status_code, rotated.json()["number"], rotated.json()["commands"]) == (201, 2, 1)
        (command,) = (await client.get("/commands", params={"batch": rotated.json()["batch_id"]})).json()["commands"]
        done = await client.get(f"/commands/{command['id']}", params={"wait_s": WAIT_S})
        assert (done.json()["state"], done.json()["payload"]["certificateType"]) == (
            "answered",
            "CentralSystemRootCertificate",
        )
        assert certified.roots == [rotated.json()["pem"]]
        newest, oldest = (await client.get("/authority")).json()["roots"]
        assert (newest["signs"], oldest["pem"]) == (True, before["pem"])
        link = x509.load_pem_x509_certificate(newest["signed_by_root_before"].encode())
        link.verify_directly_issued_by(x509.load_pem_x509_certificate(oldest["pem"].encode()))
        await station.close()
        chain = await issue(database, tmp_path, other)
        x509.load_pem_x509_certificate(chain.encode()).verify_directly_issued_by(
            x509.load_pem_x509_certificate(newest["pem"].encode())
        )

        async def is_trusted() -> bool:
            try:
                await (await other.enter(running, chain)).close()
            except (Unavailable, OSError):
                return False
            return True

        await eventually(is_trusted)
