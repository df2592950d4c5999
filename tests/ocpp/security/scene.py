"""What the security tests play on: stations that come with or without passwords and certificates."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import ContractCertificate, ContractCertificateAnswer
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.passwords import require_profile, set_password
from wattbook.ocpp.security.signing import sign
from wattbook.ocpp.security.tls import station_tls
from wattbook.simulate.estate import Estate

KEY = bytes(range(0xEC, 0x100))
"""Twenty bytes that are no text in any encoding of text."""


class Pool:
    """A pool of contract certificates: silent until it is given an answer."""

    def __init__(self) -> None:
        self.answer: ContractCertificateAnswer | None = None
        self.asked: list[ContractCertificate] = []

    async def contract(self, request: ContractCertificate) -> ContractCertificateAnswer:
        self.asked.append(request)
        if self.answer is None:
            raise Unavailable("the pool is silent")
        return self.answer


@dataclass(frozen=True)
class Scene:
    database: Database
    gateway: Gateway
    estate: Estate
    authority: Authority
    contracts: Authority
    pool: "Pool"
    folder: Path

    @property
    def station_id(self) -> str:
        return self.estate.station(0)

    async def knock(
        self, password: bytes | None = None, *, tls: ssl.SSLContext | None = None, station_id: str | None = None
    ) -> Station:
        """Come in, or raise Unavailable with the status in its message."""
        scheme, port = ("ws", self.gateway.port) if tls is None else ("wss", self.gateway.tls_port)
        url = f"{scheme}://127.0.0.1:{port}/ocpp"
        return await Station.connect(url, station_id or self.station_id, password=password, tls=tls)

    async def is_let_in(
        self, password: bytes | None = None, *, tls: ssl.SSLContext | None = None, station_id: str | None = None
    ) -> None:
        """Come in, be heard, and go."""
        station = await self.knock(password, tls=tls, station_id=station_id)
        assert (await station.boot("maker", "model")).status == "Accepted"
        await station.close()

    async def give_password(self, password: bytes, *, at_once: bool = False) -> None:
        async with self.database.transaction() as connection:
            await set_password(connection, self.station_id, password, at_once=at_once)
        await self.gateway.refresh_stations()

    async def ask_profile(self, profile: int | None) -> None:
        async with self.database.transaction() as connection:
            await require_profile(connection, self.station_id, profile)
        await self.gateway.refresh_stations()

    def trusting(self) -> ssl.SSLContext:
        """A station that trusts the authority and has no certificate of its own."""
        return station_tls([self.authority.newest.certificate])

    async def certified(self, station_id: str, *, now: datetime | None = None) -> tuple[ssl.SSLContext, str]:
        """A station with a certificate that it asked for, and the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        async with self.database.transaction() as connection:
            chain = await sign(connection, self.authority, station_id, csr(station_id, key), now=now or system_clock())
        return self.holding(key, chain), chain

    def holding(self, key: ec.EllipticCurvePrivateKey, chain: str) -> ssl.SSLContext:
        certificate_path, key_path = self.folder / "station.pem", self.folder / "station.key"
        certificate_path.write_text(chain)
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return station_tls([self.authority.newest.certificate], certificate_path, key_path)


def csr(common_name: str, key: ec.EllipticCurvePrivateKey) -> str:
    """What a station says in SignCertificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()
