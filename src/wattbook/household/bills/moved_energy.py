"""What bills and their notes have moved to those who paid elsewhere, as the book says, and what is to be moved yet."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.lookup import postings_of
from wattbook.household import store
from wattbook.household.bills.documents import Bill, CreditNote
from wattbook.household.paid.assessment import PER_INTERVAL, Share
from wattbook.household.readings.intervals import IntervalStore


async def payers(
    connection: AsyncConnection, bills: Sequence[Bill], intervals: IntervalStore | None
) -> tuple[dict[str, list[str]], set[str]]:
    """By bill: who ever said that charges of its period were paid. And the bills that cannot be assessed here, for a
    charge of theirs came with its own course and nothing to hold it against is at hand."""
    servers: dict[str, list[str]] = {bill.id: [] for bill in bills}
    waiting: set[str] = set()
    for place, server, has_course in await store.payers(
        connection, [(bill.household, bill.starts_at, bill.ends_at) for bill in bills]
    ):
        servers[bills[place].id].append(server)
        if has_course and intervals is None and bills[place].basis == PER_INTERVAL:
            waiting.add(bills[place].id)
    return servers, waiting


async def moved_so_far(
    connection: AsyncConnection,
    bills: Sequence[Bill],
    notes: Mapping[str, Sequence[CreditNote]],
    servers: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, Share]]:
    """By bill and payment server: the energy that the bill and its notes have moved, as the book says."""
    facts = {
        bill.id: [f"bill:{bill.id}", *(f"credit:{note.id}" for note in notes[bill.id])]
        for bill in bills
        if servers[bill.id]
    }
    posted = await postings_of(
        connection,
        [
            f"{document}:{server}:{part}"
            for bill, documents_of_bill in facts.items()
            for document in documents_of_bill
            for server in servers[bill]
            for part in ("paid", "excess")
        ],
    )

    def moved(document: str, server: str, part: str) -> int:
        posting = posted.get(f"{document}:{server}:{part}")
        if posting is None:
            return 0
        return posting.amount if posting.debit.purpose == "paid_elsewhere" else -posting.amount

    return {
        bill.id: {
            server: Share(
                sum(moved(document, server, "paid") for document in facts[bill.id]),
                sum(moved(document, server, "excess") for document in facts[bill.id]),
            )
            for server in servers[bill.id]
        }
        for bill in bills
    }


def moved_shares(before: Mapping[str, Share], after: Mapping[str, Share]) -> dict[str, Share]:
    """What changes hands between two allocations, by payment server."""
    nothing = Share()
    return {server: after.get(server, nothing).minus(before.get(server, nothing)) for server in {*before, *after}}
