"""Objects of OCPI as short as a test can say them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from wattbook.tariffs.ocpi import parse_tariff
from wattbook.tariffs.ocpi_records import ChargeRecord, parse_record, price_record
from wattbook.tariffs.session_price import Price

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def part(kind: str, price: str | float, vat: float | None = None, step: int = 1) -> dict[str, Any]:
    """A price component."""
    return {"type": kind, "price": Decimal(str(price)), "step_size": step} | ({} if vat is None else {"vat": vat})


def element(*parts: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    return {"price_components": list(parts)} | ({"restrictions": restrictions} if restrictions else {})


def tariff(*elements: dict[str, Any], name: str = "T1", **more: Any) -> dict[str, Any]:
    return {
        "country_code": "DE", "party_id": "WTB", "id": name, "currency": "EUR", "elements": list(elements),
        "last_updated": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def period(start: datetime, tariff_id: str | None = None, **volumes: Any) -> dict[str, Any]:
    """Volumes by dimension: kWh, hours (a timedelta is turned into them), A, kW."""
    return {
        "start_date_time": start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "dimensions": [{"type": name, "volume": _volume(value)} for name, value in volumes.items()],
    } | ({} if tariff_id is None else {"tariff_id": tariff_id})


def cdr(*periods: dict[str, Any], **more: Any) -> dict[str, Any]:
    first = periods[0]["start_date_time"] if periods else "2026-01-01T00:00:00Z"
    return {"id": "CDR1", "currency": "EUR", "start_date_time": first, "charging_periods": list(periods), **more}


def _volume(value: Any) -> Any:
    if isinstance(value, timedelta):
        return (Decimal(value // timedelta(microseconds=1)) / 3_600_000_000).quantize(Decimal("1e-15"))
    return Decimal(str(value))


def local(text: str, *, fold: int = 0) -> datetime:
    """A moment by a clock in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


def record(*periods: dict[str, Any], **more: Any) -> ChargeRecord:
    return parse_record(cdr(*periods, **more))


def priced(one: Mapping[str, Any] | Sequence[Mapping[str, Any]], *periods: dict[str, Any], **more: Any) -> Price:
    """What a CDR of these periods costs by a tariff, or by several."""
    tariffs = [one] if isinstance(one, Mapping) else one
    return price_record([parse_tariff(each) for each in tariffs], record(*periods, **more), BERLIN)


def totals(price: Price) -> tuple[Fraction, Fraction]:
    return price.before_tax, price.after_tax


def exactly(before: str, after: str) -> tuple[Fraction, Fraction]:
    return Fraction(before), Fraction(after)
