"""One connection's calls: one outstanding a direction, in order, never deadlocked, nothing left hanging."""

import asyncio
from typing import Any

import pytest

from tests.ocpp.connections.rpc_bench import Bench, Gate, linked
from wattbook.kernel.errors import LimitExceeded, Unavailable
from wattbook.ocpp.connections.ports import Reply
from wattbook.ocpp.connections.rpc import RpcLimits
from wattbook.ocpp.wire.errors import (
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidAnswer,
    PeerRefused,
    RpcError,
)
from wattbook.ocpp.wire.frames import Call, JsonObject
from wattbook.ocpp.wire.versions import V16, V21, V201, Version

# Our CALLs


async def test_one_call_is_outstanding_and_the_next_wait_in_order() -> None:
    bench = Bench()
    answers = [bench.rpc.call("Reset", {"n": n}, 5) for n in range(3)]
    assert bench.wire.sent == [[2, "m1", "Reset", {"n": 0}]]
    bench.hear([3, "m1", {"ok": 1}])
    assert [frame[1] for frame in bench.wire.sent] == ["m1", "m2"]
    bench.hear([4, "m2", "NotSupported", "no", {}])
    assert [frame[1] for frame in bench.wire.sent] == ["m1", "m2", "m3"]
    assert await answers[0] == {"ok": 1}
    with pytest.raises(PeerRefused, match="no") as caught:
        await answers[1]
    assert caught.value.rpc_code is ErrorCode.NOT_SUPPORTED
    assert not answers[2].done()


async def test_calls_of_both_directions_cross() -> None:
    gate = Gate()
    bench = Bench(gate)
    answer = bench.rpc.call("Reset", {}, 5)
    bench.hear([2, "s1", "Heartbeat", {}])
    await gate.open()
    assert await bench.sent(2) == [[2, "m1", "Reset", {}], [3, "s1", {}]]
    bench.hear([3, "m1", {}])
    assert await answer == {}


async def test_two_ends_that_use_the_same_ids_do_not_mix_them_up() -> None:
    one, other = Bench(prefix="x"), Bench(prefix="x")
    linked(one, other)
    results = await asyncio.gather(
        *(end.rpc.call(f"{name}{n}", {}, 5) for name, end in (("One", one), ("Other", other)) for n in range(20))
    )
    assert [result["heard"] for result in results] == [f"{name}{n}" for name in ("One", "Other") for n in range(20)]


async def test_a_handler_may_call_back_while_its_own_call_is_open() -> None:
    async def ask_back(call: Call) -> JsonObject:
        return {"asked": await one.rpc.call("GetConfiguration", {}, 5)}

    one, other = Bench(ask_back), Bench()
    linked(one, other)
    assert await other.rpc.call("BootNotification", {}, 5) == {"asked": {"heard": "GetConfiguration"}}


async def test_a_call_without_answer_times_out_and_frees_the_slot() -> None:
    bench = Bench()
    first, second = bench.rpc.call("Reset", {}, 0.001), bench.rpc.call("ClearCache", {}, 5)
    with pytest.raises(CallTimedOut, match=r"Reset within 0\.001 s"):
        await first
    assert [frame[1] for frame in bench.wire.sent] == ["m1", "m2"]
    bench.hear([3, "m2", {}])
    assert await second == {}


async def test_a_late_answer_is_reported_once_with_its_action() -> None:
    bench = Bench()
    with pytest.raises(CallTimedOut):
        await bench.rpc.call("Reset", {}, 0.001)
    bench.hear([3, "m1", {"status": "Accepted"}], [3, "m1", {"status": "Accepted"}])
    assert bench.handler.late == [("m1", "Reset", {"status": "Accepted"})]
    assert (bench.rpc.counts.late_answers, bench.rpc.counts.unknown_answers) == (1, 1)


