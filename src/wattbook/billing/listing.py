"""Documents as a program sees them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind, Line, coin_text
from wattbook.billing.run import Period
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.kernel.units import Energy

LIMIT_MAX = 1_000


async def find_document(connection: AsyncConnection, number: str) -> Document:
    """Raises:
    NotFound: no document has this number.
    """
    found = await store.find(connection, "number", [number]) if number.isprintable() else []
    if not found:
        raise NotFound(f"there is no document {number[:64]!r}")
    return found[0]


async def find_documents(connection: AsyncConnection, numbers: Sequence[str]) -> list[Document]:
    """Those that there are, in the order of their numbers."""
    return await store.find(connection, "number", numbers)


async def invoices_of_period(connection: AsyncConnection, issuer: str, period: Period) -> list[str]:
    """The numbers of all invoices of a period that has ended, in order."""
    return await store.invoices_of_period(connection, issuer, period.first, period.last)


async def list_documents(
    connection: AsyncConnection, *, recipient: str | None = None, kind: Kind | None = None, after: str = "", limit: int
) -> list[Document]:
    """In the order of their numbers, beginning after one.

    Raises:
        InvalidInput: a name that cannot be printed, or more than 1,000 documents asked for.
    """
    if not (after + (recipient or "")).isprintable():
        raise InvalidInput("a name has printable characters only")
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"a list has 1 to {LIMIT_MAX} documents, not {limit}")
    return await store.page(connection, recipient=recipient, kind=kind, after=after, limit=limit)


def document_fields(document: Document) -> dict[str, Any]:
    """Amounts as decimal texts with the digits of the currency."""

    def amount(stored: int) -> str:
        return coin_text(stored, document.currency)

    return {
        "number": document.number,
        "kind": document.kind,
        "issuer": document.issuer.id,
        "recipient": document.recipient.id,
        "currency": document.currency,
        "issued_on": document.issued_on,
        "period": [document.first_day, document.last_day],
        "due_on": document.due_on,
        "net": amount(document.net),
        "tax": amount(document.tax),
        "total": amount(document.total),
        "paid": amount(document.paid),
        "due": amount(document.due),
        "reference": document.reference,
        "reason": document.reason,
        "posting": document.posting,
        "taxes": [{"rate": each.rate, "net": amount(each.net), "tax": amount(each.tax)} for each in document.taxes],
        "lines": [_line_fields(line, amount(line.net)) for line in document.lines],
    }


def _line_fields(line: Line, net: str) -> dict[str, Any]:
    return {
        "product": line.product,
        "place": line.place,
        "started_at": line.started_at,
        "ended_at": line.ended_at,
        "kwh": f"{Energy(line.energy_mwh).kwh:f}",
        "rate": line.rate,
        "net": net,
        "source": line.source,
        "posting": line.group,
    }
