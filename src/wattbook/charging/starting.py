"""How a session begins: cleared once more, money set aside, everything written down that its price will need.

A station repeats what it was not answered, so a start is known again by what it says and gets the same transaction id.

A station may have begun before it asked, while it was offline or against an earlier yes. So a start that is refused is
kept as an invalid session: it is told no, and when it stops all the same, its energy is booked as an exception.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Hold
from wattbook.charging import store
from wattbook.charging.cases import Case, ClearanceRequest, look_up, wallet_of
from wattbook.charging.clearance import AskPartner, Cleared, Decision, decide, rated_power_w, record_refusals, refusal
from wattbook.charging.concurrency import Asked, busy_tokens
from wattbook.charging.events import Subscriber
from wattbook.charging.identity import key_of_tariff, session_of_start, session_of_transaction
from wattbook.charging.measurement import plausible
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.price import tariff_text
from wattbook.charging.records import SessionRow
from wattbook.charging.running import CLOCK_IMPLAUSIBLE, REGISTER_MWH_MAX
from wattbook.charging.views import announce
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, Refused, WattbookError
from wattbook.kernel.units import Currency, Money
from wattbook.registry.customers import Holder, TokenType
from wattbook.registry.meters import Meter
from wattbook.registry.parties import NetworkOperator

UNKNOWN_OPERATOR = "unknown"
"""Owner of what a station delivered that nobody registered."""


class SessionStart(Struct, frozen=True, kw_only=True):
    """A station says that charging begins, or began.

    Attributes:
        connector_no: the station's number of the EVSE, from 1.
        meter_start_mwh: register of energy drawn.
        export_start_mwh: register of energy fed in, when told; else the first sample that has it counts.
        transaction_id: the station's own (OCPP 2.x); None: it is given one, an integer as text (OCPP 1.6).
        command_id: of the command that began it, if one did and that is known by now.
    """

    station_id: str
    connector_no: int
    token_uid: str
    meter_start_mwh: int
    started_at: datetime
    transaction_id: str | None = None
    export_start_mwh: int | None = None
    command_id: str | None = None

    @property
    def session_id(self) -> str:
        if self.transaction_id is not None:
            return session_of_transaction(self.station_id, self.transaction_id)
        return session_of_start(
            self.station_id, self.connector_no, self.token_uid, self.started_at, self.meter_start_mwh
        )

    @property
    def request(self) -> ClearanceRequest:
        return ClearanceRequest(self.station_id, self.connector_no, self.token_uid)


@dataclass(frozen=True, slots=True)
class Started:
    """The session runs.

    Attributes:
        held: set aside on a prepaid wallet, stored units; None for other payments.
        cost_max: all that was in a prepaid wallet, in units of the currency; only with the first start.
        valid_until: when the token expires, as far as known.
        group_uid: of the token; only with the first start, as with `valid_until`.
        repeated: it was started before.
    """

    session_id: str
    transaction_id: str
    held: int | None = None
    valid_until: datetime | None = None
    group_uid: str | None = None
    repeated: bool = False
    cost_max: Decimal | None = field(default=None, compare=False)


async def start(
    connection: AsyncConnection,
    starts: Sequence[SessionStart],
    *,
    now: datetime,
    policy: Policy = POLICY,
    subscribers: Sequence[Subscriber] = (),
) -> list[Started | AskPartner | WattbookError]:
    """Begin each session.

    Returns, one a start:
        Started; AskPartner: nothing is kept, start again when the partner has answered;
        Refused: `details` has `reason`, as `clear` gives it, and the `transaction_id` of the invalid session;
        InvalidInput: a register no meter can show.
    """
    if not starts:
        return []
    now = utc(now)
    known = await store.find_sessions(connection, [each.session_id for each in starts])
    fresh = {each.session_id: each for each in starts if each.session_id not in known and not _form_error(each)}
    attempts = await _attempts(connection, list(fresh.values()), now, policy)
    begun = [attempt for attempt in attempts if not isinstance(attempt.decision, AskPartner)]
    written = await _write(connection, begun, now)
    await announce(connection, [row.id for row in written if row.state == "active"], subscribers, policy)
    decisions = {attempt.start.session_id: attempt.decision for attempt in attempts}
    rows = {row.id: row for row in (*(found.session for found in known.values()), *written)}
    return [_form_error(each) or _outcome(each.session_id, rows, decisions) for each in starts]


async def note_commands(connection: AsyncConnection, commands: Mapping[str, UUID]) -> None:
    """Session → the command that began it, for those that had begun before that was known."""
    if commands:
        await store.set_commands(connection, {session: str(command) for session, command in commands.items()})


def hold_fact(operator: str, session_id: str, number: int = 1) -> str:
    """Of the first hold of a session, or of one that replaced it."""
    return f"session:{operator}*{session_id}:hold" + ("" if number == 1 else f":{number}")


def _form_error(each: SessionStart) -> InvalidInput | None:
    for register in (each.meter_start_mwh, each.export_start_mwh or 0):
        if not 0 <= register <= REGISTER_MWH_MAX:
            return InvalidInput(f"a meter cannot show {register} mWh", reason="register-out-of-range")
    return None


def _outcome(
    session_id: str, rows: dict[str, SessionRow], decisions: dict[str, Decision]
) -> Started | AskPartner | WattbookError:
    decision = decisions.get(session_id)
    if isinstance(decision, AskPartner):
        return decision
    row = rows[session_id]
    if row.refusal is not None:
        message = decision.message if isinstance(decision, Refused) else f"refused before: {row.refusal}"
        return Refused(message, reason=row.refusal, transaction_id=row.transaction_id, session_id=session_id)
    return Started(
        session_id,
        row.transaction_id,
        held=row.prepaid if row.payment == "prepaid" else None,
        valid_until=decision.valid_until if isinstance(decision, Cleared) else None,
        group_uid=decision.group_uid if isinstance(decision, Cleared) else None,
        repeated=decision is None,
        cost_max=_cost_max(decision) if isinstance(decision, Cleared) else None,
    )


def _cost_max(cleared: Cleared) -> Decimal | None:
    available = cleared.driver.available
    return None if available is None else Money(available, Currency.of(cleared.currency)).value


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A start that was not known, and what became of it."""

    start: SessionStart
    case: Case
    decision: Decision


