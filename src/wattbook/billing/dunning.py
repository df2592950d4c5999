"""Dunning: what is overdue is asked for, then warned about, then service is held until it is paid.

A debtor climbs a stage at a time as the oldest open document ages; each climb issues a reminder. When nothing is
overdue any more, the stage and the hold on service go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind, Line
from wattbook.billing.issuing import issue
from wattbook.billing.parties import Issuer
from wattbook.billing.registers import find_issuer, find_recipients
from wattbook.billing.rollups import Open, open_items
from wattbook.book.transfers import fact_id
from wattbook.registry.customers import hold_service, release_service

STAGES: Final = (("reminded", 3), ("warned", 14), ("held", 28))
"""Each stage with the days overdue at which it begins."""


@dataclass(frozen=True, slots=True)
class Dunned:
    """What a round of dunning did: reminders issued, debtors whose service is held or given back."""

    reminders: tuple[Document, ...]
    held: tuple[str, ...]
    released: tuple[str, ...]


async def dun(connection: AsyncConnection, issuer: str, *, zone: ZoneInfo, now: datetime) -> Dunned:
    """One round over all debtors of an issuer; a second one on the same day changes nothing.

    Raises:
        NotFound: the issuer has no legal name and address on record.
    """
    seller = await find_issuer(connection, issuer)
    today = now.astimezone(zone).date()
    await store.lock_series(connection, issuer, Kind.REMINDER, today.year)
    before = await store.dunning_stages(connection, issuer)
    overdue = [item for item in await open_items(connection, issuer) if item.days_overdue(today) > 0]
    by_debtor = {key: list(own) for key, own in groupby(overdue, key=lambda item: (item.debtor, item.currency))}
    climbed = {
        key: next_stage
        for key, own in by_debtor.items()
        if (next_stage := _next_stage(before.get(key), max(item.days_overdue(today) for item in own)))
    }
    reminders = await _remind(connection, seller, {key: by_debtor[key] for key in climbed}, climbed, today, now)
    for (debtor, currency), stage in climbed.items():
        await store.set_dunning_stage(connection, issuer, debtor, currency, stage, now)
    settled = [key for key in before if key not in by_debtor]
    for debtor, currency in settled:
        await store.set_dunning_stage(connection, issuer, debtor, currency, None, now)
    held = sorted({debtor for (debtor, _), stage in climbed.items() if stage == "held"})
    still = {debtor for (debtor, _), stage in before.items() if stage == "held"} & {debtor for debtor, _ in by_debtor}
    released = sorted({debtor for debtor, currency in settled if before[debtor, currency] == "held"} - still)
    await hold_service(connection, held, because="overdue invoices")
    await release_service(connection, released)
    return Dunned(tuple(reminders), tuple(held), tuple(released))


def _next_stage(now_at: str | None, days_overdue: int) -> str | None:
    """The stage after this one, when it is time for it."""
    names = [name for name, _ in STAGES]
    following = 0 if now_at is None else names.index(now_at) + 1
    if following == len(STAGES) or days_overdue < STAGES[following][1]:
        return None
    return names[following]


async def _remind(
    connection: AsyncConnection,
    seller: Issuer,
    overdue: dict[tuple[str, str], Sequence[Open]],
    stages: dict[tuple[str, str], str],
    today: date,
    now: datetime,
) -> list[Document]:
    recipients = await find_recipients(connection, sorted({debtor for debtor, _ in overdue}), country=seller.country)
    drafts = [
        Document(
            id=fact_id(f"reminder:{seller.id}:{debtor}:{currency}:{stages[debtor, currency]}:{items[0].number}"),
            number="",
            kind=Kind.REMINDER,
            issuer=seller,
            recipient=recipients[debtor][0],
            language=recipients[debtor][1],
            currency=currency,
            issued_on=today,
            first_day=items[0].due_on,
            last_day=today,
            due_on=today,
            lines=tuple(_line(item) for item in items),
            taxes=(),
            net=sum(item.amount for item in items),
            tax=0,
            total=sum(item.amount for item in items),
            reference=items[0].number,
            reason=stages[debtor, currency],
        )
        for (debtor, currency), items in overdue.items()
    ]
    return await issue(connection, [(draft, ()) for draft in drafts], now=now)


def _line(item: Open) -> Line:
    return Line(
        source=item.number,
        group=fact_id(item.number),
        product="overdue",
        place=item.number,
        net=item.amount,
        exact_net=item.amount,
    )
