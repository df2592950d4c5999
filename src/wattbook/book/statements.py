"""Balances and statements: what an account holds, and how it came to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book import store
from wattbook.book.accounts import PURPOSES, Account, Balance
from wattbook.kernel.clock import utc

LINES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posted transfer, seen from the account: `amount` is positive when its balance grew."""

    booked_at: datetime
    event_at: datetime
    fact: str
    counterpart: Account
    amount: int
    balance: int
    memo: str


@dataclass(frozen=True, slots=True)
class Statement:
    """Opening balance, what was booked in [start, end), closing balance; all on the account's own side."""

    account: Account
    start: datetime
    end: datetime
    opening: int
    lines: tuple[StatementLine, ...]
    closing: int


async def set_floor(connection: AsyncConnection, account: Account, floor: int | None) -> None:
    """How low the account may go from now on: below zero is a credit line, None is no limit."""
    await store.set_floor(connection, account, floor)


async def balances(connection: AsyncConnection, accounts: Sequence[Account]) -> dict[Account, Balance]:
    """The four numbers of each account; zeros for one that nothing was posted to."""
    found = await store.balances(connection, accounts)
    return {account: Balance(account, *found.get(account, (0, 0, 0, 0))) for account in accounts}


async def statement(connection: AsyncConnection, account: Account, start: datetime, end: datetime) -> Statement:
    """The account's posted movements by booking time, oldest first; at most 10,000 lines.

    Walks from its newest transfer back to the first that was booked before `start`; O(transfers since then). Posters
    who met at the account may have booked a moment apart from the order in which they came: a transfer counts as booked
    no later than those after it, so that every statement opens where the one before closed.
    """
    start, end = utc(start), utc(end)
    sign = 1 if PURPOSES[account.purpose].side == "debit" else -1
    found = await connection.execute(
        text("""
            WITH RECURSIVE walked AS (
                SELECT account.id AS own, found.* FROM book.accounts AS account
                JOIN book.transfers AS found ON found.id = account.last_transfer
                WHERE (owner, purpose, commodity) = (:owner, :purpose, :commodity)
                UNION ALL
                SELECT own, found.* FROM walked
                CROSS JOIN LATERAL (
                    SELECT * FROM book.transfers
                    WHERE id = CASE own WHEN walked.debit_account THEN walked.debit_before ELSE walked.credit_before END
                    OFFSET 0
                ) AS found
                WHERE walked.booked_at >= :start
            ), movement AS (
                SELECT CASE own WHEN debit_account THEN debit_version ELSE credit_version END AS version,
                       CASE own WHEN debit_account THEN credit_account ELSE debit_account END AS other,
                       CASE own WHEN debit_account THEN amount ELSE -amount END AS amount,
                       CASE own WHEN debit_account THEN debit_balance ELSE credit_balance END AS balance,
                       booked_at, event_at, fact, memo, kind
                FROM walked
            )
            SELECT booked_at, event_at, fact, owner, purpose, commodity, amount, balance, memo
            FROM (SELECT *, bool_or(booked_at < :end) OVER (ORDER BY version DESC) AS ended FROM movement) AS movement
            JOIN book.accounts AS account ON account.id = other
            WHERE ended AND (kind IN (0, 2) OR booked_at < :start)
            ORDER BY movement.version LIMIT :limit
        """),
        account._asdict() | {"start": start, "end": end, "limit": LINES_MAX + 1},
    )
    opening = 0
    lines: list[StatementLine] = []
    for row in found:
        if row.booked_at < start:
            opening = sign * row.balance
            continue
        counterpart = Account(row.owner, row.purpose, row.commodity)
        lines.append(
            StatementLine(
                row.booked_at, row.event_at, row.fact, counterpart, sign * row.amount, sign * row.balance, row.memo
            )
        )
    return Statement(account, start, end, opening, tuple(lines), lines[-1].balance if lines else opening)
