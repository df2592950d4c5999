"""Block F: what a management system wants done at an outlet."""

from __future__ import annotations

from wattbook.ocpp.messages.base import Request
from wattbook.ocpp.messages.commands import CommandAnswer
from wattbook.ocpp.messages.tokens import IdToken


class RemoteStart(Request[CommandAnswer], frozen=True):
    """Start charging for this token; without `evse` the station chooses.

    Since 2.0.1 the transaction's first event tells `remote_start_id`.
    """

    token: IdToken
    evse: int | None = None
    remote_start_id: int = 0


class RemoteStop(Request[CommandAnswer], frozen=True):
    """End this transaction."""

    transaction_id: str


class UnlockConnector(Request[CommandAnswer], frozen=True):
    """Let go of the cable."""

    evse: int
    connector: int | None = None
