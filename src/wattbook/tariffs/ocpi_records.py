"""CDRs and sessions of OCPI 2.2.1 and 2.3.0 as far as a price needs them, and their price.

Read permissively: dimensions that are not known are passed over, a time without a zone is UTC (OCPI, class DateTime),
periods are put in the order of time. A volume is read to the microsecond and the milliwatt-hour, half up: digits below
that are the noise of somebody's floats, and one of them must not begin another step. Negative energy is energy fed in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, MWH_PER_KWH, Energy, div_half_up
from wattbook.tariffs.compiling import compile_tariff
from wattbook.tariffs.ocpi import parse_tariff
from wattbook.tariffs.pricer import PERIODS_MAX, US_PER_HOUR, Pricer, power_mw, price_periods
from wattbook.tariffs.restrictions import number
from wattbook.tariffs.session_price import Price
from wattbook.tariffs.station import Dimension, SessionPeriod, StationTariff

HOURS_MAX: Final = 10**6
TARIFFS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class ChargeRecord:
    """A CDR or a session.

    Attributes:
        started_at: when it began, with its reservation.
        tariffs: those that came with it.
    """

    id: str
    currency: str | None
    started_at: datetime | None
    periods: tuple[SessionPeriod, ...]
    tariffs: tuple[StationTariff, ...]


def parse_record(content: Any) -> ChargeRecord:
    """A CDR or session from its decoded JSON object.

    Raises:
        InvalidInput: what a price needs is missing or cannot be read; the message names its place.
    """
    if not isinstance(content, Mapping):
        raise InvalidInput("CDR: must be an object")
    periods = _list(content, "charging_periods", PERIODS_MAX)
    tariffs = _list(content, "tariffs", TARIFFS_MAX)
    read = [_period(period, f"charging_periods[{place}]") for place, period in enumerate(periods)]
    started_at = content.get("start_date_time")
    return ChargeRecord(
        id=str(content.get("id") or ""),
        currency=content.get("currency"),
        started_at=None if started_at is None else _moment(started_at, "start_date_time"),
        periods=tuple(sorted(read, key=lambda period: period.start)),
        tariffs=tuple(parse_tariff(tariff) for tariff in tariffs),
    )


def price_record(given: Sequence[StationTariff], record: ChargeRecord, zone: tzinfo | None) -> Price:
    """The price of a CDR or session by the given tariffs, or where they do not say, by those that came with it.

    A period is priced by the tariff that it names. While there is only one tariff at all, it prices every period.
    Among several, a period that names none is priced by none (OCPI 2.2.1, class ChargingPeriod).

    Raises:
        InvalidInput: no tariff, one that is named and not there, or one that cannot be priced.
    """
    known = {tariff.id: tariff for tariff in (*record.tariffs, *given)}
    if not known:
        raise InvalidInput("there is no tariff: neither given nor in the record")
    names = {period.tariff_id for period in record.periods}
    only = _only_tariff(given, known, names)
    if missing := sorted(name for name in names if name is not None and name not in known and only is None):
        raise InvalidInput(f"a period is priced by tariff {missing[0]!r}, which is not there")
    used = [only] if only else [known[name] for name in sorted(name for name in names if name is not None)]
    pricers = {tariff.id: compile_tariff(tariff, zone) for tariff in used}
    of_period = [pricers[only.id] if only else pricers.get(each.tariff_id or "") for each in record.periods]
    currency = used[0].currency if used else next(iter(known.values())).currency
    notes = tuple(_notes(record, of_period, currency, only))
    return price_periods(of_period, record.periods, currency, started_at=record.started_at, notes=notes)


def _only_tariff(
    given: Sequence[StationTariff], known: Mapping[str, StationTariff], names: set[str | None]
) -> StationTariff | None:
    """The tariff that prices everything, if there is one: a given one goes before those of the record."""
    named = names - {None}
    if len(known) > 1 and named:
        return given[0] if len(given) == 1 and not named & set(known) else None
    return given[0] if given and len(known) > 1 else next(iter(known.values()))


def _notes(
    record: ChargeRecord, pricers: Sequence[Pricer | None], currency: str, only: StationTariff | None
) -> Iterator[str]:
    """What a reader of the price should know."""
    if record.currency is not None and record.currency != currency:
        yield f"the record is in {record.currency}, the tariff in {currency}"
    for name in sorted({each.tariff_id for each in record.periods if each.tariff_id}):
        if only is not None and name != only.id:
            yield f"periods name tariff {name}; they are priced by {only.id or 'the given tariff'}"
    used = [(each, period) for each, period in zip(pricers, record.periods, strict=True) if each is not None]
    if any(each.by_power and power_mw(period) is None for each, period in used):
        yield "the tariff asks for power, and a period does not state it: nothing was excluded by power there"
    if any(each.by_current and period.current_a is None for each, period in used):
        yield "the tariff asks for current, and a period does not state it: nothing was excluded by current there"
    timed = any(each.lanes[Dimension.TIME] for each, _ in used)
    if timed and not any(each.time or each.parking for each in record.periods):
        yield "the tariff prices time, and no period states any"


# ------------------------------------------------------------------------------------------------------------ reading


def _list(content: Mapping[str, Any], name: str, most: int) -> list[Any]:
    found = content.get(name)
    found = [] if found is None else found
    if not isinstance(found, list) or len(found) > most:
        raise InvalidInput(f"CDR: {name} must be a list of at most {most}")
    return found


def _period(content: Any, place: str) -> SessionPeriod:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{place}: must be an object")
    volumes = _volumes(content.get("dimensions"), place)
    energy = volumes.get("ENERGY", volumes.get("ENERGY_IMPORT", Decimal(0)))
    fed_in = volumes.get("ENERGY_EXPORT", Decimal(0))
    if energy < 0:
        energy, fed_in = Decimal(0), fed_in - energy
    tariff_id = content.get("tariff_id")
    return SessionPeriod(
        start=_moment(content.get("start_date_time"), f"{place}.start_date_time"),
        energy=Energy(_whole(energy, MWH_PER_KWH, place)),
        time=_duration(volumes, "TIME", place),
        fed_in=Energy(_whole(fed_in, MWH_PER_KWH, place)),
        parking=_duration(volumes, "PARKING_TIME", place),
        reserved=_duration(volumes, "RESERVATION_TIME", place),
        current_a=_extremes(volumes, "CURRENT"),
        power_kw=_extremes(volumes, "POWER"),
        tariff_id=None if tariff_id is None else str(tariff_id),
    )


def _volumes(dimensions: Any, place: str) -> dict[str, Decimal]:
    """By type; what is stated twice adds up, except where it is an extreme."""
    if dimensions is not None and not isinstance(dimensions, list):
        raise InvalidInput(f"{place}.dimensions: must be a list")
    volumes: dict[str, Decimal] = {}
    for nth, each in enumerate(dimensions or []):
        if not isinstance(each, Mapping) or not isinstance(each.get("type"), str):
            raise InvalidInput(f"{place}.dimensions[{nth}]: must be an object with type and volume")
        kind, volume = each["type"], number(each.get("volume"), f"{place}.dimensions[{nth}].volume")
        if kind.startswith("MIN_"):
            volumes[kind] = min(volume, volumes.get(kind, volume))
        elif kind.startswith("MAX_"):
            volumes[kind] = max(volume, volumes.get(kind, volume))
        else:
            volumes[kind] = volumes.get(kind, Decimal(0)) + volume
    return volumes


def _extremes(volumes: Mapping[str, Decimal], name: str) -> tuple[Decimal, Decimal] | None:
    known = [volumes[kind] for kind in (f"MIN_{name}", name, f"MAX_{name}") if kind in volumes]
    return (min(known), max(known)) if known else None


def _duration(volumes: Mapping[str, Decimal], name: str, place: str) -> timedelta:
    hours = volumes.get(name, Decimal(0))
    if abs(hours) > HOURS_MAX:
        raise InvalidInput(f"{place}: {hours} hours of {name} is out of range")
    return timedelta(microseconds=_whole(hours, US_PER_HOUR, place))


def _whole(value: Decimal, per_unit: int, place: str) -> int:
    exact = Fraction(value) * per_unit
    whole = div_half_up(exact.numerator, exact.denominator)
    if abs(whole) > AMOUNT_MAX:
        raise InvalidInput(f"{place}: a volume of {value} is out of range")
    return whole


def _moment(value: object, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{place}: must be a time such as 2026-03-29T01:00:00Z, not {value!r}") from None
