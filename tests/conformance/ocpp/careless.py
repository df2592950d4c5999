"""A management system that means well and errs in many ways, for the suite to find."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

BOOTED = {"status": "Accepted", "currentTime": "2026-10-01T12:00:00Z", "interval": 300}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
ANSWERS: dict[str, dict[str, Any]] = {
    "BootNotification": BOOTED,
    "Heartbeat": {"currentTime": "2026-10-01T12:00:00Z"},
    "Authorize": ACCEPTED,
    "StopTransaction": ACCEPTED,
    "StatusNotification": {},
    "MeterValues": {},
    "DataTransfer": {"status": "Perhaps"},
}


@contextmanager
def careless() -> Iterator[str]:
    """Its URL, while the block runs."""
    with serve(_converse, "127.0.0.1", 0, select_subprotocol=_choose) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ocpp"
        server.shutdown()
        thread.join()


def _choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """1.6 if it is offered; and what is not spoken is not refused."""
    return Subprotocol("ocpp1.6") if "ocpp1.6" in offered else None


def _converse(socket: ServerConnection) -> None:
    transactions = iter(range(1, 1000))
    try:
        for message in socket:
            for reply in _replies(json.loads(message), transactions):
                socket.send(json.dumps(reply))
    except (ConnectionClosed, ValueError):  # what is no JSON ends the conversation
        pass


def _replies(frame: list[Any], transactions: Iterator[int]) -> Iterator[list[Any]]:
    """Whatever comes is taken for a CALL; no payload is checked; every start is a new transaction."""
    if frame[0] != 2:
        yield [4, frame[1], "FormatViolation", "no such message type", {}]
        return
    _, unique_id, action, _ = frame
    if action == "StartTransaction":
        yield [3, unique_id, {"transactionId": next(transactions), **ACCEPTED}]
    elif action in ANSWERS:
        yield [3, unique_id, ANSWERS[action]]
    else:
        yield [4, unique_id, "InternalError", "no handler", {}]
