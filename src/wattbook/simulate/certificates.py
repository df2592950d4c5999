"""A station that asks for its certificate (OCPP 1.6 security extension, 2.0.1 Part 2: A02) and comes back with it.

The key is made by the station and never leaves it. TLS reads keys from files only, so it is written to one while the
context is made.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from wattbook.kernel.errors import Refused, Unavailable
from wattbook.ocpp.messages import SignCertificate
from wattbook.ocpp.security.tls import station_tls
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate.stations import SimulatedStation

PATIENCE_S: Final = 30.0
"""For the signed certificate; it may have to wait for a person, but not in a simulation."""


class StationKey:
    """A key pair, and what is made of it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def request(self, common_name: str) -> str:
        """PKCS #10 in PEM."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self._key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM).decode()

    def fits(self, chain: str) -> bool:
        """Whether the first certificate of the chain is of this key."""
        try:
            return x509.load_pem_x509_certificate(chain.encode()).public_key() == self._key.public_key()
        except ValueError:
            return False

    def tls(self, chain: str, roots: Sequence[x509.Certificate]) -> ssl.SSLContext:
        """How a station with this certificate speaks TLS to whoever these roots vouch for."""
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "station.pem"), Path(folder, "station.key")
            certificate.write_text(chain)
            key.write_bytes(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            return station_tls(roots, certificate, key)


async def take_certificate(station: SimulatedStation, key: StationKey) -> str:
    """Ask for a certificate and wait for it; the chain in PEM.

    Raises:
        Refused: it will not be signed.
        Unavailable: it did not come in time.
    """
    signed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(payload: JsonObject) -> JsonObject:
        chain = payload["certificateChain"]
        if not key.fits(chain):
            return {"status": "Rejected"}
        if not signed.done():
            signed.set_result(chain)
        return {"status": "Accepted"}

    station.further_commands["CertificateSigned"] = take
    answer = await station.call(SignCertificate(key.request(station.station_id)))
    if not answer.accepted:
        raise Refused(f"no certificate is signed for {station.station_id}", reason="certificate")
    try:
        return await asyncio.wait_for(signed, PATIENCE_S)
    except TimeoutError:
        raise Unavailable(f"{station.station_id} waits for its certificate in vain") from None


async def come_back_certified(
    station: SimulatedStation, key: StationKey, chain: str, roots: Sequence[x509.Certificate]
) -> None:
    """Connect anew, and show the certificate in the place of a password (security profile 3)."""
    address = station.line.address
    assert address is not None, "it was connected to ask"
    await station.leave()
    await station.connect(address.url, tls=key.tls(chain, roots))
