"""One connection's calls: one outstanding a direction, in order, never deadlocked, nothing left hanging."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from wattbook.kernel.errors import InvalidInput, LimitExceeded, Unavailable
from wattbook.ocpp.dialects.plain import PlainCall
from wattbook.ocpp.errors import (
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidAnswer,
    MalformedFrame,
    PeerRefused,
    RpcError,
)
from wattbook.ocpp.frames import Call, CallResultError, JsonObject, Send
from wattbook.ocpp.rpc import RPC_LIMITS, Reply, RpcConnection, RpcLimits
from wattbook.ocpp.versions import V16, V21, V201, Version

OnCall = Callable[[Call], Awaitable[JsonObject | Reply]]


class Cable:
    """A wire that keeps what was sent, and delivers it to the other end if there is one."""

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []
        self.changed = asyncio.Event()
        self.closed: list[tuple[int, str]] = []
        self.reading: list[bool] = []
        self.other: RpcConnection | None = None

    def send(self, frame: bytes) -> None:
        self.sent.append(msgspec.json.decode(frame))
        self.changed.set()
        if self.other is not None:
            asyncio.get_running_loop().call_soon(self.other.receive, frame)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def set_reading(self, reading: bool) -> None:
        self.reading.append(reading)


class Handler:
    """Answers by a function and keeps what it was told."""

    def __init__(self, answer: OnCall) -> None:
        self._answer = answer
        self.bad: list[tuple[bytes, MalformedFrame]] = []
        self.late: list[tuple[str, str, JsonObject | PeerRefused]] = []
        self.late_fault: Exception | None = None
        self.refused: list[CallResultError] = []

    def read_plain(self, raw: bytes) -> PlainCall | None:
        return None

    def on_plain_call(self, call: PlainCall, raw: bytes, answered: Callable[[PlainCall, bytes], None]) -> None:
        raise AssertionError("nothing is plain here; see test_plain")

    async def on_call(self, call: Call, raw: bytes) -> JsonObject | Reply:
        return await self._answer(call)

    async def on_send(self, send: Send, raw: bytes) -> None:
        await self._answer(Call(send.unique_id, send.action, send.payload))

    def on_answer_refused(self, refused: CallResultError, raw: bytes) -> None:
        self.refused.append(refused)

    def on_bad_frame(self, raw: bytes, error: MalformedFrame) -> None:
        self.bad.append((raw, error))

    def on_late_answer(self, unique_id: str, action: str, answer: JsonObject | PeerRefused) -> Exception | None:
        self.late.append((unique_id, action, answer))
        return self.late_fault


class Bench:
    """One connection on the bench, with everything it touches."""

    def __init__(
        self, answer: OnCall | None = None, *, version: Version = V16, limits: RpcLimits = RPC_LIMITS, prefix: str = "m"
    ) -> None:
        numbers = count(1)
        self.wire = Cable()
        self.handler = Handler(answer or echo)
        self.rpc = RpcConnection(
            self.wire, version, self.handler, new_id=lambda: f"{prefix}{next(numbers)}", limits=limits
        )

    def hear(self, *frames: object) -> None:
        for frame in frames:
            self.rpc.receive(frame if isinstance(frame, bytes) else msgspec.json.encode(frame))

    async def sent(self, number: int) -> list[list[Any]]:
        """What was sent, once it is this many frames."""
        async with asyncio.timeout(5):
            while len(self.wire.sent) < number:
                self.wire.changed.clear()
                await self.wire.changed.wait()
        assert len(self.wire.sent) == number
        return self.wire.sent


async def echo(call: Call) -> JsonObject:
    return {"heard": call.action}


def linked(one: Bench, other: Bench) -> None:
    one.wire.other, other.wire.other = other.rpc, one.rpc


class Gate:
    """A handler that answers each CALL when it is told to."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.waiting: asyncio.Queue[asyncio.Future[JsonObject]] = asyncio.Queue()

    async def __call__(self, call: Call) -> JsonObject:
        self.started.append(call.unique_id)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait(answer)
        return await answer

    async def open(self) -> None:
        (await self.waiting.get()).set_result({})


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


# Message types 5 and 6, which 2.1 has


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
