"""Block B: stations introduce themselves, and tell and take their settings."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from wattbook.ocpp.messages.base import Answer, Json, Request
from wattbook.ocpp.messages.commands import CommandAnswer


class Registration(StrEnum):
    """Whether the management system takes the station in."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class BootAnswer(Answer, frozen=True):
    """`interval_s`: between heartbeats when accepted, else before the next BootNotification."""

    status: Registration
    now: datetime
    interval_s: int


class BootNotification(Request[BootAnswer], frozen=True):
    """A station introduces itself; `reason` is said since 2.0.1."""

    vendor: str
    model: str
    serial_number: str | None = None
    box_serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None
    reason: str | None = None


class HeartbeatAnswer(Answer, frozen=True):
    """The time of the management system, for the station's clock."""

    now: datetime


class Heartbeat(Request[HeartbeatAnswer], frozen=True):
    """A station is there."""


class ReportedVariable(Struct, frozen=True):
    """One attribute of one variable of a station's device model.

    Attributes:
        component_instance, variable_instance: empty where there is but one.
        evse, connector: 0 where the component belongs to none.
        attribute: Actual, Target, MinSet or MaxSet.
        value: None when the station does not tell it, as of a write-only one.
        characteristics: its type, unit and limits, as sent.
    """

    component: str
    variable: str
    attribute: str = "Actual"
    component_instance: str = ""
    variable_instance: str = ""
    evse: int = 0
    connector: int = 0
    value: str | None = None
    mutability: str | None = None
    persistent: bool = False
    constant: bool = False
    characteristics: Json = None


class VariablesAnswer(Answer, frozen=True):
    """Noted."""


class VariablesReported(Request[VariablesAnswer], frozen=True):
    """Part `seq_no` of the report that was asked for under `request_id`; `more` follows."""

    request_id: int
    seq_no: int
    generated_at: datetime
    variables: tuple[ReportedVariable, ...] = ()
    more: bool = False


class ResetKind(StrEnum):
    """Soft ends transactions in order first; hard need not."""

    SOFT = "Soft"
    HARD = "Hard"


class Reset(Request[CommandAnswer], frozen=True):
    """Start anew."""

    kind: ResetKind


class ConfigurationValue(Struct, frozen=True):
    """One setting of a station."""

    key: str
    read_only: bool
    value: str | None = None


class ConfigurationAnswer(Answer, frozen=True):
    """The settings asked for, and the keys the station does not have."""

    values: tuple[ConfigurationValue, ...] = ()
    unknown_keys: tuple[str, ...] = ()


class GetConfiguration(Request[ConfigurationAnswer], frozen=True):
    """Ask for settings; no keys: all."""

    keys: tuple[str, ...] = ()


class ChangeConfiguration(Request[CommandAnswer], frozen=True):
    """Set one setting."""

    key: str
    value: str
