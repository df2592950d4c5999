"""What a station has to say of its transactions: kept until it is answered, and said in order.

A message that the management system failed to process is said again after a while that grows with each time (OCPP 1.6,
4.10; 2.0.1 Part 2, E13). One that could not be said, or whose answer was lost with the connection, waits for the next
connection (1.6, 3.7; E04, E11, E12). It bears the same content then, so nothing is booked twice.

A transaction that begins while nobody listens gets a name of the station's own until it is named by the management
system; what waits behind its begin is renamed on the way out.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

import msgspec

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.ocpp.messages import (
    Answer,
    Authorization,
    Authorize,
    AuthorizeAnswer,
    MeterValues,
    MeterValuesAnswer,
    Request,
    StatusAnswer,
    StatusNotification,
    TokenInfo,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)
from wattbook.ocpp.wire.errors import CallTimedOut, ConnectionLost, ErrorCode, PeerRefused

Say: TypeAlias = Callable[[Request[Any], bool], Awaitable[Answer]]
"""Say it once; with True, as something that happened while nobody listened."""

OFFLINE: Final = "offline-"
ACCEPTED: Final = TokenInfo(Authorization.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a message that was not processed is said, and how long to wait; before the third time twice as long.

    1.6: TransactionMessageAttempts, TransactionMessageRetryInterval; 2.x: MessageAttempts, MessageAttemptInterval.
    """

    attempts: int = 3
    interval: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.interval < timedelta(0):
            raise InvalidInput(f"something is said at least once, and no time runs back: {self}")


@dataclass(slots=True)
class Kept:
    """One message.

    Attributes:
        offline: it was kept while nobody listened.
        own_name: of the transaction that it begins, until somebody names that.
        went_on: the station did not wait for the answer.
    """

    request: Request[Any]
    offline: bool
    own_name: str | None = None
    went_on: bool = False
    answer: Answer | None = None
    error: WattbookError | None = None


def is_kept(request: Request[Any]) -> bool:
    """Whether it concerns a transaction, so that it must not be lost."""
    match request:
        case TransactionStarted() | TransactionStopped():
            return True
        case MeterValues(transaction_id=transaction_id):
            return transaction_id is not None
    return False


def offline_answer(request: Request[Any]) -> Answer | None:
    """What a station answers itself while nobody listens; None when it must be told by somebody.

    Tokens are taken as they come (1.6: AllowOfflineTxForUnknownId), and no status of long ago is told later: the
    present one is, when the station comes back.
    """
    match request:
        case Authorize():
            return AuthorizeAnswer(ACCEPTED)
        case StatusNotification():
            return StatusAnswer()
    return None


class Outbox:
    """Of one station, for as long as it lives.

    Attributes:
        retries: may be changed by the management system.

    `named` hears of each transaction that was named later: by its own name, and how its begin was answered.
    """

    def __init__(self, say: Say, clock: ManualClock, named: Callable[[str, TransactionStartedAnswer], None]) -> None:
        self._say = say
        self._clock = clock
        self._named = named
        self._waiting: deque[Kept] = deque()
        self._names: dict[str, str] = {}
        self._begun = 0
        self._delivering = asyncio.Lock()
        self.retries = Retries()
        self._dropped: list[str] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, request: Request[Any], *, offline: bool) -> Kept:
        """Put it behind what waits already."""
        kept = Kept(request, offline)
        if isinstance(request, TransactionStarted):
            self._begun += 1
            kept.own_name = f"{OFFLINE}{self._begun}"
        self._waiting.append(kept)
        return kept

    def go_on(self, kept: Kept) -> Answer:
        """Leave it here; the answer that the station goes on with: nobody objects."""
        kept.went_on = True
        match kept.request:
            case TransactionStarted():
                assert kept.own_name is not None, "given when it was kept"
                return TransactionStartedAnswer(kept.own_name, ACCEPTED)
            case TransactionStopped():
                return TransactionStoppedAnswer()
        return MeterValuesAnswer()

    def forget(self, kept: Kept) -> None:
        """Lose it, as a station does that does not wait for its network."""
        if kept in self._waiting:
            self._waiting.remove(kept)

    def take_dropped(self) -> tuple[str, ...]:
        """What was refused for good after the station had gone on, in words; once."""
        dropped, self._dropped = tuple(self._dropped), []
        return dropped

    async def deliver(self) -> None:
        """Say what waits, oldest first; each ends with an answer or an error.

        Raises:
            ConnectionLost: the rest waits on.
        """
        async with self._delivering:
            while self._waiting:
                kept = self._waiting[0]
                await self._deliver(kept)
                self.forget(kept)

    async def _deliver(self, kept: Kept) -> None:
        retries, attempts = self.retries, 0
        while True:
            attempts += 1
            try:
                kept.answer = await self._say(self._renamed(kept.request), kept.offline)
            except ConnectionLost:
                raise
            except WattbookError as error:
                if attempts >= retries.attempts or not _may_be_repeated(error):
                    kept.error = error
                    break
                self._clock.advance(retries.interval * attempts)
            else:
                break
        if kept.went_on:
            self._catch_up(kept)

    def _catch_up(self, kept: Kept) -> None:
        """The station has gone on meanwhile: what the answer changes."""
        if kept.error is not None:
            self._dropped.append(f"{type(kept.request).__name__}: {kept.error.message}")
        elif isinstance(kept.answer, TransactionStartedAnswer) and kept.own_name is not None:
            self._names[kept.own_name] = kept.answer.transaction_id
            self._named(kept.own_name, kept.answer)
        elif isinstance(kept.request, TransactionStopped):
            self._names.pop(kept.request.transaction_id, None)

    def _renamed(self, request: Request[Any]) -> Request[Any]:
        own = getattr(request, "transaction_id", None)
        name = self._names.get(own) if own is not None else None
        return request if name is None else msgspec.structs.replace(request, transaction_id=name)


def _may_be_repeated(error: WattbookError) -> bool:
    """Whether it may go better another time: nobody answered, or the fault was the other end's."""
    if isinstance(error, PeerRefused):
        return error.rpc_code is ErrorCode.INTERNAL_ERROR
    return isinstance(error, CallTimedOut)
