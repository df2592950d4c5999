"""Block J, metering: readings, kept for good, which move running sessions on."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, cast

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.ocpp import messages
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
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
        remembered=context.remembered,
    )
    return [_NOTED] * len(batch)


_NOTED: Final = MeterValuesAnswer()


def _samples(inbound: InboundMessage) -> Samples:
    said = cast(MeterValues, inbound.message)
    return Samples(inbound.station_id, said.evse, said.transaction_id, readings(said.samples))


def readings(samples: Sequence[Sample]) -> tuple[Reading, ...]:
    """Samples as charging keeps them."""
    return tuple(
        [
            Reading(
                sample.taken_at,
                sample.import_mwh,
                sample.export_mwh,
                _power_w(sample),
                sample.soc_percent,
                [_reading(each) for each in sample.readings] if sample.readings else None,
            )
            for sample in samples
        ]
    )


def _power_w(sample: Sample) -> int | None:
    """Drawn less fed in, to the nearest watt; None when not told, or told as nothing a meter can show."""
    power, fed_in = sample.import_w, sample.export_w
    if fed_in is not None:
        power = (power or Decimal(0)) - fed_in
    if power is None or abs(power) >= POWER_W_MAX:
        return None
    return int(power.to_integral_value(ROUND_HALF_UP))


class _Said(Struct, frozen=True, omit_defaults=True, gc=False):
    """Of a value that has no field of its own: whatever the station said of it."""

    measurand: str
    value: str | None = None
    text: str | None = None
    unit: str | None = None
    phase: str | None = None
    location: str | None = None
    signed: bool = False


def _reading(reading: messages.Reading) -> _Said:
    value = None if reading.value is None else f"{reading.value:f}"
    return _Said(reading.measurand, value, reading.text, reading.unit, reading.phase, reading.location, reading.signed)
