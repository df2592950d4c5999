"""Tokens, and what is said of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class IdToken(Struct, frozen=True):
    """What a driver shows; `kind` (RFID, eMAID, …) is None where the version does not say it."""

    value: str
    kind: str | None = None


class Authorization(StrEnum):
    """What the management system says of a token."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TRANSACTION = "ConcurrentTx"
    # Since 2.0.1; 1.6 hears the nearest word it has.
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_AT_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


class TokenInfo(Struct, frozen=True):
    """The verdict on a token, until when a station may remember it, and the token of its group."""

    status: Authorization
    expires_at: datetime | None = None
    group: IdToken | None = None
