"""Message types 5 and 6, which 2.1 has: what is not answered, and answers that are refused."""

from typing import Any

import pytest

from tests.ocpp.connections.rpc_bench import Bench
from wattbook.kernel.errors import InvalidInput, LimitExceeded
from wattbook.ocpp.connections.rpc import RpcLimits
from wattbook.ocpp.wire.errors import (
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidAnswer,
    RpcError,
)
from wattbook.ocpp.wire.frames import Call, CallResultError, JsonObject
from wattbook.ocpp.wire.versions import V16, V21, V201, Version


async def test_a_send_of_2_1_is_handled_in_its_place_and_answered_by_nobody() -> None:
    heard: list[str] = []

    async def keep(call: Call) -> JsonObject:
        heard.append(call.unique_id)
        return {}

    bench = Bench(keep, version=V21)
    bench.hear([2, "a", "X", {}], [6, "b", "Y", {}], [2, "c", "X", {}])
    assert [frame[:2] for frame in await bench.sent(2)] == [[3, "a"], [3, "c"]]
    assert heard == ["a", "b", "c"]
    assert (bench.rpc.counts.calls, bench.rpc.counts.sends) == (2, 1)


async def test_a_send_that_fails_or_comes_twice_is_told_to_nobody() -> None:
    async def fail(call: Call) -> JsonObject:
        raise KeyError("secret")

    bench = Bench(fail, version=V21)
    bench.hear([6, "b", "Y", {}], [6, "b", "Y", {}], [2, "c", "X", {}])
    assert [frame[:3] for frame in await bench.sent(1)] == [[4, "c", "InternalError"]]
    assert bench.rpc.counts.duplicate_ids == 1


async def test_sends_of_ours_wait_for_no_call_and_no_call_for_them() -> None:
    bench = Bench(version=V21)
    bench.rpc.call("A", {}, 60)
    bench.rpc.call("B", {}, 60)
    bench.rpc.send("Stream", {"id": 1})
    bench.rpc.send("Stream", {"id": 2}, "mine")
    assert [frame[:3] for frame in bench.wire.sent] == [[2, "m1", "A"], [6, "m3", "Stream"], [6, "mine", "Stream"]]
    bench.hear([3, "m1", {}])
    assert bench.wire.sent[-1][:3] == [2, "m2", "B"]


async def test_sends_of_ours_wait_in_a_bounded_queue_and_end_with_the_connection() -> None:
    bench = Bench(version=V21, limits=RpcLimits(waiting_calls_max=1))
    bench.rpc.set_writable(False)
    bench.rpc.send("Stream", {})
    with pytest.raises(LimitExceeded):
        bench.rpc.send("Stream", {})
    bench.rpc.set_writable(True)
    assert len(bench.wire.sent) == 1
    bench.rpc.lost("gone")
    with pytest.raises(ConnectionLost):
        bench.rpc.send("Stream", {})


@pytest.mark.parametrize("version", [V16, V201], ids=lambda version: version.name)
async def test_a_version_without_send_does_not_send(version: Version) -> None:
    with pytest.raises(InvalidInput, match="sends nothing"):
        Bench(version=version).rpc.send("Stream", {})


@pytest.mark.parametrize(
    ("version", "told"),
    [(V16, []), (V201, []), (V21, [[5, "m1", "TypeConstraintViolation", "no", {}]])],
    ids=["1.6", "2.0.1", "2.1"],
)
async def test_an_unfit_answer_is_told_to_its_sender_only_where_there_are_words_for_it(
    version: Version, told: list[Any]
) -> None:
    """R17: a CALLRESULT is never answered with a CALLERROR."""
    bench = Bench(version=version)
    bench.rpc.call("A", {}, 60)
    bench.hear([3, "m1", {"wrong": True}])
    bench.rpc.refuse_answer("m1", "A", RpcError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, "no"))
    assert bench.wire.sent[1:] == told
    assert bench.rpc.counts.invalid_answers == 1


async def test_an_answer_that_is_no_frame_is_refused_in_2_1_and_a_broken_callerror_is_not() -> None:
    bench = Bench(version=V21)
    first, second = bench.rpc.call("A", {}, 60), bench.rpc.call("B", {}, 60)
    bench.hear([3, "m1", "no object"], [4, "m2"])
    assert [frame[:3] for frame in bench.wire.sent] == [
        [2, "m1", "A"],
        [2, "m2", "B"],
        [5, "m1", "FormatViolation"],
    ]
    for answer in (first, second):
        with pytest.raises(InvalidAnswer):
            await answer


async def test_a_late_answer_that_is_unfit_is_told_too() -> None:
    bench = Bench(version=V21)
    bench.handler.late_fault = RpcError(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "something is missing")
    with pytest.raises(CallTimedOut):
        await bench.rpc.call("A", {}, 0.001)
    bench.hear([3, "m1", {}])
    assert bench.wire.sent[1][:3] == [5, "m1", "OccurrenceConstraintViolation"]


async def test_an_answer_of_ours_that_was_refused_is_reported_and_not_answered() -> None:
    bench = Bench(version=V21)
    bench.hear([5, "x", "FormatViolation", "what?", {}])
    assert bench.handler.refused == [CallResultError("x", "FormatViolation", "what?", {})]
    assert (bench.wire.sent, bench.rpc.counts.refused_answers) == ([], 1)


@pytest.mark.parametrize("frame", [b'[5,"7"]', b'[6,"7","X"]', b'[6,7,"X",{}]', b'[6,"7","X",[]]'])
async def test_broken_frames_of_the_new_types_are_kept_and_not_answered(frame: bytes) -> None:
    bench = Bench(version=V21)
    bench.hear(frame)
    assert (bench.wire.sent, [raw for raw, _ in bench.handler.bad]) == ([], [frame])


@pytest.mark.parametrize(
    ("version", "answer"),
    [(V16, []), (V201, [[4, "7", "MessageTypeNotSupported"]])],
    ids=["1.6", "2.0.1"],
)
@pytest.mark.parametrize("frame", [b'[5,"7","GenericError","",{}]', b'[6,"7","X",{}]'])
async def test_the_new_types_are_unknown_before_2_1(version: Version, answer: list[Any], frame: bytes) -> None:
    bench = Bench(version=version)
    bench.hear(frame)
    assert [frame[:3] for frame in bench.wire.sent] == answer
