"""How a session ends: its energy and money are settled, once, in one group of the book, and a CDR says how.

Energy is what the meter's register moved, whoever pays for it. It walks supplier → network operator → meter → driver,
and what was fed in walks back. Money walks driver → sale → revenue and tax; feed-in is paid out beside it.

A stop is never lost. What cannot be billed is booked as an exception of the operator, with the reason on the session:
it was refused when it began; the same stretch of the register was settled before (two transactions for one charge);
its price cannot be computed; or the book does not take the payment in any way. What cannot be paid as planned is paid
otherwise, see `settlement.Way`; the book says which way is open, so a batch is posted at most once a way.

A stop of a transaction that never began here moves no known amount of energy: it is kept as an orphan.

A session whose stop was estimated (`open_sessions`) and whose true stop comes after all is made good by its difference,
see `differences`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import BATCH_MAX, Posted, post
from wattbook.book.transfers import Entry, Span
from wattbook.charging import store
from wattbook.charging.baselines import mend_baselines
from wattbook.charging.cdrs import cdr_row
from wattbook.charging.differences import (
    ESTIMATED_STOP,
    adds_nothing,
    difference_row,
    is_estimated,
    price_of_difference,
)
from wattbook.charging.events import SessionEnded, Subscriber
from wattbook.charging.identity import cdr_of_session, difference_of_session, orphan_of_stop
from wattbook.charging.measurement import (
    measure_end,
    measure_export,
    measure_import,
    measured_before,
    place_in_time,
    plausible,
)
from wattbook.charging.meter_values import record_samples
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.price import StoredPrice, explanation, price, tariff_document
from wattbook.charging.readings import read_courses
from wattbook.charging.records import FoundSession, SessionRow, Stretch
from wattbook.charging.running import Reading, Samples
from wattbook.charging.settlement import Settlement, Way, entries, first_way, next_way
from wattbook.charging.store import CdrRow, OrphanRow
from wattbook.charging.views import view
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.tariffs.session_price import Price
from wattbook.tariffs.station import SessionPeriod

MEASURED_BEFORE: Final = "measured-before"
PRICE_MISSING: Final = "price-missing"
BOOKING_REFUSED: Final = "booking-refused"

GROUPS_POSTED_MAX: Final = BATCH_MAX // 16
"""A settlement has at most 13 transfers."""


class SessionStop(Struct, frozen=True, kw_only=True):
    """A station says that charging ended.

    Attributes:
        meter_stop_mwh, export_stop_mwh: the registers of energy drawn and fed in.
        reason: in the words of its protocol.
        token_uid: what stopped it, if a token did.
        readings: what the station kept of the session; recorded as if it had sent them before.
        estimated: no station said so: what is known of the session must do.
        flags: doubts about it, kept on the session.
    """

    station_id: str
    transaction_id: str
    meter_stop_mwh: int
    stopped_at: datetime
    reason: str = "Local"
    export_stop_mwh: int | None = None
    token_uid: str | None = None
    readings: tuple[Reading, ...] = ()
    estimated: bool = False
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """The session is settled.

    Attributes:
        state: `completed`, or `invalid` when its energy is an exception.
        before_tax, after_tax: what the driver pays, stored units of the currency; negative: is paid.
        repeated: it was settled before.
    """

    session_id: str
    cdr_id: str
    state: str
    import_mwh: int
    export_mwh: int
    currency: str | None
    before_tax: int
    after_tax: int
    flags: tuple[str, ...]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Orphaned:
    """No such transaction ever began here; the stop is kept."""

    orphan_id: str


async def stop(
    connection: AsyncConnection,
    stops: Sequence[SessionStop],
    *,
    now: datetime,
    policy: Policy = POLICY,
    subscribers: Sequence[Subscriber] = (),
) -> list[Stopped | Orphaned | WattbookError]:
    """Settle each session, once.

    Returns, one a stop:
        Stopped, also when it comes again; Orphaned;
        or what the book said, should it take neither the settlement nor an exception: the session is then still open.
    """
    if not stops:
        return []
    now = utc(now)
    kept = [Samples(each.station_id, 0, each.transaction_id, each.readings) for each in stops if each.readings]
    await record_samples(connection, kept, now=now, policy=policy)
    found = await store.lock_sessions(connection, [(each.station_id, each.transaction_id) for each in stops])
    endings: dict[str, _Ending] = {}
    for each in stops:
        known = found.get((each.station_id, each.transaction_id))
        if known is not None and known.session.ended_at is None and known.session.id not in endings:
            _measure(known.session, each, now, policy)
            endings[known.session.id] = _Ending(each, known)
    await mend_baselines(connection, [ending.session for ending in endings.values()])
    endings |= await _differences(connection, [each for each in stops if not each.estimated], found, now, policy)
    await read_courses(connection, [ending.whole or ending.found for ending in endings.values()])
    await _settle(connection, list(endings.values()), now, policy)
    settled = [ending for ending in endings.values() if ending.error is None]
    await store.end_sessions(connection, [ending.session for ending in settled])
    await store.insert_cdrs(connection, [ending.cdr(now) for ending in settled])
    # An end that came before its begin was kept as an orphan; now it is none.
    await store.delete_orphans(connection, [_orphan_id(ending.stop) for ending in settled])
    orphaned = [each for each in stops if (each.station_id, each.transaction_id) not in found]
    await store.insert_orphans(connection, [_orphan(each, now) for each in orphaned])
    await _announce(connection, settled, subscribers, policy)
    return [_outcome(each, found.get((each.station_id, each.transaction_id)), endings) for each in stops]


@dataclass(slots=True)
class _Ending:
    """A session on its way to be settled."""

    stop: SessionStop
    found: FoundSession
    whole: FoundSession | None = None  # of which this is the difference
    stored: StoredPrice | None = None
    exact: Price | None = None
    periods: tuple[SessionPeriod, ...] = ()
    error: WattbookError | None = None

    @property
    def session(self) -> SessionRow:
        return self.found.session

    def price(self) -> None:
        """Complete the session at its price, or make it an exception when it has none."""
        session = self.session
        if session.state == "invalid":
            return
        assert session.ended_at is not None, "measured before it is priced"
        try:
            if self.whole is not None:
                self.stored, self.exact, self.periods = price_of_difference(self.whole, session)
            else:
                self.stored, self.exact, self.periods = price(
                    self.found, until=session.ended_at, import_mwh=session.import_mwh, export_mwh=session.export_mwh
                )
        except InvalidInput:
            self.make_exception(PRICE_MISSING)
            return
        session.state = "completed"
        session.bought_before_tax, session.bought_after_tax = (
            self.stored.bought_before_tax,
            self.stored.bought_after_tax,
        )
        session.fed_in_before_tax, session.fed_in_after_tax = (
            self.stored.fed_in_before_tax,
            self.stored.fed_in_after_tax,
        )

    def make_exception(self, reason: str) -> None:
        """Nobody is billed."""
        session = self.session
        session.state, session.refusal = "invalid", session.refusal or reason
        session.bought_before_tax = session.bought_after_tax = None
        session.fed_in_before_tax = session.fed_in_after_tax = None
        self.stored = self.exact = None

    def settlement(self, now: datetime, policy: Policy) -> Settlement:
        session = self.session
        assert session.ended_at is not None, "measured before it is settled"
        return Settlement(
            session,
            cdr_of_session(session.id),
            self.stored,
            Span(session.span_start, session.span_end) if session.span_start and session.span_end else None,
            session.ended_at if plausible(session.ended_at, now, policy) else now,
        )

    def cdr(self, now: datetime) -> CdrRow:
        session = self.session
        return cdr_row(
            cdr_of_session(session.id),
            session,
            self.stored,
            self.exact,
            self.found.tariff,
            stop_token_uid=self.stop.token_uid,
            now=now,
        )


async def _differences(
    connection: AsyncConnection,
    stops: Sequence[SessionStop],
    found: Mapping[tuple[str, str], FoundSession],
    now: datetime,
    policy: Policy,
) -> dict[str, _Ending]:
    """By the id of the session whose end had been estimated: what its true stop adds, once."""
    wholes = {known.session.id: known for known in found.values() if is_estimated(known.session)}
    if not wholes:
        return {}
    made_good = await store.find_sessions(connection, [difference_of_session(each) for each in wholes])
    endings: dict[str, _Ending] = {}
    for each in stops:
        whole = found.get((each.station_id, each.transaction_id))
        if whole is None or whole.session.id not in wholes or whole.session.id in endings:
            continue
        row = difference_row(whole.session, now)
        if row.id in made_good:
            continue
        _measure(row, each, now, policy)
        if adds_nothing(whole.session, row):
            continue
        endings[whole.session.id] = _Ending(each, FoundSession(row, whole.tariff), whole)
    # As it is while it runs; how it ended is written with all other ends.
    await store.insert_sessions(
        connection, [difference_row(ending.whole.session, now) for ending in endings.values() if ending.whole]
    )
    return endings


async def _settle(connection: AsyncConnection, endings: Sequence[_Ending], now: datetime, policy: Policy) -> None:
    """Place each session on its meter, price it, and post it in the first way that the book takes."""
    others = await _others(connection, [ending.session for ending in endings])
    for ending in endings:
        _place(ending, others)
        ending.price()
        ending.session.updated_at = ending.session.announced_at = now
    ways = {ending.session.id: first_way(ending.session) for ending in endings}
    waiting = list(endings)
    while waiting:
        groups = [entries(ending.settlement(now, policy), ways[ending.session.id]) for ending in waiting]
        moving = [(ending, group) for ending, group in zip(waiting, groups, strict=True) if group]
        outcomes = await _post(connection, [group for _, group in moving], now)
        waiting = []
        for (ending, _), outcome in zip(moving, outcomes, strict=True):
            if isinstance(outcome, WattbookError) and _try_otherwise(ending, outcome, ways):
                waiting.append(ending)


async def _post(
    connection: AsyncConnection, groups: Sequence[Sequence[Entry]], now: datetime
) -> list[Posted | WattbookError]:
    """In as few batches as the book takes."""
    outcomes: list[Posted | WattbookError] = []
    for first in range(0, len(groups), GROUPS_POSTED_MAX):
        outcomes += await post(connection, groups[first : first + GROUPS_POSTED_MAX], booked_at=now)
    return outcomes


def _try_otherwise(ending: _Ending, refused: WattbookError, ways: dict[str, Way]) -> bool:
    """Whether there is another way: to pay, or at last to bill nobody."""
    session = ending.session
    way = next_way(ways[session.id], refused)
    if way is None and session.state == "completed":
        ending.make_exception(BOOKING_REFUSED)
        way = Way.DEBT
    if way is None:
        ending.error = refused
        return False
    ways[session.id] = way
    return True


async def _others(connection: AsyncConnection, sessions: Sequence[SessionRow]) -> dict[str, list[Stretch]]:
    """By meter, what other sessions settled at the same time."""
    asked = [(each.meter_no, each.begun_at, each.ended_at) for each in sessions if each.meter_no and each.ended_at]
    return await store.metered_stretches(connection, [(meter, start, end) for meter, start, end in asked if end])


def _measure(session: SessionRow, each: SessionStop, now: datetime, policy: Policy) -> None:
    session.stop_reason, session.power_w = each.reason, 0
    flags = (ESTIMATED_STOP, *each.flags) if each.estimated else each.flags
    session.flags = [*session.flags, *(flag for flag in flags if flag not in session.flags)]
    measure_end(session, each.stopped_at, now, policy)
    measure_import(session, each.meter_stop_mwh)
    if each.export_stop_mwh is not None:
        measure_export(session, each.export_stop_mwh)


def _place(ending: _Ending, others: dict[str, list[Stretch]]) -> None:
    """On its meter, beside what is settled there and what this batch settles."""
    session = ending.session
    if session.meter_no is None or not (session.import_mwh or session.export_mwh):
        return
    taken = others[session.meter_no]
    if measured_before(session, taken):
        ending.make_exception(MEASURED_BEFORE)
        return
    place_in_time(session, taken)
    if session.span_start and session.span_end:
        register = session.meter_start_mwh, session.meter_start_mwh + session.import_mwh
        taken.append(Stretch(session.span_start, session.span_end, *register))


async def _announce(
    connection: AsyncConnection, settled: Sequence[_Ending], subscribers: Sequence[Subscriber], policy: Policy
) -> None:
    events = [_ended(ending, policy) for ending in settled if ending.session.state == "completed"]
    if not events:
        return
    for subscriber in subscribers:
        await subscriber(connection, events)


def _ended(ending: _Ending, policy: Policy) -> SessionEnded:
    session = ending.session
    tariff, exact = ending.found.tariff, ending.exact
    assert session.ended_at is not None, "it ended"
    assert tariff is not None, "it was priced"
    assert exact is not None, "it was priced"
    return SessionEnded(
        session=view(ending.found, policy),
        cdr_id=cdr_of_session(session.id),
        tariff=tariff_document(tariff),
        duration_s=int((session.ended_at - session.begun_at).total_seconds()),
        explanation=explanation(exact),
        periods=ending.periods if ending.whole is None else (),
        costs=exact.dimensions if ending.whole is None else {},
        estimated=is_estimated(session),
        makes_good=None if ending.whole is None else cdr_of_session(ending.whole.session.id),
    )


def _orphan(each: SessionStop, now: datetime) -> OrphanRow:
    return OrphanRow(
        id=_orphan_id(each),
        received_at=now,
        station_id=each.station_id,
        transaction_id=each.transaction_id,
        meter_stop_mwh=each.meter_stop_mwh,
        export_stop_mwh=each.export_stop_mwh,
        stopped_at=each.stopped_at,
        reason=each.reason,
        token_uid=each.token_uid,
    )


def _orphan_id(each: SessionStop) -> str:
    return orphan_of_stop(each.station_id, each.transaction_id, each.stopped_at, each.meter_stop_mwh)


def _outcome(
    each: SessionStop, known: FoundSession | None, endings: dict[str, _Ending]
) -> Stopped | Orphaned | WattbookError:
    if known is None:
        return Orphaned(_orphan_id(each))
    session, ending = known.session, endings.get(known.session.id)
    if ending is not None and ending.error is not None:
        return ending.error
    bought = session.bought_before_tax or 0, session.bought_after_tax or 0
    fed_in = session.fed_in_before_tax or 0, session.fed_in_after_tax or 0
    return Stopped(
        session_id=session.id,
        cdr_id=cdr_of_session(session.id),
        state=session.state,
        import_mwh=session.import_mwh,
        export_mwh=session.export_mwh,
        currency=session.currency,
        before_tax=bought[0] - fed_in[0],
        after_tax=bought[1] - fed_in[1],
        flags=tuple(session.flags),
        repeated=ending is None or ending.stop is not each,
    )
