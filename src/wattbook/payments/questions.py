"""What is to be asked of a provider: written down in the transaction of its cause, with the job that asks it."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.jobs import Job, enqueue
from wattbook.payments import store
from wattbook.payments.records import Operation, OperationKind, Payment

TASK: Final = "payments.ask"


async def ask(connection: AsyncConnection, operation: Operation) -> bool:
    """Write the question down, and have it asked after the commit; whether it is new."""
    if not await store.add(connection, operation):
        return False
    await enqueue(connection, [Job(TASK, {"operation": operation.id}, lock=operation.id)])
    return True


def question_about(payment: Payment, kind: OperationKind, now: datetime, amount: int | None = None) -> Operation:
    """Of each kind there is one about a payment, refunds apart."""
    return Operation(
        id=f"wattbook:{payment.channel}:{payment.id}:{kind.value}",
        channel=payment.channel,
        kind=kind,
        payment=payment.id,
        amount=amount,
        asked_at=now,
    )


async def unanswered(connection: AsyncConnection, *, limit: int = 100) -> list[str]:
    """Questions without an answer, the oldest first: for whoever looks after them when their jobs gave up."""
    return await store.asked_operations(connection, limit)