async def test_only_so_many_late_answers_are_remembered() -> None:
    bench = Bench(limits=RpcLimits(late_ids_max=1))
    for _ in range(2):
        with pytest.raises(CallTimedOut):
            await bench.rpc.call("Reset", {}, 0.001)
    bench.hear([3, "m1", {}], [4, "m2", "GenericError", "", {}])
    ((unique_id, _, answer),) = bench.handler.late
    assert unique_id == "m2"
    assert isinstance(answer, PeerRefused)


async def test_answers_to_nothing_are_counted_and_ignored() -> None:
    bench = Bench()
    bench.hear([3, "never", {}], [4, "-1", "FormatViolation", "", {}])
    assert bench.rpc.counts.unknown_answers == 2
    assert bench.wire.sent == []


async def test_a_caller_who_gives_up_in_the_queue_is_not_sent() -> None:
    bench = Bench()
    first, second, third = (bench.rpc.call("Reset", {}, 5) for _ in range(3))
    second.cancel()
    bench.hear([3, "m1", {}])
    assert [frame[1] for frame in bench.wire.sent] == ["m1", "m3"]
    bench.hear([3, "m3", {}])
    assert (await first, await third) == ({}, {})


async def test_a_caller_who_gives_up_after_sending_keeps_the_slot_until_the_answer() -> None:
    bench = Bench()
    first, second = bench.rpc.call("Reset", {}, 5), bench.rpc.call("ClearCache", {}, 5)
    first.cancel()
    assert len(bench.wire.sent) == 1
    bench.hear([3, "m1", {}], [3, "m2", {}])
    assert await second == {}
    assert bench.handler.late == [("m1", "Reset", {})]


async def test_calls_wait_in_a_bounded_queue() -> None:
    bench = Bench(limits=RpcLimits(waiting_calls_max=2))
    for _ in range(3):
        bench.rpc.call("Reset", {}, 5)
    with pytest.raises(LimitExceeded):
        bench.rpc.call("Reset", {}, 5)


async def test_the_end_of_the_connection_fails_every_waiting_call_at_once() -> None:
    bench = Bench()
    answers = [bench.rpc.call("Reset", {}, 3600) for _ in range(3)]
    bench.rpc.lost("power cut")
    for answer in answers:
        with pytest.raises(ConnectionLost, match="power cut"):
            await answer
    with pytest.raises(ConnectionLost):
        bench.rpc.call("Reset", {}, 5)


async def test_a_broken_answer_fails_its_call_and_is_never_answered() -> None:
    bench = Bench()
    answer = bench.rpc.call("Reset", {}, 5)
    bench.hear(b'[3,"m1","Accepted"]')
    with pytest.raises(InvalidAnswer):
        await answer
    assert len(bench.wire.sent) == 1
    assert len(bench.handler.bad) == 1


# Their CALLs


async def test_calls_are_handled_one_at_a_time_in_their_order() -> None:
    gate = Gate()
    bench = Bench(gate)
    bench.hear(*([2, f"s{n}", "Heartbeat", {}] for n in range(3)))
    for n in range(3):
        answer = await gate.waiting.get()
        assert gate.started == [f"s{k}" for k in range(n + 1)]
        answer.set_result({})
        await bench.sent(n + 1)
    assert [frame[1] for frame in bench.wire.sent] == ["s0", "s1", "s2"]


async def test_nothing_is_answered_before_the_handler_is_done() -> None:
    gate = Gate()
    bench = Bench(gate)
    bench.hear([2, "s1", "Heartbeat", {}])
    waiting = await gate.waiting.get()
    for _ in range(10):
        await asyncio.sleep(0)
    assert bench.wire.sent == []
    waiting.set_result({"done": True})
    assert await bench.sent(1) == [[3, "s1", {"done": True}]]


