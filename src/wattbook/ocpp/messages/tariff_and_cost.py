"""Block I: what it costs."""

from __future__ import annotations

from decimal import Decimal

from wattbook.ocpp.messages.base import Answer, Request


class CostNoted(Answer, frozen=True):
    """It is shown to the driver."""


class CostUpdated(Request[CostNoted], frozen=True):
    """What a running transaction costs so far, with tax, in the currency of the tariff (since 2.0.1: I02)."""

    transaction_id: str
    total_cost: Decimal
