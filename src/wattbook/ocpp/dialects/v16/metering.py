"""Block J, metering."""

from typing import Any

from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, place, without_none
from wattbook.ocpp.dialects.v16.measured import read_samples, write_samples
from wattbook.ocpp.dialects.v16.parts import read_number_id, write_number_id
from wattbook.ocpp.messages import MeterValues, MeterValuesAnswer
from wattbook.ocpp.wire.frames import JsonObject


def _meter_values(payload: JsonObject) -> MeterValues:
    return MeterValues(
        evse=place(payload, "connectorId"),
        samples=read_samples(payload["meterValue"]),
        transaction_id=read_number_id(payload, "transactionId") if "transactionId" in payload else None,
    )


def _write_meter_values(values: MeterValues) -> JsonObject:
    return without_none(
        connectorId=values.evse,
        transactionId=None if values.transaction_id is None else write_number_id(values.transaction_id),
        meterValue=write_samples(values.samples),
    )


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("MeterValues", STATION, MeterValues, MeterValuesAnswer,
             _meter_values, _write_meter_values, lambda _: MeterValuesAnswer(), nothing),
)
# fmt: on
