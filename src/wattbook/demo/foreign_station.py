"""A station that is not ours: the client of the independent `ocpp` package, as its documentation shows it.

It knows nothing of wattbook; if our end misread the protocol, this one would notice.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import websockets
from ocpp.v16 import ChargePoint, call
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, RegistrationStatus

from wattbook.kernel.clock import format_rfc3339
from wattbook.kernel.errors import Refused

SAMPLES = 12


async def charge(
    url: str,
    station_id: str,
    token: str,
    *,
    energy_wh: int,
    started_at: datetime,
    lasting: timedelta,
    meter_wh: int = 0,
    pause_s: float = 0.0,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """One driver's visit; answers the energy by the station's register, in Wh.

    Raises:
        Refused: the management system said no.
    """
    async with websockets.connect(f"{url}/{station_id}", subprotocols=[websockets.Subprotocol("ocpp1.6")]) as socket:
        point = ChargePoint(station_id, socket)
        reader = asyncio.create_task(point.start())
        try:
            return await _visit(point, token, energy_wh, started_at, lasting, meter_wh, pause_s, progress)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def _visit(
    point: Any, token: str, energy_wh: int, started_at: datetime, lasting: timedelta, meter_wh: int, pause_s: float,
    progress: Callable[[int], None],
) -> int:  # fmt: skip
    boot = await point.call(call.BootNotification("Independent", "Open charge point"))
    if boot.status != RegistrationStatus.accepted:
        raise Refused(f"the station was not accepted: {boot.status}", reason="boot")
    await point.call(_status(ChargePointStatus.preparing, started_at))
    _require_accepted(await point.call(call.Authorize(token)))
    started = await point.call(call.StartTransaction(1, token, meter_wh, format_rfc3339(started_at)))
    _require_accepted(started)
    for sample in range(1, SAMPLES + 1):
        drawn, at = energy_wh * sample // SAMPLES, started_at + lasting * sample / SAMPLES
        power = energy_wh * timedelta(hours=1) // lasting
        await point.call(call.MeterValues(1, [_value(at, meter_wh + drawn, power)], started.transaction_id))
        progress(sample * 100 // SAMPLES)
        await asyncio.sleep(pause_s)
    await point.call(
        call.StopTransaction(
            meter_stop=meter_wh + energy_wh,
            timestamp=format_rfc3339(started_at + lasting),
            transaction_id=started.transaction_id,
            reason="Local",
            id_tag=token,
        )
    )
    await point.call(_status(ChargePointStatus.available, started_at + lasting))
    return energy_wh


def _status(status: ChargePointStatus, at: datetime) -> Any:
    return call.StatusNotification(1, ChargePointErrorCode.no_error, status, timestamp=format_rfc3339(at))


def _value(at: datetime, register_wh: int, power_w: int) -> dict[str, Any]:
    return {
        "timestamp": format_rfc3339(at),
        "sampled_value": [
            {"value": str(register_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"},
        ],
    }


def _require_accepted(answer: Any) -> None:
    status = answer.id_tag_info["status"]
    if status != "Accepted":
        raise Refused(f"the token was answered {status}", reason=str(status))
