"""How numbers and names read on a page: units, thousands separators, no more digits than a person uses."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.kernel.units import Energy, Money

NOTHING: Final = "–"
MINUS: Final = "−"
MWH_PER_MEGAWATT_HOUR: Final = 10**9


def energy(mwh: int) -> tuple[str, str]:
    """Number and unit: kWh, from 100,000 kWh on MWh."""
    kwh = Energy(mwh).kwh
    if abs(mwh) >= 100 * MWH_PER_MEGAWATT_HOUR:
        return _number(kwh / 1_000, 1), "MWh"
    return (_number(kwh, 1 if abs(kwh) >= 100 else 2) if mwh else "0"), "kWh"


def power(watt: int) -> tuple[str, str]:
    """Number and unit: kW, from 10,000 kW on MW."""
    if abs(watt) >= 10_000_000:
        return _number(Decimal(watt) / 1_000_000, 1), "MW"
    return _number(Decimal(watt) / 1_000, 1), "kW"


def cost(amount: Decimal | None, currency: str) -> str:
    """Rounded to the coin, as a receipt would."""
    return NOTHING if amount is None else str(Money.half_up(amount, currency)).replace("-", MINUS)


def count(number: int) -> str:
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """`1 session`, `1,200 sessions`"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M:%S}"


def ago(moment: datetime, now: datetime) -> str:
    """Coarse, so that it seldom changes."""
    passed = max(now - moment, timedelta())
    for unit, name in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if passed >= unit:
            return f"{passed // unit} {name} ago"
    return "just now"


def time_left(seconds: int | None) -> str:
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return "under a minute" if seconds else "paid amount used up"
    hours, minutes = divmod(-(-seconds // 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def token(uid: str) -> str:
    """Its last characters: the whole of it would let a reader charge on it."""
    return f"•••• {uid[-4:]}" if len(uid) >= 8 else "••••"


def without_token(text: str, uid: str) -> str:
    """A message for people, with the token in it shown as `token` does."""
    return re.sub(re.escape(uid), token(uid), text, flags=re.IGNORECASE) if uid else text


def plain(name: str) -> str:
    """`shopping_centre` as `shopping centre`, `token-blocked` as `token blocked`."""
    return name.replace("_", " ").replace("-", " ")


def joined(parts: Sequence[str], by: str = " · ") -> str:
    return by.join(part for part in parts if part)


def _number(value: Decimal, digits: int) -> str:
    rounded = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded or abs(rounded):,}".replace("-", MINUS)
