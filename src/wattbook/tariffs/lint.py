"""What is odd about a station tariff, said to the operator before drivers find it.

Which element prices what, and when, changes only at the limits that the restrictions name. So every case there can be
is one of finitely many cells: days of the week and of the dates, times between two limits, energy, duration, power and
current from one limit to the next. Each cell is looked at once, and what is never chosen, never priced, or priced by
two restricted elements is told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from itertools import product
from typing import Final, Literal, NamedTuple

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.tariffs.compiling import compile_tariff
from wattbook.tariffs.restrictions import (
    DAYS,
    MICROSECONDS,
    SECONDS_PER_DAY,
    Moment,
    Range,
    Restrictions,
    read_restrictions,
)
from wattbook.tariffs.station import Dimension, PriceComponent, PriceLimit, StationTariff, TariffElement, TaxIncluded

Level = Literal["error", "warning", "info"]
CELLS_MAX: Final = 200_000
"""Cells times elements: a tariff with more is too intricate for a person, too."""

STEP_MAX: Final = {
    Dimension.ENERGY: 1_000,
    Dimension.ENERGY_EXPORT: 1_000,
    Dimension.TIME: 900,
    Dimension.PARKING_TIME: 900,
}
"""Wh and s: a larger step is a trap for drivers. OCPI 2.2.1 recommends 1, and OCPI 3 has no step at all."""


_READABLE: Final = {
    "drawn_mwh": "limits of energy",
    "elapsed_us": "limits of duration",
    "current_ma": "limits of current",
    "power_mw": "limits of power",
    "dates": "dates",
}
_A_MONDAY: Final = date(2024, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity; `place` is the element's, as in the object."""

    level: Level
    code: str
    place: str
    message: str

    def document(self) -> dict[str, str]:
        return {"level": self.level, "code": self.code, "place": self.place, "message": self.message}


def lint(tariff: StationTariff) -> list[Finding]:
    """Everything odd, errors first."""
    findings = [*_as_a_whole(tariff), *_limits(tariff)]
    for name, elements in (("elements", tariff.elements), ("wattbook_feed_in", tariff.feed_in)):
        when = [read_restrictions(each.restrictions, f"{name}[{n}]") for n, each in enumerate(elements)]
        for number, (element, restrictions) in enumerate(zip(elements, when, strict=True)):
            findings += _element(element, restrictions, f"{name}[{number}]")
        findings += [*_steps(elements, name), *_cells(elements, when, name)]
    order: list[Level] = ["error", "warning", "info"]
    return sorted(findings, key=lambda finding: order.index(finding.level))


# ------------------------------------------------------------------------------------------------- tariff and element


def _as_a_whole(tariff: StationTariff) -> Iterator[Finding]:
    try:
        compile_tariff(tariff, zone=UTC)
    except InvalidInput as error:
        yield Finding("error", "not-priceable", "tariff", error.message)
    for name in ("country_code", "party_id", "id"):
        if not getattr(tariff, name):
            yield Finding("warning", "missing-field", "tariff", f"{name} is missing, and OCPI requires it")
    parts = [part for element in (*tariff.elements, *tariff.feed_in) for part in element.components]
    without = [part for part in parts if part.vat is None]
    if tariff.tax_included is TaxIncluded.NONE:
        if len(without) < len(parts):
            yield Finding("warning", "vat-without-tax", "tariff", "no tax applies (N/A), and a component states a VAT")
    elif without and len(without) < len(parts):
        yield Finding("warning", "missing-vat", "tariff", f"{len(without)} of {len(parts)} components state no VAT")
    elif without:
        yield Finding("warning", "missing-vat", "tariff", "no component states a VAT: prices after tax are not known")
    priced = {part.dimension for element in tariff.elements for part in element.components}
    if Dimension.ENERGY not in priced and Dimension.TIME not in priced:
        yield Finding("info", "free-charging", "tariff", "neither energy nor time has a price: charging is free")


def _limits(tariff: StationTariff) -> Iterator[Finding]:
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is None:
            continue
        if limit.after_tax is None and tariff.tax_included is not TaxIncluded.NONE:
            yield Finding("warning", "half-limit", name, "it does not say, and does not limit, the price after tax")
        elif limit.after_tax is not None and limit.after_tax < limit.before_tax:
            yield Finding("error", "limit-below-itself", name, "after tax it is less than before")
    low, high = tariff.min_price, tariff.max_price
    if low and high and _exceeds(low, high):
        yield Finding("error", "min-above-max", "min_price", "it is above max_price; the maximum will win")


def _exceeds(low: PriceLimit, high: PriceLimit) -> bool:
    sides = (low.before_tax, high.before_tax), (low.after_tax, high.after_tax)
    return any(a is not None and b is not None and a > b for a, b in sides)


def _element(element: TariffElement, when: Restrictions, place: str) -> Iterator[Finding]:
    for name in ("drawn_mwh", "elapsed_us", "current_ma", "power_mw", "dates"):
        if getattr(when, name).is_empty:
            yield Finding("error", "never-active", place, f"its {_READABLE[name]} have no room between them")
    if when.clock and when.days and when.clock[0] >= when.clock[1]:
        message = "its hours pass midnight, and its days do not: after midnight the next day counts"
        yield Finding("warning", "night-and-days", place, message)
    times = element.restrictions.get("start_time"), element.restrictions.get("end_time")
    if times[0] is not None and times[0] == times[1]:
        yield Finding(
            "warning", "equal-times", place, "start_time is end_time: taken for all day, and OCPI leaves it open"
        )
    kinds = [part.dimension for part in element.components]
    for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        yield Finding("error", "twice-in-element", place, f"{kind} has several prices; only the first counts")
    for part in element.components:
        yield from _component(part, place)


