"""What became of a fact: the posting that it made, if it made one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.transfers import fact_id


@dataclass(frozen=True, slots=True)
class Posting:
    """One posted movement.

    Attributes:
        amount: in units of the commodity.
        group: of the transfers it was posted with, hexadecimal.
    """

    fact: str
    group: str
    debit: Account
    credit: Account
    amount: int


async def postings_of(connection: AsyncConnection, facts: Sequence[str]) -> dict[str, Posting]:
    """The posting of each fact that moved something; holds, voids and facts that never came are not in the answer."""
    found = await connection.execute(
        text("""
            SELECT fact, group_id, amount, debit.owner, debit.purpose, debit.commodity,
                   credit.owner, credit.purpose, credit.commodity
            FROM book.transfers AS transfer
            JOIN book.accounts AS debit ON debit.id = debit_account
            JOIN book.accounts AS credit ON credit.id = credit_account
            WHERE transfer.id = ANY(CAST(string_to_array(:ids, ',') AS uuid[])) AND kind IN (0, 2)
        """),
        {"ids": ",".join(fact_id(fact) for fact in facts)},
    )
    return {row[0]: Posting(row[0], row[1].hex, Account(*row[3:6]), Account(*row[6:9]), row[2]) for row in found}
