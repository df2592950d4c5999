"""Certificates: what a signing request must be, whom a certificate names, and how OCPP names its issuer."""

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from wattbook.kernel.errors import InvalidInput

CSR_LENGTH_MAX: Final = 5500  # the schemas of 1.6, 2.0.1 and 2.1
RSA_BITS_MIN, RSA_BITS_MAX = 2048, 8192  # OCPP 2.0.1 Part 2, A00: at least 2048; above 8192 only costs us time
CURVE_BITS_MIN: Final = 224

HASHES: Final[dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def read_request(csr_pem: str) -> tuple[x509.CertificateSigningRequest, PublicKey]:
    """A signing request whose sender holds the private key, and its public key.

    Raises:
        InvalidInput: no such request, or a key that is too weak.
    """
    if len(csr_pem) > CSR_LENGTH_MAX:
        raise InvalidInput(f"a signing request has at most {CSR_LENGTH_MAX} characters")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise InvalidInput(f"no signing request in PEM: {error}") from None
    if isinstance(key, ec.EllipticCurvePublicKey):
        strong = key.curve.key_size >= CURVE_BITS_MIN
    else:
        strong = isinstance(key, rsa.RSAPublicKey) and RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX
    if not strong or not isinstance(key, PublicKey):
        raise InvalidInput("a station's key is RSA of at least 2048 bits or on a curve of at least 224 bits")
    if not signed:
        raise InvalidInput("the signing request is not signed with its own key")
    return request, key


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Whom a certificate names: its common names and the DNS names beside them."""
    names = {str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        beside = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset(names)
    return frozenset(names | set(beside.get_values_for_type(x509.DNSName)))


def judge(der: bytes, station_id: str, revoked: frozenset[int], now: datetime) -> int | str:
    """The serial number of a certificate that opens the door for a station; or why it does not.

    Whether it was signed by somebody we trust, the handshake has checked. Its dates are looked at again, because a
    resumed session skips the handshake.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = names_of(certificate)
    except ValueError:
        return "the certificate cannot be read"
    if station_id not in names:
        return f"the certificate is of {', '.join(sorted(names)) or 'nobody'}"[:200]
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return "the certificate is not valid now"
    if certificate.serial_number in revoked:
        return "the certificate is revoked"
    return certificate.serial_number


def issuer_hashes(issuer: x509.Certificate, algorithm: str) -> tuple[bytes, bytes]:
    """The hashes of an issuer's distinguished name in DER and of its public key alone (RFC 6960, 4.1.1).

    Raises:
        InvalidInput: OCPP has no such hash algorithm.
    """
    if algorithm not in HASHES:
        raise InvalidInput(f"OCPP hashes certificates with {', '.join(HASHES)}")
    digest = algorithm.lower()
    key = issuer.public_key()
    point = isinstance(key, ec.EllipticCurvePublicKey)
    bits = (
        key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if point
        else key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    )
    return hashlib.new(digest, issuer.subject.public_bytes()).digest(), hashlib.new(digest, bits).digest()


def serial_of(number: int) -> str:
    """A serial number as OCPP and our tables write it."""
    return f"{number:x}"