def _component(part: PriceComponent, place: str) -> Iterator[Finding]:
    limit = STEP_MAX.get(part.dimension)
    if limit is not None and part.step_size > limit:
        unit = "Wh" if part.dimension in (Dimension.ENERGY, Dimension.ENERGY_EXPORT) else "s"
        message = f"{part.dimension}: whoever begins a step of {part.step_size} {unit} pays all of it"
        yield Finding("warning", "large-step", place, message)
    if limit is not None and part.step_size == 0:
        yield Finding("warning", "step-zero", place, f"{part.dimension}: a step of 0 is taken for none; write 1")
    if part.vat is not None and 0 < part.vat < 1:
        yield Finding("warning", "vat-fraction", place, f"{part.dimension}: a VAT of {part.vat} percent; 19 % is 19")


def _steps(elements: Sequence[TariffElement], name: str) -> Iterator[Finding]:
    """Steps that differ: the last one priced rounds the whole session."""
    for group in ((Dimension.ENERGY,), (Dimension.TIME, Dimension.PARKING_TIME)):
        steps = {part.step_size for each in elements for part in each.components if part.dimension in group}
        if len(steps) > 1:
            what = " and ".join(group)
            message = f"{what} have steps of {', '.join(map(str, sorted(steps)))}: that of the last price rounds all"
            yield Finding("info", "steps-differ", name, message)


# -------------------------------------------------------------------------------------------------------------- cells


class _Member(NamedTuple):
    """An element that has a component of the dimension."""

    number: int
    when: Restrictions


def _cells(elements: Sequence[TariffElement], when: Sequence[Restrictions], name: str) -> Iterator[Finding]:
    cells = list(_moments(when)) if _cell_count(when) * max(len(elements), 1) <= CELLS_MAX else None
    if cells is None:
        yield Finding("info", "intricate", name, "too many cases to look at each; what is unreachable is not told")
        return
    for kind in dict.fromkeys(each.reservation for each in when):
        for dimension in dict.fromkeys(part.dimension for element in elements for part in element.components):
            members = [
                _Member(number, restrictions)
                for number, (element, restrictions) in enumerate(zip(elements, when, strict=True))
                if restrictions.reservation == kind and any(part.dimension is dimension for part in element.components)
            ]
            if members:
                yield from _lane(members, dimension, cells, name, gaps=kind is None)


def _lane(
    members: Sequence[_Member], dimension: Dimension, cells: Sequence[Moment], name: str, *, gaps: bool
) -> Iterator[Finding]:
    """What is chosen in each cell for one dimension."""
    chosen: set[int] = set()
    pairs: dict[tuple[int, int], Moment] = {}
    empty: list[Moment] = []
    for cell in cells:
        holding = [member for member in members if member.when.hold(cell)]
        if not holding:
            empty.append(cell)
            continue
        chosen.add(holding[0].number)
        restricted = [member.number for member in holding if member.when.by_course]
        if len(restricted) > 1:
            pairs.setdefault((restricted[0], restricted[1]), cell)
    for member in members:
        if member.number not in chosen:
            message = f"{dimension}: it never prices anything: earlier elements always do"
            yield Finding("warning", "unreachable", f"{name}[{member.number}]", message)
    for (first, second), cell in pairs.items():
        if second in chosen:
            message = f"{dimension}: overlaps element {first}, such as on {_said(cell)}; {first} wins"
            yield Finding("info", "overlap", f"{name}[{second}]", message)
    if empty and gaps and dimension is not Dimension.FLAT:
        share = f"{len(empty)} of {len(cells)} cases"
        yield Finding("warning", "gap", name, f"{dimension} has no price in {share}, the first on {_said(empty[0])}")


def _axes(when: Sequence[Restrictions]) -> tuple[list[int], ...]:
    """The values of day, second, energy, duration, current and power at which something may change."""

    def sides(name: str) -> list[int]:
        ranges: list[Range] = [getattr(each, name) for each in when]
        return sorted({0, *(side for each in ranges for side in each if side is not None)})

    dates = [side for each in when for side in each.dates if side is not None]
    starts = sorted({_A_MONDAY, *dates, *([min(dates) - len(DAYS)] if dates else [])})
    days = sorted({start + n for start in starts for n in range(len(DAYS))})
    seconds = sorted({0, *(side for each in when for side in each.clock or () if side < SECONDS_PER_DAY)})
    return days, seconds, sides("drawn_mwh"), sides("elapsed_us"), sides("current_ma"), sides("power_mw")


def _cell_count(when: Sequence[Restrictions]) -> int:
    count = 1
    for axis in _axes(when):
        count *= len(axis)
    return count


def _moments(when: Sequence[Restrictions]) -> Iterator[Moment]:
    for day, second, drawn, elapsed, current, power in product(*_axes(when)):
        yield Moment(day, second, drawn, elapsed, (current, current), (power, power))


def _said(cell: Moment) -> str:
    hours, minutes = divmod(cell.second // 60, 60)
    parts = [f"{DAYS[(cell.day - 1) % 7].capitalize()} at {hours:02d}:{minutes:02d}"]
    if cell.drawn_mwh:
        parts.append(f"after {cell.drawn_mwh / MWH_PER_KWH:g} kWh")
    if cell.elapsed_us:
        parts.append(f"after {cell.elapsed_us // MICROSECONDS} s")
    if cell.power_mw and cell.power_mw[0]:
        parts.append(f"at {cell.power_mw[0] / MWH_PER_KWH:g} kW")
    if cell.current_ma and cell.current_ma[0]:
        parts.append(f"at {cell.current_ma[0] / 1_000:g} A")
    return ", ".join(parts)
