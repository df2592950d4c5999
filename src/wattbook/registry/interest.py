"""Interest that a party gives on what it charged too much: a simple yearly rate from a day on; none without one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput
from wattbook.registry import checks, store, tables


@dataclass(frozen=True, slots=True)
class InterestRate:
    """`percent` a year from `valid_from` on, until the next one; 0: none from then on."""

    party: str
    valid_from: date
    percent: Decimal
    source: str
    checked_on: date


async def put_interest_rate(connection: AsyncConnection, rate: InterestRate) -> None:
    """Add a rate; one of the same party and day is replaced.

    Raises:
        InvalidInput: not from 0 to 100 percent with at most six decimals, or no source.
        NotFound: the party is not registered.
    """
    exponent = rate.percent.as_tuple().exponent
    if not rate.percent.is_finite() or not 0 <= rate.percent <= 100 or not isinstance(exponent, int) or exponent < -6:
        raise InvalidInput(f"interest is 0 to 100 percent with at most six decimals, not {rate.percent}")
    source = checks.plain_text(rate.source, f"source of the interest of {rate.party}")
    await store.upsert(connection, tables.interest_rates, [asdict(replace(rate, source=source))])


async def interest_rates(connection: AsyncConnection, parties: Sequence[str]) -> dict[str, tuple[InterestRate, ...]]:
    """The rates of these parties by their first day; a party that gives no interest is not there."""
    columns = tables.interest_rates.c
    found = await connection.execute(
        select(tables.interest_rates)
        .where(columns.party.in_(sorted(set(parties))))
        .order_by(columns.party, columns.valid_from)
    )
    rates: dict[str, tuple[InterestRate, ...]] = {}
    for row in found.mappings():
        rate = InterestRate(**row)
        rates[rate.party] = (*rates.get(rate.party, ()), rate)
    return rates
