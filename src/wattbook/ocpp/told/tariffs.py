"""Station tariffs in the words of OCPP 2.1 (block I): what a station shows, and computes while it is offline.

Our tariffs are those of OCPI. 2.1 orders them by dimension where OCPI orders them by element; conditions are the
restrictions of the element. What 2.1 cannot say is not said approximately: the tariff is refused, and the station goes
on with the cost that we tell it. Two divisions are rounded, half up, at `DIGITS` decimals: a price an hour to one a
minute, and a price with tax to one without.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput, NotFound, WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.dialects.fields import without_none
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.clearance import ClearanceRequest, clearance_facts
from wattbook.tariffs.ocpi import parse_tariff
from wattbook.tariffs.station import Dimension, PriceComponent, PriceLimit, StationTariff, TariffElement, TaxIncluded

DIGITS: Final = 8
TARIFF_ID_LENGTH_MAX: Final = 60
SECONDS_PER_HOUR, MINUTES_PER_HOUR, THOUSAND = 3_600, 60, 1_000

PLACES: Final[Mapping[Dimension, tuple[str, str]]] = {
    Dimension.ENERGY: ("energy", "priceKwh"),
    Dimension.TIME: ("chargingTime", "priceMinute"),
    Dimension.PARKING_TIME: ("idleTime", "priceMinute"),
    Dimension.FLAT: ("fixedFee", "priceFixed"),
}
"""Dimension → its field of a tariff, and the field of its price."""

RESERVED: Final[Mapping[Dimension, tuple[str, str]]] = {
    Dimension.TIME: ("reservationTime", "priceMinute"),
    Dimension.FLAT: ("reservationFixed", "priceFixed"),
}
"""The same of an element that is about reservations."""

CLOCK: Final = {
    "start_time": "startTimeOfDay",
    "end_time": "endTimeOfDay",
    "start_date": "validFromDate",
    "end_date": "validToDate",
}
RANGES: Final = {
    "kwh": ("Energy", THOUSAND),
    "current": ("Current", 1),
    "power": ("Power", THOUSAND),
    "duration": ("Time", 1),
}
"""What OCPI limits → what 2.1 calls it, and how many of its units one of OCPI's is (kWh in Wh, kW in W)."""


def written_tariff(tariff: StationTariff) -> JsonObject:
    """A tariff as 2.1 writes it.

    Raises:
        InvalidInput: it has what 2.1 has no words for: feed-in, steps, tax rates that differ within a dimension, a
            condition of a fixed fee that is not one of time.
    """
    if tariff.feed_in:
        raise _unsayable(tariff, "a price for energy fed in")
    written: dict[str, Any] = {"tariffId": tariff_id(tariff), "currency": tariff.currency}
    rates: dict[str, Decimal | None] = {}
    for element in tariff.elements:
        for component in element.components:
            field, price = _price(tariff, element, component)
            if rates.setdefault(field, component.vat) != component.vat:
                raise _unsayable(tariff, f"several tax rates of {field}")
            written.setdefault(field, {"prices": []})["prices"].append(price)
    for field, vat in rates.items():
        if vat is not None:
            written[field]["taxRates"] = [{"type": "VAT", "tax": vat}]
    return written | without_none(minCost=_limit(tariff.min_price), maxCost=_limit(tariff.max_price))


def tariff_id(tariff: StationTariff) -> str:
    """Under which stations know it."""
    name = f"{tariff.country_code}*{tariff.party_id}*{tariff.id}"
    if len(name) > TARIFF_ID_LENGTH_MAX:
        raise InvalidInput(f"the id of tariff {tariff.id} is too long for a station")
    return name


