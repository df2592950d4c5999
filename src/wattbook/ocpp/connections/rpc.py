"""One connection's remote procedure calls, the same at both ends.

`call` asks the opposite end; `on_call` of the handler answers it. Four rules carry this module:

- The reader never waits. `receive` resolves answers on the spot and lets one task at a time work off the CALLs, so a
  handler may itself `call` and get its answer while its own CALL is still open. A plain CALL that finds nothing before
  it is handed over at once and needs no task.
- CALLs of one connection are handled one after the other, in the order they came. Across connections nothing waits.
- What is to follow an answer, such as a command only after BootNotification.conf, follows it (R15): `Reply.then`.
- A connection that cannot keep up is not read from: its socket fills, and the sender feels it. What comes in all the
  same, because it was on its way, is bounded too.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

import structlog
from msgspec import Struct

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.connections.ports import Reply, RpcHandler, Wire
from wattbook.ocpp.connections.sending_queue import OutgoingCall, SendingQueue
from wattbook.ocpp.dialects.plain import PlainCall
from wattbook.ocpp.wire import frames
from wattbook.ocpp.wire.errors import (
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidAnswer,
    MalformedFrame,
    PeerRefused,
    RpcError,
    UnknownMessageType,
    rpc_error,
)
from wattbook.ocpp.wire.frames import Call, CallError, CallResult, CallResultError, JsonObject, Send
from wattbook.ocpp.wire.versions import Version

PROTOCOL_ERROR, POLICY_VIOLATION = 1002, 1008  # RFC 6455, 7.4.1

log = structlog.get_logger(__name__)


class RpcLimits(Struct, frozen=True):
    """Bounds of one connection.

    Attributes:
        open_calls_pause: CALLs received and not answered at which reading stops, until half of them are.
        open_calls_max: at which the connection is closed.
        waiting_calls_max: CALLs of ours waiting to be sent.
        bad_frames_max: malformed frames in a row at which the connection is closed.
        late_ids_max: timed-out CALLs of ours whose answer is still recognised.
    """

    open_calls_pause: int = 64
    open_calls_max: int = 4096
    waiting_calls_max: int = 256
    bad_frames_max: int = 16
    late_ids_max: int = 16


RPC_LIMITS = RpcLimits()


class RpcCounts(Struct):
    """What a connection has seen."""

    calls: int = 0
    sends: int = 0
    answers: int = 0
    bad_frames: int = 0
    duplicate_ids: int = 0
    unknown_answers: int = 0
    late_answers: int = 0
    invalid_answers: int = 0
    refused_answers: int = 0


class RpcConnection:
    """See the module. `new_id` makes the ids of our CALLs, unique for this end of this connection."""

    __slots__ = (
        "_bad_in_row",
        "_draining",
        "_handler",
        "_late",
        "_limits",
        "_new_id",
        "_open",
        "_plain",
        "_plain_over",
        "_queue",
        "_reading",
        "_version",
        "_wire",
        "_work_task",
        "_writable",
        "closed_because",
        "counts",
    )

    def __init__(
        self,
        wire: Wire,
        version: Version,
        handler: RpcHandler,
        *,
        new_id: Callable[[], str],
        limits: RpcLimits = RPC_LIMITS,
    ) -> None:
        self._wire = wire
        self._version = version
        self._handler = handler
        self._new_id = new_id
        self._limits = limits
        self._queue = SendingQueue(wire.send, self._timed_out, calls_max=limits.waiting_calls_max)
        self._open: dict[str, tuple[Call | Send | PlainCall, bytes]] = {}  # and not yet dealt with, oldest first
        self._late: dict[str, str] = {}  # id → action of our CALLs that nobody waits for any more, oldest first
        self._work_task: asyncio.Task[None] | None = None
        self._plain: PlainCall | None = None  # being handled
        self._plain_over: asyncio.Future[None] | None = None  # for whoever waits for its end
        self._bad_in_row = 0
        self._reading = True
        self._writable = True
        self._draining = False
        self.closed_because: str | None = None
        self.counts = RpcCounts()

    def call(
        self, action: str, payload: JsonObject, timeout_s: float, unique_id: str | None = None
    ) -> "asyncio.Future[JsonObject]":
        """Ask the opposite end; the future holds the payload of its CALLRESULT.

        The time counts from the moment the CALL is sent. A caller who stops waiting before that takes it out of the
        queue; after it, the slot stays taken until the answer or the time is up.

        Raises (from the future):
            PeerRefused: it answered with a CALLERROR.
            CallTimedOut, ConnectionLost, InvalidAnswer.
        Raises (at once):
            ConnectionLost: the connection is closed.
            LimitExceeded: too many CALLs wait already.
        """
        if self.closed_because is not None:
            raise ConnectionLost(f"the connection is closed: {self.closed_because}")
        unique_id = self._new_id() if unique_id is None else unique_id
        frame = frames.encode_call(unique_id, action, payload)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._queue.put_call(OutgoingCall(unique_id, action, frame, timeout_s, answer))
        return answer

    def send(self, action: str, payload: JsonObject, unique_id: str | None = None) -> None:
        """Tell the opposite end something that it does not answer; CALLs need not wait for it, nor it for them.

        Raises:
            InvalidInput: the version has no SEND.
            ConnectionLost: the connection is closed.
            LimitExceeded: too much waits already.
        """
        if frames.SEND not in self._version.message_types:
            raise InvalidInput(f"OCPP {self._version.name} sends nothing that is not answered")
        if self.closed_because is not None:
            raise ConnectionLost(f"the connection is closed: {self.closed_because}")
        unique_id = self._new_id() if unique_id is None else unique_id
        self._queue.put_send(frames.encode_send(unique_id, action, payload))

    def refuse_answer(self, unique_id: str, action: str, error: Exception) -> None:
        """Tell the opposite end that its CALLRESULT is not understood, where the version has words for it (R17)."""
        self.counts.invalid_answers += 1
        fault = rpc_error(error)
        log.warning("answer-unfit", action=action, unique_id=unique_id, reason=fault.message)
        if self.closed_because is None and frames.CALL_RESULT_ERROR in self._version.message_types:
            self._queue.put_answer(frames.encode_result_error(self._version, unique_id, fault))

    def drain(self) -> "asyncio.Task[None] | None":
        """Take no more CALLs; the task, if any, that is done when all that were taken are answered.

        Answers to our own are still heard: a handler may wait for one.
        """
        self._draining = True
        if self._plain is None:
            return self._work_task
        self._plain_over = asyncio.get_running_loop().create_future()
        return asyncio.create_task(self._work_off(self._plain_over))

    def receive(self, data: bytes) -> None:
        """Take one frame from the socket."""
        if self.closed_because is not None or not data.strip():  # some stations send empty frames to stay connected
            return
        if not self._open and not self._draining:
            plain = self._handler.read_plain(data)
            if plain is not None:
                self._called_plainly(plain, data)
                return
        try:
            frame = frames.parse(data, self._version)
        except MalformedFrame as error:
            self._malformed(data, error)
            return
        self._bad_in_row = 0
        if type(frame) is Call or type(frame) is Send:
            self._called(frame, data)
        elif type(frame) is CallResult:
            self._answered(frame.unique_id, frame.payload)
        elif type(frame) is CallError:
            refusal = PeerRefused(frame.error_code, frame.description, frame.details or {})
            self._answered(frame.unique_id, refusal)
        elif type(frame) is CallResultError:
            self.counts.refused_answers += 1
            self._handler.on_answer_refused(frame, data)

    def set_writable(self, writable: bool) -> None:
        """The socket's buffer is full, or has room again; while it is full nothing is read either."""
        self._writable = writable
        self._queue.set_writable(writable)
        self._balance_reading()

    def close(self, code: int, reason: str) -> None:
        """End the connection from this side; what waits for an answer fails now."""
        if self.closed_because is None:
            self.lost(reason)
            self._wire.close(code, reason)

    def lost(self, reason: str) -> None:
        """The connection has ended. A CALL being handled runs to its end unheard: its commit may be under way."""
        if self.closed_because is not None:
            return
        self.closed_because = reason
        self._open.clear()
        for call in self._queue.drain():
            if not call.answer.done():
                call.answer.set_exception(ConnectionLost(f"the connection ended: {reason}"))

    # CALLs of the opposite end

    def _called(self, call: Call | Send, raw: bytes) -> None:
        if self._draining:  # its sender repeats it elsewhere
            return
        is_call = type(call) is Call
        if is_call:
            self.counts.calls += 1
        else:
            self.counts.sends += 1
        if call.unique_id in self._open:
            self.counts.duplicate_ids += 1
            if is_call:
                error = RpcError(ErrorCode.RPC_FRAMEWORK_ERROR, "a call with this message id is still being handled")
                self._queue.put_answer(frames.encode_error(self._version, call.unique_id, error))
            return
        self._open[call.unique_id] = (call, raw)
        if len(self._open) > self._limits.open_calls_max:
            self.close(POLICY_VIOLATION, f"more than {self._limits.open_calls_max} calls without waiting for answers")
            return
        self._balance_reading()
        self._start_work()

    def _called_plainly(self, call: PlainCall, raw: bytes) -> None:
        self._bad_in_row = 0
        self.counts.calls += 1
        self._plain = call
        self._open[call.unique_id] = (call, raw)
        self._handler.on_plain_call(call, raw, self._answer_plainly)

    def _answer_plainly(self, call: PlainCall, frame: bytes) -> None:
        assert self._plain is call, "one is handled after the other"
        self._plain = None
        if self.closed_because is None:
            self._queue.put_answer(frame)
            del self._open[call.unique_id]
            self._balance_reading()
            self._start_work()
        if self._plain_over is not None:
            self._plain_over.set_result(None)

    async def _work_off(self, plain_over: "asyncio.Future[None]") -> None:
        await plain_over
        if self._work_task is not None:
            await self._work_task

    def _start_work(self) -> None:
        if self._open and self._work_task is None and self._plain is None:
            self._work_task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._open:
            call, raw = next(iter(self._open.values()))
            if isinstance(call, Call):
                frame, then = await self._answer(call, raw)
                if self.closed_because is not None:
                    break
                self._queue.put_answer(frame, then)
            else:
                await self._take(cast(Send, call), raw)
                if self.closed_because is not None:
                    break
            del self._open[call.unique_id]
            self._balance_reading()
        self._work_task = None

    async def _answer(self, call: Call, raw: bytes) -> tuple[bytes, Callable[[], None] | None]:
        try:
            reply = await self._handler.on_call(call, raw)
            if type(reply) is Reply:
                return frames.encode_result(call.unique_id, reply.payload), partial(self._follow, call.action, reply)
            return frames.encode_result(call.unique_id, cast(JsonObject, reply)), None
        except Exception as error:
            if not isinstance(error, RpcError):
                log.error("call-not-answered", action=call.action, unique_id=call.unique_id, exc_info=error)
            return frames.encode_error(self._version, call.unique_id, rpc_error(error)), None

    async def _take(self, send: Send, raw: bytes) -> None:
        try:
            await self._handler.on_send(send, raw)
        except Exception as error:
            log.error("send-not-taken", action=send.action, unique_id=send.unique_id, exc_info=error)

    def _follow(self, action: str, reply: Reply) -> None:
        try:
            reply.then()
        except Exception as error:
            log.error("nothing-followed", action=action, exc_info=error)

    def _balance_reading(self) -> None:
        if self._reading:
            reading = self._writable and len(self._open) < self._limits.open_calls_pause
        else:
            reading = self._writable and len(self._open) <= self._limits.open_calls_pause // 2
        if reading is not self._reading:
            self._reading = reading
            self._wire.set_reading(reading)

    # Answers to our CALLs

    def _answered(self, unique_id: str, answer: JsonObject | PeerRefused) -> None:
        self.counts.answers += 1
        call = self._queue.settle(unique_id)
        if call is None:
            action = self._late.pop(unique_id, None)
            if action is None:
                self.counts.unknown_answers += 1
            else:
                self._came_late(unique_id, action, answer)
        elif call.answer.done():  # its caller gave up after it was sent
            self._came_late(unique_id, call.action, answer)
        elif isinstance(answer, PeerRefused):
            call.answer.set_exception(answer)
        else:
            call.answer.set_result(answer)

    def _answered_unfit(self, unique_id: str, error: MalformedFrame) -> None:
        """An answer that is no frame; a CALLERROR that is none is not told, for only a CALLRESULT can be refused."""
        call = self._queue.settle(unique_id)
        if call is None:
            return
        if error.message_type == frames.CALL_RESULT:
            self.refuse_answer(unique_id, call.action, error)
        if not call.answer.done():
            call.answer.set_exception(InvalidAnswer(f"the answer to {call.action} is no frame: {error.message}"))

    def _came_late(self, unique_id: str, action: str, answer: JsonObject | PeerRefused) -> None:
        self.counts.late_answers += 1
        fault = self._handler.on_late_answer(unique_id, action, answer)
        if fault is not None:
            self.refuse_answer(unique_id, action, fault)

    def _timed_out(self, call: OutgoingCall) -> None:
        self._late[call.unique_id] = call.action
        if len(self._late) > self._limits.late_ids_max:
            del self._late[next(iter(self._late))]
        if not call.answer.done():
            call.answer.set_exception(CallTimedOut(f"no answer to {call.action} within {call.timeout_s:g} s"))

    # What is no frame

    def _malformed(self, raw: bytes, error: MalformedFrame) -> None:
        self.counts.bad_frames += 1
        self._bad_in_row += 1
        self._handler.on_bad_frame(raw, error)
        is_unknown = isinstance(error, UnknownMessageType)
        answers = self._version.answers_unknown_type if is_unknown else error.may_be_call
        unique_id = error.unique_id or self._version.garbage_id
        if answers and unique_id is not None:
            self._queue.put_answer(frames.encode_error(self._version, unique_id, error))
        elif error.is_answer and error.unique_id is not None:
            self._answered_unfit(error.unique_id, error)
        if self._bad_in_row >= self._limits.bad_frames_max:
            self.close(PROTOCOL_ERROR, f"{self._bad_in_row} frames in a row are no OCPP")
