"""The words and numbers of a house's page: four tiles, what its energy costs, its bills, its charges, its notices."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from nicegui import ui

from wattbook.console import words
from wattbook.console.household_look import HouseLook
from wattbook.console.parts import box, head, heading, text
from wattbook.household.accounts.account import Account, Billed
from wattbook.household.accounts.account_rows import PaidCharge
from wattbook.household.accounts.forecast import Forecast
from wattbook.household.accounts.tiers import TierUse
from wattbook.household.bills.notices import About, Notice
from wattbook.kernel.units import Currency, Money

CHARGES_SHOWN_MAX: Final = 40
BILLS_SHOWN_MAX: Final = 13

_LINES: Final = {
    "base": "Base charge",
    "energy": "Energy",
    "climate": "Climate charge",
    "fuel": "Fuel adjustment",
    "vat": "VAT",
    "fund": "Levies",
    "rounding": "Rounding",
}
_KIND_OF: Final = {About.BILL: "quiet", About.CREDIT: "good", About.TIER: "warn", About.MISSING: "bad"}


def tiles(look: HouseLook) -> None:
    account = look.account
    with box("wb-tiles"):
        _use_tile(account)
        _bill_tile(account)
        _tier_tile(account)
        _credit_tile(account)


def _tile(title: str, value: str, unit: str, notes: Sequence[str], tone: str = "") -> None:
    with box("wb-card wb-tile"):
        heading(title, 2, "wb-title")
        with box("wb-figure"):
            text(value, f"wb-value {tone}")
            text(unit, "wb-unit")
        text(words.joined(notes), "wb-note")


def _use_tile(account: Account) -> None:
    assessed = account.assessed
    notes = [f"{_energy(assessed.metered_mwh)} measured"]
    notes += [f"{_energy(assessed.paid_mwh)} charged and paid elsewhere"] if assessed.paid_mwh else []
    title = "Used so far" if account.is_running else "Used by the house"
    _tile(title, *words.energy(assessed.household_mwh), notes)


def _bill_tile(account: Account) -> None:
    so_far = f"{_money(account.assessed.lines.total, account)} so far"
    if account.billed:
        owed = sum(each.owed.total for each in account.billed)
        issued = sum(each.bill.lines.total for each in account.billed)
        provisional = (
            "provisional: a part is an estimate" if any(_is_provisional(each) for each in account.billed) else ""
        )
        _tile("Bill", *_split(owed, account), [f"{_money(issued, account)} when it was issued", provisional])
    elif account.forecast is not None:
        expected = account.forecast.assessed
        _tile(
            "Expected bill", *_split(expected.lines.total, account), [f"for {_energy(expected.household_mwh)}", so_far]
        )
    elif account.is_running:
        _tile("Bill so far", *_split(account.assessed.lines.total, account), ["no day is known to expect more from"])
    else:
        _tile("Not billed yet", *_split(account.assessed.lines.total, account), ["by the readings known now"])


def _tier_tile(account: Account) -> None:
    foretold = account.forecast
    if foretold is not None and foretold.tier is not None:
        ends = foretold.ends_in or foretold.tier
        tone = "wb-bad" if ends.number > foretold.tier.number else ""
        count = foretold.tier.number + len(foretold.ahead)
        _tile("Tier", f"{foretold.tier.number}", f"of {count}", [_ahead(foretold), _next_kwh(foretold)], tone)
    elif foretold is not None:
        _tile("Next kWh", *_split(foretold.next_kwh.amount, account), ["with all that the bill adds"])
    elif account.by_tier[-1].tier is not None:
        reached = account.by_tier[-1]
        _tile("Tier", f"{reached.tier}", "reached", [f"{_kwh(reached.kwh)} at {_price(reached.price)} each"])
    else:
        _tile("Zones of the day", f"{len(account.by_tier)}", "with use", [_largest(account.by_tier)])


def _ahead(foretold: Forecast) -> str:
    if not foretold.ahead:
        return "the highest"
    following = foretold.ahead[0]
    above = f"tier {following.tier.number} above {_kwh(following.tier.above_kwh)}"
    return f"{above}, expected {_day(following.on)}" if following.on else f"{above}, not expected this month"


def _next_kwh(foretold: Forecast) -> str:
    return f"the next kWh costs {foretold.next_kwh}"


def _credit_tile(account: Account) -> None:
    notes = [note for each in account.bills for note in each.notes if note.lines.total]
    given = sum(note.lines.total for note in notes)
    saved = account.assessed.duplicate
    now = f"{_money(saved, account)} taken out of this month" if saved else ""
    lines = [words.counted(len(notes), "correction") if notes else "none yet", now]
    _tile("Credits", *_split(given, account), lines, "wb-good" if given > 0 else "")


def costs(account: Account) -> None:
    """How the house's own energy divides into tiers or zones, and how it comes to the total."""
    with box("wb-card"):
        head("What it costs", "so far" if account.is_running else "by the readings known now")
        with box("wb-ledger"):
            for use in account.by_tier:
                _cost_line(_name(use), f"{_kwh(use.kwh)} × {_price(use.price)}")
            _cost_line("Used by the house", _energy(account.assessed.household_mwh), "wb-sum")
            if account.assessed.paid_mwh:
                _cost_line("Charged, paid elsewhere", _energy(account.assessed.paid_mwh))
            if account.assessed.exception_mwh:
                _cost_line("Paid and not measured", _energy(account.assessed.exception_mwh))
            _cost_line("Measured", _energy(account.assessed.metered_mwh))
            box("wb-gap")
            for name, money in account.assessed.lines.money(account.currency).items():
                if money.amount and name != "total":
                    _cost_line(_LINES[name], _shown(money))
            _cost_line("Total", _shown(Money(account.assessed.lines.total, Currency.of(account.currency))), "wb-sum")
        if account.assessed.duplicate > 0:
            saved = _money(account.assessed.duplicate, account)
            text(f"Without what was paid elsewhere it would be {saved} more.", "wb-note wb-good")


