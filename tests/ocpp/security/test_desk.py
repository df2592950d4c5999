"""What stations ask about certificates, said over the wire: signing, OCSP, chains, contracts."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.ocpp.security.scene import KEY, Scene, csr
from wattbook.kernel.clock import ManualClock, system_clock
from wattbook.kernel.errors import InvalidInput, Unavailable
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import (
    Authorize,
    CertificateHash,
    CertificateStatus,
    ChainStatusQuestion,
    ContractCertificate,
    ContractCertificateAnswer,
    IdToken,
    OcspQuestion,
    SignCertificate,
    Verbatim,
    VerbatimAnswer,
)
from wattbook.ocpp.security.certificates import serial_of
from wattbook.ocpp.security.ocsp import RESPONSE_BYTES_MAX, Responders, hash_data, own_response
from wattbook.ocpp.security.signing import RevokedBecause, revoke
from wattbook.ocpp.security.store import Issued

CONTRACT = "KRWTBC12345678"
WAIT_S = 20.0


@dataclass
class Responder:
    """Somebody else's OCSP responder."""

    scene: Scene
    url: str = ""
    revoked_at: datetime | None = None
    body: bytes | None = None
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.body is not None:
            return web.Response(body=self.body)
        asked = ocsp.load_der_ocsp_request(await request.read())
        root = self.scene.contracts.newest
        serial = serial_of(asked.serial_number)
        named = CertificateHash("SHA256", asked.issuer_name_hash.hex(), asked.issuer_key_hash.hex(), serial)
        because = None if self.revoked_at is None else RevokedBecause.SUPERSEDED.value
        now = system_clock()
        issued = Issued(serial, root.number, CONTRACT, "", now, now, self.revoked_at, because)
        return web.Response(body=own_response(root, named, issued, now))


