"""What a conversation stands between: the wire that carries its frames, the handler of its calls, and the house that
answers messages, keeps what is rejected and hears of late answers.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.dialects.plain import PlainCall
from wattbook.ocpp.messages import Answer, Request
from wattbook.ocpp.wire.errors import MalformedFrame, PeerRefused
from wattbook.ocpp.wire.frames import Call, CallResultError, JsonObject, Send
from wattbook.ocpp.wire.signed import PublicKey


class Wire(Protocol):
    """What carries frames."""

    def send(self, frame: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def set_reading(self, reading: bool) -> None: ...


class Reply(Struct, frozen=True):
    """The payload of a CALLRESULT, and what happens as soon as it has been handed to the socket."""

    payload: JsonObject
    then: Callable[[], None]


class RpcHandler(Protocol):
    """What a connection does with what it hears; none but `on_call` may raise."""

    def read_plain(self, raw: bytes) -> PlainCall | None:
        """The frame, if it is a CALL that can be handled without a task."""
        ...

    def on_plain_call(self, call: PlainCall, raw: bytes, answered: Callable[[PlainCall, bytes], None]) -> None:
        """Handle it; `answered` gets the frame of its answer, now or later."""
        ...

    async def on_call(self, call: Call, raw: bytes) -> JsonObject | Reply:
        """Answer a CALL with the payload of its CALLRESULT, or raise what its CALLERROR says."""
        ...

    async def on_send(self, send: Send, raw: bytes) -> None:
        """Take what needs no answer."""
        ...

    def on_answer_refused(self, refused: CallResultError, raw: bytes) -> None:
        """An answer of ours was not understood by the opposite end."""
        ...

    def on_bad_frame(self, raw: bytes, error: MalformedFrame) -> None: ...

    def on_late_answer(self, unique_id: str, action: str, answer: JsonObject | PeerRefused) -> Exception | None:
        """An answer came after nobody waited for it any more; what is wrong with it, if anything."""
        ...


class InboundMessage(Struct, frozen=True, gc=False):
    """A message that passed every check, for the controllers.

    Attributes:
        station_id: who is at the other end, or at the station's end who we are.
        epoch: which of the station's connections it came by; a later connection has a greater one.
        version: of OCPP, as people say it.
        unique_id: of the frame; unique in its connection only, so no key to a business fact.
        message: the neutral request.
        received_at: by our clock.
        flags: what was tolerated, e.g. `drop enum reason`, and whether a signature was verified.
    """

    station_id: str
    epoch: int
    version: str
    unique_id: str
    message: Request[Answer]
    received_at: datetime
    flags: tuple[str, ...] = ()


class AnswerThen(Struct, frozen=True):
    """An answer, and what happens as soon as it has been handed to the socket (R15), and never if the socket ended.

    `then` neither waits nor raises.
    """

    answer: Answer
    then: Callable[[], None]


class RejectedFrame(Struct, frozen=True):
    """A frame that could not be accepted, as it came, with what its sender was told.

    With `accepted` it was taken all the same, and `reason` says what was tolerated.
    """

    station_id: str
    epoch: int
    version: str
    raw: bytes
    error_code: str
    reason: str
    received_at: datetime
    accepted: bool = False


class LateAnswer(Struct, frozen=True):
    """The answer to a CALL of ours that nobody waits for any more: a struct, or why there is none.

    `payload` is the answer as it was said, read or not; None when the CALL was refused.
    """

    station_id: str
    epoch: int
    unique_id: str
    action: str
    answer: Answer | WattbookError
    received_at: datetime
    payload: JsonObject | None = None


Inbox = Callable[[InboundMessage], Awaitable[Answer | AnswerThen]]
"""Handles a message and answers it after its effects are durable. May raise any error of the kernel, or an RpcError."""

Done = Callable[[Answer | Exception], None]
"""Hears the answer, or what stands in its way, once; now or later."""

Post = Callable[[InboundMessage, Done], None]
"""The inbox for plain messages: the same, without a coroutine for each of them."""

Quarantine = Callable[[RejectedFrame], None]
"""Keeps what was rejected; does not raise and does not wait."""

OnLateAnswer = Callable[[LateAnswer], None]


class SignatureWitness(Protocol):
    """Is told of signatures; neither raises nor waits."""

    def message(
        self,
        station_id: str,
        action: str,
        message_id: str,
        payload: Mapping[str, Any],
        key: PublicKey | None,
        refusal: str | None,
        received_at: datetime,
    ) -> None:
        """A signed message was right by this key, was refused, or nobody knows its key."""

    def values(self, inbound: InboundMessage, action: str) -> None:
        """A message came in that may hold signed meter values."""
