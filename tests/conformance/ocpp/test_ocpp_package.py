"""An independent client, the station of the `ocpp` package, charges at our own gateway in every version it speaks."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import ocpp.v16
import ocpp.v21
import ocpp.v201
import pytest
import websockets
from websockets.typing import Subprotocol

from tests.conformance.ocpp.conftest import Ours
from wattbook.conformance.bench import Target
from wattbook.ocpp.dialects import DIALECTS

PACKAGES = {"ocpp1.6": ocpp.v16, "ocpp2.0.1": ocpp.v201, "ocpp2.1": ocpp.v21}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("number", "subprotocol"), list(enumerate(DIALECTS)))
async def test_a_session_with_the_ocpp_package(ours: Ours, number: int, subprotocol: str) -> None:
    target, package = ours.target(number), PACKAGES[subprotocol]
    url = f"{target.url}/{target.station}"
    async with websockets.connect(url, subprotocols=[Subprotocol(subprotocol)]) as socket:
        station = package.ChargePoint(target.station, socket)
        reading = asyncio.ensure_future(station.start())
        if subprotocol == "ocpp1.6":
            await charge_16(station, package.call, target)
        else:
            await charge_2(station, package.call, target)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def charge_16(station: Any, call: Any, target: Target) -> None:
    token, began_at = target.token, datetime.now(UTC) - timedelta(minutes=30)
    boot = await station.call(call.BootNotification(charge_point_model="M", charge_point_vendor="V"))
    assert boot.status == "Accepted"
    await station.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Available"))
    verdict = await station.call(call.Authorize(id_tag=token))
    assert verdict.id_tag_info["status"] == "Accepted"
    start = call.StartTransaction(connector_id=1, id_tag=token, meter_start=1000, timestamp=began_at.isoformat())
    started, again = await station.call(start), await station.call(start)
    assert started.id_tag_info["status"] == "Accepted"
    assert started.transaction_id == again.transaction_id
    value = {"timestamp": (began_at + timedelta(minutes=10)).isoformat(), "sampled_value": [{"value": "1500"}]}
    await station.call(call.MeterValues(connector_id=1, transaction_id=started.transaction_id, meter_value=[value]))
    stopped_at = (began_at + timedelta(minutes=20)).isoformat()
    await station.call(
        call.StopTransaction(meter_stop=2000, timestamp=stopped_at, transaction_id=started.transaction_id)
    )


async def charge_2(station: Any, call: Any, target: Target) -> None:
    token, began_at = {"id_token": target.token, "type": "ISO14443"}, datetime.now(UTC) - timedelta(minutes=30)
    maker = {"model": "M", "vendor_name": "V"}
    boot = await station.call(call.BootNotification(charging_station=maker, reason="PowerUp"))
    assert boot.status == "Accepted"
    now = began_at.isoformat()
    await station.call(call.StatusNotification(timestamp=now, connector_status="Available", evse_id=1, connector_id=1))
    verdict = await station.call(call.Authorize(id_token=token))
    assert verdict.id_token_info["status"] == "Accepted"
    transaction = {"transaction_id": target.new_id()}

    async def event(kind: str, why: str, number: int, wh: int, **more: Any) -> Any:
        at = (began_at + timedelta(minutes=10 * number)).isoformat()
        value = [{"timestamp": at, "sampled_value": [{"value": wh}]}]
        said = call.TransactionEvent(
            event_type=kind,
            timestamp=at,
            trigger_reason=why,
            seq_no=number,
            transaction_info=transaction,
            meter_value=value,
            **more,
        )
        return await station.call(said)

    started = await event("Started", "Authorized", 0, 1000, id_token=token, evse={"id": 1, "connector_id": 1})
    assert started.id_token_info["status"] == "Accepted"
    for _ in range(2):
        await event("Updated", "MeterValuePeriodic", 1, 1500)
    await event("Ended", "StopAuthorized", 2, 2000, id_token=token)
