"""Block E: charging begins, moves on and ends."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from wattbook.ocpp.messages.base import Answer, Json, Request
from wattbook.ocpp.messages.metering import Sample
from wattbook.ocpp.messages.tokens import IdToken, TokenInfo


class TransactionStartedAnswer(Answer, frozen=True):
    """In 1.6 the management system gives the transaction its id, accepted or not."""

    transaction_id: str
    token_info: TokenInfo


class TransactionStarted(Request[TransactionStartedAnswer], frozen=True):
    """Charging began, perhaps long ago while the station was offline. `meter_mwh` is the register's import side."""

    evse: int
    token: IdToken
    meter_mwh: int
    started_at: datetime
    reservation_id: int | None = None
    connector: int | None = None


class StopReason(StrEnum):
    """Why a transaction ended."""

    DEAUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    HARD_RESET = "HardReset"
    LOCAL = "Local"
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SOFT_RESET = "SoftReset"
    UNLOCK_COMMAND = "UnlockCommand"
    # Since 2.0.1.
    ENERGY_LIMIT_REACHED = "EnergyLimitReached"
    GROUND_FAULT = "GroundFault"
    IMMEDIATE_RESET = "ImmediateReset"
    LOCAL_OUT_OF_CREDIT = "LocalOutOfCredit"
    MASTER_PASS = "MasterPass"
    OVERCURRENT_FAULT = "OvercurrentFault"
    POWER_QUALITY = "PowerQuality"
    SOC_LIMIT_REACHED = "SOCLimitReached"
    STOPPED_BY_EV = "StoppedByEV"
    TIME_LIMIT_REACHED = "TimeLimitReached"
    TIMEOUT = "Timeout"
    ENERGY_TRANSFER_REJECTED = "ReqEnergyTransferRejected"


class TransactionStoppedAnswer(Answer, frozen=True):
    """The verdict on the token that stopped it, if one did."""

    token_info: TokenInfo | None = None


class TransactionStopped(Request[TransactionStoppedAnswer], frozen=True):
    """Charging ended. `token` is the one that stopped it; `samples` is what the station kept of the transaction."""

    transaction_id: str
    meter_mwh: int
    stopped_at: datetime
    reason: StopReason = StopReason.LOCAL
    token: IdToken | None = None
    samples: tuple[Sample, ...] = ()


class Phase(StrEnum):
    """Where in a transaction an event stands."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


class TransactionEventAnswer(Answer, frozen=True, gc=False):
    """Noted.

    Attributes:
        total_cost: with tax, in the currency of the tariff: of an ended transaction final, of a running one so far.
        token_info: the verdict on the token of the event, if it bore one.
        cost_max: what a driver who pays in advance can pay, with tax; the station ends the transaction there (2.1).
    """

    total_cost: Decimal | None = None
    token_info: TokenInfo | None = None
    cost_max: Decimal | None = None


class TransactionEvent(Request[TransactionEventAnswer], frozen=True, gc=False):
    """Since 2.0.1: a transaction, which the station names itself, began, moved on or ended.

    Attributes:
        seq_no: counts the events of the transaction; one that is repeated bears the same.
        occurred_at: by the station's clock, perhaps long ago while it was offline.
        trigger: why it is told, as sent.
        evse, connector: None when not told; the first event that knows the place tells it.
        stop_reason: of an ended one.
        charging_state: as sent, when it changed.
        cost_details: what the station itself computed by the tariff it was given (2.1), as sent.
    """

    phase: Phase
    transaction_id: str
    seq_no: int
    occurred_at: datetime
    trigger: str
    samples: tuple[Sample, ...] = ()
    evse: int | None = None
    connector: int | None = None
    token: IdToken | None = None
    offline: bool = False
    stop_reason: StopReason | None = None
    charging_state: str | None = None
    reservation_id: int | None = None
    remote_start_id: int | None = None
    cost_details: Json = None
