"""The invoice run: all that was sold in a period and stands on no document yet, one invoice a payer.

It goes payer by payer in slices, a transaction each. Stopped at any point it has issued whole documents without a gap
between their numbers; run again it goes on with what is left, and once all is done it does nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind
from wattbook.billing.issuing import issue
from wattbook.billing.registers import find_issuer, find_recipients
from wattbook.billing.sessions import Frame, drafts
from wattbook.book.lookup import postings_of
from wattbook.charging.sold import payers, sold_to
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock, utc
from wattbook.kernel.errors import InvalidInput

PAYERS_AT_ONCE: Final = 50
YEAR_MIN: Final = 1970
YEAR_MAX: Final = 9998
"""Far enough from the ends of the calendar for every zone."""

LATE: Final = timedelta(days=62)
"""A session that ended before the period, and reached us after its own run, is taken along this long."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the issuer's calendar, both included."""

    first: date
    last: date
    zone: ZoneInfo

    @classmethod
    def of_month(cls, month: str, zone: ZoneInfo) -> "Period":
        """Raises:
        InvalidInput: not a month such as 2026-10.
        """
        try:
            first = date.fromisoformat(f"{month}-01")
        except ValueError:
            raise InvalidInput(f"not a month: {month[:16]!r}; one such as 2026-10 is needed") from None
        if not YEAR_MIN <= first.year <= YEAR_MAX:
            raise InvalidInput(f"nothing is sold in {first.year}: the years {YEAR_MIN} to {YEAR_MAX} are known")
        return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1), zone)

    @property
    def start(self) -> datetime:
        return utc(datetime.combine(self.first, time(), self.zone))

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return utc(datetime.combine(self.last + timedelta(days=1), time(), self.zone))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `documents` are those of the newest slice."""

    payers: int
    payers_done: int
    documents: tuple[Document, ...]


async def invoice_run(
    database: Database, issuer: str, period: Period, *, clock: Clock, keep: bool = True
) -> AsyncIterator[Progress]:
    """Issue the invoices of a period that has ended; with `keep` false nothing stays, for a look beforehand.

    Raises:
        NotFound: the issuer has no legal name and address on record.
        InvalidInput: the period has not ended.
    """
    if clock() < period.end:
        raise InvalidInput(f"the period runs until {period.last}: its invoices can be issued after that")
    async with database.snapshot() as connection:
        await find_issuer(connection, issuer)
        everybody = [payer for payer, _ in await payers(connection, issuer, period.start - LATE, period.end)]
    everybody = sorted(set(everybody))
    yield Progress(len(everybody), 0, ())
    for start in range(0, len(everybody), PAYERS_AT_ONCE):
        some = everybody[start : start + PAYERS_AT_ONCE]
        try:
            async with database.transaction() as connection:
                documents = await _invoice(connection, issuer, some, period, clock())
                if not keep:
                    raise _LookOnly
        except _LookOnly:
            pass
        yield Progress(len(everybody), start + len(some), tuple(documents))


class _LookOnly(Exception):
    """Takes back the transaction of a run that was only looked at."""


async def _invoice(
    connection: AsyncConnection, issuer: str, some: list[str], period: Period, now: datetime
) -> list[Document]:
    seller = await find_issuer(connection, issuer)
    issued_on = now.astimezone(period.zone).date()
    await store.lock_series(connection, issuer, Kind.INVOICE, issued_on.year)
    sold = await sold_to(connection, issuer, some, period.start - LATE, period.end)
    known = await store.documented(connection, [each.facts for each in sold])
    fresh = sorted((each for each in sold if each.facts not in known), key=lambda each: (each.payer, each.currency))
    postings = await postings_of(connection, [fact for each in fresh for fact in each.paid_facts])
    recipients = await find_recipients(connection, sorted({each.payer for each in fresh}), country=seller.country)
    frame = Frame(seller, Kind.INVOICE, issued_on, period.first, period.last, now)
    return await issue(connection, list(drafts(frame, fresh, postings, recipients)), now=now)
