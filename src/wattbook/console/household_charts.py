"""The two plots of a house: its use by day, with the tiers of its tariff, and one day by its readings.

A plot is for the eye: here, and only here, energy becomes a float, in Wh steps of kWh.
"""

from collections.abc import Sequence
from datetime import date
from itertools import accumulate
from typing import Any, Final
from zoneinfo import ZoneInfo

from wattbook.console.style import DRAWN, FED_IN
from wattbook.household.accounts.account import Account, DayAccount
from wattbook.household.accounts.tiers import tiers_at
from wattbook.kernel.units import Energy
from wattbook.tariffs.hours import slot_at

OWN: Final = DRAWN
PAID: Final = "#4f83e0"
SUM: Final = FED_IN
FAINT: Final = "#8a94a1"
LINE: Final = "rgba(138, 148, 161, .18)"
BORDER: Final = "rgba(138, 148, 161, .65)"
LETTERS: Final = {"color": FAINT, "fontSize": 11.5, "fontFamily": "Roboto, sans-serif"}
KWH: Final = "value => value == null ? '–' : Number(value).toFixed(2) + ' kWh'"

Numbers = list[float | None]


def month_options(account: Account) -> dict[str, Any]:
    """Bars by day, what was paid elsewhere stacked apart, and the sum of the house's own use against the tiers."""
    days = list(account.period.days())
    has_ahead = account.forecast is not None
    options = _frame([f"{day.day}" for day in days], [{"name": "kWh a day"}, {"name": "kWh in all"}])
    options["series"] = [*_known(account, days), *_expected(account, days), *_sums(account, days)]
    options["legend"]["data"] = [
        "used by the house",
        "charged, paid elsewhere",
        *(["expected"] if has_ahead else []),
        "the house’s own, in all",
    ]
    return options


def day_options(account: DayAccount) -> dict[str, Any]:
    """Bars by reading."""
    zone = ZoneInfo(account.schedule.tariff.time_zone)
    labels = [f"{each.interval.start.astimezone(zone):%H:%M}" for each in account.readings]
    options = _frame(labels, [{"name": "kWh"}])
    own = [max(each.interval.energy_mwh - each.paid_mwh, 0) for each in account.readings]
    paid = [min(each.paid_mwh, each.interval.energy_mwh) for each in account.readings]
    options["xAxis"]["axisLabel"]["interval"] = max(len(labels) // 12 - 1, 0)
    options["series"] = [
        _bars("used by the house", OWN, _shown(own), radius=1),
        _bars("charged, paid elsewhere", PAID, _shown(paid), radius=1),
    ]
    return options


def _known(account: Account, days: Sequence[date]) -> list[dict[str, Any]]:
    uses = {use.day: use for use in account.days}
    own = [uses[day].own_mwh if day in uses else 0 for day in days]
    paid = [min(uses[day].paid_mwh, uses[day].metered_mwh) if day in uses else 0 for day in days]
    return [_bars("used by the house", OWN, _shown(own)), _bars("charged, paid elsewhere", PAID, _shown(paid))]


def _expected(account: Account, days: Sequence[date]) -> list[dict[str, Any]]:
    if account.forecast is None:
        return []
    expected = {each.day: each for each in account.forecast.days}
    own = [max(expected[day].metered_mwh - expected[day].paid_mwh, 0) for day in days]
    paid = [min(expected[day].paid_mwh, expected[day].metered_mwh) for day in days]
    return [
        _bars("expected", OWN, _shown(own), opacity=0.32),
        _bars("expected, paid elsewhere", PAID, _shown(paid), opacity=0.32),
    ]


def _sums(account: Account, days: Sequence[date]) -> list[dict[str, Any]]:
    """The own use added up; dashed from the last day that is known on, with a line where each tier begins."""
    own = {use.day: use.own_mwh for use in account.days}
    more = {} if account.forecast is None else {each.day: each for each in account.forecast.days}
    ahead = {day: max(each.metered_mwh - each.paid_mwh, 0) for day, each in more.items()}
    totals = list(accumulate(own.get(day, 0) + ahead.get(day, 0) for day in days))
    read = max((place for place, day in enumerate(days) if own.get(day) and not ahead.get(day)), default=-1)
    known = [_kwh(mwh) if place <= read else None for place, mwh in enumerate(totals)]
    then = [_kwh(mwh) if place >= read and ahead else None for place, mwh in enumerate(totals)]
    series = [_line("the house’s own, in all", known, "solid"), _line("expected in all", then, "dashed")]
    series[0]["markLine"] = _borders(account, totals[-1] if totals else 0)
    return series if ahead else series[:1]


def _borders(account: Account, total_mwh: int) -> dict[str, Any]:
    """Those that are passed, and the next one if it is near."""
    slot = slot_at(
        account.schedule, min(account.taken_at, account.ends_at - (account.ends_at - account.starts_at) / 99)
    )
    tiers = [tier for tier in tiers_at(account.schedule, slot) if tier.above_kwh]
    near = [tier for tier in tiers if float(tier.above_kwh) * 1_000_000 <= total_mwh * 1.35]
    return {
        "silent": True,
        "symbol": "none",
        "lineStyle": {"color": BORDER, "type": "dotted", "width": 1.2},
        "label": LETTERS | {"position": "insideStartTop", "distance": [4, 3]},
        "data": [
            {
                "yAxis": float(tier.above_kwh),
                "label": {"formatter": f"tier {tier.number} above {float(tier.above_kwh):g} kWh"},
            }
            for tier in near
        ],
    }


def _frame(labels: Sequence[str], axes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "animation": False,
        "grid": {"left": 4, "right": 6, "top": 72, "bottom": 2, "containLabel": True},
        "legend": {
            "left": 0,
            "top": 0,
            "icon": "roundRect",
            "itemWidth": 10,
            "itemHeight": 10,
            "itemGap": 16,
            "textStyle": LETTERS,
        },
        "tooltip": {
            "trigger": "axis",
            "axisPointer": {"type": "shadow"},
            "confine": True,
            ":valueFormatter": KWH,
            "textStyle": {"fontSize": 12.5},
        },
        "xAxis": {
            "type": "category",
            "data": list(labels),
            "axisLabel": LETTERS | {"hideOverlap": True},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": LINE}},
        },
        "yAxis": [
            axis
            | {
                "type": "value",
                "axisLabel": LETTERS,
                "nameTextStyle": LETTERS | {"align": "left" if not place else "right"},
                "nameGap": 9,
                "splitLine": {"show": not place, "lineStyle": {"color": LINE}},
            }
            for place, axis in enumerate(axes)
        ],
        "series": [],
    }


def _bars(name: str, colour: str, values: Numbers, *, opacity: float = 1.0, radius: int = 2) -> dict[str, Any]:
    return {
        "name": name,
        "type": "bar",
        "stack": "energy",
        "barMaxWidth": 22,
        "barCategoryGap": "28%",
        "itemStyle": {"color": colour, "borderRadius": radius, "opacity": opacity},
        "emphasis": {"disabled": True},
        "data": values,
    }


def _line(name: str, values: Numbers, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "yAxisIndex": 1,
        "symbol": "none",
        "itemStyle": {"color": SUM},
        "lineStyle": {"color": SUM, "width": 2, "type": kind},
        "emphasis": {"disabled": True},
        "data": values,
    }


def _shown(energies_mwh: Sequence[int]) -> Numbers:
    return [_kwh(mwh) if mwh else None for mwh in energies_mwh]


def _kwh(mwh: int) -> float:
    return round(float(Energy(mwh).kwh), 3)
