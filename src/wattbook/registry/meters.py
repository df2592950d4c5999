"""Electricity meters: in whose network they hang and what they measure, both of which change over the years."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import readable, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import Evseid, Malo, Melo
from wattbook.registry import checks, store, tables
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.validity import Ambiguous, Missing, only

METER_NUMBER_LENGTH_MAX = 64
OBIS_IMPORT = "1-0:1.8.0"
"""Active energy taken from the network, total of all tariffs (IEC 62056-61)."""
OBIS_EXPORT = "1-0:2.8.0"
"""Active energy fed into the network, total of all tariffs."""

# Medium-channel:quantity.kind.tariff and an optional storage; hexadecimal B0 to C3 and the channel `b` as signed meter
# values write them.
_OBIS = re.compile(r"[0-9]{1,2}-[0-9b]{1,2}:[0-9A-F]{1,3}\.[0-9]{1,3}\.[0-9e]{1,3}(?:[*.][0-9A-Fx]{1,3})?")


class Measures(StrEnum):
    EVSE = "evse"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter, known by the number on its plate.

    Attributes:
        number: without white space around it.
        measures: what it may be assigned to.
        obis_import: register of the energy drawn; None if it cannot measure that.
        obis_export: register of the energy fed in; None if it cannot measure that.
        melo: German metering location.
        malo: German market location.
    """

    number: str
    measures: Measures
    obis_import: str | None = OBIS_IMPORT
    obis_export: str | None = None
    melo: str | None = None
    malo: str | None = None


@dataclass(frozen=True, slots=True)
class MeterNetwork:
    """The network a meter hangs on, from `valid_from` up to, not including, `valid_to`."""

    meter: str
    network_operator: str
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class MeterPlace:
    """What a meter measures, an EVSE or a household, from `valid_from` up to, not including, `valid_to`."""

    meter: str
    evse: str | None
    household: str | None
    valid_from: datetime
    valid_to: datetime | None = None


async def add_meters(connection: AsyncConnection, meters: Sequence[Meter]) -> None:
    """Add meters, by number; one that is known is replaced.

    Raises:
        InvalidInput: no number, no register at all, or a code out of its form.
    """
    await store.upsert(connection, tables.meters, [asdict(_checked_meter(meter)) for meter in meters])


async def find_meters(connection: AsyncConnection, numbers: Sequence[str]) -> list[Meter | None]:
    return await store.find(connection, tables.meters, Meter, [number.strip() for number in numbers])


async def assign_meter_networks(
    connection: AsyncConnection, networks: Sequence[MeterNetwork], *, allow_overlap: bool = False
) -> None:
    """Hang meters on networks. The same assignment again changes nothing.

    Args:
        allow_overlap: keep what contradicts other assignments too, as an import from two sources must.

    Raises:
        InvalidInput: no span of time, or an identifier out of its form.
        NotFound: the meter or the network operator is not registered.
        Conflict: the meter hangs on a network in that time already.
    """
    rows = [asdict(_checked_network(network)) for network in networks]
    await store.assign(connection, tables.meter_networks, ["meter"], rows, allow_overlap=allow_overlap)


async def end_meter_networks(connection: AsyncConnection, ends: Sequence[tuple[str, datetime]]) -> list[bool]:
    """End the assignments of (meter number, moment) that run at that moment; whether there was one."""
    return await store.end(connection, tables.meter_networks, "meter", _asked(ends))


async def assign_meter_places(
    connection: AsyncConnection, places: Sequence[MeterPlace], *, allow_overlap: bool = False
) -> None:
    """Say what meters measure. A meter measures one thing at a time, and an EVSE has one meter at a time; a household
    may have several. The same assignment again changes nothing.

    Args:
        allow_overlap: keep what contradicts other assignments too, as an import from two sources must.

    Raises:
        InvalidInput: not just one of EVSE and household, not what the meter is for, no span of time, or an identifier
            out of its form.
        NotFound: the meter, EVSE or household is not registered.
        Conflict: the meter measures something in that time already, or the EVSE has a meter.
    """
    checked = [_checked_place(place) for place in places]
    meters = await find_meters(connection, [place.meter for place in checked])
    for place, meter in zip(checked, meters, strict=True):
        wanted = Measures.HOUSEHOLD if place.evse is None else Measures.EVSE
        if meter is not None and meter.measures is not wanted:
            raise InvalidInput(f"meter {place.meter} measures a thing of kind {meter.measures}, not {wanted}")
    rows = [asdict(place) for place in checked]
    await store.assign(connection, tables.meter_places, ["meter", "evse"], rows, allow_overlap=allow_overlap)


