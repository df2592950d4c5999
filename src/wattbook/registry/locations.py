"""Where meters stand: German metering and market locations, and what each meter has measured over the years."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.registry import tables
from wattbook.registry.meters import Measures, Meter, MeterPlace


async def meters_at_locations(connection: AsyncConnection, locations: Sequence[str]) -> dict[str, tuple[Meter, ...]]:
    """For each metering location (MeLo) or market location (MaLo) that is known: its meters, of all times."""
    known = tables.meters
    if not locations:
        return {}
    columns = [known.c[field.name] for field in fields(Meter)]
    wanted = select(*columns).where(or_(known.c.melo.in_(locations), known.c.malo.in_(locations)))
    found: dict[str, list[Meter]] = defaultdict(list)
    for row in (await connection.execute(wanted.order_by(known.c.number))).mappings():
        meter = Meter(**dict(row) | {"measures": Measures(row["measures"])})
        for location in {meter.melo, meter.malo} - {None}:
            if location is not None:
                found[location].append(meter)
    return {location: tuple(found[location]) for location in locations if location in found}


async def places_of_all_times(connection: AsyncConnection, meters: Sequence[str]) -> dict[str, tuple[MeterPlace, ...]]:
    """For each meter: everything it has measured, by its start."""
    known = tables.meter_places
    wanted = select(*(known.c[field.name] for field in fields(MeterPlace))).where(known.c.meter.in_(set(meters)))
    found: dict[str, list[MeterPlace]] = {meter: [] for meter in meters}
    for row in (await connection.execute(wanted.order_by(known.c.valid_from))).mappings():
        found[row["meter"]].append(MeterPlace(**row))
    return {meter: tuple(places) for meter, places in found.items()}
