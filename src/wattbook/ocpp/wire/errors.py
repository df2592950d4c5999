"""What can go wrong between two ends of OCPP, and how each version spells it.

`ErrorCode` is the house's own list; `SPELLINGS` says what stands on the wire. OCPP-J 1.6 has ten codes, two of them
misspelled, and its errata (5.1, 5.2) keep the misspellings on purpose: correcting them would be a change of message.
2.0.1 and 2.1 (Part 4, table of RPC error codes) have twelve.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from wattbook.kernel.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Refused,
    Unavailable,
    WattbookError,
)

DESCRIPTION_LENGTH_MAX = 255  # OCPP-J 2.0.1, 4.2.3: errorDescription


class ErrorCode(Enum):
    """An RPC error whatever the version."""

    FORMAT_VIOLATION = "format-violation"
    GENERIC_ERROR = "generic-error"
    INTERNAL_ERROR = "internal-error"
    MESSAGE_TYPE_NOT_SUPPORTED = "message-type-not-supported"
    NOT_IMPLEMENTED = "not-implemented"
    NOT_SUPPORTED = "not-supported"
    OCCURRENCE_CONSTRAINT_VIOLATION = "occurrence-constraint-violation"
    PROPERTY_CONSTRAINT_VIOLATION = "property-constraint-violation"
    PROTOCOL_ERROR = "protocol-error"
    RPC_FRAMEWORK_ERROR = "rpc-framework-error"
    SECURITY_ERROR = "security-error"
    TYPE_CONSTRAINT_VIOLATION = "type-constraint-violation"


_SPELLINGS_2_X = {
    ErrorCode.FORMAT_VIOLATION: "FormatViolation",
    ErrorCode.GENERIC_ERROR: "GenericError",
    ErrorCode.INTERNAL_ERROR: "InternalError",
    ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED: "MessageTypeNotSupported",
    ErrorCode.NOT_IMPLEMENTED: "NotImplemented",
    ErrorCode.NOT_SUPPORTED: "NotSupported",
    ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurrenceConstraintViolation",
    ErrorCode.PROPERTY_CONSTRAINT_VIOLATION: "PropertyConstraintViolation",
    ErrorCode.PROTOCOL_ERROR: "ProtocolError",
    ErrorCode.RPC_FRAMEWORK_ERROR: "RpcFrameworkError",
    ErrorCode.SECURITY_ERROR: "SecurityError",
    ErrorCode.TYPE_CONSTRAINT_VIOLATION: "TypeConstraintViolation",
}

SPELLINGS: Mapping[str, Mapping[ErrorCode, str]] = {
    "1.6": {
        **_SPELLINGS_2_X,
        ErrorCode.FORMAT_VIOLATION: "FormationViolation",
        ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurenceConstraintViolation",
        # Codes that 1.6 does not have: the nearest one it has.
        ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED: "NotSupported",
        ErrorCode.RPC_FRAMEWORK_ERROR: "GenericError",
    },
    "2.0.1": _SPELLINGS_2_X,
    "2.1": _SPELLINGS_2_X,
}
"""Version → code → text on the wire."""

# Stations mix the spellings of the versions, so each is understood from any of them.
# Where 1.6 borrows another code's text, the later row restores that text's own meaning.
_CODES = {text: code for version in ("1.6", "2.0.1", "2.1") for code, text in SPELLINGS[version].items()}


def code_of(text: str) -> ErrorCode:
    """The code of a text on the wire, in any version's spelling; an unknown one is a generic error."""
    return _CODES.get(text, ErrorCode.GENERIC_ERROR)


# The first class that fits an error decides; the last row fits everything wattbook raises on purpose.
CODE_OF_ERROR: tuple[tuple[type[WattbookError], ErrorCode], ...] = (
    (InvalidInput, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    (NotFound, ErrorCode.GENERIC_ERROR),
    (Conflict, ErrorCode.GENERIC_ERROR),
    (Refused, ErrorCode.GENERIC_ERROR),
    # The sender may try again: a station keeps and repeats what concerns a transaction after this code.
    (LimitExceeded, ErrorCode.INTERNAL_ERROR),
    (Unavailable, ErrorCode.INTERNAL_ERROR),
    (WattbookError, ErrorCode.INTERNAL_ERROR),
)


class RpcError(WattbookError):
    """What a CALLERROR says: raised where a CALL is handled, and where ours was answered with one.

    `rpc_code` is the code whatever the version; `rpc_details` is the JSON object of the frame.
    """

    code: ClassVar[str] = "rpc-error"

    def __init__(self, rpc_code: ErrorCode, description: str, rpc_details: Mapping[str, Any] | None = None) -> None:
        super().__init__(description, rpc_code=rpc_code.value)
        self.rpc_code = rpc_code
        self.rpc_details = dict(rpc_details or {})


class MalformedFrame(RpcError):
    """Not a frame of OCPP-J.

    `unique_id` and `message_type` are None when they could not be read. Only a CALL may be answered with a CALLERROR,
    so `may_be_call` is False for what is known to be something else; `is_answer` is True for a broken answer to a CALL
    of ours.
    """

    def __init__(
        self, rpc_code: ErrorCode, reason: str, unique_id: str | None = None, *, message_type: int | None = None
    ) -> None:
        super().__init__(rpc_code, reason)
        self.unique_id = unique_id
        self.message_type = message_type

    @property
    def may_be_call(self) -> bool:
        return self.message_type in (None, 2)

    @property
    def is_answer(self) -> bool:
        return self.message_type in (3, 4)


class UnknownMessageType(MalformedFrame):
    """An array whose first element is no message type of this version."""


class PeerRefused(WattbookError):
    """The opposite end answered our CALL with a CALLERROR; `wire_code` is the code as it was spelled."""

    code: ClassVar[str] = "peer-refused"

    def __init__(self, wire_code: str, description: str, rpc_details: Mapping[str, Any]) -> None:
        super().__init__(f"the opposite end answered {wire_code}: {description}", wire_code=wire_code)
        self.wire_code = wire_code
        self.rpc_code = code_of(wire_code)
        self.description = description
        self.rpc_details = dict(rpc_details)


class CallTimedOut(Unavailable):
    """No answer within the time of the CALL; one may still come and is then reported as late."""


class ConnectionLost(Unavailable):
    """The connection ended before the CALL was answered: nobody knows whether it was carried out."""


class InvalidAnswer(InvalidInput):
    """The answer to our CALL does not fit its schema. Its sender is told in 2.1; before, the protocol has no way to."""


def rpc_error(error: Exception) -> RpcError:
    """What to tell the opposite end of an error; of an unforeseen one it learns nothing but that it was ours."""
    if isinstance(error, RpcError):
        return error
    for kind, code in CODE_OF_ERROR:
        if isinstance(error, kind):
            return RpcError(code, error.message)
    return RpcError(ErrorCode.INTERNAL_ERROR, "the message could not be processed")
