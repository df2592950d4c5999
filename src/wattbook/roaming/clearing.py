"""What a hub books: for each record it brought across, what the payer owes and the operator is owed; both are set off
when the two have settled. A hub holds no money and no energy, so in the end its accounts are zero.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.transfers import Transfer
from wattbook.roaming import store
from wattbook.roaming.booking import book


async def clear_cdr(connection: AsyncConnection, issuer: str, cdr_id: str, now: datetime) -> None:
    """The payer took the record, so it owes its total."""
    (cdr,) = await store.cdrs(connection, issuer, [cdr_id])
    if cdr.after_tax:
        await book(
            connection,
            [
                Transfer(
                    fact=f"clearing:{issuer}*{cdr_id}",
                    debit=Account(cdr.payer, "receivable", cdr.currency),
                    credit=Account(issuer, "payable", cdr.currency),
                    amount=cdr.after_tax,
                    event_at=cdr.ended_at,
                )
            ],
            now,
        )


async def set_off(connection: AsyncConnection, payer: str, settlement_id: str, now: datetime) -> None:
    """Payer and payee agree that this much was paid between them."""
    settlement = await store.settlement(connection, payer, settlement_id)
    if settlement is not None and settlement.after_tax:
        await book(
            connection,
            [
                Transfer(
                    fact=f"set-off:{payer}*{settlement_id}",
                    debit=Account(settlement.payee, "payable", settlement.currency),
                    credit=Account(payer, "receivable", settlement.currency),
                    amount=settlement.after_tax,
                    event_at=settlement.recorded_at,
                )
            ],
            now,
        )
