"""Where stations stand: sites of every kind, from a bus depot to a rescue vehicle."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import PartyId
from wattbook.registry import checks, store, tables


class SiteKind(StrEnum):
    """The places of the charging station application scheme, and the detached house with a charger of its own."""

    FILLING_STATION = "filling_station"
    BUS_DEPOT = "bus_depot"
    TAXI_STATION = "taxi_station"
    CAR_PARK = "car_park"
    SHOPPING_CENTRE = "shopping_centre"
    ROADSIDE = "roadside"
    MOTORWAY_SERVICE_AREA = "motorway_service_area"
    RESIDENTIAL = "residential"
    OFFICE = "office"
    SCENIC = "scenic"
    REMOTE_RENEWABLE = "remote_renewable"
    RESCUE_VEHICLE = "rescue_vehicle"
    SINGLE_HOUSE = "single_house"


@dataclass(frozen=True, slots=True)
class Site:
    """A place with stations (a location of OCPI).

    Attributes:
        operator: the party that runs it.
        country: ISO 3166-1 alpha-2.
        time_zone: a name of the IANA data base; days and hours of its tariffs are counted in it.
        latitude: degrees north, WGS 84; a rescue vehicle has none.
        longitude: degrees east, WGS 84.
    """

    id: str
    operator: str
    name: str
    kind: SiteKind
    address: str
    country: str
    time_zone: str
    latitude: Decimal | None = None
    longitude: Decimal | None = None


async def add_sites(connection: AsyncConnection, sites: Sequence[Site]) -> None:
    """Add sites, by id; one that is known is replaced.

    Raises:
        InvalidInput: a field is out of its form: unknown time zone, coordinates beyond the globe or only one of them.
        NotFound: the operator is not registered.
    """
    await store.upsert(connection, tables.sites, [asdict(_checked(site)) for site in sites])


async def find_sites(connection: AsyncConnection, ids: Sequence[str]) -> list[Site | None]:
    return await store.find(connection, tables.sites, Site, ids)


def _checked(site: Site) -> Site:
    what = f"of site {site.id}"
    try:
        ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"time zone {what} is unknown: {site.time_zone!r}; such as Asia/Seoul is needed") from None
    if (site.latitude is None) != (site.longitude is None):
        raise InvalidInput(f"coordinates {what} need both latitude and longitude")
    for name, degrees, limit in (("latitude", site.latitude, 90), ("longitude", site.longitude, 180)):
        if degrees is not None and not (degrees.is_finite() and abs(degrees) <= limit):
            raise InvalidInput(f"{name} {what} is {degrees}: it must be from -{limit} to {limit} degrees")
    return replace(
        site,
        id=checks.ocpi_id(site.id, "id of a site"),
        operator=checks.identifier(PartyId, site.operator, f"operator {what}"),
        name=checks.plain_text(site.name, f"name {what}"),
        address=checks.plain_text(site.address, f"address {what}"),
        country=checks.country(site.country, f"country {what}"),
    )
