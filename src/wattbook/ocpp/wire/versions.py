"""The versions of OCPP-J as rows: what differs between them below the level of messages."""

from collections.abc import Mapping

from msgspec import Struct

from wattbook.ocpp.wire.errors import SPELLINGS, ErrorCode


class Version(Struct, frozen=True, eq=False):
    """One version of OCPP-J.

    Attributes:
        name: as people say it.
        subprotocol: as the WebSocket handshake says it.
        schema_folder: where the `ocpp` package keeps its schemas.
        request_suffix: what a request's schema file adds to the action's name.
        garbage_id: the message id a CALLERROR bears when the CALL's own could not be read; None: no answer. 1.6 defines
            nothing; 2.0.1 Part 4, 4.2.3 says "-1".
        answers_unknown_type: whether an unknown type number gets a CALLERROR. 1.6 (4.1.3) and 2.1 (4.1.3): ignore;
            2.0.1 (4.4): MessageTypeNotSupported.
        error_codes: how this version spells each code.
        message_types: the numbers that a frame may begin with. 2.1 (Part 4, 4.1.3) adds CALLRESULTERROR, 5, and
            SEND, 6.
        signs: whether an action may bear the suffix `-Signed` (2.0.1 Part 4, 7).
    """

    name: str
    subprotocol: str
    schema_folder: str
    request_suffix: str
    garbage_id: str | None
    answers_unknown_type: bool
    error_codes: Mapping[ErrorCode, str]
    message_types: tuple[int, ...] = (2, 3, 4)
    signs: bool = False


V16 = Version("1.6", "ocpp1.6", "v16", "", None, False, SPELLINGS["1.6"])
V201 = Version("2.0.1", "ocpp2.0.1", "v201", "Request", "-1", True, SPELLINGS["2.0.1"], signs=True)
V21 = Version(
    "2.1",
    "ocpp2.1",
    "v21",
    "Request",
    "-1",
    False,
    SPELLINGS["2.1"],
    message_types=(2, 3, 4, 5, 6),
    signs=True,
)
VERSIONS = (V16, V201, V21)
