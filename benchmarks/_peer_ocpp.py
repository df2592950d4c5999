"""The peer of `ocpp_ingest`: a central system on the `ocpp` package and `websockets`, as its documentation shows it.

It keeps everything in memory and commits nothing: a message is answered when its values stand in a list.
Run as a process of its own, with the version of OCPP as its argument; prints its port.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp import v16, v21, v201
from ocpp.routing import on

PACKAGES: dict[str, Any] = {"1.6": v16, "2.0.1": v201, "2.1": v21}
VERSION = sys.argv[1]
ANSWERS = PACKAGES[VERSION].call_result
ACCEPTED = {"status": "Accepted"}


class CentralSystem(PACKAGES[VERSION].ChargePoint):  # type: ignore[misc]
    """One connected station."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.values: list[Any] = []
        self.transactions = 0

    @on("BootNotification")
    def on_boot(self, **_: Any) -> Any:
        return ANSWERS.BootNotification(datetime.now(UTC).isoformat(), 300, "Accepted")

    @on("MeterValues")
    def on_meter_values(self, meter_value: list[Any], **_: Any) -> Any:
        self.values += meter_value
        return ANSWERS.MeterValues()

    if VERSION == "1.6":

        @on("StartTransaction")
        def on_start(self, **_: Any) -> Any:
            self.transactions += 1
            return ANSWERS.StartTransaction(self.transactions, ACCEPTED)

        @on("StopTransaction")
        def on_stop(self, **_: Any) -> Any:
            return ANSWERS.StopTransaction()

    else:

        @on("TransactionEvent")
        def on_event(self, meter_value: list[Any] | None = None, id_token: Any = None, **_: Any) -> Any:
            self.values += meter_value or []
            return ANSWERS.TransactionEvent(id_token_info=ACCEPTED if id_token else None)


async def _serve(connection: websockets.ServerConnection) -> None:
    assert connection.request is not None
    await CentralSystem(connection.request.path.rsplit("/", 1)[-1], connection).start()


async def main() -> None:
    subprotocol = websockets.Subprotocol(f"ocpp{VERSION}")
    async with websockets.serve(_serve, "127.0.0.1", 0, subprotocols=[subprotocol]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