def _price(tariff: StationTariff, element: TariffElement, component: PriceComponent) -> tuple[str, JsonObject]:
    reserves = "reservation" in element.restrictions
    place = (RESERVED if reserves else PLACES).get(component.dimension)
    if place is None or element.restrictions.get("reservation", "RESERVATION") != "RESERVATION":
        raise _unsayable(tariff, f"{component.dimension} of a reservation" if reserves else str(component.dimension))
    if component.step_size > 1 and component.dimension is not Dimension.FLAT:
        raise _unsayable(tariff, f"a step of {component.step_size}")
    field, name = place
    price = Fraction(component.price)
    if tariff.tax_included is TaxIncluded.YES:
        if component.vat is None:
            raise _unsayable(tariff, "prices with a tax that is not stated")
        price /= 1 + Fraction(component.vat) / 100
    if name == "priceMinute":
        price /= MINUTES_PER_HOUR
    conditions = dict(_conditions(tariff, element.restrictions, fixed=name == "priceFixed"))
    return field, without_none(**{name: _decimal(price), "conditions": conditions or None})


def _conditions(tariff: StationTariff, said: Mapping[str, Any], *, fixed: bool) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        side, _, kind = name.partition("_")
        if name == "reservation":
            continue
        if name in CLOCK:
            yield CLOCK[name], value
        elif name == "day_of_week":
            yield "dayOfWeek", [str(day).capitalize() for day in value]
        elif kind in RANGES and not fixed:
            called, factor = RANGES[kind]
            amount = Decimal(str(value)) * factor
            yield f"{side}{called}", int(amount) if called == "Time" else amount
        else:
            raise _unsayable(tariff, f"the condition {name}" + (" of a fixed fee" if fixed else ""))


def _limit(limit: PriceLimit | None) -> JsonObject | None:
    return None if limit is None else without_none(exclTax=limit.before_tax, inclTax=limit.after_tax)


def _decimal(price: Fraction) -> Decimal:
    exact = Decimal(price.numerator) / Decimal(price.denominator)
    rounded = exact.quantize(Decimal(1).scaleb(-DIGITS), ROUND_HALF_UP).normalize()
    return rounded if rounded.as_tuple().exponent <= 0 else rounded.quantize(Decimal(1))  # type: ignore[operator]


def _unsayable(tariff: StationTariff, what: str) -> InvalidInput:
    return InvalidInput(f"tariff {tariff.id}: OCPP 2.1 has no words for {what}", tariff=tariff.id)


# Telling stations


async def set_default_tariffs(
    connection: AsyncConnection,
    places: Sequence[tuple[str, int]],
    *,
    requested_by: str,
    now: datetime,
    expires_at: datetime,
) -> list[Command | WattbookError]:
    """Tell each (station, EVSE) the tariff that is in force there (I07).

    Returns:
        for each, the command; or why there is none: NotFound without a tariff, InvalidInput for one that cannot be
        said or a version that has no tariffs, and what `submit` says.
    """
    facts = await clearance_facts(connection, [ClearanceRequest(station, evse, "", now) for station, evse in places])
    written: list[CommandRequest | WattbookError] = []
    for (station, evse), found in zip(places, facts, strict=True):
        if found.tariff is None:
            written.append(NotFound(f"EVSE {evse} of station {station} has no tariff in force"))
            continue
        try:
            payload = {"evseId": evse, "tariff": written_tariff(parse_tariff(found.tariff.document))}
        except InvalidInput as fault:
            written.append(fault)
            continue
        written.append(CommandRequest(station, "SetDefaultTariff", payload, expires_at, repeatable=True))
    asked = [each for each in written if isinstance(each, CommandRequest)]
    accepted = iter(await submit(connection, asked, requested_by=requested_by, now=now))
    return [next(accepted) if isinstance(each, CommandRequest) else each for each in written]


async def change_transaction_tariff(
    connection: AsyncConnection,
    station_id: str,
    transaction_id: str,
    tariff: StationTariff,
    *,
    requested_by: str,
    now: datetime,
    expires_at: datetime,
) -> Command | WattbookError:
    """Tell a station by which tariff a running transaction goes on (I11); what it costs here is not changed by it."""
    payload = {"transactionId": transaction_id, "tariff": written_tariff(tariff)}
    request = CommandRequest(station_id, "ChangeTransactionTariff", payload, expires_at)
    (outcome,) = await submit(connection, [request], requested_by=requested_by, now=now)
    return outcome
