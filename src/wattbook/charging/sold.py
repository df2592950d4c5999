"""What was sold at the stations: ended sessions that somebody pays for, as documents need them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.settlement import cdr_facts
from wattbook.kernel.clock import utc


@dataclass(frozen=True, slots=True)
class Sold:
    """A session that was priced and posted; amounts in stored units of the currency.

    Attributes:
        payer: customer, who pays in its place such as a fleet, or the roaming partner whose driver it was.
        before_tax, after_tax: of what was drawn; what was fed in is paid for by other postings.
        price_lines: of its charge detail record: dimension, volume, price, VAT.
    """

    cdr_id: str
    operator: str
    payer: str
    currency: str
    started_at: datetime
    ended_at: datetime
    place: str
    import_mwh: int
    before_tax: int
    after_tax: int
    price_lines: list[dict[str, Any]]

    @property
    def facts(self) -> str:
        """What the facts of its postings begin with."""
        return cdr_facts(self.operator, self.cdr_id)

    @property
    def paid_facts(self) -> Iterator[str]:
        """Of the postings that took the price from a wallet, or made it owed."""
        return (f"{self.facts}:money:{step}" for step in ("hold", "wallet", "debt"))


_SOLD = """
    FROM charging.sessions AS session JOIN charging.cdrs AS cdr ON cdr.session_id = session.id
    WHERE session.ended_at >= :start AND session.ended_at < :end AND session.operator = :operator
      AND session.state = 'completed' AND session.bought_after_tax > 0
"""
_PAYER = "coalesce(session.payer_id, session.customer_id, session.token_party)"


async def payers(connection: AsyncConnection, operator: str, start: datetime, end: datetime) -> list[tuple[str, str]]:
    """Who owes or paid for sessions that ended in [start, end), with the currency, in order."""
    found = await connection.execute(
        text(f"SELECT DISTINCT {_PAYER} AS payer, session.currency {_SOLD} AND {_PAYER} IS NOT NULL ORDER BY 1, 2"),
        {"operator": operator, "start": utc(start), "end": utc(end)},
    )
    return [(row.payer, row.currency) for row in found]


async def sold_to(
    connection: AsyncConnection, operator: str, payers: Sequence[str], start: datetime, end: datetime
) -> list[Sold]:
    """What these payers bought in sessions that ended in [start, end), by payer, oldest first."""
    found = await connection.execute(
        text(f"""
            SELECT {_COLUMNS} {_SOLD} AND {_PAYER} = ANY(CAST(:payers AS text[]))
            ORDER BY payer, session.ended_at, cdr.id
        """),
        {"operator": operator, "start": utc(start), "end": utc(end), "payers": list(payers)},
    )
    return [Sold(*row) for row in found]


async def find_sold(connection: AsyncConnection, cdrs: Sequence[str]) -> list[Sold]:
    """Those of these charge detail records that somebody pays for."""
    found = await connection.execute(
        text(f"""
            SELECT {_COLUMNS}
            FROM charging.sessions AS session JOIN charging.cdrs AS cdr ON cdr.session_id = session.id
            WHERE cdr.id = ANY(CAST(:cdrs AS uuid[])) AND session.state = 'completed' AND session.bought_after_tax > 0
              AND {_PAYER} IS NOT NULL
        """),
        {"cdrs": list(cdrs)},
    )
    return [Sold(*row) for row in found]


_COLUMNS = f"""
    cdr.id::text, session.operator, {_PAYER} AS payer, session.currency, session.started_at, session.ended_at,
    coalesce(session.evse_id, session.station_id || '/' || session.connector_no), session.import_mwh,
    session.bought_before_tax, session.bought_after_tax, cdr.document -> 'price' -> 'lines'
"""