@pytest.fixture
async def responder(scene: Scene) -> AsyncIterator[Responder]:
    serving = Responder(scene)
    application = web.Application()
    application.router.add_post("/", serving.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    serving.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield serving
    await runner.cleanup()


@pytest.fixture
async def station(scene: Scene) -> AsyncIterator[Station]:
    url = f"ws://127.0.0.1:{scene.gateway.port}/ocpp"
    connected = await Station.connect(url, scene.station_id, subprotocols=["ocpp2.1"])
    await connected.boot("maker", "model")
    yield connected
    await connected.close()


def issued_by(scene: Scene, name: str = CONTRACT) -> x509.Certificate:
    """A contract certificate of the mobility operator."""
    key = ec.generate_private_key(ec.SECP256R1())
    return scene.contracts.issue_station(name, key.public_key(), system_clock())


def pem(*certificates: x509.Certificate) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


# Signing


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_a_station_asks_for_a_certificate_gets_it_and_connects_with_it(scene: Scene, version: str) -> None:
    """A02: from a password to a certificate without a hand's help."""
    await scene.give_password(KEY)
    await scene.ask_profile(2)
    told: asyncio.Queue[Verbatim] = asyncio.Queue()

    async def hear(message: Verbatim) -> VerbatimAnswer:
        told.put_nowait(message)
        return VerbatimAnswer({"status": "Accepted"})

    station = await Station.connect(
        f"wss://127.0.0.1:{scene.gateway.tls_port}/ocpp",
        scene.station_id,
        {Verbatim: hear},
        password=KEY,
        tls=scene.trusting(),
        subprotocols=[f"ocpp{version}"],
    )
    await station.boot("maker", "model")
    key = ec.generate_private_key(ec.SECP256R1())
    assert (await station.call(SignCertificate(csr("SERIAL-1", key)))).accepted
    async with asyncio.timeout(WAIT_S):
        message = await told.get()
    await station.close()
    assert message.action == "CertificateSigned"
    assert isinstance(message.payload, dict)
    assert message.payload.get("certificateType") == (None if version == "1.6" else "ChargingStationCertificate")
    await scene.ask_profile(3)
    await scene.is_let_in(tls=scene.holding(key, str(message.payload["certificateChain"])))


@pytest.mark.parametrize("purpose", ["ChargingStationCertificate", "V2GCertificate"])
async def test_what_cannot_be_signed_is_rejected(station: Station, purpose: str) -> None:
    assert not (await station.call(SignCertificate("no request", purpose))).accepted


# OCSP


async def test_the_status_of_our_own_certificate_is_signed_by_its_root(scene: Scene, station: Station) -> None:
    """M06; the answer is checked as a station checks it."""
    _, chain = await scene.certified(scene.station_id)
    certificate, root = x509.load_pem_x509_certificate(chain.encode()), scene.authority.newest.certificate
    named = hash_data(certificate, root, "http://nowhere.example/ocsp")
    for because, status in [
        (None, ocsp.OCSPCertStatus.GOOD),
        (RevokedBecause.KEY_COMPROMISE, ocsp.OCSPCertStatus.REVOKED),
    ]:
        if because is not None:
            async with scene.database.transaction() as connection:
                await revoke(connection, [named.serial_number.upper()], because, now=system_clock())
        answer = await station.call(OcspQuestion(named))
        assert answer.response is not None
        response = ocsp.load_der_ocsp_response(base64.b64decode(answer.response))
        key, algorithm = root.public_key(), response.signature_hash_algorithm
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(algorithm, hashes.SHA256)
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        assert response.serial_number == certificate.serial_number
        assert response.certificate_status is status
        assert response.revocation_reason is (None if because is None else x509.ReasonFlags.key_compromise)


async def test_a_certificate_that_we_did_not_issue_is_unknown(scene: Scene, station: Station) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    stranger = scene.authority.issue_station(scene.station_id, key.public_key(), system_clock())
    named = hash_data(stranger, scene.authority.newest.certificate, "http://nowhere.example/ocsp")
    answer = await station.call(OcspQuestion(named))
    assert answer.response is not None
    response = ocsp.load_der_ocsp_response(base64.b64decode(answer.response))
    assert response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


async def test_another_responders_answer_is_passed_on_and_asked_for_once(
    scene: Scene, station: Station, responder: Responder
) -> None:
    named = hash_data(issued_by(scene), scene.contracts.newest.certificate, responder.url)
    first = await station.call(OcspQuestion(named))
    assert first.response is not None
    assert (await station.call(OcspQuestion(named))).response == first.response
    assert responder.asked == 1


@pytest.mark.parametrize("body", [b"", b"no answer", b"x" * (RESPONSE_BYTES_MAX + 1)])
async def test_a_responder_that_talks_nonsense_is_a_failure_and_no_more(
    scene: Scene, station: Station, responder: Responder, body: bytes
) -> None:
    responder.body = body
    named = hash_data(issued_by(scene), scene.contracts.newest.certificate, responder.url)
    assert (await station.call(OcspQuestion(named))).response is None
    await station.heartbeat()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "ldap://x"]
)
async def test_a_responder_in_our_own_network_is_not_asked(scene: Scene, url: str) -> None:
    named = hash_data(issued_by(scene), scene.contracts.newest.certificate, url)
    async with Responders(system_clock) as responders:
        with pytest.raises(InvalidInput):
            await responders.ask(named)
        with pytest.raises(Unavailable):
            await responders.ask(hash_data(issued_by(scene), scene.contracts.newest.certificate, "http://localhost:9/"))


@pytest.mark.parametrize(
    "broken", [("SHA1", "aa", "bb", "1"), ("SHA256", "zz", "bb", "1"), ("SHA256", "aa", "bb", "-1")]
)
async def test_hash_data_that_no_certificate_has_is_refused(broken: tuple[str, str, str, str]) -> None:
    async with Responders(system_clock, allow_private=True) as responders:
        with pytest.raises(InvalidInput):
            await responders.ask(CertificateHash(*broken, "http://127.0.0.1:9/"))


