"""The SQL of household accounts: charges at houses that were paid elsewhere, each with its course."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.paid.payments import PaymentState
from wattbook.household.store import Asked
from wattbook.kernel.units import Currency, Money


class ChargedPart(NamedTuple):
    """Energy that was charged from one moment to another."""

    began_at: datetime
    ended_at: datetime
    energy_mwh: int


@dataclass(frozen=True, slots=True)
class PaidCharge:
    """A charge at a house that was paid to a payment device or server.

    Attributes:
        amount: what the driver paid, if the server told.
        split: what decides its billing period: its end, or its own intervals.
        parts: by time; one where the server told no intervals.
    """

    server: str
    id: str
    started_at: datetime
    ended_at: datetime
    energy_mwh: int
    amount: Money | None
    state: PaymentState
    split: str
    parts: tuple[ChargedPart, ...]

    @property
    def counts(self) -> bool:
        """It was not withdrawn."""
        return self.state is PaymentState.PAID

    def energy_between(self, since: datetime, until: datetime) -> int:
        """Of the parts that ended after `since` and at the latest at `until`, as bills count them."""
        return sum(part.energy_mwh for part in self.parts if since < part.ended_at <= until)


async def charges(connection: AsyncConnection, asked: Asked) -> list[list[PaidCharge]]:
    """For each (household, from, to): the charges that touch the time, by their end; withdrawn ones too."""
    rows = await connection.execute(
        text("""
            SELECT asked.place - 1 AS place, payment.*, (
                SELECT array_agg(part.ended_at ORDER BY part.ended_at) FROM household.payment_parts AS part
                WHERE (part.server, part.payment) = (payment.server, payment.id)
            ) AS part_ends, (
                SELECT array_agg(part.energy_mwh ORDER BY part.ended_at) FROM household.payment_parts AS part
                WHERE (part.server, part.payment) = (payment.server, payment.id)
            ) AS part_energies
            FROM unnest(CAST(:households AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
                WITH ORDINALITY AS asked(household, since, until, place)
            JOIN household.payments AS payment ON payment.household = asked.household
                AND payment.ended_at > asked.since AND payment.started_at < asked.until
            ORDER BY asked.place, payment.ended_at, payment.server, payment.id
        """),
        {
            "households": [household for household, _, _ in asked],
            "since": [since for _, since, _ in asked],
            "until": [until for _, _, until in asked],
        },
    )
    found: list[list[PaidCharge]] = [[] for _ in asked]
    for row in rows.mappings():
        found[row["place"]].append(
            PaidCharge(
                server=row["server"],
                id=row["id"],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                energy_mwh=row["energy_mwh"],
                amount=None if row["currency"] is None else Money(row["amount"], Currency.of(row["currency"])),
                state=PaymentState(row["state"]),
                split=row["split"],
                parts=tuple(_parts(row["started_at"], row["part_ends"], row["part_energies"])),
            )
        )
    return found


def _parts(started_at: datetime, ends: list[datetime], energies: list[int]) -> Iterator[ChargedPart]:
    for began_at, ended_at, energy_mwh in zip(chain([started_at], ends), ends, energies, strict=False):
        yield ChargedPart(began_at, ended_at, energy_mwh)
