"""Many stations that connect, boot, answer commands, and come back all at once when they are told to.

Run as a process of its own; takes words on its standard input and answers each with one line of JSON:
`connect` (all of them; seconds until the last boot was answered), `cut` (all connections, without a goodbye).
"""

import argparse
import asyncio
import json
import sys
import time
from contextlib import suppress

import picows
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from wattbook.kernel.telemetry import tune_garbage_collection

HANDSHAKES_AT_ONCE = 256
TRIES_MAX = 200
RETRY_S = 0.5
BOOT = b'[2,"boot","BootNotification",{"chargePointVendor":"bench","chargePointModel":"many"}]'


class ManyStation(WSListener):
    """Boots, then says Accepted to whatever it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.booted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, BOOT)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        payload = frame.get_payload_as_bytes()
        if payload.startswith(b"[2,"):
            unique_id = json.loads(payload)[1]
            transport.send(WSMsgType.TEXT, f'[3,"{unique_id}",{{"status":"Accepted"}}]'.encode())
        elif not self.booted.done():
            self.booted.set_result(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.booted.done():
            self.booted.set_exception(ConnectionError("lost before its boot was answered"))


async def connect(url: str, gate: asyncio.Semaphore) -> ManyStation:
    """Try until it is let in and its boot is answered, as a station does after a power cut."""
    for _ in range(TRIES_MAX):
        station = ManyStation()
        try:
            async with gate:
                await picows.ws_connect(
                    lambda: station,  # noqa: B023
                    url,
                    extra_headers={"Sec-WebSocket-Protocol": "ocpp1.6"},
                    websocket_handshake_timeout=60,
                    logger_name="many",
                )
            await station.booted
            return station
        except (picows.WSHandshakeError, OSError):
            if not station.booted.done():
                station.booted.cancel()
            await asyncio.sleep(RETRY_S)
    raise SystemExit(f"{url} did not let its station in")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    chosen = parser.parse_args()
    tune_garbage_collection()
    stations: list[ManyStation] = []
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while word := (await reader.readline()).decode().strip():
        began = time.perf_counter()
        if word == "connect":
            gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
            numbers = range(chosen.first, chosen.first + chosen.count)
            stations = await asyncio.gather(*(connect(f"{chosen.url}/LOAD-{number:05}", gate) for number in numbers))
        else:
            for station in stations:
                if station.transport is not None:
                    with suppress(OSError):
                        station.transport.disconnect(graceful=False)
        print(json.dumps({"stations": len(stations), "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
