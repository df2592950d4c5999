"""Settlement: a provider pays an operator for the records it took, and tells the hub, the operator and its customers.

A settlement is one payment in one currency for a list of records. Payer, hub and operator each have these records
themselves, so each one checks the list and the sums before it books; a difference is a conflict, and nothing is booked.
The payer states that it pays: how money moves between banks is outside of wattbook.

OCPI 2.2.1 has no message for it. It travels as our own module `settlements`; see `wire.Settlement`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from msgspec import Raw
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.transfers import Transfer, fact_id
from wattbook.db.jobs import enqueue
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput
from wattbook.kernel.units import Currency, Energy, Money
from wattbook.roaming import notices, store, tables
from wattbook.roaming.booking import book
from wattbook.roaming.delivery import deliveries
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.server import Call, Reply
from wattbook.roaming.ocpi.wire import (
    Price,
    Settlement,
    codes_of,
    decode,
    decode_object,
    encode,
    energy,
    moment,
    money,
    party_of,
)
from wattbook.roaming.records import CdrRow, Message, SettlementRow, SettlementSide
from wattbook.roaming.sessions import stored_object

CDRS_MAX: Final = 10_000
"""Records in one settlement; the next one takes the rest."""

SETTLEMENTS_SHOWN_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Statement:
    """A settlement as its payer stated it: what we read in it, and all of it."""

    settlement: Settlement
    body: bytes


async def list_settlements(connection: AsyncConnection, *, limit: int = SETTLEMENTS_SHOWN_MAX) -> list[SettlementRow]:
    """The newest settlements."""
    return await store.listed(connection, tables.settlements, min(limit, SETTLEMENTS_SHOWN_MAX), SettlementRow)


# ----------------------------------------------------------------------------------------------------------- as payer


async def settle(roaming: Roaming, connection: AsyncConnection, payee: str) -> list[SettlementRow]:
    """Pay an operator for all of its records that are not settled yet, one settlement a currency.

    Books the payment, keeps what is to be told to the operator, and a notice for each customer.
    """
    now = roaming.clock()
    found = await store.unsettled(connection, roaming.party, payee, CDRS_MAX)
    by_currency = groupby(sorted(found, key=lambda cdr: cdr.currency), key=lambda cdr: cdr.currency)
    return [await _settle(roaming, connection, payee, list(cdrs), now) for _, cdrs in by_currency]


async def _settle(
    roaming: Roaming, connection: AsyncConnection, payee: str, cdrs: Sequence[CdrRow], now: datetime
) -> SettlementRow:
    settlement = _describe(roaming.party, payee, cdrs, now)
    statement = Statement(settlement, encode(settlement))
    record = await _record(connection, statement, "paid", cdrs, now)
    if record.after_tax:
        await book(connection, [_payment(record, Account(payee, "payable", record.currency), "paid")], now)
    messages = await store.keep_latest(connection, [_message(roaming, statement)], now)
    await enqueue(connection, deliveries(messages))
    await notices.add(connection, [_notice(record, cdr) for cdr in cdrs if cdr.customer is not None], now)
    return record


def _describe(payer: str, payee: str, cdrs: Sequence[CdrRow], now: datetime) -> Settlement:
    currency, ids = Currency.of(cdrs[0].currency), sorted(cdr.id for cdr in cdrs)
    payee_codes = codes_of(payee)
    return Settlement(
        **codes_of(payer),
        id=str(fact_id(f"settlement:{payer}:{payee}:{currency.code}:{','.join(ids)}")),
        payee_country_code=payee_codes["country_code"],
        payee_party_id=payee_codes["party_id"],
        period_start=utc(min(cdr.ended_at for cdr in cdrs)),
        period_end=utc(max(cdr.ended_at for cdr in cdrs)),
        cdrs=ids,
        currency=currency.code,
        total_energy=Energy(sum(cdr.energy_mwh for cdr in cdrs)).kwh,
        total_cost=Price(
            Money(sum(cdr.before_tax for cdr in cdrs), currency).value,
            Money(sum(cdr.after_tax for cdr in cdrs), currency).value,
        ),
        last_updated=now,
    )


def _message(roaming: Roaming, statement: Statement) -> Message:
    return Message(
        sender=roaming.party,
        receiver=statement.settlement.payee,
        module="settlements",
        object_id=statement.settlement.id,
        method="POST",
        path="",
        correlation_id=roaming.new_id(),
        body=Raw(statement.body),
    )


def _notice(settlement: SettlementRow, cdr: CdrRow) -> notices.NewNotice:
    price = Money(cdr.after_tax, Currency.of(cdr.currency))
    where = f" at {cdr.place}" if cdr.place else ""
    return notices.NewNotice(
        customer=cdr.customer or "",
        kind="settlement",
        cause=f"settlement:{settlement.payer}*{settlement.id}:{cdr.issuer}*{cdr.id}",
        text=f"Your charging{where} on {cdr.ended_at:%Y-%m-%d}, {Energy(cdr.energy_mwh)} for {price},"
        f" has been settled with {cdr.issuer}.",
        facts={
            "settlement": settlement.id,
            "operator": cdr.issuer,
            "cdr": cdr.id,
            "energy_mwh": cdr.energy_mwh,
            "currency": cdr.currency,
            "after_tax": cdr.after_tax,
        },
    )


# ------------------------------------------------------------------------------------------------- as payee, and as hub


def stated(call: Call) -> Statement:
    """The settlement that a POST states.

    Raises:
        InvalidInput: a required field is missing or out of form.
    """
    decode_object(call.body)  # what is stored must be storable, also the fields that we do not read
    settlement = decode(call.body, Settlement)
    if settlement.party != call.sender:
        raise InvalidInput(f"{call.sender} cannot state a settlement of {settlement.party}")
    if len(settlement.cdrs) > CDRS_MAX or len(set(settlement.cdrs)) < len(settlement.cdrs):
        raise InvalidInput(f"a settlement names at most {CDRS_MAX} records, each once")
    return Statement(settlement, call.body)


async def record(
    connection: AsyncConnection, statement: Statement, side: SettlementSide, now: datetime
) -> SettlementRow | None:
    """Keep a settlement whose records and sums are those that we have; None if it is on record already.

    Raises:
        Conflict: it is on record with another content, or differs from the records.
    """
    settlement = statement.settlement
    known = await store.settlement(connection, settlement.party, settlement.id)
    if known is not None:
        if await store.add_once(connection, tables.settlements, _row(statement, side, [], now)) is None:
            raise Conflict(f"settlement {settlement.id} was recorded before with another content")
        return None
    cdrs = await store.cdrs(connection, settlement.payee, settlement.cdrs)
    _check_records(settlement, cdrs)
    return await _record(connection, statement, side, cdrs, now)


def _check_records(settlement: Settlement, cdrs: Sequence[CdrRow]) -> None:
    missing = sorted(set(settlement.cdrs) - {cdr.id for cdr in cdrs})
    if missing:
        raise Conflict(f"{len(missing)} of its records are not known here, such as {missing[0]}", missing=missing[:100])
    for cdr in cdrs:
        if cdr.payer != settlement.party or cdr.currency != settlement.currency:
            raise Conflict(f"record {cdr.id} is to be paid by {cdr.payer} in {cdr.currency}", cdr=cdr.id)
        if cdr.settlement is not None:
            raise Conflict(f"record {cdr.id} is settled already by {cdr.settlement}", cdr=cdr.id)
    currency, stated_cost = settlement.currency, settlement.total_cost
    stated_after = stated_cost.excl_vat if stated_cost.incl_vat is None else stated_cost.incl_vat
    sums = (
        ("energy", energy(settlement.total_energy, "total_energy").mwh, sum(cdr.energy_mwh for cdr in cdrs)),
        ("cost", money(stated_cost.excl_vat, currency, "total_cost").amount, sum(cdr.before_tax for cdr in cdrs)),
        ("cost with tax", money(stated_after, currency, "total_cost").amount, sum(cdr.after_tax for cdr in cdrs)),
    )
    for what, theirs, ours in sums:
        if theirs != ours:
            raise Conflict(f"total {what} is {theirs}, our records sum to {ours} (stored units)", what=what)


async def _record(
    connection: AsyncConnection, statement: Statement, side: SettlementSide, cdrs: Sequence[CdrRow], now: datetime
) -> SettlementRow:
    settlement = statement.settlement
    await store.add_once(connection, tables.settlements, _row(statement, side, cdrs, now))
    await store.settle_cdrs(connection, settlement.payee, settlement.cdrs, settlement.id)
    recorded = await store.settlement(connection, settlement.party, settlement.id)
    assert recorded is not None, "it was added in this transaction"
    return recorded


def _row(statement: Statement, side: SettlementSide, cdrs: Sequence[CdrRow], now: datetime) -> dict[str, Any]:
    settlement = statement.settlement
    return {
        "payer": settlement.party,
        "id": settlement.id,
        "side": side,
        "payee": settlement.payee,
        "period_start": moment(settlement.period_start),
        "period_end": moment(settlement.period_end),
        "cdr_count": len(settlement.cdrs),
        "energy_mwh": sum(cdr.energy_mwh for cdr in cdrs),
        "currency": settlement.currency,
        "before_tax": sum(cdr.before_tax for cdr in cdrs),
        "after_tax": sum(cdr.after_tax for cdr in cdrs),
        "body": Raw(statement.body),
        "recorded_at": now,
    }


def location(roaming: Roaming, payer: str, settlement_id: str) -> str:
    """Where a settlement can be read here."""
    country_code, _, party_id = payer.partition("*")
    return roaming.url("settlements", country_code, party_id, quote(settlement_id, safe=""))


async def get_settlement(roaming: Roaming, call: Call) -> Reply:
    """GET settlements/{country}/{party}/{id}, by the parties of it."""
    return await stored_object(roaming, call, tables.settlements, _key(call.path))


async def post_settlement(roaming: Roaming, call: Call) -> Reply:
    """As payee: POST settlements. The partner's debt is paid by what it states."""
    statement, now = stated(call), roaming.clock()
    stated_settlement = statement.settlement
    if stated_settlement.payee != roaming.party:
        raise InvalidInput(f"settlement {stated_settlement.id} is for {stated_settlement.payee}")
    async with roaming.database.transaction() as connection:
        recorded = await record(connection, statement, "received", now)
        if recorded is not None:
            await store.accept(connection, tables.settlements, {"payer": recorded.payer, "id": recorded.id}, now)
            if recorded.after_tax:
                await book(
                    connection,
                    [_payment(recorded, Account(recorded.payer, "receivable", recorded.currency), "received")],
                    now,
                )
    where = location(roaming, stated_settlement.party, stated_settlement.id)
    return Reply(http=200 if recorded is None else 201, location=where)


def _payment(settlement: SettlementRow, account: Account, way: str) -> Transfer:
    """Our cash goes to what we owe; what we are owed becomes our cash."""
    paid = way == "paid"
    cash = Account(settlement.payer if paid else settlement.payee, "cash", settlement.currency)
    return Transfer(
        fact=f"settlement:{settlement.payer}*{settlement.id}:{way}",
        debit=account if paid else cash,
        credit=cash if paid else account,
        amount=settlement.after_tax,
        event_at=settlement.recorded_at,
        memo=f"{settlement.cdr_count} records until {settlement.period_end:%Y-%m-%d}",
    )


def _key(path: Mapping[str, str]) -> dict[str, str]:
    return {"payer": party_of(path["country"], path["party"]), "id": path["id"]}
