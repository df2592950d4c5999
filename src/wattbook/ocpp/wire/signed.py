"""Signed messages: an action that ends in `-Signed` and a JWS around the payload proper (OCPP-J 2.0.1, 7).

A signature protects what passes through a local controller that is not trusted, so it is a matter of the message, not
of the connection. The payload is unwrapped and handled like any other. With the station's key at hand the signature
must be right, or the message is refused; without one it can only be noted that nobody looked, or be refused, as the
house decides. When the protected header names the action or the message type, they must be those of the frame: else a
signature given for one message could be put under another.

Format: the flattened JSON serialization of RFC 7515 (7.2.2). Algorithms: ES256, ES384, RS256, PS256 (RFC 7518); a
header does not choose another family than the key's, and "none" is none.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from msgspec import Struct

from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import JsonObject, decode_payload

SUFFIX: Final = "-Signed"
UNVERIFIED: Final = "signature-not-verified"
VERIFIED: Final = "signature-verified"

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
KeysOf = Callable[[str, Mapping[str, Any]], Sequence[PublicKey]]
"""The keys of a station, by its id and the protected header (which may name a certificate: `x5t#S256`, RFC 7515,
4.1.8); none if none is known. It looks at memory: it runs where messages are read."""

_CURVES: Final[Mapping[str, tuple[str, int, hashes.HashAlgorithm]]] = {
    "ES256": ("secp256r1", 32, hashes.SHA256()),
    "ES384": ("secp384r1", 48, hashes.SHA384()),
}


class Jws(Struct, frozen=True, forbid_unknown_fields=False):
    """The flattened form; each field is base64url, `header` is not protected and not used."""

    payload: str
    signature: str
    protected: str


class Unwrapped(Struct, frozen=True):
    """The action and payload inside, and the key that verified the signature; None if none is known."""

    action: str
    payload: JsonObject
    key: PublicKey | None

    @property
    def verified(self) -> bool:
        return self.key is not None


def unwrap(
    signed_action: str,
    wrapped: JsonObject,
    message_type: int,
    keys_of: Callable[[Mapping[str, Any]], Sequence[PublicKey]],
) -> Unwrapped:
    """Take the message out of its signature.

    Raises:
        RpcError: FormatViolation for what is no JWS, SecurityError for a signature that is wrong or for something else.
    """
    action = signed_action.removesuffix(SUFFIX)
    try:
        jws = msgspec.convert(wrapped, Jws)
        header = decode_payload(_decoded(jws.protected))
        payload = decode_payload(_decoded(jws.payload))
        signature = _decoded(jws.signature)
    except (ValueError, ArithmeticError, RecursionError) as fault:
        raise RpcError(ErrorCode.FORMAT_VIOLATION, f"the payload is no signed message: {fault}") from fault
    given_for = header.get("OCPPAction", action), str(header.get("OCPPMessageTypeId", message_type))
    if given_for != (action, str(message_type)):
        raise RpcError(ErrorCode.SECURITY_ERROR, "the signature was given for another message")
    keys = keys_of(header)
    data = f"{jws.protected}.{jws.payload}".encode()
    fitting = next((key for key in keys if verifies(key, header.get("alg"), data, signature)), None)
    if keys and fitting is None:
        raise RpcError(ErrorCode.SECURITY_ERROR, "the signature is wrong")
    return Unwrapped(action, payload, fitting)


def no_keys(_: str, __: Mapping[str, Any]) -> Sequence[PublicKey]:
    """Nobody's key is known."""
    return ()


def verifies(key: PublicKey, algorithm: object, data: bytes, signature: bytes) -> bool:
    """Whether the signature is this key's, by an algorithm of its family."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            curve, size, digest = _CURVES.get(str(algorithm), ("", 0, hashes.SHA256()))
            if key.curve.name != curve or len(signature) != 2 * size:
                return False
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
        elif algorithm == "RS256":
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "PS256":
            key.verify(signature, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    """base64url without padding (RFC 7515, 2).

    Raises:
        ValueError: it is not.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as fault:
        raise ValueError(str(fault)) from fault