def bills(look: HouseLook) -> None:
    account = look.account
    zone = ZoneInfo(account.schedule.tariff.time_zone)
    with box("wb-card"):
        head("Bills and credits", words.counted(len(account.bills), "bill"))
        for each in account.bills[:BILLS_SHOWN_MAX]:
            _bill(each, look, zone)
        if not account.bills:
            text("No bill has been issued. The first one comes when the billing period is over.", "wb-empty")


def _bill(billed: Billed, look: HouseLook, zone: ZoneInfo) -> None:
    bill = billed.bill
    period = f"{_day(bill.period.first)} – {_day(bill.period.last)} {bill.period.last.year}"
    energy = _energy(bill.household_mwh)
    with box("wb-item"):
        _item_head(period, str(bill.total), _pdf(f"bill:{bill.id}", look))
        with box("wb-item-notes"):
            text(energy, "wb-second")
            if _is_provisional(billed):
                text(f"{_energy(bill.estimated_mwh)} estimated", "wb-chip wb-chip--warn")
        for note in billed.notes:
            name = "credit" if note.lines.total >= 0 else "charge"
            why = "energy paid elsewhere" if note.reason == "payments" else "readings changed"
            amount = (
                f"{words.MINUS if note.lines.total >= 0 else '+'}{Money(abs(note.lines.total), note.total.currency)}"
            )
            with box("wb-item-note"):
                text(f"{note.issued_at.astimezone(zone):%d %b} {name}: {why}", "wb-second")
                text(amount, "wb-good" if note.lines.total > 0 else "wb-second")
        if billed.notes:
            with box("wb-item-note"):
                text("owed in the end", "wb-second")
                text(str(Money(billed.owed.total, Currency.of(bill.currency))), "wb-first")


