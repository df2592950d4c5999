"""Block I, tariff and cost."""

from decimal import Decimal
from typing import Any

from wattbook.ocpp.dialects.actions import MANAGEMENT
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing
from wattbook.ocpp.messages import CostNoted, CostUpdated
from wattbook.ocpp.wire.frames import JsonObject


def _cost(payload: JsonObject) -> CostUpdated:
    return CostUpdated(payload["transactionId"], Decimal(payload["totalCost"]))


def _write_cost(cost: CostUpdated) -> JsonObject:
    return {"transactionId": cost.transaction_id, "totalCost": cost.total_cost}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("CostUpdated", MANAGEMENT, CostUpdated, CostNoted,
             _cost, _write_cost, lambda _: CostNoted(), nothing),
)
# fmt: on
