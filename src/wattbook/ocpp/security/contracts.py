"""Contract certificates of vehicles (ISO 15118, plug and charge): is what a station shows of one to be believed?

A station shows the chain itself when it cannot check it, or else the hashes of its certificates with the URLs of their
responders. A chain must lead to one of the roots we were given, in time, for the contract it was shown for. A status is
believed when the certificate's issuer signed it, or one that the issuer appointed; so with hashes alone, too, we must
hold the issuers.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from wattbook.ocpp.messages import CertificateHash, CertificateStatus
from wattbook.ocpp.security.certificates import names_of
from wattbook.ocpp.security.ocsp import hash_data, is_believable, is_issuer

CHAIN_LENGTH_MAX: Final = 4  # ISO 15118-2: leaf, two authorities between, root


def read_chain(pem: str) -> list[x509.Certificate]:
    """The certificates as they were shown, leaf first; none if they cannot be read."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def judge_chain(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], contract_id: str, now: datetime
) -> tuple[CertificateStatus, list[x509.Certificate]]:
    """What is wrong with a chain, and the whole chain up to its root if nothing is."""
    if not 0 < len(chain) <= CHAIN_LENGTH_MAX or not roots:
        return CertificateStatus.NOT_AVAILABLE if not roots else CertificateStatus.CHAIN_ERROR, []
    if _bare(contract_id) not in {_bare(name) for name in names_of(chain[0])}:
        return CertificateStatus.CHAIN_ERROR, []
    whole = list(chain)
    if whole[-1] not in roots:
        above = [root for root in roots if root.subject == whole[-1].issuer]
        whole += above[:1]
    if whole[-1] not in roots or len(whole) < 2:
        return CertificateStatus.CHAIN_ERROR, []
    for below, issuer in pairwise(whole):
        if not _may_issue(issuer):
            return CertificateStatus.CHAIN_ERROR, []
        try:
            below.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return CertificateStatus.SIGNATURE_ERROR, []
    if any(not each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in whole):
        return CertificateStatus.EXPIRED, []
    return CertificateStatus.ACCEPTED, whole


def questions_of(whole: Sequence[x509.Certificate]) -> list[CertificateHash]:
    """Whom to ask about a chain: each certificate that names a responder."""
    asked = []
    for certificate, issuer in pairwise(whole):
        url = _responder(certificate)
        if url is not None:
            asked.append(hash_data(certificate, issuer, url))
    return asked


def status_of(
    named: CertificateHash, response: bytes | None, issuers: Sequence[x509.Certificate], now: datetime
) -> tuple[str, datetime | None]:
    """Good, Revoked, Unknown, or Failed if there is no answer to believe; and until when."""
    if response is None:
        return "Failed", None
    try:
        answer = ocsp.load_der_ocsp_response(response)
        signers = [each for each in issuers if is_issuer(each, named)]
        if answer.serial_number != int(named.serial_number, 16) or not is_believable(answer, signers, now):
            return "Failed", None
        return answer.certificate_status.name.capitalize(), answer.next_update_utc
    except ValueError:
        return "Failed", None


def worst(statuses: Sequence[str]) -> CertificateStatus:
    """What becomes of a contract whose certificates have these statuses."""
    if "Revoked" in statuses:
        return CertificateStatus.REVOKED
    if not statuses or any(each != "Good" for each in statuses):
        return CertificateStatus.NOT_AVAILABLE
    return CertificateStatus.ACCEPTED


def _bare(contract_id: str) -> str:
    """An eMAID is the same with and without its hyphens (ISO 15118-2, annex H)."""
    return contract_id.replace("-", "").upper()


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _responder(certificate: x509.Certificate) -> str | None:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    for each in access:
        if each.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            each.access_location, x509.UniformResourceIdentifier
        ):
            return each.access_location.value
    return None
