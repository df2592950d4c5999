"""OCSP (RFC 6960): what our authority says of its certificates, and what other responders say of theirs.

A station asks for the status of a certificate chain, to staple the answer in ISO 15118, and for that of a driver's
contract certificate. It names the responder's URL, which may lead anywhere; so only public addresses are asked, in
short time and with a short answer. An answer is passed on as its responder signed it: the station checks it
against the roots it was given. Where we go by an answer ourselves, we must hold its issuer's certificate.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Self

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from wattbook.kernel.addresses import PublicResolver, check_url
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput, Unavailable
from wattbook.ocpp.messages import CertificateHash
from wattbook.ocpp.security.authority import Root
from wattbook.ocpp.security.certificates import HASHES, issuer_hashes, serial_of
from wattbook.ocpp.security.store import Issued

OURS_VALID_FOR: Final = timedelta(hours=24)
CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
RESPONSE_BYTES_MAX: Final = 16 * 1024
ANSWER_WITHIN_S: Final = 5.0
ASKED_AT_ONCE_MAX: Final = 8
KEPT_MAX: Final = 10_000
KEPT_FOR_MAX: Final = timedelta(hours=1)
"""However long an answer says it holds: what was revoked since must be heard of."""


def own_response(root: Root, named: CertificateHash, issued: Issued | None, now: datetime) -> bytes:
    """What we say of a certificate that names one of our roots as its issuer; of one we did not issue: unknown."""
    known = issued is not None and issued.root == root.number
    revoked_at = issued.revoked_at if issued is not None and known else None
    status = ocsp.OCSPCertStatus.UNKNOWN
    if known:
        status = ocsp.OCSPCertStatus.GOOD if revoked_at is None else ocsp.OCSPCertStatus.REVOKED
    because = issued.revoked_because if issued is not None else None
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=bytes.fromhex(named.issuer_name_hash),
        issuer_key_hash=bytes.fromhex(named.issuer_key_hash),
        serial_number=int(named.serial_number, 16),
        algorithm=HASHES[named.algorithm](),
        cert_status=status,
        this_update=now,
        next_update=now + OURS_VALID_FOR,
        revocation_time=revoked_at,
        revocation_reason=None if revoked_at is None or because is None else x509.ReasonFlags[because],
    )
    response = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, root.certificate).sign(root.key, hashes.SHA256())
    return response.public_bytes(Encoding.DER)


class Responders:
    """Asks other people's OCSP responders; use it as a context.

    `allow_private` lets responders live at private addresses, for demonstrations and tests.
    """

    def __init__(self, clock: Clock, *, allow_private: bool = False) -> None:
        self._clock = clock
        self._allow_private = allow_private
        self._at_once = asyncio.Semaphore(ASKED_AT_ONCE_MAX)
        self._kept: dict[CertificateHash, tuple[bytes, datetime]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver = None if self._allow_private else PublicResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, limit=ASKED_AT_ONCE_MAX),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, certificate: CertificateHash) -> bytes:
        """What the responder that is named with a certificate says of it, in DER as it said it, as long as it holds.

        Raises:
            InvalidInput: hash data that no certificate can have, or a URL that may not be called.
            Unavailable: no answer.
        """
        check(certificate)
        url = check_url(certificate.responder_url or "", allow_private=self._allow_private)
        kept = self._kept.get(certificate)
        if kept is not None and kept[1] > self._clock():
            return kept[0]
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), self._at_once:
                body = await self._post(url, _request(certificate))
        except TimeoutError:
            raise Unavailable("the OCSP responder did not answer in time") from None
        try:
            response = ocsp.load_der_ocsp_response(body)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise Unavailable(f"the OCSP responder says {response.response_status.name}")
            answered, until = response.serial_number, response.next_update_utc
        except ValueError:
            raise Unavailable("the OCSP responder's answer cannot be read") from None
        if answered != int(certificate.serial_number, 16):
            raise Unavailable("the OCSP responder answered for another certificate")
        if until is not None:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[certificate] = body, min(until, self._clock() + KEPT_FOR_MAX)
        return body

    async def _post(self, url: str, request: bytes) -> bytes:
        assert self._session is not None, "used as a context"
        headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
        try:
            async with self._session.post(url, data=request, headers=headers, allow_redirects=False) as response:
                if response.status != 200:
                    raise Unavailable(f"the OCSP responder answered HTTP {response.status}")
                body = bytearray()
                async for chunk in response.content.iter_chunked(4096):
                    body += chunk
                    if len(body) > RESPONSE_BYTES_MAX:
                        raise Unavailable(f"the OCSP responder's answer has more than {RESPONSE_BYTES_MAX} bytes")
                return bytes(body)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable("the OCSP responder cannot be reached") from error


def _request(certificate: CertificateHash) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        bytes.fromhex(certificate.issuer_name_hash),
        bytes.fromhex(certificate.issuer_key_hash),
        int(certificate.serial_number, 16),
        HASHES[certificate.algorithm](),
    )
    return builder.build().public_bytes(Encoding.DER)


def check(certificate: CertificateHash) -> None:
    """Raises InvalidInput for hash data that no certificate can have."""
    try:
        algorithm = HASHES[certificate.algorithm]
        hashed = bytes.fromhex(certificate.issuer_name_hash), bytes.fromhex(certificate.issuer_key_hash)
        serial = int(certificate.serial_number, 16)
    except (KeyError, ValueError):
        raise InvalidInput("the certificate's hash data is not hexadecimal or of an unknown algorithm") from None
    if any(len(each) != algorithm.digest_size for each in hashed) or not 0 < serial < 1 << 160:
        raise InvalidInput("the certificate's hashes or its serial number have a wrong length")


def hash_data(
    certificate: x509.Certificate, issuer: x509.Certificate, responder_url: str | None = None, algorithm: str = "SHA256"
) -> CertificateHash:
    """How OCPP names this certificate.

    Raises:
        InvalidInput: OCPP has no such hash algorithm.
    """
    name_hash, key_hash = issuer_hashes(issuer, algorithm)
    serial = serial_of(certificate.serial_number)
    return CertificateHash(algorithm, name_hash.hex(), key_hash.hex(), serial, responder_url)


def is_issuer(candidate: x509.Certificate, certificate: CertificateHash) -> bool:
    name_hash, key_hash = issuer_hashes(candidate, certificate.algorithm)
    named = bytes.fromhex(certificate.issuer_name_hash), bytes.fromhex(certificate.issuer_key_hash)
    return (name_hash, key_hash) == named


def is_believable(response: ocsp.OCSPResponse, issuers: Sequence[x509.Certificate], now: datetime) -> bool:
    """Signed by the certificate's issuer, or by one it appointed for OCSP (RFC 6960, 4.2.2.2), and of today."""
    until = response.next_update_utc
    if response.this_update_utc > now + CLOCKS_DIFFER_BY or (until is not None and until < now):
        return False
    for issuer in issuers:
        appointed = [each for each in response.certificates if _is_appointed(each, issuer, now)]
        if any(_has_signed(each, response) for each in (issuer, *appointed)):
            return True
    return False


def _is_appointed(responder: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        responder.verify_directly_issued_by(issuer)
        usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    in_time = responder.not_valid_before_utc <= now <= responder.not_valid_after_utc
    return in_time and ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _has_signed(signer: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    if algorithm is None:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        else:
            return False
    except InvalidSignature:
        return False
    return True
