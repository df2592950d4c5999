"""Plain messages: read in one step, they mean what they mean read the ordinary way, and are answered in their order."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.conformance.generator import payloads
from wattbook.conformance.mutations import mutations
from wattbook.conformance.versions import VERSIONS as PUBLISHED
from wattbook.kernel.errors import Unavailable, WattbookError
from wattbook.ocpp.connections.message_handler import MessageHandler
from wattbook.ocpp.connections.ports import Done, InboundMessage, RejectedFrame
from wattbook.ocpp.connections.rpc import RpcConnection
from wattbook.ocpp.dialects import DIALECTS, plain
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.messages import Answer, End, MeterValuesAnswer, Request, TransactionEventAnswer
from wattbook.ocpp.wire import frames, schemas
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.schemas import Part
from wattbook.ocpp.wire.versions import V16
from wattbook.simulate.load_messages import WORDS, LoadWords

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
KINDS = [(dialect, action.decode()) for dialect in DIALECTS.values() for action in plain.kinds(dialect)]


def kind_ids(value: object) -> str:
    return value.version.name if isinstance(value, Dialect) else str(value)


def ordinary(dialect: Dialect, data: bytes) -> Request[Any] | None:
    """The message, read the ordinary way; None when it is refused."""
    try:
        call = frames.parse(data, dialect.version)
        assert isinstance(call, frames.Call)
        translation = dialect.by_action[call.action]
        schemas.check(translation.request_schema, call.payload)
        return translation.exchange.read_request(call.payload)  # type: ignore[no-any-return]
    except WattbookError:
        return None


def same_or_not_plain(dialect: Dialect, data: bytes) -> bool:
    """Whether it is plain; then both ways agree."""
    call = plain.read(data, plain.kinds(dialect))
    if call is None:
        return False
    assert call.message == ordinary(dialect, data)
    return True


@pytest.mark.parametrize(("dialect", "action"), KINDS, ids=kind_ids)
def test_what_is_plain_means_the_same_read_either_way(dialect: Dialect, action: str) -> None:
    schema = schemas.document(dialect.version, action, Part.REQUEST)
    version = PUBLISHED[dialect.version.name]
    for right in payloads(schema, 1):
        same_or_not_plain(dialect, frames.encode_call("1", action, right))
        for mutation in mutations(version, schema, right):
            same_or_not_plain(dialect, msgspec.json.encode([2, "1", action, mutation.payload]))


@pytest.mark.parametrize("words", WORDS.values(), ids=lambda words: f"{words.version.name}-{words.action}")
def test_the_messages_of_a_load_are_plain(words: LoadWords) -> None:
    transaction: int | str = 17 if words.version is V16 else "a transaction"
    data = words.call(5, AT) + words.tail(transaction)
    assert same_or_not_plain(DIALECTS[words.version.subprotocol], data)


ODD: list[Any] = [None, "", "x", "5", 5, -1, 5.0, 1e3, 40000, 2**31, True, [], {}, {"id": 1}, "\0", "2026-10-01"]
odd = st.sampled_from(ODD)
numbers = st.sampled_from(["15.7", "1e3", "007", "+5", "-0", "NaN", "٣", "1" * 30, "", "0.0004", "12 "])


@st.composite
def measured(draw: st.DrawFn, version: str) -> dict[str, Any]:
    """A measured value: common ones, and some with something odd about them."""
    value: dict[str, Any] = {
        "value": draw(numbers) if version == "1.6" else draw(st.sampled_from([0, 7, 15.7, 1e3, -3, 10**20, 1e30])),
        "measurand": draw(st.sampled_from(["Energy.Active.Import.Register", "Power.Active.Import", "SoC", "Voltage"])),
        "context": draw(st.sampled_from(["Sample.Periodic", "Sample.Periodic", "Sample.Clock"])),
        "location": draw(st.sampled_from(["Outlet", "EV", "Inlet"])),
        "phase": draw(st.sampled_from(["L1", "N"])),
    }
    unit = draw(st.sampled_from(["Wh", "kWh", "W", "kW", "Percent"]))
    value |= {"unit": unit} if version == "1.6" else {"unitOfMeasure": {"unit": unit}}
    for name in draw(st.sets(st.sampled_from(sorted(value)))) - {"value"}:
        del value[name]
    if draw(st.integers(0, 9)) == 0:
        value[draw(st.sampled_from([*value, "format", "customData", "vendor"]))] = draw(odd)
    return value


@st.composite
def payload(draw: st.DrawFn, version: str, action: str) -> dict[str, Any]:
    time = st.sampled_from(["2026-10-01T12:00:00Z", "2026-10-01T12:00:00.5+09:00", "2026-10-01T12:00:00", "yesterday"])
    values = [
        {"timestamp": draw(time), "sampledValue": draw(st.lists(measured(version), max_size=4))}
        for _ in range(draw(st.integers(0, 2)))
    ]
    said: dict[str, Any] = {"meterValue": values}
    if action == "TransactionEvent":
        said |= {"eventType": draw(st.sampled_from(["Updated", "Updated", "Started", "Ended"])), "seqNo": 4}
        said |= {"timestamp": draw(time), "triggerReason": "MeterValuePeriodic"}
        said |= {"transactionInfo": {"transactionId": "t", "chargingState": "Charging"}}
        said |= draw(
            st.sampled_from([{}, {"offline": True}, {"evse": {"id": 1}}, {"idToken": {}}, {"evse": {"id": -1}}])
        )
    elif version == "1.6":
        said |= {"connectorId": 1, "transactionId": 9}
    else:
        said |= {"evseId": 1}
    if draw(st.integers(0, 4)) == 0:
        said[draw(st.sampled_from(sorted(said)))] = draw(odd)
    return said


@pytest.mark.parametrize(("dialect", "action"), KINDS, ids=kind_ids)
@given(data=st.data())
def test_odd_values_mean_the_same_read_either_way(dialect: Dialect, action: str, data: st.DataObject) -> None:
    drawn = data.draw(payload(dialect.version.name, action))
    same_or_not_plain(dialect, frames.encode_call("1", action, drawn))


@pytest.mark.parametrize(
    "frame",
    [
        b'[2,"1","MeterValues"]',
        b'[2,"1","MeterValues",null]',
        b'[2,"1","MeterValues",{},{}]',
        b'[2,"","MeterValues",{}]',
        b'[2,"a\\",\\"MeterValues",{}]',
        b'[3,"1","MeterValues",{}]',
        b'["MeterValues","MeterValues","MeterValues","MeterValues"]',
        b'[2,"1","MeterValues",{"connectorId":1,"meterValue":[]}',
        b'[2,"1","Heartbeat",{}]',
        b"\xff",
        b"",
    ],
)
def test_what_is_no_plain_frame_is_left_to_the_ordinary_way(frame: bytes) -> None:
    assert plain.read(frame, plain.kinds(DIALECTS["ocpp1.6"])) is None


# Answers


class Cable:
    """A wire that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(msgspec.json.decode(frame))

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(reason)

    def set_reading(self, reading: bool) -> None:
        pass


