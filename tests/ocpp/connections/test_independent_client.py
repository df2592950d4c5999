"""The station of the independent `ocpp` package, on the `websockets` library, charges at our management system."""

import asyncio
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.typing import Subprotocol

from tests.ocpp.loopback import NOW, running
from wattbook.ocpp import messages as m


class IndependentStation(ChargePoint):  # type: ignore[misc]
    @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def remote_start(self, id_tag: str, **_: Any) -> Any:
        return call_result.RemoteStartTransaction(status="Accepted" if id_tag == "A1" else "Rejected")


async def test_a_session_with_the_ocpp_package() -> None:
    async with (
        running() as central,
        websockets.connect(central.url + "/CP1", subprotocols=[Subprotocol("ocpp1.6")]) as socket,
    ):
        station = IndependentStation("CP1", socket)
        reading = asyncio.ensure_future(station.start())
        boot = await station.call(call.BootNotification(charge_point_model="M", charge_point_vendor="V"))
        assert (boot.status, boot.interval) == ("Accepted", 300)
        started = await station.call(
            call.StartTransaction(connector_id=1, id_tag="A1", meter_start=1000, timestamp=NOW.isoformat())
        )
        assert started.transaction_id == 4711
        value = {"value": "1.5", "measurand": "Energy.Active.Import.Register", "unit": "kWh"}
        sampled = {"timestamp": NOW.isoformat(), "sampled_value": [value]}
        await station.call(call.MeterValues(connector_id=1, transaction_id=4711, meter_value=[sampled]))
        stopped = await station.call(
            call.StopTransaction(meter_stop=2000, timestamp=NOW.isoformat(), transaction_id=4711)
        )
        assert stopped.id_tag_info["status"] == "Accepted"
        connection = await central.opened.get()
        answer = await connection.call(m.RemoteStart(m.IdToken("A1"), 1))
        assert answer.status is m.CommandStatus.ACCEPTED
        assert central.messages == [
            m.BootNotification("V", "M"),
            m.TransactionStarted(1, m.IdToken("A1"), 1_000_000, NOW),
            m.MeterValues(1, (m.Sample(NOW, import_mwh=1_500_000),), "4711"),
            m.TransactionStopped("4711", 2_000_000, NOW),
        ]
        reading.cancel()