@pytest.mark.parametrize(
    ("error", "code", "description"),
    [
        (RpcError(ErrorCode.SECURITY_ERROR, "not accepted yet"), "SecurityError", "not accepted yet"),
        (RpcError(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "x"), "OccurenceConstraintViolation", "x"),
        (Unavailable("the database does not answer"), "InternalError", "the database does not answer"),
        (RuntimeError("secret"), "InternalError", "the message could not be processed"),
    ],
    ids=["security", "misspelled", "unavailable", "unforeseen"],
)
async def test_an_error_of_the_handler_is_a_callerror(error: Exception, code: str, description: str) -> None:
    async def fail(call: Call) -> JsonObject:
        raise error

    bench = Bench(fail)
    bench.hear([2, "s1", "Heartbeat", {}], [2, "s2", "Heartbeat", {}])
    assert await bench.sent(2) == [[4, f"s{n}", code, description, {}] for n in (1, 2)]


async def test_an_id_still_being_handled_is_refused_and_the_first_call_answered() -> None:
    gate = Gate()
    bench = Bench(gate)
    bench.hear([2, "s1", "Heartbeat", {}], [2, "s1", "Heartbeat", {}])
    assert (await bench.sent(1))[0][:3] == [4, "s1", "GenericError"]
    await gate.open()
    assert (await bench.sent(2))[1] == [3, "s1", {}]
    assert bench.rpc.counts.duplicate_ids == 1


async def test_an_id_may_be_used_again_once_answered() -> None:
    bench = Bench()
    bench.hear([2, "s1", "Heartbeat", {}])
    await bench.sent(1)
    bench.hear([2, "s1", "Heartbeat", {}])
    assert (await bench.sent(2))[1] == [3, "s1", {"heard": "Heartbeat"}]


async def test_a_connection_that_cannot_keep_up_is_not_read_from() -> None:
    gate = Gate()
    bench = Bench(gate, limits=RpcLimits(open_calls_pause=4))
    bench.hear(*([2, f"s{n}", "Heartbeat", {}] for n in range(4)))
    for n, reading in ((1, [False]), (2, [False, True])):
        await gate.open()
        await bench.sent(n)
        assert bench.wire.reading == reading


async def test_a_flood_closes_the_connection_with_the_reason() -> None:
    bench = Bench(Gate(), limits=RpcLimits(open_calls_pause=2, open_calls_max=5))
    bench.hear(*([2, f"s{n}", "Heartbeat", {}] for n in range(9)))
    assert bench.wire.closed == [(1008, "more than 5 calls without waiting for answers")]


async def test_while_the_socket_is_full_answers_wait_and_nothing_is_read() -> None:
    bench = Bench()
    bench.rpc.set_writable(False)
    call = bench.rpc.call("Reset", {}, 5)
    bench.hear([2, "s1", "Heartbeat", {}])
    for _ in range(10):
        await asyncio.sleep(0)
    assert bench.wire.sent == []
    bench.rpc.set_writable(True)
    assert bench.wire.reading == [False, True]
    assert await bench.sent(2) == [[3, "s1", {"heard": "Heartbeat"}], [2, "m1", "Reset", {}]]
    call.cancel()


async def test_a_call_being_handled_at_the_end_runs_on_unheard() -> None:
    gate = Gate()
    bench = Bench(gate)
    bench.hear([2, "s1", "Heartbeat", {}], [2, "s2", "Heartbeat", {}])
    waiting = await gate.waiting.get()
    bench.rpc.lost("gone")
    waiting.set_result({})
    for _ in range(10):
        await asyncio.sleep(0)
    assert gate.started == ["s1"]
    assert bench.wire.sent == []


# What is no frame

GARBAGE = b"[2,"
NAMED = b'[2,"7",5,{}]'
UNKNOWN_TYPE = b'[9,"7",{}]'


