"""A provider's report of a day against what is written down here, and, by the proof, posted.

Every row of the report is kept. Fees are known from nowhere else, so they are posted from it; so are payouts of which
no event came. What is then not the same on both sides is a difference, and a person has to look at each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.posting import post
from wattbook.book.statements import balances
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.kernel.units import Currency, Money
from wattbook.payments import ledger, quarantine, store
from wattbook.payments.news import apply
from wattbook.payments.provider import PayoutNews, Report, ReportRow, UnreadRow
from wattbook.payments.records import Payout
from wattbook.payments.wallets import checked_limit, checked_owner


class DifferenceKind(StrEnum):
    """Why a person has to look."""

    UNKNOWN_HERE = "unknown-here"
    """The provider moved money that nothing here knows of."""
    NOT_REPORTED = "not-reported"
    """Booked here on that day, and in no report."""
    AMOUNT = "amount"
    """Both know it, with different amounts."""
    CURRENCY = "currency"
    ROW_CHANGED = "row-changed"
    """A row was reported before with another content; the first one stands."""
    NOT_UNDERSTOOD = "not-understood"
    """A kind of row that nothing here answers to."""
    UNREADABLE = "unreadable"
    """A row that makes no sense; it is kept in quarantine."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Attributes:
    what: payment, refund, dispute, payout, fee or other.
    currency: empty where a row is unreadable.
    reported, booked: stored units, positive when it came to us; None where it is not known.
    """

    kind: DifferenceKind
    what: str
    reference: str
    currency: str
    reported: int | None
    booked: int | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Attributes:
    fees: posted or known, by currency; stored units.
    clearing: what the provider has of ours by the book, after it, by currency; stored units.
    """

    channel: str
    day: date
    ran_at: datetime
    rows: int
    fees: dict[str, int]
    clearing: dict[str, int]
    differences: tuple[Difference, ...]


async def reconcile(
    connection: AsyncConnection, channel: str, day: date, report: Report, *, now: datetime
) -> Reconciliation:
    """Compare, post what only the report can tell, and keep the result; doing it again changes nothing."""
    now = utc(now)
    rows = list(dict.fromkeys(report.rows))
    differences = await _unread(connection, channel, report.unread, now)
    changed = await store.add_report_rows(connection, [_as_kept(channel, row, now) for row in rows])
    differences += [
        Difference(DifferenceKind.ROW_CHANGED, row["kind"], row["id"], row["currency"], None, row["gross"])
        for row in changed
    ]
    stood = {row["id"] for row in changed}
    fresh = [row for row in rows if row.id not in stood]
    at = min(datetime.combine(day, time(23, 59, 59), UTC), now)
    await _post_fees(connection, channel, fresh, at, now)
    differences += await _payouts(connection, channel, fresh, at, now)
    differences += await _reported(connection, channel, day)
    differences += await _booked(connection, channel, day)
    result = Reconciliation(
        channel,
        day,
        now,
        len(rows) + len(report.unread),
        _sums((row.currency, row.fee) for row in rows if row.fee),
        await _clearing(connection, channel, sorted({row.currency for row in rows})),
        tuple(differences),
    )
    await store.keep_reconciliation(connection, asdict(result))
    return result


async def reconciliations(
    connection: AsyncConnection, channel: str, *, since: date = date.min, limit: int = 31
) -> list[Reconciliation]:
    """What was kept of a channel's days, the newest first; of each day the latest comparison."""
    kept = await store.reconciliations(connection, checked_owner(channel), since, checked_limit(limit))
    names = Reconciliation.__dataclass_fields__
    return [msgspec.convert({name: row[name] for name in names}, Reconciliation) for row in kept]


def reconciliation_fields(result: Reconciliation) -> dict[str, Any]:
    """As a program sees it: amounts are decimal texts."""
    return {
        "provider": result.channel,
        "date": result.day.isoformat(),
        "ran_at": format_rfc3339(result.ran_at),
        "rows": result.rows,
        "fees": {code: _shown(amount, code) for code, amount in result.fees.items()},
        "clearing": {code: _shown(amount, code) for code, amount in result.clearing.items()},
        "differences": [
            {
                "kind": each.kind,
                "what": each.what,
                "reference": each.reference,
                "currency": each.currency,
                "reported": _shown(each.reported, each.currency),
                "booked": _shown(each.booked, each.currency),
            }
            for each in result.differences
        ],
    }


def _shown(amount: int | None, code: str) -> str | None:
    return None if amount is None else f"{Money(amount, Currency.of(code)).value:f}"


async def _unread(
    connection: AsyncConnection, channel: str, rows: Sequence[UnreadRow], now: datetime
) -> list[Difference]:
    """Kept in quarantine; the others are compared all the same."""
    for row in rows:
        await quarantine.keep(connection, channel, "report", row.content, InvalidInput(row.reason), now=now)
    return [Difference(DifferenceKind.UNREADABLE, "other", row.reference, "", None, None) for row in rows]


def _as_kept(channel: str, row: ReportRow, now: datetime) -> dict[str, Any]:
    return structs.asdict(row) | {"channel": channel, "reported_at": now}


