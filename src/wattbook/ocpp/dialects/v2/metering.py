"""Block J, metering."""

from typing import Any

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, place
from wattbook.ocpp.dialects.v2.measured import read_samples, write_samples
from wattbook.ocpp.messages import MeterValues, MeterValuesAnswer
from wattbook.ocpp.wire.frames import JsonObject


def _meter_values(payload: JsonObject) -> MeterValues:
    return MeterValues(place(payload, "evseId"), read_samples(payload["meterValue"]))


def _write_meter_values(values: MeterValues) -> JsonObject:
    """
    Raises:
        InvalidInput: samples of a transaction; these versions send them in its events.
    """
    if values.transaction_id is not None:
        raise InvalidInput("samples of a transaction are sent in its events here")
    return {"evseId": values.evse, "meterValue": write_samples(values.samples)}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("MeterValues", STATION, MeterValues, MeterValuesAnswer,
             _meter_values, _write_meter_values, lambda _: MeterValuesAnswer(), nothing),
)
# fmt: on
