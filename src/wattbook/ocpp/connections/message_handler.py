"""The message handler: from a CALL to a neutral message and from its answer back to a payload, and the other way round.

    CALL → known action? → schema check → dialect → inbox … commit … → dialect → schema check → payload

A plain CALL (`dialects.plain`) takes the same way in one step, without a task of its own.

Whatever stops a CALL on its way is told to the sender as a CALLERROR and kept for inspection with its raw frame. Only
what the sender will repeat anyway (the database is away, a queue is full) is not kept. A SEND of 2.1 goes the same way
and is answered by nobody.

Between a failed schema check and the refusal stand the quirks: what a station is known to say wrongly is read as it was
meant, flagged, and its frame kept as accepted. A signed message is taken out of its signature first.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog
from msgspec import Raw, Struct

from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput, LimitExceeded, Unavailable, WattbookError
from wattbook.ocpp.connections import quirks
from wattbook.ocpp.connections.ports import (
    AnswerThen,
    InboundMessage,
    Inbox,
    LateAnswer,
    OnLateAnswer,
    Post,
    Quarantine,
    RejectedFrame,
    Reply,
    SignatureWitness,
)
from wattbook.ocpp.connections.quirks import Maker, Rule, RulesOf
from wattbook.ocpp.dialects import plain
from wattbook.ocpp.dialects.exchange import Dialect, Translation
from wattbook.ocpp.dialects.plain import PlainCall
from wattbook.ocpp.messages import Answer, End, Request
from wattbook.ocpp.wire import frames, schemas, signed
from wattbook.ocpp.wire.errors import ErrorCode, InvalidAnswer, MalformedFrame, PeerRefused, RpcError, rpc_error
from wattbook.ocpp.wire.frames import CALL, SEND, Call, CallResultError, JsonObject, Send
from wattbook.ocpp.wire.schemas import Part
from wattbook.ocpp.wire.signed import KeysOf

_SIGNED_VALUE: Final = b'"signedMeterValue"'
_SIGNED_DATA: Final = b'"SignedData"'
"""Without either in it, a frame holds no signed meter value: of 2.x and of 1.6."""

FLAGS_KEPT_MAX: Final = 64
"""Of a connection: each thing that is tolerated is kept once, not with every message."""

log = structlog.get_logger(__name__)


class Tolerance(Struct, frozen=True):
    """What is accepted that is not quite right.

    Attributes:
        rules_of: the quirks of a station, asked for after a fault.
        keys_of: the keys a station signs with, as far as they are known.
        witness: is told of each signature.
        unverified: whether a signed message is taken when the key is not known.
    """

    rules_of: RulesOf = quirks.strict
    keys_of: KeysOf = signed.no_keys
    witness: SignatureWitness | None = None
    unverified: bool = True


TOLERANCE = Tolerance()


class MessageHandler:
    """The handler of one connection at one end; see the module."""

    __slots__ = (
        "_clock",
        "_dialect",
        "_epoch",
        "_flagged",
        "_inbox",
        "_on_late",
        "_opposite",
        "_plain",
        "_post",
        "_quarantine",
        "_rules",
        "_station_id",
        "_tolerance",
    )

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
        tolerance: Tolerance = TOLERANCE,
        post: Post | None = None,
    ) -> None:
        self._station_id = station_id
        self._epoch = epoch
        self._dialect = dialect
        self._opposite = opposite
        self._inbox = inbox
        self._post = post
        self._plain = plain.kinds(dialect) if post is not None else {}
        self._quarantine = quarantine
        self._on_late = on_late_answer
        self._clock = clock
        self._tolerance = tolerance
        self._rules: Sequence[Rule] | None = None
        self._flagged: set[str] = set()

    # Their CALLs and SENDs

    def read_plain(self, raw: bytes) -> PlainCall | None:
        """The frame, when it is one that `on_plain_call` takes."""
        return plain.read(raw, self._plain) if self._plain else None

    def on_plain_call(self, call: PlainCall, raw: bytes, answered: Callable[[PlainCall, bytes], None]) -> None:
        """Handle it; `answered` gets the frame of its answer, now or later."""
        assert self._post is not None, "nothing is plain without it"
        received_at = self._clock()
        done = partial(self._answer_plain, call, raw, received_at, answered)
        version = self._dialect.version.name
        try:
            self._post(
                InboundMessage(self._station_id, self._epoch, version, call.unique_id, call.message, received_at), done
            )
        except Exception as error:
            done(error)

    def _answer_plain(
        self,
        call: PlainCall,
        raw: bytes,
        received_at: datetime,
        answered: Callable[[PlainCall, bytes], None],
        outcome: Answer | Exception,
    ) -> None:
        kind = call.kind
        try:
            if isinstance(outcome, Exception):
                raise self._refused(kind.action, raw, outcome, received_at) from outcome
            if outcome == kind.usual_answer:
                payload: JsonObject | Raw = kind.usual_payload
            else:
                payload = self._write_answer(self._dialect.by_action[kind.action], outcome)
            frame = frames.encode_result(call.unique_id, payload)
        except RpcError as refusal:
            frame = frames.encode_error(self._dialect.version, call.unique_id, refusal)
        answered(call, frame)

    async def on_call(self, call: Call, raw: bytes) -> JsonObject | Reply:
        """The payload of the answer.

        Raises:
            RpcError: what the CALLERROR says.
        """
        received_at = self._clock()
        try:
            translation = self._translation(call.action)
            if not schemas.is_answered(self._dialect.version, translation.exchange.action):
                raise RpcError(ErrorCode.NOT_SUPPORTED, f"{call.action} is sent, not called")
            answer = await self._handled(call, CALL, translation, raw, received_at)
        except Exception as error:
            raise self._refused(call.action, raw, error, received_at) from error
        if isinstance(answer, AnswerThen):
            return Reply(self._write_answer(translation, answer.answer), answer.then)
        return self._write_answer(translation, answer)

    async def on_send(self, send: Send, raw: bytes) -> None:
        """Handle what nobody answers; what is wrong with it is kept."""
        received_at = self._clock()
        try:
            translation = self._translation(send.action)
            if schemas.is_answered(self._dialect.version, translation.exchange.action):
                raise RpcError(ErrorCode.NOT_SUPPORTED, f"{send.action} is called, not sent")
            answer = await self._handled(send, SEND, translation, raw, received_at)
        except Exception as error:
            self._refused(send.action, raw, error, received_at)
            return
        if isinstance(answer, AnswerThen):
            answer.then()

    async def _handled(
        self, call: Call | Send, message_type: int, translation: Translation, raw: bytes, received_at: datetime
    ) -> Answer | AnswerThen:
        payload: JsonObject = call.payload
        flags: tuple[str, ...] = ()
        if call.action.endswith(signed.SUFFIX):
            payload, flags = self._unwrapped(call, message_type, received_at)
        try:
            schemas.check(translation.request_schema, payload)
        except RpcError as refusal:
            payload, tolerated = await self._tolerated(translation, payload, refusal, raw, received_at)
            flags += tolerated
        message = translation.exchange.read_request(payload)
        version = self._dialect.version.name
        inbound = InboundMessage(self._station_id, self._epoch, version, call.unique_id, message, received_at, flags)
        witness = self._tolerance.witness
        if witness is not None and (_SIGNED_VALUE in raw or _SIGNED_DATA in raw or call.action.endswith(signed.SUFFIX)):
            witness.values(inbound, translation.exchange.action)
        return await self._inbox(inbound)

    def _unwrapped(
        self, call: Call | Send, message_type: int, received_at: datetime
    ) -> tuple[JsonObject, tuple[str, ...]]:
        keys_of = partial(self._tolerance.keys_of, self._station_id)
        witness = self._tolerance.witness
        action = call.action.removesuffix(signed.SUFFIX)
        where = self._station_id, action, call.unique_id
        try:
            message = signed.unwrap(call.action, call.payload, message_type, keys_of)
        except RpcError as refusal:
            if witness is not None and refusal.rpc_code is ErrorCode.SECURITY_ERROR:
                witness.message(*where, {}, None, refusal.message, received_at)
            raise
        if witness is not None:
            witness.message(*where, message.payload, message.key, None, received_at)
        if not message.verified and not self._tolerance.unverified:
            raise RpcError(ErrorCode.SECURITY_ERROR, "the key of the signature is not known")
        return message.payload, (signed.VERIFIED if message.verified else signed.UNVERIFIED,)

    async def _tolerated(
        self, translation: Translation, payload: JsonObject, refusal: RpcError, raw: bytes, received_at: datetime
    ) -> tuple[JsonObject, tuple[str, ...]]:
        """The payload as the station means it.

        Raises:
            RpcError: the refusal, if no quirk covers it.
        """
        action = translation.exchange.action
        if self._rules is None or action == "BootNotification":
            self._rules = await self._tolerance.rules_of(self._station_id, _maker(payload))
        repaired = quirks.repair(self._rules, action, Part.REQUEST, payload, translation.request_schema)
        if repaired is None:
            raise refusal
        self._keep_accepted(action, repaired.flags, refusal, raw, received_at)
        return repaired.payload, repaired.flags

    def _keep_accepted(
        self, action: str, flags: tuple[str, ...], refusal: RpcError, raw: bytes, received_at: datetime
    ) -> None:
        said = f"{action}: {', '.join(flags)}"
        if said in self._flagged or len(self._flagged) >= FLAGS_KEPT_MAX:
            return
        self._flagged.add(said)
        self._reject(raw, RpcError(refusal.rpc_code, said), received_at, accepted=True)

    def _refused(self, action: str, raw: bytes, error: Exception, received_at: datetime) -> RpcError:
        """What the sender is told."""
        refusal = rpc_error(error)
        if not isinstance(error, WattbookError):
            log.error("message-failed", station_id=self._station_id, action=action, exc_info=error)
        if not isinstance(error, (Unavailable, LimitExceeded)):
            self._reject(raw, refusal, received_at)
        return refusal

    def _translation(self, action: str) -> Translation:
        version = self._dialect.version
        if version.signs:
            action = action.removesuffix(signed.SUFFIX)
        translation = self._dialect.by_action.get(action)
        if translation is not None and self._opposite in translation.exchange.senders:
            return translation
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

    def _reject(self, raw: bytes, refusal: RpcError, received_at: datetime, *, accepted: bool = False) -> None:
        version = self._dialect.version
        self._quarantine(
            RejectedFrame(
                self._station_id,
                self._epoch,
                version.name,
                raw,
                version.error_codes[refusal.rpc_code],
                refusal.message,
                received_at,
                accepted,
            )
        )

    def on_bad_frame(self, raw: bytes, error: MalformedFrame) -> None:
        self._reject(raw, error, self._clock())

    def on_answer_refused(self, refused: CallResultError, raw: bytes) -> None:
        """An answer of ours did not satisfy the opposite end: the fault may be ours, so a person may look at it."""
        reason = f"our answer was refused: {refused.error_code}: {refused.description}"
        log.error("answer-refused", station_id=self._station_id, unique_id=refused.unique_id, reason=reason)
        self._reject(raw, RpcError(ErrorCode.GENERIC_ERROR, reason), self._clock())

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

    async def answered(self, translation: Translation, payload: JsonObject) -> Answer:
        """What the opposite end answered, its quirks considered.

        Raises:
            InvalidAnswer: the payload does not fit its schema.
        """
        if not translation.answer_schema.is_valid(payload) and self._rules is None:
            self._rules = await self._tolerance.rules_of(self._station_id, None)
        return self.read_answer(translation, payload)

    def read_answer(self, translation: Translation, payload: JsonObject) -> Answer:
        """The same, with the quirks that are known by now."""
        action = translation.exchange.action
        try:
            try:
                schemas.check(translation.answer_schema, payload)
            except RpcError:
                repaired = quirks.repair(self._rules or (), action, Part.ANSWER, payload, translation.answer_schema)
                if repaired is None:
                    raise
                payload = repaired.payload
            answer: Answer = translation.exchange.read_answer(payload)
        except WattbookError as error:
            raise InvalidAnswer(f"the answer to {action} is unfit: {error.message}") from error
        return answer

    def on_late_answer(self, unique_id: str, action: str, answer: JsonObject | PeerRefused) -> InvalidAnswer | None:
        fault: InvalidAnswer | None = None
        outcome: Answer | WattbookError
        if isinstance(answer, PeerRefused):
            outcome = answer
        else:
            try:
                outcome = self.read_answer(self._dialect.by_action[action], answer)
            except InvalidAnswer as error:
                outcome = fault = error
        payload = None if isinstance(answer, PeerRefused) else answer
        self._on_late(LateAnswer(self._station_id, self._epoch, unique_id, action, outcome, self._clock(), payload))
        return fault


def _maker(payload: Mapping[str, Any]) -> Maker | None:
    """Who made the station, in a BootNotification of 1.6 or 2.x."""
    said = payload.get("chargingStation", payload)
    if not isinstance(said, dict):
        return None
    vendor, model = (
        said.get("chargePointVendor", said.get("vendorName")),
        said.get("chargePointModel", said.get("model")),
    )
    return Maker(vendor, model) if isinstance(vendor, str) and isinstance(model, str) else None