async def _attempts(
    connection: AsyncConnection, starts: Sequence[SessionStart], now: datetime, policy: Policy
) -> list[_Attempt]:
    """Cleared with money set aside, to be asked for, or refused; refusals are recorded."""
    cases = await look_up(
        connection,
        [(each.request, each.started_at if plausible(each.started_at, now, policy) else now) for each in starts],
        now=now,
    )
    decided = [_Attempt(each, case, decide(case, policy)) for each, case in zip(starts, cases, strict=True)]
    free = await _not_busy(connection, decided, now, policy)
    attempts = await _with_holds(connection, free, now, policy)
    refused = [(each.start.request, each.decision) for each in attempts if isinstance(each.decision, Refused)]
    await record_refusals(connection, refused, now=now)
    return attempts


async def _not_busy(
    connection: AsyncConnection, attempts: Sequence[_Attempt], now: datetime, policy: Policy
) -> list[_Attempt]:
    """Refuse tokens that run as many sessions as they may elsewhere (ConcurrentTx)."""
    asked = {
        attempt.start.session_id: Asked(
            attempt.start.token_uid, attempt.start.station_id, attempt.start.connector_no, limit
        )
        for attempt in attempts
        if isinstance(attempt.decision, Cleared)
        and (limit := _concurrent_max(attempt.case, policy)) is not None
        and now - attempt.start.started_at <= policy.concurrent_within
    }
    busy = await busy_tokens(connection, asked) if asked else frozenset()
    return [
        replace(each, decision=refusal("token-busy", f"token {each.start.token_uid} runs another session"))
        if each.start.session_id in busy
        else each
        for each in attempts
    ]


def _concurrent_max(case: Case, policy: Policy) -> int | None:
    holder = case.facts.holder
    own = holder.token.concurrent_max if isinstance(holder, Holder) else None
    return policy.concurrent_max if own is None else own


async def _with_holds(
    connection: AsyncConnection, attempts: Sequence[_Attempt], now: datetime, policy: Policy
) -> list[_Attempt]:
    """Set money aside for those who pay in advance; one whose wallet another session just emptied is refused."""
    left: dict[Account, int] = {}
    holds: dict[str, Hold] = {}
    for attempt in attempts:
        cleared = attempt.decision
        if isinstance(cleared, Cleared) and cleared.driver.available is not None:
            hold = _hold(attempt, cleared, left, now, policy)
            if hold is not None:
                holds[attempt.start.session_id] = hold
    posted = await post(connection, [[hold] for hold in holds.values()], booked_at=now) if holds else []
    outcomes = dict(zip(holds, posted, strict=True))
    return [_held(each, holds.get(each.start.session_id), outcomes.get(each.start.session_id)) for each in attempts]


