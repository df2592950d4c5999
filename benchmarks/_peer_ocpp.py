"""The peer of `ocpp_ingest`: a central system on the `ocpp` package and `websockets`, as its documentation shows it.

It keeps everything in memory and commits nothing: MeterValues is answered when the values stand in a list.
Run as a process of its own; prints its port.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus


class CentralSystem(ChargePoint):  # type: ignore[misc]
    """One connected station."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.values: list[Any] = []
        self.transactions = 0

    @on(Action.boot_notification)
    def on_boot(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification(datetime.now(UTC).isoformat(), 300, RegistrationStatus.accepted)

    @on(Action.authorize)
    def on_authorize(self, **_: Any) -> call_result.Authorize:
        return call_result.Authorize({"status": AuthorizationStatus.accepted})

    @on(Action.start_transaction)
    def on_start(self, **_: Any) -> call_result.StartTransaction:
        self.transactions += 1
        return call_result.StartTransaction(self.transactions, {"status": AuthorizationStatus.accepted})

    @on(Action.meter_values)
    def on_meter_values(self, meter_value: list[Any], **_: Any) -> call_result.MeterValues:
        self.values += meter_value
        return call_result.MeterValues()


async def _serve(connection: websockets.ServerConnection) -> None:
    assert connection.request is not None
    await CentralSystem(connection.request.path.rsplit("/", 1)[-1], connection).start()


async def main() -> None:
    async with websockets.serve(_serve, "127.0.0.1", 0, subprotocols=[websockets.Subprotocol("ocpp1.6")]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
