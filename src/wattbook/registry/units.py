"""Mobile storage and consumption units: vehicles that draw power or feed it in at any charge point, and their supply.

A unit is known by its contract (EMAID), by its charge controller (EVCCID), or by an id of our own. Whatever way it is
written, it is stored and found in its canonical spelling.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import readable, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import DinEmaid, Eic, Emaid, Evccid, Identifier
from wattbook.kernel.units import AMOUNT_MAX
from wattbook.registry import checks, store, tables
from wattbook.registry.validity import Ambiguous, Missing, only

_KINDS: tuple[type[Identifier], ...] = (Emaid, DinEmaid, Evccid)


@dataclass(frozen=True, slots=True)
class Unit:
    """A vehicle, seen from the grid.

    Attributes:
        id: see `unit_id`.
        battery_mwh: usable capacity in mWh; None if not known.
        can_feed_in: whether it may give energy back.
    """

    id: str
    description: str
    battery_mwh: int | None = None
    can_feed_in: bool = False


@dataclass(frozen=True, slots=True)
class UnitSupply:
    """Who supplies a unit, from `valid_from` up to, not including, `valid_to`, and in which balance group."""

    unit: str
    supplier: str
    balance_group: str
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allocation:
    """Whose account of energy a unit's session counts in."""

    supplier: str
    balance_group: str


def unit_id(text: str) -> str:
    """The canonical spelling: of an EMAID (the DIN form becomes the ISO form), of an EVCCID, else as written.

    Raises:
        InvalidInput: a contract whose check character is wrong, or an id of our own that is empty, longer than 36
            characters or not printable ASCII.
    """
    miswritten: InvalidInput | None = None
    for kind in _KINDS:
        try:
            reading = kind(text)
        except InvalidInput as wrong:
            miswritten = miswritten or (wrong if "expected" in wrong.details else None)
            continue
        return (reading.to_emaid() if isinstance(reading, DinEmaid) else reading).text
    if miswritten is not None:
        raise InvalidInput(f"unit {text!r}: {miswritten.message}", **miswritten.details)
    return checks.ocpi_id(text, "id of a unit")


async def add_units(connection: AsyncConnection, units: Sequence[Unit]) -> None:
    """Add units, by id; one that is known is replaced.

    Raises:
        InvalidInput: an id as `unit_id` says, no description, or a battery without capacity.
    """
    await store.upsert(connection, tables.units, [asdict(_checked_unit(unit)) for unit in units])


async def find_units(connection: AsyncConnection, ids: Sequence[str]) -> list[Unit | None]:
    """The unit of each id, in order.

    Raises:
        InvalidInput: as `unit_id` says.
    """
    return await store.find(connection, tables.units, Unit, [unit_id(each) for each in ids])


async def assign_unit_supplies(
    connection: AsyncConnection, supplies: Sequence[UnitSupply], *, allow_overlap: bool = False
) -> None:
    """Allocate units to suppliers. The same allocation again changes nothing.

    Args:
        allow_overlap: keep what contradicts other allocations too, as an import from two sources must.

    Raises:
        InvalidInput: no span of time, or an identifier out of its form.
        NotFound: the unit, supplier or balance group is not registered.
        Conflict: the unit has a supplier in that time already.
    """
    rows = [asdict(_checked_supply(supply)) for supply in supplies]
    await store.assign(connection, tables.unit_supplies, ["unit"], rows, allow_overlap=allow_overlap)


async def end_unit_supplies(connection: AsyncConnection, ends: Sequence[tuple[str, datetime]]) -> list[bool]:
    """End the allocations of (unit, moment) that run at that moment; whether there was one."""
    return await store.end(connection, tables.unit_supplies, "unit", [(unit_id(unit), utc(at)) for unit, at in ends])


async def allocate_units(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime]]
) -> list[Allocation | Missing | Ambiguous[Allocation]]:
    """For each (unit, moment): the supplier and balance group its energy counts with."""
    canonical = [(unit_id(unit), utc(at)) for unit, at in asked]
    found = await store.supplies_at(connection, canonical)
    return [
        allocation_of(unit, at, known, msgspec.json.decode(candidates, type=list[Allocation]))
        for (unit, at), (known, candidates) in zip(canonical, found, strict=True)
    ]


def allocation_of(
    unit: str, at: datetime, known: bool, candidates: Sequence[Allocation]
) -> Allocation | Missing | Ambiguous[Allocation]:
    return only(
        candidates,
        missing=f"no supplier is on record for unit {unit} at {readable(at)}"
        if known
        else f"unit {unit} is not registered",
        ambiguous=f"unit {unit} has several suppliers on record at {readable(at)}",
    )


def _checked_unit(unit: Unit) -> Unit:
    battery = unit.battery_mwh
    return replace(
        unit,
        id=unit_id(unit.id),
        description=checks.plain_text(unit.description, f"description of unit {unit.id}"),
        battery_mwh=None if battery is None else checks.whole(battery, f"battery of unit {unit.id}", 1, AMOUNT_MAX),
    )


def _checked_supply(supply: UnitSupply) -> UnitSupply:
    start, end = checks.span(supply.valid_from, supply.valid_to, f"supply of unit {supply.unit}")
    return UnitSupply(
        unit_id(supply.unit),
        checks.market_party(supply.supplier, "supplier"),
        checks.identifier(Eic, supply.balance_group, "balance group"),
        start,
        end,
    )
