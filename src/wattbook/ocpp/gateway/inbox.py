"""The inbox of the management system: one group commit in front of the controllers.

Whatever the stations say gathers while the batch before commits; then it is handled kind by kind, set-based, in one
transaction. Each answer goes out after that commit. A message that needs a partner's consent leaves the batch with a
question; the partner is asked outside of any transaction, and the message comes again with what the partner said.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import structlog
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner
from wattbook.charging.consents import record_consents
from wattbook.charging.events import Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.ports import ConsentAnswer, ConsentRequest, PartnerConsent
from wattbook.db.engine import Database
from wattbook.db.group_commit import GroupCommit
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import Unavailable, WattbookError
from wattbook.kernel.telemetry import MESSAGES
from wattbook.ocpp.connections.ports import Done, InboundMessage, RejectedFrame
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.controllers.ports import Certificates, NoCertificates
from wattbook.ocpp.controllers.routes import ROUTES
from wattbook.ocpp.controllers.transaction_events import may_ask
from wattbook.ocpp.journal import rejections
from wattbook.ocpp.messages import (
    Answer,
    Authorize,
    ChainStatusQuestion,
    ContractCertificate,
    OcspQuestion,
    Request,
    SignCertificate,
    TransactionEvent,
    TransactionStarted,
)

MAY_NEED_CONSENT = frozenset({Authorize, TransactionStarted})
"""What a partner may have to be asked about, and some events of transactions. Anything else is answered by the batch it
is in."""

NEEDS_CERTIFICATES = frozenset({Authorize, ChainStatusQuestion, ContractCertificate, OcspQuestion, SignCertificate})
"""What whoever vouches for certificates may have to prepare."""

_ORDER = {kind: place for place, kind in enumerate(ROUTES)}

log = structlog.get_logger(__name__)


class _Item(Struct, frozen=True, gc=False):
    """A message, and what its partner said if one was asked."""

    inbound: InboundMessage
    consent: tuple[ConsentRequest, ConsentAnswer] | None = None


class Inbox:
    """Give it to an `Entity`: `inbox(message)` answers after the commit, `post(message, done)` does so of plain ones,
    `quarantine(frame)` keeps what is rejected."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        heartbeat_interval_s: int,
        partners: PartnerConsent | None = None,
        subscribers: Sequence[Subscriber] = (),
        policy: Policy = POLICY,
        certificates: Certificates | None = None,
    ) -> None:
        self._clock = clock
        self._partners = partners
        self._certificates = certificates or NoCertificates()
        self._context = Context(clock(), heartbeat_interval_s, policy, tuple(subscribers), self._certificates)
        self._messages = GroupCommit[_Item, Outcome](database, self._handle)
        self._rejected = GroupCommit[RejectedFrame, None](database, rejections.keep_rejected)

    def start(self) -> None:
        self._messages.start()
        self._rejected.start()

    async def stop(self) -> None:
        """Commit and answer what was taken, then end."""
        await self._messages.stop()
        await self._rejected.stop()

    def __call__(self, inbound: InboundMessage) -> Awaitable[Answer]:
        """Handle a message; the awaitable raises what its sender is told."""
        message = inbound.message
        kind = type(message)
        if kind in MAY_NEED_CONSENT or kind in NEEDS_CERTIFICATES:
            return self._with_consent(inbound)
        if isinstance(message, TransactionEvent) and may_ask(message):
            return self._with_consent(inbound)
        return cast("asyncio.Future[Answer]", self._messages.enqueue(_Item(inbound)))

    def post(self, inbound: InboundMessage, done: Done) -> None:
        """Handle a plain message, one nobody else must be asked about; `done` hears what its sender is told."""
        self._messages.put(_Item(inbound), cast("Callable[[Outcome | Exception], None]", done))

    async def _with_consent(self, inbound: InboundMessage) -> Answer:
        if type(inbound.message) in NEEDS_CERTIFICATES:
            await self._certificates.prepare(inbound)
        outcome = await self._messages.submit(_Item(inbound))
        if isinstance(outcome, AskPartner):
            consent = await self._ask(outcome.request)
            outcome = await self._messages.submit(_Item(inbound, (outcome.request, consent)))
        if isinstance(outcome, AskPartner):
            raise Unavailable("the partner's consent ran out before it was used; try again")
        assert isinstance(outcome, Answer), "the group commit raises what is an error"
        return outcome

    def quarantine(self, frame: RejectedFrame) -> None:
        """Keep a rejected frame; never raises, never waits."""
        MESSAGES.labels(action="-", outcome=frame.error_code).inc()
        try:
            self._rejected.enqueue(frame)
        except WattbookError as error:
            log.error("frame-not-kept", station_id=frame.station_id, reason=frame.reason, because=error.message)

    async def _ask(self, request: ConsentRequest) -> ConsentAnswer:
        if self._partners is None:
            return ConsentAnswer("unknown")
        return await self._partners.ask(request)

    async def _handle(self, connection: AsyncConnection, items: Sequence[_Item]) -> Sequence[Outcome]:
        now = self._clock()
        context = replace(self._context, now=now)
        consents = [item.consent for item in items if item.consent is not None]
        if consents:
            await record_consents(connection, consents, now=now, policy=context.policy)
        outcomes: list[Outcome | None] = [None] * len(items)
        for wave in _waves(items):
            for kind in sorted(wave, key=_ORDER.__getitem__):
                places = wave[kind]
                handled = await ROUTES[kind](connection, [items[place].inbound for place in places], context)
                _count(kind, len(places))
                for place, outcome in zip(places, handled, strict=True):
                    outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]


def _waves(items: Sequence[_Item]) -> list[dict[type[Request[Any]], list[int]]]:
    """Places in the batch by kind, such that a wave has one message of a station.

    A station has one CALL outstanding, so there is one wave; two when its old and its new connection are both heard.
    """
    waves: list[dict[type[Request[Any]], list[int]]] = []
    heard: dict[str, int] = {}
    for place, item in enumerate(items):
        inbound = item.inbound
        number = heard.get(inbound.station_id, 0)
        heard[inbound.station_id] = number + 1
        if number == len(waves):
            waves.append({})
        waves[number].setdefault(type(inbound.message), []).append(place)
    return waves


def _count(kind: type[Request[Any]], number: int) -> None:
    MESSAGES.labels(action=kind.__name__, outcome="handled").inc(number)