@pytest.mark.parametrize(
    ("version", "raw", "answer"),
    [
        (V16, GARBAGE, None),
        (V201, GARBAGE, [4, "-1", "FormatViolation"]),
        (V21, GARBAGE, [4, "-1", "FormatViolation"]),
        (V16, NAMED, [4, "7", "FormationViolation"]),
        (V201, NAMED, [4, "7", "FormatViolation"]),
        (V21, NAMED, [4, "7", "FormatViolation"]),
        (V16, UNKNOWN_TYPE, None),
        (V201, UNKNOWN_TYPE, [4, "7", "MessageTypeNotSupported"]),
        (V21, UNKNOWN_TYPE, None),
    ],
    ids=lambda value: value.name if isinstance(value, Version) else None,
)
async def test_garbage_is_answered_as_the_version_says(version: Version, raw: bytes, answer: list[Any] | None) -> None:
    bench = Bench(version=version)
    bench.hear(raw)
    assert [frame[:3] for frame in bench.wire.sent] == ([] if answer is None else [answer])
    assert [heard for heard, _ in bench.handler.bad] == [raw]
    assert bench.rpc.counts.bad_frames == 1


async def test_the_connection_survives_garbage_until_too_much_comes_in_a_row() -> None:
    bench = Bench(limits=RpcLimits(bad_frames_max=3))
    bench.hear(GARBAGE, GARBAGE, [2, "s1", "Heartbeat", {}], GARBAGE, GARBAGE)
    assert bench.wire.closed == []
    assert await bench.sent(1) == [[3, "s1", {"heard": "Heartbeat"}]]
    bench.hear(GARBAGE)
    assert bench.wire.closed == [(1002, "3 frames in a row are no OCPP")]
    assert bench.rpc.counts.bad_frames == 5


async def test_an_empty_frame_is_nothing() -> None:
    bench = Bench()
    bench.hear(b"", b" \n")
    assert (bench.rpc.counts.bad_frames, bench.handler.bad) == (0, [])


# What follows an answer (R15)


async def test_what_is_to_follow_an_answer_follows_it_on_the_wire() -> None:
    def command() -> None:
        bench.rpc.call("SetChargingProfile", {}, 60)

    async def boot(call: Call) -> JsonObject | Reply:
        return Reply({"status": "Accepted"}, command)

    bench = Bench(boot)
    bench.hear([2, "1", "BootNotification", {}])
    sent = await bench.sent(2)
    assert [frame[:2] for frame in sent] == [[3, "1"], [2, "m1"]]


async def test_it_waits_until_the_socket_takes_the_answer() -> None:
    followed = asyncio.Event()

    async def boot(call: Call) -> JsonObject | Reply:
        return Reply({}, followed.set)

    bench = Bench(boot)
    bench.rpc.set_writable(False)
    bench.hear([2, "1", "BootNotification", {}])
    task = bench.rpc.drain()
    assert task is not None
    await task
    assert not followed.is_set()
    bench.rpc.set_writable(True)
    assert followed.is_set()


async def test_what_fails_after_an_answer_harms_nobody() -> None:
    def fail() -> None:
        raise KeyError("secret")

    async def boot(call: Call) -> JsonObject | Reply:
        return Reply({}, fail)

    bench = Bench(boot)
    bench.hear([2, "1", "X", {}], [2, "2", "X", {}])
    assert [frame[:2] for frame in await bench.sent(2)] == [[3, "1"], [3, "2"]]


# The end


async def test_a_connection_that_drains_answers_what_it_took_and_takes_nothing_more() -> None:
    gate = Gate()
    bench = Bench(gate)
    bench.hear([2, "1", "X", {}], [2, "2", "X", {}])
    task = bench.rpc.drain()
    assert task is not None
    bench.hear([2, "3", "X", {}])
    for _ in range(2):
        (await gate.waiting.get()).set_result({})
    await task
    assert [frame[:2] for frame in bench.wire.sent] == [[3, "1"], [3, "2"]]
    assert bench.rpc.drain() is None


async def test_answers_to_our_own_calls_are_still_heard_while_draining() -> None:
    bench = Bench()
    answer = bench.rpc.call("Reset", {}, 60)
    assert bench.rpc.drain() is None
    bench.hear([3, "m1", {"status": "Accepted"}])
    assert await answer == {"status": "Accepted"}
