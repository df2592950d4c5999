"""Block K: what vehicles need."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from wattbook.ocpp.messages.base import Answer, Json, Request


class NeedsStatus(StrEnum):
    """What becomes of a vehicle's needs."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    PROCESSING = "Processing"
    NO_PROFILE = "NoChargingProfile"


class ChargingNeedsAnswer(Answer, frozen=True):
    """Accepted: a charging profile follows in a command of its own."""

    status: NeedsStatus


class ChargingNeeds(Request[ChargingNeedsAnswer], frozen=True):
    """What a vehicle told its station that it needs (ISO 15118).

    Attributes:
        transfer: AC_three_phase, DC, DC_BPT, …, as sent.
        energy_mwh: to be drawn; None when not told.
        power_max_w: the most it takes; None when not told.
        departs_at: when it wants to leave.
        said: everything, as sent.
    """

    evse: int
    transfer: str
    energy_mwh: int | None = None
    power_max_w: int | None = None
    departs_at: datetime | None = None
    said: Json = None
