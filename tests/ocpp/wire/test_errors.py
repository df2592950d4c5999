"""Every error has its code, and every version its spelling."""

import pytest

from wattbook.kernel.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Refused, Unavailable
from wattbook.ocpp.wire.errors import ErrorCode, PeerRefused, RpcError, code_of, rpc_error
from wattbook.ocpp.wire.versions import V16, VERSIONS, Version

CODES_2_X = {
    "FormatViolation",
    "GenericError",
    "InternalError",
    "MessageTypeNotSupported",
    "NotImplemented",
    "NotSupported",
    "OccurrenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "RpcFrameworkError",
    "SecurityError",
    "TypeConstraintViolation",
}
NOT_IN_1_6 = {"FormatViolation", "OccurrenceConstraintViolation", "MessageTypeNotSupported", "RpcFrameworkError"}
CODES_1_6 = CODES_2_X - NOT_IN_1_6 | {"FormationViolation", "OccurenceConstraintViolation"}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_version_uses_its_own_codes_and_all_of_them(version: Version) -> None:
    assert set(version.error_codes) == set(ErrorCode)
    assert set(version.error_codes.values()) == (CODES_1_6 if version is V16 else CODES_2_X)


@pytest.mark.parametrize("text", sorted(CODES_1_6 | CODES_2_X))
def test_every_spelling_is_understood_from_any_station(text: str) -> None:
    spelled = {version.error_codes[code_of(text)] for version in VERSIONS}
    assert text in spelled


def test_an_unknown_code_is_a_generic_error_and_keeps_its_text() -> None:
    refusal = PeerRefused("Error", "why", {})
    assert (refusal.rpc_code, refusal.wire_code) == (ErrorCode.GENERIC_ERROR, "Error")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RpcError(ErrorCode.SECURITY_ERROR, "not accepted yet"), ErrorCode.SECURITY_ERROR),
        (InvalidInput("no"), ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        (NotFound("no"), ErrorCode.GENERIC_ERROR),
        (Conflict("no"), ErrorCode.GENERIC_ERROR),
        (Refused("no"), ErrorCode.GENERIC_ERROR),
        (LimitExceeded("no"), ErrorCode.INTERNAL_ERROR),
        (Unavailable("no"), ErrorCode.INTERNAL_ERROR),
        (PeerRefused("SecurityError", "a station said so to us", {}), ErrorCode.INTERNAL_ERROR),
        (RuntimeError("relation does not exist"), ErrorCode.INTERNAL_ERROR),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_house_has_its_code(error: Exception, code: ErrorCode) -> None:
    assert rpc_error(error).rpc_code is code


def test_an_unforeseen_error_tells_the_opposite_end_nothing() -> None:
    assert "relation" not in rpc_error(RuntimeError('relation "x" does not exist')).message
