"""The lists: live sessions, stations, who was refused."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from nicegui import ui

from wattbook.charging.events import SessionView
from wattbook.charging.views import Refusal
from wattbook.console import words
from wattbook.console.look import Look
from wattbook.console.parts import Refresh, box, head, text
from wattbook.console.snapshot import SESSIONS_SHOWN_MAX, STATIONS_SHOWN_MAX, Snapshot
from wattbook.registry.presence import StationOverview, Status

ROWS_A_PAGE: Final = 10


def live_sessions() -> Refresh:
    columns = [
        _column("place", "Station"),
        _column("driver", "Driver"),
        _column("energy", "Energy", "right"),
        _column("power", "Power", "right"),
        _column("cost", "Cost so far", "right"),
        _column("progress", "Progress") | {"classes": "wb-apart", "headerClasses": "wb-apart"},
        _column("left", "Time left", "right"),
    ]
    with box("wb-card").style("margin-bottom: 16px"):
        aside = head("Live sessions", "")
        table = _table(columns, "No car is charging. A session shows up here the moment it begins.")
        table.add_slot("body-cell-place", _two_lines("place"))
        table.add_slot("body-cell-driver", _two_lines("driver"))
        table.add_slot("body-cell-progress", _PROGRESS)

    def refresh(look: Look) -> None:
        if look.state.value is not None:
            state = look.state.value
            aside.text = _aside(len(state.sessions), state.live.sessions, "newest", SESSIONS_SHOWN_MAX)
            _fill(table, [session_row(session) for session in state.sessions])

    return refresh


def session_row(session: SessionView) -> dict[str, Any]:
    """A session as the table shows it."""
    drawn, fed_in = words.energy(session.import_mwh), words.energy(session.export_mwh)
    energies = [f"{' '.join(drawn)}" if session.import_mwh or not session.export_mwh else ""]
    energies += [f"{' '.join(fed_in)} fed in"] if session.export_mwh else []
    percent = session.progress_percent
    return {
        "id": session.id,
        "place": session.station_id,
        "place_2": session.evse_id or f"EVSE {session.connector_no}",
        "driver": words.token(session.token_uid),
        "driver_2": session.token_party,
        "energy": words.joined(energies),
        "power": words.NOTHING if session.power_w is None else " ".join(words.power(session.power_w)),
        "cost": words.cost(session.cost_after_tax, session.currency),
        "prepaid": session.prepaid is not None,
        "progress": None if percent is None else f"{percent:.0f}",
        "left": words.time_left(session.remaining_s),
    }


def bottom_row() -> list[Refresh]:
    with box("wb-wide"):
        return [_stations(), _refusals()]


def _stations() -> Refresh:
    columns = [
        _column("id", "Station"),
        _column("site", "Site"),
        _column("statuses", "Status"),
        _column("seen", "Last heard of", "right"),
    ]
    with box("wb-card"):
        aside = head("Stations", "")
        table = _table(columns, "No station is registered yet.")
        table.add_slot("body-cell-id", _two_lines("id"))
        table.add_slot("body-cell-site", _two_lines("site"))
        table.add_slot("body-cell-statuses", _CHIPS)

    def refresh(look: Look) -> None:
        if look.state.value is not None:
            state = look.state.value
            aside.text = _aside(len(state.stations), state.fleet.stations, "first", STATIONS_SHOWN_MAX)
            _fill(table, [station_row(each, state) for each in state.stations])

    return refresh


def station_row(overview: StationOverview, state: Snapshot) -> dict[str, Any]:
    """A station as the table shows it."""
    station, presence = overview.station, overview.presence
    vendor, model = (presence and presence.vendor) or station.vendor, (presence and presence.model) or station.model
    return {
        "id": station.id,
        "id_2": words.joined([vendor or "", model or ""], " "),
        "site": overview.site.name,
        "site_2": words.plain(overview.site.kind),
        "statuses": _chips(overview, online=state.online(overview)),
        "seen": words.ago(presence.last_seen_at, state.taken_at) if presence else "never",
    }


def _chips(overview: StationOverview, *, online: bool) -> list[dict[str, str]]:
    if overview.station.acceptance != "accepted":
        return [{"text": overview.station.acceptance, "kind": "warn"}]
    if not online:
        return [{"text": "Offline", "kind": "quiet"}]
    of_evses = [status for status in overview.statuses if status.evse_no] or list(overview.statuses)
    return [_chip(status) for status in of_evses[:4]] or [{"text": "Online", "kind": "good"}]


def _chip(status: Status) -> dict[str, str]:
    if status.out_of_service:
        kind = "bad"
    elif status.status == "Available":
        kind = "good"
    else:
        kind = "warn" if status.status.startswith("Suspended") else "busy"
    code = status.error_code if status.error_code not in (None, "NoError") else ""
    return {"text": words.joined([status.status, code or ""], ": "), "kind": kind}


def _refusals() -> Refresh:
    with box("wb-card"):
        head("Refused lately", "the newest of seven days")
        body = box("")
    shown: list[tuple[str, str, str]] | None = None

    def refresh(look: Look) -> None:
        nonlocal shown
        state = look.state.value
        lines = [] if state is None else [_refusal_words(each, state.taken_at) for each in state.refusals]
        if state is not None and lines != shown:
            shown = lines
            body.clear()
            with body:
                _refusal_lines(lines)

    return refresh


def _refusal_words(refusal: Refusal, now: datetime) -> tuple[str, str, str]:
    where = f"{refusal.station_id} · {words.ago(refusal.refused_at, now)}"
    return words.plain(refusal.reason), where, words.without_token(refusal.message, refusal.token_uid)


def _refusal_lines(lines: Sequence[tuple[str, str, str]]) -> None:
    for reason, where, message in lines:
        with box("wb-refusal"):
            with box("wb-refusal-head"):
                text(reason, "wb-chip wb-chip--warn")
                text(where, "wb-second")
            text(message, "wb-note")
    if not lines:
        text("Nobody was refused. When somebody is, the reason stands here.", "wb-empty")


# Tables


def _two_lines(name: str) -> str:
    return f"""
    <q-td :props="props">
      <div class="wb-first">{{{{ props.row.{name} }}}}</div><div class="wb-second">{{{{ props.row.{name}_2 }}}}</div>
    </q-td>
    """


_CHIPS: Final = """
<q-td :props="props">
  <span v-for="chip in props.row.statuses" class="wb-chip" :class="'wb-chip--' + chip.kind">{{ chip.text }}</span>
