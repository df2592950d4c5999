"""What a station makes of a command."""

from __future__ import annotations

from enum import StrEnum

from wattbook.ocpp.messages.base import Answer


class CommandStatus(StrEnum):
    """What a station makes of a command; each command allows some of them."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"
    REBOOT_REQUIRED = "RebootRequired"
    NOT_SUPPORTED = "NotSupported"
    UNLOCKED = "Unlocked"
    UNLOCK_FAILED = "UnlockFailed"
    # Since 2.0.1.
    ONGOING_TRANSACTION = "OngoingAuthorizedTransaction"
    UNKNOWN_CONNECTOR = "UnknownConnector"


class CommandAnswer(Answer, frozen=True):
    """Whether the station will do it, which is not yet that it did.

    `transaction_id` answers a remote start, when the transaction had begun before (since 2.0.1).
    """

    status: CommandStatus
    transaction_id: str | None = None
