"""What is known of a command; `submission` says how it lives."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Raw, Struct

from wattbook.ocpp.wire.frames import JsonObject


class CommandState(StrEnum):
    """Where a command stands."""

    ACCEPTED = "accepted"
    SENT = "sent"
    ANSWERED = "answered"
    REFUSED = "refused"
    TIMED_OUT = "timed-out"
    UNKNOWN = "unknown"
    UNDELIVERABLE = "undeliverable"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still to come."""
        return self in (CommandState.ACCEPTED, CommandState.SENT)


class CommandRequest(Struct, frozen=True):
    """What to send to one station.

    Attributes:
        payload: of the CALL, as the station's version has it.
        expires_at: not sent from then on.
        repeatable: may be sent again when the connection was lost before the answer.
        answer_within_s: time for the answer, from the moment it is sent.
        webhook_url: told of the outcome, and of a late answer; checked by whoever took it in.
    """

    station_id: str
    action: str
    payload: JsonObject
    expires_at: datetime
    repeatable: bool = False
    answer_within_s: int = 30
    webhook_url: str | None = None


class Command(Struct, frozen=True):
    """A command as it stands.

    Attributes:
        id: also the message id of its CALL.
        payload, answer: JSON; the answer is `null` until there is one, and when it was an error.
        version: of OCPP, which the payload was checked against; None while the station never connected.
        sendings: how often it was sent.
        answered_at: when its outcome was known.
        error_code: of the station's CALLERROR as it was spelled; else why there is no answer.
        late: the answer came when nobody waited for it any more.
        secret: the payload is withheld: it holds what only the station may know.
    """

    id: UUID
    station_id: str
    action: str
    payload: Raw
    state: CommandState
    requested_by: str
    batch_id: UUID | None
    repeatable: bool
    answer_within_s: int
    webhook_url: str | None
    version: str | None
    sendings: int
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    answer: Raw
    error_code: str | None
    error_description: str | None
    late: bool
    secret: bool = False


class Outcome(Struct, frozen=True):
    """What became of a command that was sent; `accepted` puts it back to wait.

    Attributes:
        answer: JSON.
        late: the answer came when nobody waited for it any more.
        was_sent: False when it never left.
    """

    id: UUID
    state: str
    answer: str | None = None
    error_code: str | None = None
    error_description: str | None = None
    late: bool = False
    was_sent: bool = True


class Claimed(Struct, frozen=True):
    """A command that this process is to send now."""

    id: UUID
    station_id: str
    action: str
    payload: str
    repeatable: bool
    answer_within_s: int