def charges(account: Account) -> None:
    zone = ZoneInfo(account.schedule.tariff.time_zone)
    newest = list(reversed(account.charges))
    with box("wb-card"):
        counted = words.counted(len(newest), "charge")
        more = f"newest {CHARGES_SHOWN_MAX} of {counted}" if len(newest) > CHARGES_SHOWN_MAX else counted
        head("Charged here, paid elsewhere", more)
        with box("wb-list"):
            for charge in newest[:CHARGES_SHOWN_MAX]:
                _charge(charge, zone)
        if not newest:
            text("Nothing that was charged in this month was paid to a device or server.", "wb-empty")


def _charge(charge: PaidCharge, zone: ZoneInfo) -> None:
    began, ended = charge.started_at.astimezone(zone), charge.ended_at.astimezone(zone)
    until = f"{ended:%H:%M}" if ended.date() == began.date() else f"{ended:%d %b %H:%M}"
    with box("wb-item"):
        _item_head(f"{began:%d %b %H:%M} – {until}", _energy(charge.energy_mwh), None)
        with box("wb-item-notes"):
            text(charge.server, "wb-second")
            if charge.amount is not None:
                text(f"paid {charge.amount}", "wb-second")
            if not charge.counts:
                text("withdrawn", "wb-chip wb-chip--warn")


def notices(told: Sequence[Notice], zone: ZoneInfo) -> None:
    with box("wb-card"):
        head("Notices", "the newest")
        for notice in told:
            with box("wb-refusal"):
                with box("wb-refusal-head"):
                    text(notice.kind.capitalize(), f"wb-chip wb-chip--{_KIND_OF[notice.kind]}")
                    text(f"{notice.at.astimezone(zone):%d %b %Y, %H:%M}", "wb-second")
                text(notice.words, "wb-note")
        if not told:
            text("There has been nothing to tell.", "wb-empty")


def troubles(account: Account) -> None:
    """What makes the numbers less than certain."""
    if account.missing_minutes:
        hours, minutes = divmod(account.missing_minutes, 60)
        missing = words.joined([f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""], " ")
        text(f"Readings of {missing} are missing. They are estimated when the month is billed.", "wb-warning")
    if account.estimated_mwh:
        text(f"{_energy(account.estimated_mwh)} are estimated: no reading of their time has come.", "wb-warning")


# Words


def _item_head(name: str, amount: str, pdf: str | None) -> None:
    with box("wb-item-head"):
        text(name, "wb-first")
        if pdf is not None:
            ui.link("PDF", pdf).classes("wb-link")
        box("wb-space")
        text(amount, "wb-first")


def _pdf(source: str, look: HouseLook) -> str | None:
    number = look.numbers.get(source)
    return None if number is None else f"/api/v1/documents/{number}/pdf"


def _cost_line(name: str, value: str, kind: str = "wb-words") -> None:
    text(name, kind)
    text(value, f"wb-number {'wb-sum' if kind == 'wb-sum' else ''}")


def _name(use: TierUse) -> str:
    return f"Tier {use.tier}" if use.tier is not None else use.zone.capitalize() or "All hours"


def _largest(uses: Sequence[TierUse]) -> str:
    most = max(uses, key=lambda use: use.kwh)
    return f"most in {most.zone}" if most.zone else "every hour costs the same"


def _is_provisional(billed: Billed) -> bool:
    """Some of it is an estimate still."""
    known = [note.estimated_mwh for note in billed.notes if note.estimated_mwh is not None]
    return bool(known[-1] if known else billed.bill.estimated_mwh)


def _energy(mwh: int) -> str:
    return " ".join(words.energy(mwh))


def _kwh(kwh: Fraction) -> str:
    return f"{float(kwh):,.10g} kWh"


def _price(price: Fraction) -> str:
    return f"{float(price):.10g}"


def _shown(money: Money) -> str:
    return str(money).replace("-", words.MINUS)


def _money(amount: int, account: Account) -> str:
    return _shown(Money(amount, Currency.of(account.currency)))


def _split(amount: int, account: Account) -> tuple[str, str]:
    value, _, currency = _money(amount, account).rpartition(" ")
    return value, currency


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