def _hold(attempt: _Attempt, cleared: Cleared, left: dict[Account, int], now: datetime, policy: Policy) -> Hold | None:
    """Of what other sessions of the same batch left in the wallet."""
    driver = cleared.driver
    assert driver.payer_id is not None, "a wallet has an owner"
    assert driver.available is not None, "only of those who pay in advance"
    wallet = wallet_of(driver.payer_id, cleared.currency)
    amount = min(left.get(wallet, driver.available), policy.hold_max_amount(cleared.currency))
    left[wallet] = left.get(wallet, driver.available) - amount
    if amount <= 0:
        return None
    operator = cleared.place.operator
    return Hold(
        fact=hold_fact(operator, attempt.start.session_id),
        debit=wallet,
        credit=Account(operator, "sale", cleared.currency),
        amount=amount,
        event_at=attempt.case.at,
        expires_at=now + policy.hold_valid,
        memo=f"charging at {cleared.place.evse_id}",
    )


def _held(attempt: _Attempt, hold: Hold | None, outcome: Posted | WattbookError | None) -> _Attempt:
    cleared = attempt.decision
    if not isinstance(cleared, Cleared) or cleared.driver.available is None:
        return attempt
    if hold is None or isinstance(outcome, WattbookError):
        return replace(attempt, decision=refusal("no-credit", "the wallet was emptied by another session just now"))
    return replace(attempt, decision=replace(cleared, driver=replace(cleared.driver, prepaid=hold.amount)))


async def _write(connection: AsyncConnection, begun: Sequence[_Attempt], now: datetime) -> list[SessionRow]:
    """Store sessions, invalid ones too, each with the tariff it began with."""
    if not begun:
        return []
    unnamed = [attempt for attempt in begun if attempt.start.transaction_id is None]
    numbers = iter(await store.next_transaction_ids(connection, len(unnamed)) if unnamed else [])
    texts: dict[str, str] = {}
    rows = []
    for attempt in begun:
        row = _row(attempt, attempt.start.transaction_id or next(numbers), now)
        if isinstance(attempt.decision, Cleared) and attempt.decision.place.tariff is not None:
            document = tariff_text(attempt.decision.place.tariff.document)
            row.tariff_key = key_of_tariff(document)
            texts[row.tariff_key] = document
        rows.append(row)
    await store.write_tariffs(connection, texts)
    stored = await store.insert_sessions(connection, rows)
    for row in rows:
        row.transaction_id = stored[row.id]
    return rows


def _row(attempt: _Attempt, transaction_id: str, now: datetime) -> SessionRow:
    start, facts, decision = attempt.start, attempt.case.facts, attempt.decision
    row = SessionRow(
        id=start.session_id,
        state="invalid",
        station_id=start.station_id,
        connector_no=start.connector_no,
        transaction_id=transaction_id,
        token_uid=start.token_uid,
        token_type=TokenType.RFID.value,
        payment="none",
        operator=facts.site.operator if facts.site else UNKNOWN_OPERATOR,
        site_id=facts.site.id if facts.site else None,
        time_zone=facts.site.time_zone if facts.site else None,
        evse_id=facts.evse.id if facts.evse else None,
        meter_no=facts.meter.number if isinstance(facts.meter, Meter) else None,
        network_operator=facts.network_operator.id if isinstance(facts.network_operator, NetworkOperator) else None,
        rated_power_w=rated_power_w(facts),
        started_at=start.started_at,
        received_at=now,
        meter_start_mwh=start.meter_start_mwh,
        export_start_mwh=start.export_start_mwh,
        updated_at=now,
        announced_at=now,
        flags=[] if attempt.case.at == start.started_at else [CLOCK_IMPLAUSIBLE],
        command_id=start.command_id,
    )
    if isinstance(decision, Refused):
        row.refusal = decision.details["reason"]
        return row
    assert isinstance(decision, Cleared), "who must be asked for has no session yet"
    driver = decision.driver
    row.state, row.payment, row.currency = "active", driver.payment, decision.currency
    row.token_uid, row.token_type, row.token_party = driver.token_uid, driver.token_type, driver.token_party
    row.contract_id, row.customer_id, row.prepaid = driver.contract_id, driver.customer_id, driver.prepaid
    row.payer_id = driver.payer_id
    row.authorization_reference = driver.authorization_reference
    row.supplier_id, row.balance_group = driver.supplier_id, driver.balance_group
    return row
