"""Issuing: a document gets the next number of its series, is written for good, and its rounding is posted.

All of that in the caller's transaction. The series is locked first, so numbers follow each other without a gap, and who
issues second sees what the first one has put on a document.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import LINES_MAX, Document
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Transfer, fact_id
from wattbook.kernel.errors import InvalidInput, WattbookError

SERIAL_DIGITS: Final = 6


async def issue(
    connection: AsyncConnection,
    drafts: Sequence[tuple[Document, Sequence[Transfer]]],
    *,
    now: datetime,
) -> list[Document]:
    """Number and keep the drafts, which share issuer, kind and year; post what each of them changes in the book.

    A draft whose id is known is not issued again: the document as issued stands in its place.

    Raises:
        InvalidInput: more lines than a document may have.
        Conflict, Refused: the book does not take a posting; nothing is issued.
    """
    if not drafts:
        return []
    first = drafts[0][0]
    issuer, kind, year = first.issuer, first.kind, first.issued_on.year
    assert all((draft.issuer.id, draft.kind, draft.issued_on.year) == (issuer.id, kind, year) for draft, _ in drafts)
    if any(len(draft.lines) > LINES_MAX for draft, _ in drafts):
        raise InvalidInput(f"a document has at most {LINES_MAX} lines")
    last = await store.lock_series(connection, issuer.id, kind, year)
    known = {document.id: document for document in await store.find(connection, "id", [each.id for each, _ in drafts])}
    fresh = [(draft, transfers) for draft, transfers in drafts if draft.id not in known]
    numbered = [
        replace(
            draft,
            number=f"{issuer.prefix}-{year}-{kind.mark}{serial:0{SERIAL_DIGITS}d}",
            posting=fact_id(transfers[0].fact) if transfers else draft.posting,
        )
        for serial, (draft, transfers) in enumerate(fresh, start=last + 1)
    ]
    if numbered:
        await store.advance_series(connection, issuer.id, kind, year, last + len(numbered))
        await store.add_documents(connection, numbered, now)
    groups = [transfers for _, transfers in fresh if transfers]
    _require_new(await post(connection, groups, booked_at=now))
    known |= {document.id: document for document in numbered}
    return [known[draft.id] for draft, _ in drafts]


def _require_new(outcomes: Iterable[Posted | WattbookError]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, WattbookError):
            raise outcome
