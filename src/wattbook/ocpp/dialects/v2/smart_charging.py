"""Block K, smart charging."""

from typing import Any

from wattbook.kernel.units import MWH_PER_WH
from wattbook.ocpp.dialects import measurands
from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import INT32_MAX, place, time
from wattbook.ocpp.dialects.v2.measured import is_measured
from wattbook.ocpp.messages import ChargingNeeds, ChargingNeedsAnswer, NeedsStatus
from wattbook.ocpp.wire.frames import JsonObject

PHASES_OF_TRANSFER = {"AC_two_phase": 2, "AC_three_phase": 3, "AC_BPT": 3, "AC_DER": 3, "AC_BPT_DER": 3}
"""Of an energy transfer mode; every other one has one."""


def _needs(payload: JsonObject) -> ChargingNeeds:
    needs = payload["chargingNeeds"]
    told = needs.get("acChargingParameters") or needs.get("dcChargingParameters") or {}
    energy = told.get("energyAmount")
    return ChargingNeeds(
        place(payload, "evseId"),
        needs["requestedEnergyTransfer"],
        measurands.mwh(energy, MWH_PER_WH) if energy is not None and is_measured(energy) else None,
        _power_max_w(told, PHASES_OF_TRANSFER.get(needs["requestedEnergyTransfer"], 1)),
        time(needs, "departureTime"),
        payload,
    )


def _power_max_w(told: JsonObject, phases: int) -> int | None:
    """As told, or of current and voltage; the voltage of AC is that of a phase."""
    watts = told.get("evMaxPower")
    if watts is None and "evMaxCurrent" in told:
        amperes, volts = told["evMaxCurrent"], told["evMaxVoltage"]
        watts = amperes * volts * phases if is_measured(amperes) and is_measured(volts) else None
    return int(watts) if watts is not None and 0 < watts <= INT32_MAX else None


def _write_needs(needs: ChargingNeeds) -> JsonObject:
    payload: JsonObject = needs.said
    return payload


def _needs_answer(payload: JsonObject) -> ChargingNeedsAnswer:
    return ChargingNeedsAnswer(NeedsStatus(payload["status"]))


def _write_needs_answer(answer: ChargingNeedsAnswer) -> JsonObject:
    return {"status": answer.status.value}


def _write_needs_answer_201(answer: ChargingNeedsAnswer) -> JsonObject:
    """2.0.1 has no word for needs that are heard while no profile follows."""
    no_profile = answer.status is NeedsStatus.NO_PROFILE
    return {"status": NeedsStatus.REJECTED.value if no_profile else answer.status.value}


# fmt: off
ONLY_IN_201: tuple[Exchange[Any, Any], ...] = (
    Exchange("NotifyEVChargingNeeds", STATION, ChargingNeeds, ChargingNeedsAnswer,
             _needs, _write_needs, _needs_answer, _write_needs_answer_201),
)
# fmt: on


# fmt: off
ONLY_IN_21: tuple[Exchange[Any, Any], ...] = (
    Exchange("NotifyEVChargingNeeds", STATION, ChargingNeeds, ChargingNeedsAnswer,
             _needs, _write_needs, _needs_answer, _write_needs_answer),
)
# fmt: on
