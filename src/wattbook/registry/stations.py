"""Stations, their EVSEs and connectors, and the tariffs offered there."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.kernel.identifiers import Evseid, PartyId
from wattbook.kernel.units import Currency
from wattbook.registry import checks, store, tables
from wattbook.registry.protection import IpCode, Placement, require_protection

STATION_ID_LENGTH_MAX = 48
NUMBER_MAX = 1_000
VOLTAGE_MAX_V, CURRENT_MAX_A, POWER_MAX_W = 10_000, 10_000, 10_000_000


class Acceptance(StrEnum):
    """Whether the operator lets a station work: BootNotification's Pending, Accepted and Rejected."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    BLOCKED = "blocked"


class PowerType(StrEnum):
    """OCPI 2.2.1, locations module, PowerType."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_2_PHASE = "AC_2_PHASE"
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


CONNECTOR_STANDARDS = frozenset({
    "CHADEMO", "CHAOJI", "DOMESTIC_A", "DOMESTIC_B", "DOMESTIC_C", "DOMESTIC_D", "DOMESTIC_E", "DOMESTIC_F",
    "DOMESTIC_G", "DOMESTIC_H", "DOMESTIC_I", "DOMESTIC_J", "DOMESTIC_K", "DOMESTIC_L", "DOMESTIC_M", "DOMESTIC_N",
    "DOMESTIC_O", "GBT_AC", "GBT_DC", "IEC_60309_2_single_16", "IEC_60309_2_three_16", "IEC_60309_2_three_32",
    "IEC_60309_2_three_64", "IEC_62196_T1", "IEC_62196_T1_COMBO", "IEC_62196_T2", "IEC_62196_T2_COMBO",
    "IEC_62196_T3A", "IEC_62196_T3C", "NEMA_5_20", "NEMA_6_30", "NEMA_6_50", "NEMA_10_30", "NEMA_10_50", "NEMA_14_30",
    "NEMA_14_50", "PANTOGRAPH_BOTTOM_UP", "PANTOGRAPH_TOP_DOWN", "TESLA_R", "TESLA_S", "MCS", "SAE_J3400",
})  # fmt: skip
"""OCPI 2.2.1, locations module, ConnectorType; the last two from OCPI 2.3.0."""


@dataclass(frozen=True, slots=True)
class Station:
    """A charging station, known by the identity it connects with.

    Attributes:
        id: OCPP identity: at most 48 printable characters without white space and colon (OCPP 2.0.1, part 4, 3.1.1).
        ip_code: degree of protection, IEC 60529.
    """

    id: str
    site: str
    placement: Placement
    ip_code: str
    vendor: str | None = None
    model: str | None = None
    acceptance: Acceptance = Acceptance.ACCEPTED


@dataclass(frozen=True, slots=True)
class Evse:
    """Where one vehicle charges at a time.

    Attributes:
        id: EVSEID.
        number: the station's own number for it: EVSE id of OCPP 2.x, connectorId of OCPP 1.6; from 1.
        tariff: id of a tariff of the site's operator; None while none is set.
    """

    id: str
    station: str
    number: int
    tariff: str | None = None


@dataclass(frozen=True, slots=True)
class Connector:
    """A plug or socket of an EVSE.

    Attributes:
        number: from 1 within the EVSE.
        standard: one of `CONNECTOR_STANDARDS`.
        max_voltage_v: line to neutral for AC.
        max_current_a: for each phase.
        max_power_w: rated power.
    """

    evse: str
    number: int
    standard: str
    power_type: PowerType
    max_voltage_v: int
    max_current_a: int
    max_power_w: int


@dataclass(frozen=True, slots=True)
class StationTariff:
    """One version of a tariff; it holds until the next version of the same id begins.

    Attributes:
        document: a tariff object of OCPI; what it means is the tariffs room's to say.
    """

    party: str
    id: str
    valid_from: datetime
    currency: str
    document: dict[str, Any]


async def add_stations(connection: AsyncConnection, stations: Sequence[Station]) -> None:
    """Add stations, by identity; one that is known is replaced.

    Raises:
        InvalidInput: an identity that cannot stand in an OCPP URL, or another field out of its form.
        NotFound: the site is not registered.
        Refused: the station is protected too little for its place; `details` as `require_protection` says.
    """
    await store.upsert(connection, tables.stations, [asdict(_checked_station(station)) for station in stations])


async def add_evses(connection: AsyncConnection, evses: Sequence[Evse]) -> None:
    """Add EVSEs, by EVSEID; one that is known is replaced.

    Raises:
        InvalidInput: no EVSEID, or a number below 1.
        NotFound: the station is not registered.
        Conflict: another EVSE of the station has the number.
    """
    await store.upsert(connection, tables.evses, [asdict(_checked_evse(evse)) for evse in evses])


async def add_connectors(connection: AsyncConnection, connectors: Sequence[Connector]) -> None:
    """Add connectors, by EVSE and number; one that is known is replaced.

    Raises:
        InvalidInput: an unknown standard, or a rating that is not positive.
        NotFound: the EVSE is not registered.
    """
    await store.upsert(connection, tables.connectors, [asdict(_checked_connector(each)) for each in connectors])


async def add_station_tariffs(connection: AsyncConnection, tariffs: Sequence[StationTariff]) -> None:
    """Add versions of tariffs, by party, id and start; one that is known is replaced.

    Raises:
        InvalidInput: an unknown currency, or an id out of its form.
        NotFound: the party is not registered.
    """
    await store.upsert(connection, tables.station_tariffs, [asdict(_checked_tariff(tariff)) for tariff in tariffs])


async def find_stations(connection: AsyncConnection, ids: Sequence[str]) -> list[Station | None]:
    return await store.find(connection, tables.stations, Station, ids)


async def find_evses(connection: AsyncConnection, ids: Sequence[str]) -> list[Evse | None]:
    """The EVSE of each EVSEID, in order.

    Raises:
        InvalidInput: no EVSEID.
    """
    keys = [checks.identifier(Evseid, each, "EVSE") for each in ids]
    return await store.find(connection, tables.evses, Evse, keys)


async def acceptances(connection: AsyncConnection) -> dict[str, Acceptance]:
    """Every station, and whether it may take part: for a gateway that must decide a connection from memory."""
    return {station: Acceptance(acceptance) for station, acceptance in await store.acceptances(connection)}


async def set_acceptance(connection: AsyncConnection, acceptances: Sequence[tuple[str, Acceptance]]) -> None:
    """Let stations work, or keep them from it.

    Raises:
        NotFound: a station is not registered.
    """
    latest = dict(acceptances)
    changed = await store.set_acceptance(connection, list(latest), list(latest.values()))
    for station in latest.keys() - set(changed):
        raise NotFound(f"station {station!r} is not registered", station=station)


def _checked_station(station: Station) -> Station:
    what = f"of station {station.id}"
    code = IpCode.parse(station.ip_code)
    require_protection(f"station {station.id}", station.placement, code)
    return replace(
        station,
        id=_station_id(station.id),
        ip_code=code.text,
        vendor=None if station.vendor is None else checks.plain_text(station.vendor, f"vendor {what}"),
        model=None if station.model is None else checks.plain_text(station.model, f"model {what}"),
    )


def _station_id(text: str) -> str:
    """A colon would end the user name of HTTP basic authentication, which is this identity."""
    allowed = text.isascii() and text.isprintable() and not set(": ") & set(text)
    if not (allowed and 1 <= len(text) <= STATION_ID_LENGTH_MAX):
        raise InvalidInput(
            f"station {text!r}: an identity has 1 to {STATION_ID_LENGTH_MAX} printable characters of ASCII, "
            "no white space and no colon"
        )
    return text


def _checked_evse(evse: Evse) -> Evse:
    return replace(
        evse,
        id=checks.identifier(Evseid, evse.id, "EVSE"),
        number=checks.whole(evse.number, f"number of EVSE {evse.id}", 1, NUMBER_MAX),
        tariff=None if evse.tariff is None else checks.ocpi_id(evse.tariff, f"tariff of EVSE {evse.id}"),
    )


def _checked_connector(connector: Connector) -> Connector:
    what = f"of connector {connector.number} of EVSE {connector.evse}"
    if connector.standard not in CONNECTOR_STANDARDS:
        raise InvalidInput(f"standard {what} is unknown: {connector.standard!r}; such as IEC_62196_T2 is needed")
    return replace(
        connector,
        evse=checks.identifier(Evseid, connector.evse, "EVSE"),
        number=checks.whole(connector.number, f"number {what}", 1, NUMBER_MAX),
        max_voltage_v=checks.whole(connector.max_voltage_v, f"voltage {what}", 1, VOLTAGE_MAX_V),
        max_current_a=checks.whole(connector.max_current_a, f"current {what}", 1, CURRENT_MAX_A),
        max_power_w=checks.whole(connector.max_power_w, f"power {what}", 1, POWER_MAX_W),
    )


def _checked_tariff(tariff: StationTariff) -> StationTariff:
    return replace(
        tariff,
        party=checks.identifier(PartyId, tariff.party, f"party of tariff {tariff.id}"),
        id=checks.ocpi_id(tariff.id, "id of a tariff"),
        valid_from=utc(tariff.valid_from),
        currency=Currency.of(tariff.currency).code,
    )