async def test_chains_are_answered_certificate_by_certificate(
    scene: Scene, station: Station, responder: Responder
) -> None:
    """M07: one of ours, one of another, one nobody vouches for, and a revocation list, which is not fetched."""
    _, chain = await scene.certified(scene.station_id)
    ours = hash_data(x509.load_pem_x509_certificate(chain.encode()), scene.authority.newest.certificate)
    theirs = hash_data(issued_by(scene), scene.contracts.newest.certificate)
    question = ChainStatusQuestion(
        (
            (ours, "OCSP", ("http://nowhere.example/",)),
            (theirs, "OCSP", ("http://127.0.0.1:9/", responder.url)),
            (theirs, "OCSP", ("http://127.0.0.1:9/",)),
            (theirs, "CRL", (responder.url,)),
        )
    )
    answer = await station.call(question)
    assert [each.status for each in answer.statuses] == ["Good", "Good", "Failed", "Failed"]
    assert all(each.next_update > system_clock() for each in answer.statuses)


# Contracts


async def test_a_contract_certificate_is_believed_when_its_root_is_ours_to_trust(
    scene: Scene, station: Station, responder: Responder
) -> None:
    """C07: with the chain itself, and with the hashes of its certificates."""
    contract = issued_by(scene)
    root = scene.contracts.newest.certificate
    stranger = scene.authority.issue_station(CONTRACT, contract.public_key(), system_clock())  # type: ignore[arg-type]
    named = hash_data(contract, root, responder.url)

    async def status(**shown: object) -> CertificateStatus | None:
        token = IdToken("KR-WTB-C12345678")
        return (await station.call(Authorize(token, **shown))).certificate_status  # type: ignore[arg-type]

    assert await status(certificate=pem(contract, root)) is CertificateStatus.ACCEPTED
    assert await status(certificate=pem(contract)) is CertificateStatus.ACCEPTED
    assert await status(certificate=pem(issued_by(scene, "KRWTBC99999999"))) is CertificateStatus.CHAIN_ERROR
    assert await status(certificate=pem(stranger)) is CertificateStatus.CHAIN_ERROR
    assert await status(certificate="no chain") is CertificateStatus.CHAIN_ERROR
    assert await status(certificate_hashes=(named,)) is CertificateStatus.ACCEPTED


async def test_a_revoked_contract_opens_nothing(scene: Scene, station: Station, responder: Responder) -> None:
    responder.revoked_at = system_clock() - timedelta(hours=1)
    named = hash_data(issued_by(scene), scene.contracts.newest.certificate, responder.url)
    answer = await station.call(Authorize(IdToken(CONTRACT), certificate_hashes=(named,)))
    assert answer.certificate_status is CertificateStatus.REVOKED


async def test_an_answer_of_a_forger_is_not_believed(scene: Scene, station: Station, responder: Responder) -> None:
    """The responder is asked without TLS; what counts is who signed."""
    forger = scene.authority.newest
    named = hash_data(issued_by(scene), scene.contracts.newest.certificate, responder.url)
    now = system_clock()
    issued = Issued(named.serial_number, forger.number, CONTRACT, "", now, now)
    responder.body = own_response(forger, named, issued, now)
    answer = await station.call(Authorize(IdToken(CONTRACT), certificate_hashes=(named,)))
    assert answer.certificate_status is CertificateStatus.NOT_AVAILABLE


async def test_an_answer_is_asked_for_again_when_an_hour_has_gone_by(scene: Scene, responder: Responder) -> None:
    clock = ManualClock(system_clock())
    named = hash_data(issued_by(scene), scene.contracts.newest.certificate, responder.url)
    async with Responders(clock, allow_private=True) as responders:
        await responders.ask(named)
        clock.advance(timedelta(minutes=59))
        await responders.ask(named)
        clock.advance(timedelta(minutes=2))
        await responders.ask(named)
    assert responder.asked == 2


async def test_a_vehicles_request_goes_to_the_pool_and_a_silent_pool_is_a_failure(
    scene: Scene, station: Station
) -> None:
    """M01."""
    request = ContractCertificate("urn:iso:15118:2:2013:MsgDef", "Install", "aGVsbG8=")
    refused = await station.call(request)
    assert (refused.accepted, refused.exi_response) == (False, "")
    scene.pool.answer = ContractCertificateAnswer(accepted=True, exi_response="d29ybGQ=", remaining=1)
    assert await station.call(request) == scene.pool.answer
    assert scene.pool.asked == [request, request]
