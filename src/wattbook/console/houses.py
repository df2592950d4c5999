"""The list of houses: who lives there, under which tariff, and the latest bill; a page of them at a time."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from nicegui import ui

from wattbook.config import Settings
from wattbook.console import words
from wattbook.console.household_look import HouseLooks
from wattbook.console.parts import box, head, heading, text
from wattbook.console.style import CSS, LOGO
from wattbook.household.accounts.listing import ListedHouse

ROWS_A_PAGE: Final = 50
_HOUSE: Final = """
<q-td :props="props">
  <a class="wb-first" :href="props.row.path">{{ props.row.id }}</a><div class="wb-second">{{ props.row.address }}</div>
</q-td>
"""
_BILL: Final = """
<q-td :props="props">
  <div class="wb-first">{{ props.row.bill }}</div><div class="wb-second">{{ props.row.period }}</div>
</q-td>
"""


async def houses_page(request: Request, after: str = "") -> None:
    """What is served at `/households`."""
    looks: HouseLooks = request.scope["wattbook.houses"]
    ui.page_title(f"Houses · {looks.settings.name}")
    ui.add_css(CSS)
    found = await looks.houses(after[:64], ROWS_A_PAGE + 1)
    with box("wb-page"):
        _header(looks.settings)
        with box("wb-card"):
            _list(found[:ROWS_A_PAGE], after)
            _ways(found, after)


def _list(houses: Sequence[ListedHouse], after: str) -> None:
    head("Houses", f"after {after[:64]}" if after else "in the order of their ids")
    table = ui.table(columns=_COLUMNS, rows=[house_row(each) for each in houses], row_key="id", pagination=0)
    table.classes("wb-table").props("flat hide-pagination")
    table.add_slot("body-cell-id", _HOUSE)
    table.add_slot("body-cell-bill", _BILL)
    table.add_slot("no-data", '<div class="wb-empty">No house is registered here.</div>')


def _ways(found: Sequence[ListedHouse], after: str) -> None:
    with box("wb-months"):
        if after:
            ui.link("First houses", "/households")
        if len(found) > ROWS_A_PAGE:
            last = found[ROWS_A_PAGE - 1].house.id
            ui.link("Next houses", f"/households?after={quote(last, safe='')}")


def _header(settings: Settings) -> None:
    with box("wb-header"):
        ui.html(LOGO, sanitize=False).classes("wb-logo")
        with box(""):
            heading(settings.name, 1, "wb-name")
            text("Houses", "wb-role")


def _column(name: str, label: str, align: str = "left") -> dict[str, Any]:
    return {"name": name, "label": label, "field": name, "align": align}


_COLUMNS: Final = [
    _column("id", "House"),
    _column("customer", "Customer"),
    _column("tariff", "Tariff"),
    _column("reading_day", "Read on day", "right"),
    _column("bill", "Latest bill", "right"),
    _column("stage", "Stage"),
]


def house_row(listed: ListedHouse) -> dict[str, Any]:
    """A house as the table shows it."""
    house, bill = listed.house, listed.bill
    return {
        "id": house.id,
        "path": f"/household/{quote(house.id, safe='')}",
        "address": house.address,
        "customer": "nobody" if listed.is_vacant else house.customer,
        "tariff": house.tariff,
        "reading_day": house.reading_day,
        "bill": words.NOTHING if bill is None else str(bill.owed),
        "period": "not billed yet" if bill is None else str(bill.period),
        "stage": "" if bill is None else bill.stage,
    }
