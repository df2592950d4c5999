"""Tariffs and sessions drawn at random, as objects of OCPI: for properties, and for the comparison with another engine.

Sessions are cut by `course`, so that their periods are what the specification asks for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.tariffs.ocpi_objects import BERLIN, element, local, part, tariff
from wattbook.kernel.clock import format_rfc3339
from wattbook.tariffs.compiling import compile_tariff
from wattbook.tariffs.course import Course, Knot
from wattbook.tariffs.ocpi import parse_tariff
from wattbook.tariffs.pricer import Pricer
from wattbook.tariffs.restrictions import DAYS
from wattbook.tariffs.station import SessionPeriod

PRICES = ("0", "0.0005", "0.25", "0.3472", "1.5", "7.25")
ENERGY_STEPS = (0, 1, 1, 25, 500)
TIME_STEPS = (0, 1, 60, 300, 900)
VATS = (None, 0, 7, 19, 19.5)
AROUND = (
    local("2026-03-28T20:00"),  # clocks go forward in the night
    local("2026-10-24T20:00"),  # clocks go back
    local("2026-07-31T15:00"),
    local("2026-12-31T21:30"),
)


def random_restrictions(random: Random, *, power: bool = True) -> dict[str, Any]:
    """None, one or two of them."""
    hours = [f"{random.randrange(24):02d}:{random.choice((0, 30)):02d}" for _ in range(2)]
    kinds: list[dict[str, Any]] = [
        {"start_time": hours[0], "end_time": hours[1]},
        {"start_time": hours[0]},
        {"day_of_week": random.sample(DAYS, random.randint(1, 6))},
        {"start_date": "2026-03-29", "end_date": "2026-08-01"},
        {"min_kwh": random.randint(1, 20)},
        {"max_kwh": random.randint(1, 40)},
        {"min_duration": random.choice((600, 3600))},
        {"max_duration": random.choice((1800, 7200))},
    ]
    if power:
        kinds += [{"min_power": random.choice((5, 11))}, {"max_power": random.choice((11, 22))}]
    chosen: dict[str, Any] = {}
    for kind in random.sample(kinds, random.choice((0, 1, 1, 2))):
        chosen |= kind
    return chosen if chosen.get("start_time", "") != chosen.get("end_time", None) else {}


def random_tariff(random: Random, *, power: bool = True) -> dict[str, Any]:
    """Up to six elements; one VAT for all of them, or none."""
    vat = random.choice(VATS)
    elements = []
    for _ in range(random.randint(1, 6)):
        kinds = random.sample(("FLAT", "ENERGY", "TIME", "PARKING_TIME"), random.randint(1, 3))
        parts = [part(kind, random.choice(PRICES), vat, _step(random, kind)) for kind in kinds]
        elements.append(element(*parts, **random_restrictions(random, power=power)))
    return tariff(*elements)


def with_extras(random: Random, plain: dict[str, Any]) -> dict[str, Any]:
    """Limits, taxes and feed-in as well."""
    more: dict[str, Any] = {}
    if random.random() < 0.4:
        more["min_price"] = {"excl_vat": random.choice(("0.5", "3"))} | random.choice(({}, {"incl_vat": "4"}))
    if random.random() < 0.4:
        more["max_price"] = {"excl_vat": random.choice(("2", "10"))} | random.choice(({}, {"incl_vat": "11"}))
    if random.random() < 0.5:
        more["tax_included"] = random.choice(("YES", "NO", "N/A"))
    if random.random() < 0.5:
        feed_in = part("ENERGY_EXPORT", random.choice(PRICES), random.choice(VATS), random.choice(ENERGY_STEPS))
        more["wattbook_feed_in"] = [element(feed_in, **random_restrictions(random))]
    return plain | more


def _step(random: Random, kind: str) -> int:
    return random.choice(ENERGY_STEPS if kind == "ENERGY" else TIME_STEPS)


def random_course(random: Random, *, feeding_in: bool = False) -> Course:
    """Some readings at odd moments, and at times a car that stays when it is full."""
    at = random.choice(AROUND).astimezone(UTC) + timedelta(seconds=random.randrange(10 * 3600))
    knots = [Knot(at)]
    for _ in range(random.randint(1, 6)):
        lasted = timedelta(seconds=random.randint(1, 5400))
        most = 22_000_000 * int(lasted.total_seconds()) // 3600
        fed_in = random.randint(0, most) if feeding_in and random.random() < 0.3 else 0
        drawn = 0 if fed_in else random.choice((0, random.randint(0, most)))
        last = knots[-1]
        knots.append(Knot(last.at + lasted, last.drawn_mwh + drawn, last.fed_in_mwh + fed_in))
    return Course(tuple(knots))


def compiled(content: dict[str, Any]) -> Pricer:
    return compile_tariff(parse_tariff(content), BERLIN)


def record_of(periods: Sequence[SessionPeriod], start: datetime, end: datetime) -> dict[str, Any]:
    """A CDR that states these periods, complete enough for others to read."""
    dimensions = [_dimensions(each) for each in periods]
    kwh = sum((each.energy.kwh for each in periods), Decimal(0))
    return {
        "country_code": "DE", "party_id": "WTB", "id": "CDR1", "currency": "EUR",
        "start_date_time": format_rfc3339(start), "end_date_time": format_rfc3339(end),
        "cdr_token": {"country_code": "DE", "party_id": "WTB", "uid": "1", "type": "RFID", "contract_id": "C"},
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "L1", "address": "Street 1", "city": "Berlin", "country": "DEU", "evse_uid": "1",
            "evse_id": "DE*WTB*E1", "coordinates": {"latitude": "52.500000", "longitude": "13.400000"},
            "connector_id": "1", "connector_standard": "IEC_62196_T2", "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "charging_periods": [
            {"start_date_time": format_rfc3339(each.start), "dimensions": stated}
            for each, stated in zip(periods, dimensions, strict=True)
        ],
        "total_cost": {"excl_vat": 0}, "total_energy": kwh, "total_time": 0,
        "last_updated": format_rfc3339(end),
    }  # fmt: skip


def _dimensions(period: SessionPeriod) -> list[dict[str, Any]]:
    stated: list[dict[str, Any]] = [{"type": "ENERGY", "volume": period.energy.kwh}] if period.energy.mwh else []
    for name, lasted in (("TIME", period.time), ("PARKING_TIME", period.parking)):
        if lasted:
            stated.append({"type": name, "volume": _hours(lasted)})
    if period.power_kw is not None:
        stated += [{"type": f"{n}_POWER", "volume": kw} for n, kw in zip(("MIN", "MAX"), period.power_kw, strict=True)]
    return stated


def _hours(lasted: timedelta) -> Decimal:
    """To a digit below the microsecond, which is what is read."""
    return (Decimal(lasted // timedelta(microseconds=1)) / 3_600_000_000).quantize(Decimal("1e-12"))
