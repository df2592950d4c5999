"""From a station tariff to a pricer: restrictions become whole numbers, prices numerators over one denominator."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from fractions import Fraction
from functools import lru_cache
from math import lcm

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, MWH_PER_WH
from wattbook.tariffs.pricer import (
    DRIVING,
    EXPORT,
    FLAT,
    PARKING,
    TIME,
    US_PER_HOUR,
    Choice,
    Lane,
    Pricer,
    ScaledLimit,
)
from wattbook.tariffs.restrictions import (
    ANY,
    MICROSECONDS,
    RESERVATION,
    RESERVATION_EXPIRES,
    Restrictions,
    read_restrictions,
)
from wattbook.tariffs.session_price import Rate
from wattbook.tariffs.station import (
    Dimension,
    PriceComponent,
    PriceLimit,
    StationTariff,
    TariffElement,
    TaxIncluded,
)


def compile_tariff(tariff: StationTariff, zone: tzinfo | None = None) -> Pricer:
    """Make a tariff ready to price sessions at a location in this time zone.

    Raises:
        InvalidInput: the tariff holds what cannot be priced (better no price than a wrong one): a restriction that is
            not known, a component where it makes no sense, or local times without a zone.
    """
    restrictions = [_restrictions(tariff, each, f"element {n}") for n, each in enumerate(tariff.elements)]
    feed_in = [_restrictions(tariff, each, f"feed-in element {n}") for n, each in enumerate(tariff.feed_in)]
    _check_components(tariff, restrictions, feed_in)
    scale = _scale(tariff)
    every = (*restrictions, *feed_in)
    if zone is None and any(each.by_calendar for each in every):
        raise InvalidInput(f"tariff {tariff.id}: it depends on local time; the location's time zone is needed")

    def lane(dimension: Dimension, *kinds: str | None) -> Lane:
        elements = tariff.feed_in if dimension is EXPORT else tariff.elements
        when = feed_in if dimension is EXPORT else restrictions
        return _lane(tariff, scale, [c for kind in kinds for c in _candidates(elements, when, dimension, kind)])

    return Pricer(
        tariff=tariff,
        zone=zone if any(each.by_calendar for each in every) else None,
        scale=scale,
        lanes={dimension: lane(dimension, None) for dimension in (*DRIVING, EXPORT)},
        reserved={"FLAT": lane(FLAT, RESERVATION), "TIME": lane(TIME, RESERVATION)},
        expired={
            "FLAT": lane(FLAT, RESERVATION),
            "FLAT of expiry": lane(FLAT, RESERVATION_EXPIRES),
            "TIME": lane(TIME, RESERVATION_EXPIRES, RESERVATION),
        },
        limits=tuple(_limits(tariff, scale)),
        restrictions=every,
        by_course=any(each.by_course for each in every),
        by_power=any(each.power_mw != ANY for each in every),
        by_current=any(each.current_ma != ANY for each in every),
    )


def _restrictions(tariff: StationTariff, element: TariffElement, place: str) -> Restrictions:
    found = read_restrictions(element.restrictions, f"tariff {tariff.id}: {place}.restrictions")
    if found.unknown:
        raise InvalidInput(f"tariff {tariff.id}: {place} is restricted by {', '.join(found.unknown)}: not known here")
    return _shared(found)


@lru_cache(maxsize=65_536)
def _shared(restrictions: Restrictions) -> Restrictions:
    """One object for all tariffs that restrict alike: what many use stays near the processor."""
    return restrictions


def _check_components(tariff: StationTariff, when: Sequence[Restrictions], feed_in: Sequence[Restrictions]) -> None:
    for number, (element, restrictions) in enumerate(zip(tariff.elements, when, strict=True)):
        allowed, what = ((FLAT, TIME), "a reservation") if restrictions.reservation else (DRIVING, "what is drawn")
        if strange := [c.dimension for c in element.components if c.dimension not in allowed]:
            wrong = f"a price of {strange[0]} is not supported for {what}"
            raise InvalidInput(f"tariff {tariff.id}: element {number}: {wrong}")
    for element, restrictions in zip(tariff.feed_in, feed_in, strict=True):
        if strange := [c.dimension for c in element.components if c.dimension is not EXPORT]:
            raise InvalidInput(f"tariff {tariff.id}: feed-in is priced by ENERGY_EXPORT, not by {strange[0]}")
        if restrictions.reservation:
            raise InvalidInput(f"tariff {tariff.id}: nobody feeds in while reserving")


Candidate = tuple[int, PriceComponent, Restrictions]


def _candidates(
    elements: Sequence[TariffElement], when: Sequence[Restrictions], dimension: Dimension, kind: str | None
) -> Iterator[Candidate]:
    for number, (element, restrictions) in enumerate(zip(elements, when, strict=True)):
        if restrictions.reservation == kind:
            component = next((each for each in element.components if each.dimension is dimension), None)
            if component is not None:
                yield number, component, restrictions


def _lane(tariff: StationTariff, scale: int, candidates: Iterable[Candidate]) -> Lane:
    choices = []
    for number, component, restrictions in candidates:
        always = not restrictions.by_course
        reservation = restrictions.reservation is not None
        rate = _rate(tariff, scale, number, component, reservation=reservation)
        choices.append(Choice(None if always else restrictions, rate))
        if always:
            break
    return tuple(choices)


def _rate(tariff: StationTariff, scale: int, element: int, component: PriceComponent, *, reservation: bool) -> Rate:
    before, after = _unit_prices(tariff, component)
    timed = component.dimension in (TIME, PARKING)
    return Rate(
        dimension=Dimension.RESERVATION_TIME if reservation and timed else component.dimension,
        component=component,
        element=element,
        tariff_id=tariff.id,
        reservation=reservation,
        before=int(before * scale),
        after=int(after * scale),
        scale=scale,
        step=component.step_size * (MICROSECONDS if timed else MWH_PER_WH),
        per_unit=_per_unit(component),
        taxed=component.vat is not None or tariff.tax_included is TaxIncluded.NONE,
    )


def _per_unit(component: PriceComponent) -> int:
    match component.dimension:
        case Dimension.FLAT:
            return 1
        case Dimension.ENERGY | Dimension.ENERGY_EXPORT:
            return MWH_PER_KWH
        case _:
            return US_PER_HOUR


def _unit_prices(tariff: StationTariff, component: PriceComponent) -> tuple[Fraction, Fraction]:
    """Of one smallest unit, before and after tax."""
    price = Fraction(component.price) / _per_unit(component)
    if tariff.tax_included is TaxIncluded.NONE or component.vat is None:
        return price, price
    taxed = 1 + Fraction(component.vat) / 100
    return (price / taxed, price) if tariff.tax_included is TaxIncluded.YES else (price, price * taxed)


def _scale(tariff: StationTariff) -> int:
    """A common denominator of everything that this tariff can charge."""
    parts = [c for element in (*tariff.elements, *tariff.feed_in) for c in element.components]
    prices = [price for component in parts for price in _unit_prices(tariff, component)]
    limits = [side for limit in (tariff.min_price, tariff.max_price) if limit for side in _limit_sides(limit)]
    return lcm(*(price.denominator for price in (*prices, *limits)))


def _limit_sides(limit: PriceLimit) -> list[Fraction]:
    return [Fraction(side) for side in (limit.before_tax, limit.after_tax) if side is not None]


def _limits(tariff: StationTariff, scale: int) -> Iterator[ScaledLimit]:
    for reason, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is not None:
            after = None if limit.after_tax is None else int(Fraction(limit.after_tax) * scale)
            yield ScaledLimit(reason, limit, int(Fraction(limit.before_tax) * scale), after)