class Bench:
    """One station's connection whose plain messages wait to be answered by the test."""

    def __init__(self, subprotocol: str = "ocpp1.6") -> None:
        self.wire = Cable()
        self.waiting: list[Done] = []
        self.rejected: list[RejectedFrame] = []
        self.turned_away: Exception | None = None
        dialect = DIALECTS[subprotocol]
        handler = MessageHandler(
            "S1",
            1,
            dialect,
            End.STATION,
            inbox=self.inbox,
            quarantine=self.rejected.append,
            on_late_answer=lambda _: None,
            clock=lambda: AT,
            post=self.post,
        )
        self.rpc = RpcConnection(self.wire, dialect.version, handler, new_id=lambda: "1")

    async def inbox(self, inbound: InboundMessage) -> Answer:
        return MeterValuesAnswer()

    def post(self, inbound: InboundMessage, done: Done) -> None:
        if self.turned_away is not None:
            raise self.turned_away
        self.waiting.append(done)


def frame(unique_id: str, subprotocol: str = "ocpp1.6", message: str = "MeterValues") -> bytes:
    words = WORDS[DIALECTS[subprotocol].version.name, message]
    whole = words.call(0, AT) + words.tail(1 if subprotocol == "ocpp1.6" else "t")
    return whole.replace(b'"0"', f'"{unique_id}"'.encode(), 1)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_plain_call_is_answered_when_the_inbox_has_answered() -> None:
    bench = Bench()
    bench.rpc.receive(frame("a"))
    assert bench.wire.sent == []
    bench.waiting.pop()(MeterValuesAnswer())
    assert bench.wire.sent == [[3, "a", {}]]


async def test_an_answer_that_is_not_the_usual_one_is_written_in_full() -> None:
    bench = Bench("ocpp2.0.1")
    bench.rpc.receive(frame("a", "ocpp2.0.1", "TransactionEvent"))
    bench.waiting.pop()(TransactionEventAnswer(Decimal("1.5")))
    assert bench.wire.sent == [[3, "a", {"totalCost": 1.5}]]


async def test_what_comes_after_a_plain_call_waits_for_its_answer() -> None:
    bench = Bench()
    for unique_id in "abc":
        bench.rpc.receive(frame(unique_id))
    bench.rpc.receive(frame("a"))
    await settled()
    assert [each[:3] for each in bench.wire.sent] == [[4, "a", "GenericError"]]  # 1.6 has no better word for a repeat
    bench.wire.sent.clear()
    bench.waiting.pop()(MeterValuesAnswer())
    await settled()
    assert bench.wire.sent == [[3, "a", {}], [3, "b", {}], [3, "c", {}]]


@pytest.mark.parametrize(
    ("error", "code", "kept"),
    [
        (Unavailable("the database is away"), "InternalError", 0),
        (RpcError(ErrorCode.SECURITY_ERROR, "not accepted"), "SecurityError", 1),
        (KeyError("a secret of the house"), "InternalError", 1),
    ],
)
async def test_what_stands_in_the_way_is_told_at_once_or_later(error: Exception, code: str, kept: int) -> None:
    bench = Bench()
    bench.rpc.receive(frame("a"))
    bench.waiting.pop()(error)
    bench.turned_away = error
    bench.rpc.receive(frame("b"))
    assert [each[:3] for each in bench.wire.sent] == [[4, "a", code], [4, "b", code]]
    assert "secret" not in str(bench.wire.sent)
    assert len(bench.rejected) == 2 * kept


async def test_a_connection_that_drains_answers_the_plain_call_it_took() -> None:
    bench = Bench()
    bench.rpc.receive(frame("a"))
    bench.rpc.receive(frame("b"))
    task = bench.rpc.drain()
    assert task is not None
    await settled()
    assert not task.done()
    bench.waiting.pop()(MeterValuesAnswer())
    await task
    assert bench.wire.sent == [[3, "a", {}], [3, "b", {}]]


async def test_an_answer_after_the_end_of_its_connection_is_said_to_nobody() -> None:
    bench = Bench()
    bench.rpc.receive(frame("a"))
    bench.rpc.lost("the network went away")
    bench.waiting.pop()(MeterValuesAnswer())
    assert bench.wire.sent == []
