"""A receipt for one charging session, at once: for a driver who paid and wants it on paper."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind
from wattbook.billing.issuing import issue
from wattbook.billing.registers import find_issuer, find_recipients
from wattbook.billing.sessions import Frame, drafts
from wattbook.book.lookup import postings_of
from wattbook.charging.sold import find_sold
from wattbook.kernel.errors import NotFound


async def receipt_of_session(connection: AsyncConnection, cdr: str, *, zone: ZoneInfo, now: datetime) -> Document:
    """The receipt, or the document on which the session stands already.

    Raises:
        NotFound: no such charge detail record, or nobody pays for it.
    """
    found = await find_sold(connection, [cdr]) if _is_uuid(cdr) else []
    if not found:
        raise NotFound(f"nobody pays for a session with the charge detail record {cdr[:64]!r}")
    (sold,) = found
    seller = await find_issuer(connection, sold.operator)
    today = now.astimezone(zone).date()
    await store.lock_series(connection, seller.id, Kind.RECEIPT, today.year)
    document = await store.document_of_source(connection, sold.facts)
    if document is not None:
        return document
    postings = await postings_of(connection, list(sold.paid_facts))
    recipients = await find_recipients(connection, [sold.payer], country=seller.country)
    first, last = (moment.astimezone(zone).date() for moment in (sold.started_at, sold.ended_at))
    frame = Frame(seller, Kind.RECEIPT, today, first, last, now)
    (document,) = await issue(connection, list(drafts(frame, [sold], postings, recipients)), now=now)
    return document


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
