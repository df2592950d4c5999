"""Signed meter values: whether the meter's signature is right.

Format: OCMF (Open Charge Metering Format 1.0 to 1.3, by S.A.F.E.): `OCMF|<data>|<signature>`, where the signature is a
JSON object with the algorithm (`SA`, ECDSA-secp256r1-SHA256 if it is left out), the encoding (`SE`, hexadecimal if it
is left out) and the signature itself (`SD`), over the bytes of the data exactly as they stand. What it comes in, and
which other formats there are, is the matter of `signed_containers`. A key that comes along with a value proves nothing,
since whoever forges the one sends the other; only registered keys count.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from wattbook.ocpp.security.signed_containers import opened
from wattbook.ocpp.security.signing_keys import fingerprint_of
from wattbook.ocpp.wire.signed import PublicKey

ALGORITHM: Final = "ECDSA-secp256r1-SHA256"

_CURVES: Final[Mapping[str, str]] = {
    "ECDSA-secp192r1-SHA256": "secp192r1",
    "ECDSA-secp256k1-SHA256": "secp256k1",
    "ECDSA-secp256r1-SHA256": "secp256r1",
    "ECDSA-secp384r1-SHA256": "secp384r1",
    "ECDSA-brainpool256r1-SHA256": "brainpoolP256r1",
    "ECDSA-brainpool384r1-SHA256": "brainpoolP384r1",
}


class Verdict(StrEnum):
    """What became of a signature."""

    VERIFIED = "verified"
    WRONG = "wrong"
    NO_KEY = "no-key"
    UNVERIFIED = "unverified"
    UNREADABLE = "unreadable"


class Judged(Struct, frozen=True):
    """A verdict, why, and by which key (its fingerprint)."""

    verdict: Verdict
    detail: str
    fingerprint: str | None = None


class _Signature(Struct, frozen=True):
    SD: str
    SA: str = ALGORITHM
    SE: str = "hex"


def judge_value(said: str, keys: Sequence[PublicKey]) -> Judged:
    """Of a signed meter value as the station sent it: text of 1.6, or an object of 2.x as JSON."""
    try:
        contained = opened(said)
        if contained.ocmf is None:
            return Judged(Verdict.UNVERIFIED, contained.detail)
        data, signature = _parts(contained.ocmf)
        given = (
            base64.b64decode(signature.SD, validate=True) if signature.SE == "base64" else bytes.fromhex(signature.SD)
        )
    except (ValueError, binascii.Error) as fault:
        return Judged(Verdict.UNREADABLE, str(fault)[:200])
    curve = _CURVES.get(signature.SA)
    if curve is None:
        return Judged(Verdict.UNREADABLE, f"signed by {signature.SA[:50]}, which is not checked here")
    if not keys:
        return Judged(Verdict.NO_KEY, "no key of this station's meter is registered")
    for key in keys:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == curve and _fits(key, given, data):
            return Judged(Verdict.VERIFIED, signature.SA, fingerprint_of(key))
    return Judged(Verdict.WRONG, "no registered key of this station's meter made this signature")


def _fits(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _parts(ocmf: str) -> tuple[bytes, _Signature]:
    """The bytes that were signed, and the signature. A bar may stand inside a text of the data.

    Raises:
        ValueError: not of this form.
    """
    head, _, rest = ocmf.partition("|")
    data, _, signature = rest.rpartition("|")
    if head != "OCMF" or not data:
        raise ValueError("no OCMF")
    return data.encode(), msgspec.json.decode(signature, type=_Signature)
