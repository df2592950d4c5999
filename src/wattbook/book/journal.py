"""The journal of a batch: its transfers as lines of one COPY in binary form.

A line is made at the moment its transfer is applied, because it tells the versions and balances that the two accounts
have just then. Binary, because then the database has no number, time or id to read from text, which is a third of its
work on a line. (PostgreSQL documentation, COPY, "Binary Format": each field is its length and its value, -1 is null.)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from struct import Struct
from typing import Final

from psycopg import AsyncCopy
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.locks import ID_LENGTH, AccountRow
from wattbook.book.periods import first_of_month, next_month
from wattbook.book.store import Kind
from wattbook.book.transfers import Span
from wattbook.db.engine import driver_of
from wattbook.kernel.clock import utc

_COPY: Final = """
    COPY book.transfers (id, group_id, group_size, kind, debit_account, credit_account, debit_before, credit_before,
                         amount, debit_version, debit_balance, credit_version, credit_balance, fact, event_at,
                         booked_at, period, corrects, span_start, span_end, hold_id, memo) FROM STDIN (FORMAT BINARY)
    WHERE clock_timestamp() IS NOT NULL
"""
"""The condition holds for every row. It is there because it is volatile: then PostgreSQL puts each row into table and
indexes as it comes, while the caller plays on, and does not wait for a thousand of them first."""

_COLUMNS: Final = 22
_OPENING: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)

_ID: Final = Struct(">i16s")
_MOMENT: Final = Struct(">iq")
_DAY: Final = Struct(">ii")
_LENGTH: Final = Struct(">i")
_SHAPE: Final = Struct(">ihih")
_NUMBERS: Final = Struct(">iqiqiqiqiqi")
"""The amount, version and balance of both accounts, and the length of the fact."""
_HEAD: Final = Struct(">hi").pack(_COLUMNS, 16)
_NULL: Final = _LENGTH.pack(-1)
_PLAIN: Final = _NULL * 3 + _LENGTH.pack(0)
"""No span, no hold, no memo: how most lines end."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


class Journal:
    """Makes the lines of one batch."""

    def __init__(self, booked_at: datetime, closed_through: date) -> None:
        self._booked_at = _moment(booked_at)
        self._closed_through = closed_through
        self._times: dict[datetime, bytes] = {}
        self._plain_ends: dict[datetime, bytes] = {}

    def line(
        self,
        own_id: bytes,
        group_id: bytes,
        shape: bytes,
        fact: str,
        amount: int,
        debit: AccountRow,
        credit: AccountRow,
        end: bytes,
    ) -> bytes:
        """A transfer that was applied just now to the two accounts; `shape` and `end` as made below."""
        fact_utf8 = fact.encode()
        numbers = _NUMBERS.pack(
            8, amount, 8, debit.version, 8, debit.debits_posted - debit.credits_posted,
            8, credit.version, 8, credit.debits_posted - credit.credits_posted, len(fact_utf8),
        )  # fmt: skip
        return b"".join(
            (
                _HEAD, own_id, ID_LENGTH, group_id, shape, debit.field, credit.field, debit.before, credit.before,
                numbers, fact_utf8, end,
            )
        )  # fmt: skip

    def plain_end(self, event_at: datetime) -> bytes:
        """The columns behind the fact, without span, hold and memo."""
        end = self._plain_ends.get(event_at)
        if end is None:
            end = self._plain_ends[event_at] = self.end(utc(event_at), None, None, "")
        return end

    def end(self, event_at: datetime, span: Span | None, hold_id: bytes | None, memo: str) -> bytes:
        """The columns behind the fact."""
        times = self._times.get(event_at) or self._times_of(event_at)
        if span is None and hold_id is None and not memo:
            return times + _PLAIN
        memo_utf8 = memo.encode()
        return b"".join(
            (
                times,
                _moment(utc(span.start)) + _moment(utc(span.end)) if span else _NULL + _NULL,
                _ID.pack(16, hold_id) if hold_id else _NULL,
                _LENGTH.pack(len(memo_utf8)),
                memo_utf8,
            )
        )

    def _times_of(self, event_at: datetime) -> bytes:
        """When it happened and was booked, the month it counts in, and the closed one that it corrects if it is late.

        Most events of a batch share their time, so this is made once for all of them.
        """
        month = first_of_month(event_at)
        late = month <= self._closed_through
        period = next_month(self._closed_through) if late else month
        made = _moment(event_at) + self._booked_at + _day(period) + (_day(month) if late else _NULL)
        self._times[event_at] = made
        return made


def shape(group_size: int, kind: Kind) -> bytes:
    """How many the group has and what kind this one is."""
    return _SHAPE.pack(2, group_size, 2, kind)


def _moment(moment: datetime) -> bytes:
    return _MOMENT.pack(8, (moment - _EPOCH) // _MICROSECOND)


def _day(day: date) -> bytes:
    return _DAY.pack(4, day.toordinal() - _EPOCH_DAY)


@asynccontextmanager
async def writing(connection: AsyncConnection) -> AsyncIterator[Callable[[Sequence[bytes]], Awaitable[None]]]:
    """Gives a function that sends lines on their way at once, so that the database works while the caller plays on.

    The database gets ready for them while the caller makes the first.
    """
    async with driver_of(connection).cursor() as cursor, AsyncExitStack() as opened:

        async def opened_copy() -> AsyncCopy:
            copy = await opened.enter_async_context(cursor.copy(_COPY))
            await copy.write(_OPENING)
            return copy

        async def send(lines: Sequence[bytes]) -> None:
            await (await opening).write(b"".join(lines))

        opening = asyncio.create_task(opened_copy())
        try:
            await asyncio.sleep(0)  # the statement is on its way
            yield send
        finally:
            await opening