async def end_meter_places(connection: AsyncConnection, ends: Sequence[tuple[str, datetime]]) -> list[bool]:
    """End the assignments of (meter number, moment) that run at that moment; whether there was one."""
    return await store.end(connection, tables.meter_places, "meter", _asked(ends))


async def allocate_meters(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime]]
) -> list[NetworkOperator | Missing | Ambiguous[NetworkOperator]]:
    """For each (meter number, moment): the network operator by whose network it was fed."""
    found = await store.networks_at(connection, _asked(asked))
    return [
        network_operator_of(meter, at, known, msgspec.json.decode(candidates, type=list[NetworkOperator]))
        for (meter, at), (known, candidates) in zip(asked, found, strict=True)
    ]


def network_operator_of(
    meter: str, at: datetime, known: bool, candidates: Sequence[NetworkOperator]
) -> NetworkOperator | Missing | Ambiguous[NetworkOperator]:
    return only(
        candidates,
        missing=f"no network operator is on record for meter {meter} at {readable(at)}"
        if known
        else f"meter {meter} is not registered",
        ambiguous=f"meter {meter} has several network operators on record at {readable(at)}",
    )


async def places_of_meters(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime]]
) -> list[MeterPlace | Missing | Ambiguous[MeterPlace]]:
    """For each (meter number, moment): what it measures then."""
    found = await store.places_at(connection, _asked(asked))
    return [
        only(
            msgspec.json.decode(candidates, type=list[MeterPlace]),
            missing=f"meter {meter} measures nothing on record at {readable(at)}"
            if known
            else f"meter {meter} is not registered",
            ambiguous=f"meter {meter} measures several things on record at {readable(at)}",
        )
        for (meter, at), (known, candidates) in zip(asked, found, strict=True)
    ]


def obis(text: str, what: str) -> str:
    """An OBIS code, as written.

    Raises:
        InvalidInput: not an OBIS code.
    """
    if not _OBIS.fullmatch(text):
        raise InvalidInput(f"{what} is no OBIS code: {text!r}; such as {OBIS_IMPORT} is needed")
    return text


def _asked(asked: Sequence[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    return [(meter.strip(), utc(at)) for meter, at in asked]


def _checked_meter(meter: Meter) -> Meter:
    what = f"of meter {meter.number}"
    if meter.obis_import is None and meter.obis_export is None:
        raise InvalidInput(f"meter {meter.number} has no register: an OBIS code for import or export is needed")
    return replace(
        meter,
        number=checks.plain_text(meter.number, "number of a meter", length_max=METER_NUMBER_LENGTH_MAX),
        obis_import=None if meter.obis_import is None else obis(meter.obis_import, f"import register {what}"),
        obis_export=None if meter.obis_export is None else obis(meter.obis_export, f"export register {what}"),
        melo=None if meter.melo is None else checks.identifier(Melo, meter.melo, f"metering location {what}"),
        malo=None if meter.malo is None else checks.identifier(Malo, meter.malo, f"market location {what}"),
    )


def _checked_network(network: MeterNetwork) -> MeterNetwork:
    start, end = checks.span(network.valid_from, network.valid_to, f"network of meter {network.meter}")
    operator = checks.market_party(network.network_operator, "network operator")
    return MeterNetwork(network.meter.strip(), operator, start, end)


def _checked_place(place: MeterPlace) -> MeterPlace:
    if (place.evse is None) == (place.household is None):
        raise InvalidInput(f"meter {place.meter} measures either an EVSE or a household: name one of them")
    start, end = checks.span(place.valid_from, place.valid_to, f"place of meter {place.meter}")
    evse = None if place.evse is None else checks.identifier(Evseid, place.evse, "EVSE")
    return MeterPlace(place.meter.strip(), evse, place.household, start, end)
