"""Blocks A and M: certificates of stations and of vehicles."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from wattbook.ocpp.messages.base import Answer, Request


class CertificateStatus(StrEnum):
    """What became of the check of a contract certificate."""

    ACCEPTED = "Accepted"
    SIGNATURE_ERROR = "SignatureError"
    EXPIRED = "CertificateExpired"
    REVOKED = "CertificateRevoked"
    NOT_AVAILABLE = "NoCertificateAvailable"
    CHAIN_ERROR = "CertChainError"
    CONTRACT_CANCELLED = "ContractCancelled"


class CertificateHash(Struct, frozen=True):
    """Which certificate: hexadecimal hashes of its issuer's name and key, and its serial number (RFC 6960, 4.1.1)."""

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: str | None = None


class SignCertificateAnswer(Answer, frozen=True):
    """Whether the request will be signed; the certificate follows in a command of its own."""

    accepted: bool


class SignCertificate(Request[SignCertificateAnswer], frozen=True):
    """A station asks for a certificate; `csr` is PKCS #10 in PEM, `purpose` as sent since 2.0.1."""

    csr: str
    purpose: str = "ChargingStationCertificate"
    request_id: int | None = None


class ContractCertificateAnswer(Answer, frozen=True):
    """`exi_response` is for the vehicle, base64; `remaining` contracts could still be installed (2.1)."""

    accepted: bool
    exi_response: str = ""
    remaining: int | None = None


class ContractCertificate(Request[ContractCertificateAnswer], frozen=True):
    """A vehicle asks for its contract certificate, through its station; `exi_request` is ISO 15118's, base64."""

    iso15118_version: str
    action: str
    exi_request: str
    chains_max: int | None = None
    emaids: tuple[str, ...] = ()


class OcspAnswer(Answer, frozen=True):
    """`response` is DER of RFC 6960 in base64; None when it could not be had."""

    response: str | None = None


class OcspQuestion(Request[OcspAnswer], frozen=True):
    """Is this certificate of a vehicle's chain still good?"""

    certificate: CertificateHash


class ChainStatus(Struct, frozen=True):
    """`status` is Good, Revoked, Unknown or Failed; `source` is CRL or OCSP, as asked."""

    certificate: CertificateHash
    source: str
    status: str
    next_update: datetime


class ChainStatusAnswer(Answer, frozen=True):
    """One status a certificate asked about, in order."""

    statuses: tuple[ChainStatus, ...]


class ChainStatusQuestion(Request[ChainStatusAnswer], frozen=True):
    """Are these certificates still good, by CRL or OCSP (2.1)? One (certificate, source, addresses) each."""

    certificates: tuple[tuple[CertificateHash, str, tuple[str, ...]], ...]
