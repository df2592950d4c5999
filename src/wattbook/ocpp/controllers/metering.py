"""Block J, metering: readings, kept for good, which move running sessions on."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.ocpp import messages
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.message_handler import InboundMessage
from wattbook.ocpp.messages import MeterValues, MeterValuesAnswer, Sample

POWER_W_MAX: Final = 10**9


async def meter_values(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[MeterValuesAnswer]:
    """Keep every reading, of a known transaction or not (OCPP 1.6, 4.7)."""
    await record_samples(
        connection,
        [_samples(inbound) for inbound in batch],
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
    )
    return [_NOTED] * len(batch)


_NOTED: Final = MeterValuesAnswer()


def _samples(inbound: InboundMessage) -> Samples:
    said = cast(MeterValues, inbound.message)
    return Samples(inbound.station_id, said.evse, said.transaction_id, readings(said.samples))


def readings(samples: Sequence[Sample]) -> tuple[Reading, ...]:
    """Samples as charging keeps them."""
    return tuple(
        Reading(
            sample.taken_at,
            sample.import_mwh,
            sample.export_mwh,
            _power_w(sample),
            sample.soc_percent,
            [_reading(each) for each in sample.readings] if sample.readings else None,
        )
        for sample in samples
    )


def _power_w(sample: Sample) -> int | None:
    """Drawn less fed in, to the nearest watt; None when not told, or told as nothing a meter can show."""
    if sample.import_w is None and sample.export_w is None:
        return None
    power = (sample.import_w or Decimal(0)) - (sample.export_w or Decimal(0))
    return int(power.to_integral_value(ROUND_HALF_UP)) if abs(power) < POWER_W_MAX else None


def _reading(reading: messages.Reading) -> dict[str, Any]:
    """Of a value that has no field of its own: whatever the station said of it."""
    said = {
        "measurand": reading.measurand,
        "value": None if reading.value is None else f"{reading.value:f}",
        "text": reading.text,
        "unit": reading.unit,
        "phase": reading.phase,
        "location": reading.location,
        "signed": reading.signed or None,
    }
    return {name: value for name, value in said.items() if value is not None}
