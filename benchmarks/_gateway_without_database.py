"""Our own gateway with nothing behind it: every message is checked, translated and answered, and nothing is kept.

What is left to `wattbook serve` is what durability costs. Run as a process of its own; prints its port.
"""

import asyncio
import logging
from collections.abc import Awaitable
from itertools import count
from typing import Any

import structlog
import uvloop

from wattbook.kernel.clock import system_clock
from wattbook.kernel.telemetry import configure_logs, tune_garbage_collection
from wattbook.ocpp.connections.connection import Entity
from wattbook.ocpp.connections.management import ManagementEnd
from wattbook.ocpp.connections.ports import Done, InboundMessage, LateAnswer, RejectedFrame
from wattbook.ocpp.messages import (
    Answer,
    Authorization,
    BootAnswer,
    BootNotification,
    End,
    MeterValuesAnswer,
    Registration,
    TokenInfo,
    TransactionEvent,
    TransactionEventAnswer,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)
from wattbook.ocpp.wire.server import Admission

_ids = count(1)
_log = structlog.get_logger(__name__)


def answer(inbound: InboundMessage) -> Awaitable[Answer]:
    """What a management system says that believes everything."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    future.set_result(_said(inbound.message))
    return future


def post(inbound: InboundMessage, done: Done) -> None:
    """The same for plain messages."""
    done(_said(inbound.message))


def _said(message: Any) -> Answer:
    match message:
        case BootNotification():
            return BootAnswer(Registration.ACCEPTED, system_clock(), 300)
        case TransactionStarted():
            return TransactionStartedAnswer(str(next(_ids)), TokenInfo(Authorization.ACCEPTED))
        case TransactionStopped():
            return TransactionStoppedAnswer()
        case TransactionEvent():
            return TransactionEventAnswer()
        case _:
            return MeterValuesAnswer()


def _rejected(frame: RejectedFrame) -> None:
    _log.error("frame-rejected", reason=frame.reason)


def _late(late: LateAnswer) -> None:
    _log.error("late-answer", action=late.action)


async def main() -> None:
    configure_logs(json=False, level=logging.ERROR)
    tune_garbage_collection()
    entity = Entity(End.MANAGEMENT, answer, _rejected, _late, system_clock, post=post)
    end = ManagementEnd(entity, lambda request: Admission(request.identity))
    await end.listen("127.0.0.1", 0)
    print(end.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
