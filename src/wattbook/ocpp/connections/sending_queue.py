"""The sending queue: what one end has to say, kept in order until it may be said.

An answer goes out as soon as the socket takes it, and then whatever was to wait for it happens (R15). So does a SEND,
which nobody answers. A CALL waits for the one slot of its direction: OCPP-J 1.6 (4.1.1)
asks an end not to send a CALL while a former one is neither answered nor timed out; the CALLs of the opposite end have
nothing to do with it. The slot is taken and freed within one step of the event loop, so it can never be taken twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from wattbook.kernel.errors import LimitExceeded
from wattbook.ocpp.wire.frames import JsonObject


class OutgoingCall:
    """A CALL of ours: its frame, how long to wait for the answer once it is sent, and where the answer goes."""

    __slots__ = ("action", "answer", "frame", "timeout_s", "timer", "unique_id")

    def __init__(
        self, unique_id: str, action: str, frame: bytes, timeout_s: float, answer: "asyncio.Future[JsonObject]"
    ) -> None:
        self.unique_id = unique_id
        self.action = action
        self.frame = frame
        self.timeout_s = timeout_s
        self.answer = answer
        self.timer: asyncio.TimerHandle | None = None


class SendingQueue:
    """Sends through `send`; `expired` is told of a CALL that got no answer in time."""

    __slots__ = ("_answers", "_calls", "_calls_max", "_expired", "_outstanding", "_send", "_writable")

    def __init__(
        self, send: Callable[[bytes], None], expired: Callable[[OutgoingCall], None], *, calls_max: int
    ) -> None:
        self._send = send
        self._expired = expired
        self._calls_max = calls_max
        self._answers: deque[tuple[bytes, Callable[[], None] | None]] = deque()
        self._calls: deque[OutgoingCall] = deque()
        self._outstanding: OutgoingCall | None = None
        self._writable = True

    def put_answer(self, frame: bytes, then: Callable[[], None] | None = None) -> None:
        """Say an answer; `then` happens as soon as the socket has it, and not at all if it never does."""
        if not self._writable:
            self._answers.append((frame, then))
            return
        self._send(frame)
        if then is not None:
            then()

    def put_send(self, frame: bytes) -> None:
        """Say what needs no answer.

        Raises:
            LimitExceeded: the socket is full, and too much waits for it already.
        """
        if len(self._answers) >= self._calls_max:
            raise LimitExceeded(f"{self._calls_max} frames already wait for this connection")
        self.put_answer(frame)

    def put_call(self, call: OutgoingCall) -> None:
        """Queue a CALL.

        Raises:
            LimitExceeded: too many wait already.
        """
        if len(self._calls) >= self._calls_max:
            raise LimitExceeded(f"{self._calls_max} calls already wait for this connection")
        self._calls.append(call)
        self._advance()

    def settle(self, unique_id: str) -> OutgoingCall | None:
        """The outstanding CALL if this is its id: it has its answer now, and the next may go."""
        call = self._outstanding
        if call is None or call.unique_id != unique_id:
            return None
        self._free(call)
        self._advance()
        return call

    def set_writable(self, writable: bool) -> None:
        """The socket's own buffer is full, or has room again."""
        self._writable = writable
        while self._writable and self._answers:
            self.put_answer(*self._answers.popleft())
        self._advance()

    def drain(self) -> list[OutgoingCall]:
        """Empty the queue at the end of the connection: every CALL that will get no answer."""
        calls = list(self._calls)
        if self._outstanding is not None:
            calls.insert(0, self._outstanding)
            self._free(self._outstanding)
        self._calls.clear()
        self._answers.clear()
        return calls

    def _advance(self) -> None:
        while self._writable and self._outstanding is None and self._calls:
            call = self._calls.popleft()
            if call.answer.done():  # its caller gave up before it was sent
                continue
            self._outstanding = call
            call.timer = asyncio.get_running_loop().call_later(call.timeout_s, self._expire, call)
            self._send(call.frame)

    def _expire(self, call: OutgoingCall) -> None:
        self._free(call)
        self._expired(call)
        self._advance()

    def _free(self, call: OutgoingCall) -> None:
        assert call.timer is not None, "an outstanding call has its timer"
        call.timer.cancel()
        self._outstanding = None
