"""Block G: what connectors do, and whether they may."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from wattbook.ocpp.messages.base import Answer, Request
from wattbook.ocpp.messages.commands import CommandAnswer


class ConnectorStatus(StrEnum):
    """What a connector is doing. Since 2.0.1 a connector that is used says `Occupied`, whatever happens there."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class StatusAnswer(Answer, frozen=True):
    """Noted."""


class StatusNotification(Request[StatusAnswer], frozen=True):
    """A connector changed; `error` is `NoError` when all is well. Without `occurred_at`: now."""

    evse: int
    status: ConnectorStatus
    error: str = "NoError"
    occurred_at: datetime | None = None
    connector: int | None = None
    info: str | None = None
    vendor: str | None = None
    vendor_error: str | None = None


class ChangeAvailability(Request[CommandAnswer], frozen=True):
    """Open or close an EVSE, or with 0 the whole station."""

    evse: int
    operative: bool