</q-td>
"""

_PROGRESS: Final = """
<q-td :props="props">
  <div v-if="props.row.progress !== null" class="wb-progress">
    <div class="wb-bar" role="progressbar" :aria-valuenow="props.row.progress">
      <div :style="{ width: props.row.progress + '%' }"></div>
    </div>
    <span>{{ props.row.progress }} %</span>
  </div>
  <span v-else class="wb-second">{{ props.row.prepaid ? "–" : "not prepaid" }}</span>
</q-td>
"""


def _column(name: str, label: str, align: str = "left") -> dict[str, Any]:
    return {"name": name, "label": label, "field": name, "align": align}


def _table(columns: list[dict[str, Any]], empty: str) -> ui.table:
    table = ui.table(columns=columns, rows=[], row_key="id", pagination=ROWS_A_PAGE).classes("wb-table")
    table.props(f"flat hide-pagination :rows-per-page-options=[{ROWS_A_PAGE},50,0]")
    table.add_slot("no-data", f'<div class="wb-empty">{empty}</div>')
    return table


def _fill(table: ui.table, rows: list[dict[str, Any]]) -> None:
    if rows != table.rows:
        table.props(remove="hide-pagination") if len(rows) > ROWS_A_PAGE else table.props("hide-pagination")
        table.rows = rows


def _aside(shown: int, total: int, which: str, shown_max: int) -> str:
    if total > shown_max:
        return f"the {which} {words.count(shown)} of {words.count(total)}"
    return words.count(total) if total else ""