def _sums(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for currency, amount in parts:
        sums[currency] = sums.get(currency, 0) + amount
    return sums


async def _post_fees(
    connection: AsyncConnection, channel: str, rows: Sequence[ReportRow], at: datetime, now: datetime
) -> None:
    groups = [[ledger.fee(channel, row.id, row.currency, row.fee, at)] for row in rows if row.fee]
    for outcome in await post(connection, groups, booked_at=now) if groups else []:
        if isinstance(outcome, WattbookError):
            raise outcome


async def _payouts(
    connection: AsyncConnection, channel: str, rows: Sequence[ReportRow], at: datetime, now: datetime
) -> list[Difference]:
    """A payout leaves us, so its row is negative; one that failed comes back."""
    differences = []
    for row in rows:
        if row.kind != "payout" or not row.gross:
            continue
        known = await store.find(connection, Payout, channel=channel, id=row.reference)
        if known is not None and (known.currency, known.amount) != (row.currency, abs(row.gross)):
            kind = DifferenceKind.AMOUNT if known.currency == row.currency else DifferenceKind.CURRENCY
            differences.append(Difference(kind, "payout", row.reference, row.currency, row.gross, -known.amount))
            continue
        news = PayoutNews(
            id=row.reference,
            state="paid" if row.gross < 0 else "failed",
            currency=row.currency,
            amount=abs(row.gross),
            at=at,
        )
        await apply(connection, channel, news, now=now)
    return differences


_REPORTED = """
    WITH reported AS (
        SELECT kind, reference, currency, sum(gross)::bigint AS gross FROM payments.report_rows
        WHERE channel = :channel AND kind <> 'payout' AND reference IN (
            SELECT reference FROM payments.report_rows WHERE channel = :channel AND day = :day)
        GROUP BY kind, reference, currency
    ), booked AS (
        SELECT 'payment' AS kind, reference, currency, amount FROM payments.payments
        WHERE channel = :channel AND state = 'paid' AND reference IS NOT NULL
        UNION ALL SELECT 'refund', reference, currency, -amount FROM payments.refunds
        WHERE channel = :channel AND state = 'done' AND reference IS NOT NULL
        UNION ALL SELECT 'refund', reference, currency, 0 FROM payments.refunds
        WHERE channel = :channel AND state = 'failed' AND reference IS NOT NULL
        UNION ALL SELECT 'dispute', id, currency, (reinstated::int - withdrawn::int) * amount FROM payments.disputes
        WHERE channel = :channel
    )
    SELECT kind, reference, reported.currency, reported.gross, booked.currency AS booked_currency, booked.amount
    FROM reported LEFT JOIN booked USING (kind, reference)
    WHERE (reported.currency, reported.gross) IS DISTINCT FROM (booked.currency, booked.amount)
      AND reported.gross <> 0 ORDER BY kind, reference
"""

_NOT_REPORTED = """
    WITH booked AS (
        SELECT 'payment' AS kind, reference, currency, amount FROM payments.payments
        WHERE channel = :channel AND state = 'paid' AND updated_at >= :start AND updated_at < :end
        UNION ALL SELECT 'refund', coalesce(reference, id), currency, -amount FROM payments.refunds
        WHERE channel = :channel AND state = 'done' AND updated_at >= :start AND updated_at < :end
        UNION ALL SELECT 'dispute', id, currency, -amount FROM payments.disputes
        WHERE channel = :channel AND withdrawn AND NOT reinstated AND updated_at >= :start AND updated_at < :end
        UNION ALL SELECT 'payout', id, currency, -amount FROM payments.payouts
        WHERE channel = :channel AND paid AND NOT failed AND updated_at >= :start AND updated_at < :end
    )
    SELECT kind, coalesce(booked.reference, '') AS reference, booked.currency, amount FROM booked
    WHERE NOT EXISTS (
        SELECT FROM payments.report_rows AS row
        WHERE row.channel = :channel AND (row.kind, row.reference) = (booked.kind, booked.reference))
    ORDER BY kind, reference
"""


async def _reported(connection: AsyncConnection, channel: str, day: date) -> list[Difference]:
    """What the report says that is not so here."""
    found = await connection.execute(text(_REPORTED), {"channel": channel, "day": day})
    return [_difference(row) for row in found]


def _difference(row: Any) -> Difference:
    if row.kind == "other":
        kind = DifferenceKind.NOT_UNDERSTOOD
    elif row.amount is None:
        kind = DifferenceKind.UNKNOWN_HERE
    else:
        kind = DifferenceKind.AMOUNT if row.booked_currency == row.currency else DifferenceKind.CURRENCY
    return Difference(kind, row.kind, row.reference, row.currency, row.gross, row.amount)


async def _booked(connection: AsyncConnection, channel: str, day: date) -> list[Difference]:
    """What was booked on the day and is in no report of any day."""
    start = datetime.combine(day, time(), UTC)
    found = await connection.execute(
        text(_NOT_REPORTED), {"channel": channel, "start": start, "end": start + timedelta(days=1)}
    )
    return [
        Difference(DifferenceKind.NOT_REPORTED, row.kind, row.reference, row.currency, None, row.amount)
        for row in found
    ]


async def _clearing(connection: AsyncConnection, channel: str, currencies: Sequence[str]) -> dict[str, int]:
    accounts = [Account(channel, "clearing", currency) for currency in currencies]
    found = await balances(connection, accounts) if accounts else {}
    return {account.commodity: balance.posted for account, balance in found.items()}
