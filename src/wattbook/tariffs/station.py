"""Station tariffs with the semantics of OCPI 2.2.1 and 2.3.0 (chapter Tariffs): what they are made of.

A tariff is a list of elements, an element a list of price components with restrictions. `pricer` compiles a tariff and
prices sessions with it; `ocpi` reads and prints it; `lint` says what is odd about it.

Energy fed into the grid is an extension: its own list of elements, whose price is paid to the driver.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Energy

_NO_ENERGY = Energy(0)
_NO_TIME = timedelta(0)


class Dimension(StrEnum):
    """What a component prices, in the names of OCPI; reservation and feed-in are those of its CDR dimensions."""

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    ENERGY_EXPORT = "ENERGY_EXPORT"


COMPONENT_TYPES = (
    Dimension.FLAT, Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.ENERGY_EXPORT,
)  # fmt: skip

UNITS: dict[Dimension, str] = {
    Dimension.FLAT: "session",
    Dimension.ENERGY: "kWh",
    Dimension.TIME: "h",
    Dimension.PARKING_TIME: "h",
    Dimension.RESERVATION_TIME: "h",
    Dimension.ENERGY_EXPORT: "kWh",
}


class TaxIncluded(StrEnum):
    """Of OCPI 2.3.0: whether the prices of a tariff hold their taxes; `N/A`: no tax applies."""

    YES = "YES"
    NO = "NO"
    NONE = "N/A"


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """A price per session, kWh or hour; `vat` in percent; `step_size` in Wh or s, 0 for no step.

    Whether the price holds its tax is the tariff's to say. `extra` keeps what pricing does not read.
    """

    dimension: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.price.is_finite() or self.price < 0:
            raise InvalidInput(f"a price cannot be {self.price}; what is paid to the driver is a feed-in price")
        if self.vat is not None and not 0 <= self.vat <= 100:
            raise InvalidInput(f"a VAT of {self.vat} percent is out of range")
        if self.step_size < 0:
            raise InvalidInput(f"a step size cannot be {self.step_size}")


@dataclass(frozen=True, slots=True)
class TariffElement:
    """Components that hold together; `restrictions` as they came, empty when the element always holds."""

    components: tuple[PriceComponent, ...]
    restrictions: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """The total that is at least or at most paid, in units of the currency."""

    before_tax: Decimal
    after_tax: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StationTariff:
    """A tariff of a party. `extra` keeps the fields of the OCPI object that pricing does not read."""

    country_code: str
    party_id: str
    id: str
    currency: str
    elements: tuple[TariffElement, ...]
    feed_in: tuple[TariffElement, ...] = ()
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    tax_included: TaxIncluded | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Currency.of(self.currency)


@dataclass(frozen=True, slots=True)
class SessionPeriod:
    """What happened from `start` (UTC) until the next period.

    Attributes:
        energy, fed_in: drawn and fed in.
        time: charging or feeding in; `parking`: plugged in without; `reserved`: held for the driver before that.
        current_a, power_kw: lowest and highest, sum over all phases; None where nobody said.
        tariff_id: which tariff prices it, where a session has several.
    """

    start: datetime
    energy: Energy = _NO_ENERGY
    time: timedelta = _NO_TIME
    fed_in: Energy = _NO_ENERGY
    parking: timedelta = _NO_TIME
    reserved: timedelta = _NO_TIME
    current_a: tuple[Decimal, Decimal] | None = None
    power_kw: tuple[Decimal, Decimal] | None = None
    tariff_id: str | None = None

    def __post_init__(self) -> None:
        # Between two moments of one zone Python subtracts what the clocks show: an hour wrong twice a year.
        object.__setattr__(self, "start", utc(self.start))
        if min(self.energy.mwh, self.fed_in.mwh) < 0 or min(self.time, self.parking, self.reserved) < _NO_TIME:
            raise InvalidInput(f"a period from {self.start} has a negative volume; feed-in is a volume of its own")

    @property
    def is_reservation(self) -> bool:
        """Nothing but a reservation."""
        return bool(self.reserved) and not (self.time or self.parking or self.energy.mwh or self.fed_in.mwh)
