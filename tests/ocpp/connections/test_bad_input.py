"""Frames that are not as they should be, over a real socket: each gets its answer, is kept, and hurts nothing."""

import msgspec
import pytest

from tests.ocpp.loopback import NOW, running
from tests.ocpp.wire.test_transport import station_socket
from wattbook.kernel.errors import Conflict, LimitExceeded, Unavailable
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.connections.rpc import RpcLimits
from wattbook.ocpp.wire.errors import ErrorCode, RpcError

VALUES = '{"connectorId":1,"meterValue":[{"timestamp":"2026-10-01T12:00:00Z","sampledValue":[%s]}]}'

REFUSED = [
    ("an unknown action", '[2,"7","Teleport",{}]', "NotImplemented"),
    ("an action of 2.0.1", '[2,"7","TransactionEvent",{}]', "NotImplemented"),
    ("an action of the other direction", '[2,"7","Reset",{"type":"Soft"}]', "NotSupported"),
    ("required", '[2,"7","Authorize",{}]', "OccurenceConstraintViolation"),
    ("required, payload null", '[2,"7","Authorize",null]', "OccurenceConstraintViolation"),
    ("minItems", '[2,"7","MeterValues",{"connectorId":1,"meterValue":[]}]', "OccurenceConstraintViolation"),
    ("type", '[2,"7","Authorize",{"idTag":5}]', "TypeConstraintViolation"),
    ("maxLength", '[2,"7","Authorize",{"idTag":"123456789012345678901"}]', "PropertyConstraintViolation"),
    ("additionalProperties", '[2,"7","Heartbeat",{"x":1}]', "PropertyConstraintViolation"),
    ("enum", f'[2,"7","MeterValues",{VALUES % """{"value":"1","unit":"Hz"}"""}]', "PropertyConstraintViolation"),
    (
        "format",
        '[2,"7","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":1,"timestamp":"noon"}]',
        "PropertyConstraintViolation",
    ),
    (
        "a number out of range",
        '[2,"7","StartTransaction",{"connectorId":-1,"idTag":"A","meterStart":1,"timestamp":"2026-10-01T12:00:00Z"}]',
        "PropertyConstraintViolation",
    ),
    ("payload an array", '[2,"7","Heartbeat",[]]', "FormationViolation"),
    ("payload missing", '[2,"7","Heartbeat"]', "FormationViolation"),
    ("action no text", '[2,"7",3,{}]', "FormationViolation"),
    ("U+0000", '[2,"7","Authorize",{"idTag":"\\u0000"}]', "PropertyConstraintViolation"),
]
UNANSWERED = ["Heartbeat", '{"a":1}', '[2,7,"Heartbeat",{}]', '[9,"7","X",{}]', '[3,"7"]', "[2", "[" * 50_000]


@pytest.mark.parametrize(("frame", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_bad_input_gets_its_callerror_is_kept_and_hurts_nothing(frame: str, code: str) -> None:
    async with running() as central, station_socket(central) as socket:
        await socket.send(frame)
        answer = msgspec.json.decode(await socket.recv())
        assert answer[:3] == [4, "7", code]
        assert answer[3]
        assert answer[4] == {}
        (kept,) = central.rejected
        assert (kept.raw, kept.error_code, kept.reason) == (frame.encode(), code, answer[3])
        assert (kept.station_id, kept.epoch, kept.version, kept.received_at) == ("CP1", 1, "1.6", NOW)
        await socket.send('[2,"8","Heartbeat",{}]')
        assert msgspec.json.decode(await socket.recv())[:2] == [3, "8"]


@pytest.mark.parametrize("frame", UNANSWERED, ids=lambda frame: frame[:20])
async def test_garbage_is_kept_without_an_answer_in_1_6(frame: str) -> None:
    async with running() as central, station_socket(central) as socket:
        await socket.send(frame)
        await socket.send('[2,"8","Heartbeat",{}]')
        assert msgspec.json.decode(await socket.recv())[:2] == [3, "8"]
        assert [kept.raw for kept in central.rejected] == [frame.encode()]


async def test_a_null_payload_is_an_empty_one() -> None:
    async with running() as central, station_socket(central) as socket:
        await socket.send('[2,"7","Heartbeat",null]')
        assert msgspec.json.decode(await socket.recv())[:2] == [3, "7"]
        assert central.messages == [m.Heartbeat()]


async def test_too_much_garbage_in_a_row_ends_the_connection() -> None:
    limits = RpcLimits(bad_frames_max=3)
    async with running(rpc_limits=limits) as central, station_socket(central) as socket:
        for _ in range(3):
            await socket.send("{")
        await socket.wait_closed()
        assert (socket.close_code, len(central.rejected)) == (1002, 3)


@pytest.mark.parametrize(
    ("error", "code", "kept"),
    [
        (RpcError(ErrorCode.SECURITY_ERROR, "not accepted yet"), "SecurityError", 1),
        (Conflict("another content"), "GenericError", 1),
        (KeyError("secret"), "InternalError", 1),
        (Unavailable("the database is away"), "InternalError", 0),
        (LimitExceeded("the queue is full"), "InternalError", 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_what_the_inbox_raises_is_a_callerror_and_kept_unless_it_will_come_again(
    error: Exception, code: str, kept: int
) -> None:
    async def refuse(inbound: InboundMessage) -> m.Answer:
        raise error

    async with running(refuse) as central, station_socket(central) as socket:
        await socket.send('[2,"7","Heartbeat",{}]')
        answer = msgspec.json.decode(await socket.recv())
        assert answer[:3] == [4, "7", code]
        assert "secret" not in answer[3]
        assert len(central.rejected) == kept


async def test_an_answer_that_does_not_fit_is_our_own_fault() -> None:
    async def unfit(inbound: InboundMessage) -> m.Answer:
        return m.HeartbeatAnswer(NOW)

    async with running(unfit) as central, station_socket(central) as socket:
        await socket.send('[2,"7","Authorize",{"idTag":"A"}]')
        assert msgspec.json.decode(await socket.recv())[:3] == [4, "7", "InternalError"]
