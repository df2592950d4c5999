"""The message handler: from a CALL to a neutral message and from its answer back to a payload, and the other way round.

    CALL → known action? → schema check → dialect → inbox … commit … → dialect → schema check → payload

Whatever stops a CALL on its way is told to the sender as a CALLERROR and kept for inspection with its raw frame. Only
what the sender will repeat anyway (the database is away, a queue is full) is not kept.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct

from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput, LimitExceeded, Unavailable, WattbookError
from wattbook.ocpp import schemas
from wattbook.ocpp.dialects.exchange import Dialect, Translation
from wattbook.ocpp.errors import ErrorCode, InvalidAnswer, MalformedFrame, PeerRefused, RpcError, rpc_error
from wattbook.ocpp.frames import Call, JsonObject
from wattbook.ocpp.messages import Answer, End, Request

log = structlog.get_logger(__name__)


class InboundMessage(Struct, frozen=True, gc=False):
    """A message that passed every check, for the controllers.

    Attributes:
        station_id: who is at the other end, or at the station's end who we are.
        epoch: which of the station's connections it came by; a later connection has a greater one.
        version: of OCPP, as people say it.
        unique_id: of the frame; unique in its connection only, so no key to a business fact.
        message: the neutral request.
        received_at: by our clock.
    """

    station_id: str
    epoch: int
    version: str
    unique_id: str
    message: Request[Answer]
    received_at: datetime


class RejectedFrame(Struct, frozen=True):
    """A frame that could not be accepted, as it came, with what its sender was told."""

    station_id: str
    epoch: int
    version: str
    raw: bytes
    error_code: str
    reason: str
    received_at: datetime


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


Inbox = Callable[[InboundMessage], Awaitable[Answer]]
"""Handles a message and answers it after its effects are durable. May raise any error of the kernel, or an RpcError."""

Quarantine = Callable[[RejectedFrame], None]
"""Keeps what was rejected; does not raise and does not wait."""

OnLateAnswer = Callable[[LateAnswer], None]


class MessageHandler:
    """The handler of one connection at one end; see the module."""

    __slots__ = ("_clock", "_dialect", "_epoch", "_inbox", "_on_late", "_opposite", "_quarantine", "_station_id")

    def __init__(
        self,
        station_id: str,
        epoch: int,
        dialect: Dialect,
        opposite: End,
        *,
        inbox: Inbox,
        quarantine: Quarantine,
        on_late_answer: OnLateAnswer,
        clock: Clock,
    ) -> None:
        self._station_id = station_id
        self._epoch = epoch
        self._dialect = dialect
        self._opposite = opposite
        self._inbox = inbox
        self._quarantine = quarantine
        self._on_late = on_late_answer
        self._clock = clock

    # Their CALLs

    async def on_call(self, call: Call, raw: bytes) -> JsonObject:
        """The payload of the answer.

        Raises:
            RpcError: what the CALLERROR says.
        """
        received_at = self._clock()
        try:
            translation = self._translation(call.action)
            schemas.check(translation.request_schema, call.payload)
            message = translation.exchange.read_request(call.payload)
            version = self._dialect.version.name
            inbound = InboundMessage(self._station_id, self._epoch, version, call.unique_id, message, received_at)
            answer = await self._inbox(inbound)
        except Exception as error:
            refusal = rpc_error(error)
            if not isinstance(error, WattbookError):
                log.error("message-failed", station_id=self._station_id, action=call.action, exc_info=error)
            if not isinstance(error, (Unavailable, LimitExceeded)):
                self._reject(raw, refusal, received_at)
            raise refusal from error
        return self._write_answer(translation, answer)

    def _translation(self, action: str) -> Translation:
        translation = self._dialect.by_action.get(action)
        if translation is not None and self._opposite in translation.exchange.senders:
            return translation
        version = self._dialect.version
        if action in schemas.actions(version):
            raise RpcError(ErrorCode.NOT_SUPPORTED, f"{action} is not supported here")
        raise RpcError(ErrorCode.NOT_IMPLEMENTED, f"OCPP {version.name} has no action {action[:50]}")

    def _write_answer(self, translation: Translation, answer: Answer) -> JsonObject:
        """What the inbox answered, on the wire's terms; if it does not fit them, the fault is ours."""
        try:
            payload: JsonObject = translation.exchange.write_answer(answer)
            schemas.check(translation.answer_schema, payload)
        except Exception as error:
            log.error("answer-unfit", action=translation.exchange.action, answer=repr(answer), exc_info=error)
            raise RpcError(ErrorCode.INTERNAL_ERROR, "the answer could not be written") from error
        return payload

    def _reject(self, raw: bytes, refusal: RpcError, received_at: datetime) -> None:
        version = self._dialect.version
        spelled = version.error_codes[refusal.rpc_code]
        self._quarantine(
            RejectedFrame(self._station_id, self._epoch, version.name, raw, spelled, refusal.message, received_at)
        )

    def on_bad_frame(self, raw: bytes, error: MalformedFrame) -> None:
        self._reject(raw, error, self._clock())

    # Our CALLs

    def write_request(self, request: Request[Any]) -> tuple[Translation, JsonObject]:
        """How to say this in the connection's version.

        Raises:
            InvalidInput: the version has no such message, or its schema no place for such a value.
        """
        translation = self._dialect.of(request)
        payload = translation.exchange.write_request(request)
        try:
            schemas.check(translation.request_schema, payload)
        except RpcError as error:
            raise InvalidInput(f"{translation.exchange.action} cannot be written: {error.message}") from error
        return translation, payload

    def read_answer(self, translation: Translation, payload: JsonObject) -> Answer:
        """What the opposite end answered.

        Raises:
            InvalidAnswer: the payload does not fit its schema.
        """
        try:
            schemas.check(translation.answer_schema, payload)
            answer: Answer = translation.exchange.read_answer(payload)
        except WattbookError as error:
            raise InvalidAnswer(f"the answer to {translation.exchange.action} is unfit: {error.message}") from error
        return answer

    def on_late_answer(self, unique_id: str, action: str, answer: JsonObject | PeerRefused) -> None:
        outcome: Answer | WattbookError
        payload = None if isinstance(answer, PeerRefused) else answer
        if isinstance(answer, PeerRefused):
            outcome = answer
        elif action not in self._dialect.by_action:
            outcome = InvalidAnswer(f"the dialect has no struct for the answer to {action}")
        else:
            try:
                outcome = self.read_answer(self._dialect.by_action[action], answer)
            except InvalidAnswer as error:
                outcome = error
        self._on_late(LateAnswer(self._station_id, self._epoch, unique_id, action, outcome, self._clock(), payload))
