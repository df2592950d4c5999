"""The overview page: what an operator wants to know at a glance.

Each part is built once and gives back a function that shows a newer look in place, so a refresh sends what changed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from nicegui import app as nicegui
from nicegui import ui
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from wattbook.book.audit import Proof
from wattbook.charging.events import SessionView
from wattbook.charging.views import Refusal
from wattbook.config import Settings
from wattbook.console import words
from wattbook.console.ledger import energy_ledger
from wattbook.console.pacing import Paced, Seen
from wattbook.console.snapshot import SESSIONS_SHOWN_MAX, STATIONS_SHOWN_MAX, Snapshot, take_snapshot
from wattbook.console.style import CSS, DRAWN, FAVICON, FED_IN, LOGO, RUNNING
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.kernel.units import Energy
from wattbook.registry.presence import StationOverview, Status

REFRESH_S: Final = 2.0
AUDIT_S: Final = 10.0
PATIENCE_S: Final = 1.5
ROWS_A_PAGE: Final = 10

ROLES: Final = {"CPO": "Charge point operator", "EMSP": "Mobility provider", "HUB": "Roaming hub"}


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof and the moment at which it was complete."""

    proof: Proof
    at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What the page shows at one moment; both come at their own pace."""

    state: Seen[Snapshot]
    audit: Seen[Proven]


Refresh = Callable[[Look], None]


class Overview:
    """What all browsers look at together."""

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, proof: Callable[[], Awaitable[Proof]]
    ) -> None:
        self.settings = settings
        self.zone = ZoneInfo(settings.time_zone)
        self._state: Paced[Snapshot] = Paced(lambda: take_snapshot(database, settings, clock()), REFRESH_S)
        self._audit: Paced[Proven] = Paced(lambda: _prove(proof, clock), AUDIT_S)

    async def look(self) -> Look:
        """Within `PATIENCE_S`; a proof that takes longer is shown when it is there."""
        return Look(*await asyncio.gather(self._state.look(PATIENCE_S), self._audit.look(PATIENCE_S)))

    async def close(self) -> None:
        await self._state.close()
        await self._audit.close()


def mount_overview(
    app: FastAPI,
    *,
    database: Database,
    settings: Settings,
    clock: Clock,
    proof: Callable[[], Awaitable[Proof]],
) -> None:
    """Serve the overview at `/`, and NiceGUI's own files below `/_nicegui`.

    Call it before the application starts and after all other routes are added: whatever is left over is NiceGUI's.
    """
    overview = Overview(database, settings, clock, proof)
    app.add_middleware(_Bound, overview=overview)
    # NiceGUI is one application a process, and would not let itself be mounted into a second one after it has run.
    nicegui.middleware_stack = None
    nicegui.user_middleware.clear()
    ui.page("/")(_page)
    ui.run_with(
        app,
        title="wattbook",
        favicon=FAVICON.strip(),
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    app.router.lifespan_context = _closing(overview, app.router.lifespan_context)


class _Bound:
    """Tells each request to which application, and so to which overview, it came."""

    def __init__(self, app: ASGIApp, overview: Overview) -> None:
        self._app = app
        self._overview = overview

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["wattbook.overview"] = self._overview
        await self._app(scope, receive, send)


def _closing(overview: Overview, lifespan: Lifespan[Any]) -> Lifespan[Any]:
    @asynccontextmanager
    async def closing(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            yield state
        await overview.close()

    return closing


async def _page(request: Request) -> None:
    overview: Overview = request.scope["wattbook.overview"]
    ui.page_title(f"{overview.settings.name} · wattbook")
    build(overview, await overview.look())


async def _prove(proof: Callable[[], Awaitable[Proof]], clock: Clock) -> Proven:
    return Proven(await proof(), clock())


def build(overview: Overview, look: Look) -> None:
    """The page of one browser, and its timer."""
    ui.add_css(CSS)
    with _box("wb-page"):
        parts = [
            _header(overview.settings, overview.zone),
            _tiles(overview.zone),
            *_energy_row(overview.zone),
            _live_sessions(),
            *_bottom_row(),
        ]
        _footer(overview.settings)
    for part in parts:
        part(look)
    shown = look

    async def refresh() -> None:
        nonlocal shown
        newer = await overview.look()
        if newer != shown:
            shown = newer
            for part in parts:
                part(newer)

    ui.timer(REFRESH_S, refresh, immediate=False)


# Header and footer


def _header(settings: Settings, zone: ZoneInfo) -> Refresh:
    with _box("wb-header"):
        ui.html(LOGO, sanitize=False).classes("wb-logo")
        with _box(""):
            _heading(settings.name, 1, "wb-name")
            _text(f"{ROLES[settings.role]} · {settings.party}", "wb-role")
        _box("wb-space")
        now = _text("", "wb-now")
        with (
            ui.element("button").classes("wb-theme").props('title="Light or dark" aria-label="Light or dark"') as theme
        ):
            ui.icon("contrast", size="18px")
        theme.on("click", js_handler="() => Quasar.Dark.toggle()")
    trouble = _text("", "wb-trouble").props("role=alert")

    def refresh(look: Look) -> None:
        taken = look.state.value
        at = words.clock(taken.taken_at, zone) if taken else ""
        now.text = f"{taken.taken_at.astimezone(zone):%d %B %Y}, {at}" if taken else ""
        since = f" What you see is the state of {at}." if taken else ""
        trouble.text = f"The database does not answer.{since} The page tries again by itself."
        trouble.set_visibility(look.state.failed or taken is None)

    return refresh


def _footer(settings: Settings) -> None:
    with _box("wb-footer"):
        _text(f"Refreshes by itself. Times in {settings.time_zone}.", "")
        _text("Energy today: sessions that ended today and those that run.", "")


# Tiles


@dataclass(frozen=True, slots=True)
class Tile:
    value: ui.label
    unit: ui.label
    note: ui.label

    def show(self, value: str, unit: str, note: str) -> None:
        self.value.text, self.unit.text, self.note.text = value, unit, note


def _tiles(zone: ZoneInfo) -> Refresh:
    with _box("wb-tiles"):
        stations, live, energy, audit = _tile("Stations"), _tile("Charging now"), _tile("Energy today"), _tile("Audit")

    def refresh(look: Look) -> None:
        if look.state.value is not None:
            _show_stations(stations, look.state.value)
            _show_live(live, look.state.value)
            _show_energy(energy, look.state.value)
        _show_audit(audit, look.audit, zone)

    return refresh


def _tile(title: str) -> Tile:
    with _box("wb-card wb-tile"):
        _heading(title, 2, "wb-title")
        with _box("wb-figure"):
            value, unit = _text(words.NOTHING, "wb-value"), _text("", "wb-unit")
        return Tile(value, unit, _text("", "wb-note"))


def _show_stations(tile: Tile, state: Snapshot) -> None:
    fleet = state.fleet
    offline = fleet.stations - fleet.online
    notes = [
        f"{words.count(offline)} offline" if offline else "",
        f"{words.count(fleet.out_of_service)} out of service" if fleet.out_of_service else "",
    ]
    calm = "all heard of and in service" if fleet.stations else "none registered yet"
    tile.show(words.count(fleet.online), f"of {words.count(fleet.stations)} online", _joined(notes) or calm)


def _show_live(tile: Tile, state: Snapshot) -> None:
    live = state.live
    notes = [
        f"{' '.join(words.power(live.drawing_w))} drawn" if live.drawing_w else "",
        f"{' '.join(words.power(live.feeding_w))} fed in" if live.feeding_w else "",
    ]
    noun = "session" if live.sessions == 1 else "sessions"
    tile.show(words.count(live.sessions), noun, _joined(notes) or "no power flows")


def _show_energy(tile: Tile, state: Snapshot) -> None:
    fed_in = " ".join(words.energy(state.fed_in_today_mwh))
    value, unit = words.energy(state.drawn_today_mwh)
    tile.show(value, f"{unit} drawn", f"{fed_in} fed in" if state.fed_in_today_mwh else "nothing fed in")


def _show_audit(tile: Tile, seen: Seen[Proven], zone: ZoneInfo) -> None:
    proven = seen.value
    if proven is None:
        tile.show(words.NOTHING, "", "the proof could not be made" if seen.failed else "the proof is being made")
        _colour(tile.value, "wb-waiting")
        return
    broken = sum(not finding.holds for finding in proven.proof.findings)
    transfers = words.counted(proven.proof.totals["transfers"], "transfer")
    late = " · the newest try failed" if seen.failed else ""
    note = f"{transfers}, checked {words.clock(proven.at, zone)}{late}"
    if proven.proof.holds:
        tile.show("Holds", words.counted(len(proven.proof.findings), "rule"), note)
    else:
        tile.show("Broken", f"{words.counted(broken, 'rule')} of {len(proven.proof.findings)}", note)
    _colour(tile.value, "wb-good" if proven.proof.holds else "wb-bad")


# Energy by the hour, and the proof


def _energy_row(zone: ZoneInfo) -> list[Refresh]:
    with _box("wb-wide"):
        return [_chart(zone), _ledger()]


def _chart(zone: ZoneInfo) -> Refresh:
    with _box("wb-card wb-plot"):
        _head("Energy by the hour", "today, kWh, by the hour in which a session ended")
        chart = ui.echart(_chart_options(), renderer="svg").classes("wb-chart")

    def refresh(look: Look) -> None:
        state = look.state.value
        if state is None:
            return
        series = _chart_series(state)
        labels = [f"{hour.start.astimezone(zone):%H}" for hour in state.hours]
        if (chart.options["series"], chart.options["xAxis"]["data"]) != (series, labels):
            chart.options["series"], chart.options["xAxis"]["data"] = series, labels
            chart.update()

    return refresh


def _chart_options() -> dict[str, Any]:
    faint, line = "#8a94a1", "rgba(138, 148, 161, .18)"
    text = {"color": faint, "fontSize": 11.5, "fontFamily": "Roboto, sans-serif"}
    return {
        "animation": False,
        "grid": {"left": 4, "right": 6, "top": 34, "bottom": 2, "containLabel": True},
        "legend": {
            "right": 0,
            "top": 0,
            "icon": "roundRect",
            "itemWidth": 10,
            "itemHeight": 10,
            "itemGap": 16,
            "textStyle": text,
        },
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True},
        "xAxis": {
            "type": "category",
            "data": [],
            "axisLabel": text | {"interval": 2},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": line}, "onZero": True},
        },
        "yAxis": {"type": "value", "axisLabel": text, "splitLine": {"lineStyle": {"color": line}}},
        "series": [],
    }


def _chart_series(state: Snapshot) -> list[dict[str, Any]]:
    """Drawn above the line, fed in below it; what still runs stands in the present hour."""
    now = max((number for number, hour in enumerate(state.hours) if hour.start <= state.taken_at), default=0)
    running = [state.live.drawn_mwh if number == now else 0 for number in range(len(state.hours))]
    fed_in = [hour.fed_in_mwh + (state.live.fed_in_mwh if n == now else 0) for n, hour in enumerate(state.hours)]
    return [
        _bars("drawn", DRAWN, [hour.drawn_mwh for hour in state.hours], 1),
        _bars("drawn, still running", RUNNING, running, 1),
        _bars("fed in", FED_IN, fed_in, -1),
    ]


def _bars(name: str, colour: str, energies_mwh: Sequence[int], sign: int) -> dict[str, Any]:
    """A plot is for the eye: here, and only here, energy becomes a float, in Wh steps of kWh."""
    return {
        "name": name,
        "type": "bar",
        "stack": "energy",
        "barMaxWidth": 26,
        "itemStyle": {"color": colour, "borderRadius": 3},
        "data": [sign * round(float(Energy(mwh).kwh), 3) if mwh else None for mwh in energies_mwh],
    }


def _ledger() -> Refresh:
    with _box("wb-card"):
        _head("Every kilowatt-hour, once", "since the first day")
        body = _box("")

    shown: Proof | None = None

    def refresh(look: Look) -> None:
        nonlocal shown
        proof = look.audit.value.proof if look.audit.value else None
        if proof is not None and proof != shown:
            shown = proof
            body.clear()
            with body:
                _ledger_lines(proof)
                _rules(proof)
        elif proof is None and not body.default_slot.children:
            with body:
                _text("The proof is on its way: every transfer of the book is read for it.", "wb-empty")

    return refresh


def _ledger_lines(proof: Proof) -> None:
    ledger = energy_ledger(proof)
    with _box("wb-ledger"):
        for line in ledger.sources:
            _ledger_line(line.words, line.mwh)
        _ledger_line("Came in", ledger.total_mwh, "wb-sum")
        _box("wb-gap")
        for line in ledger.uses:
            _ledger_line(line.words, line.mwh)
        _ledger_line("Answered for", ledger.total_mwh - ledger.difference_mwh, "wb-sum")


def _ledger_line(name: str, mwh: int, kind: str = "wb-words") -> None:
    _text(name, kind)
    _text(" ".join(words.energy(mwh)), f"wb-number {'wb-sum' if kind == 'wb-sum' else ''}")


def _rules(proof: Proof) -> None:
    with _box("wb-rules"):
        for finding in proof.findings:
            name = words.plain(finding.name)
            chip = _text(name if finding.holds else f"{name}: {words.count(finding.count)}", "wb-chip")
            chip.classes("wb-chip--good" if finding.holds else "wb-chip--bad")
            chip.tooltip(finding.rule)


# Tables


def _live_sessions() -> Refresh:
    columns = [
        _column("place", "Station"),
        _column("driver", "Driver"),
        _column("energy", "Energy", "right"),
        _column("power", "Power", "right"),
        _column("cost", "Cost so far", "right"),
        _column("progress", "Progress") | {"classes": "wb-apart", "headerClasses": "wb-apart"},
        _column("left", "Time left", "right"),
    ]
    with _box("wb-card").style("margin-bottom: 16px"):
        aside = _head("Live sessions", "")
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
        "energy": _joined(energies),
        "power": words.NOTHING if session.power_w is None else " ".join(words.power(session.power_w)),
        "cost": words.cost(session.cost_after_tax, session.currency),
        "prepaid": session.prepaid is not None,
        "progress": None if percent is None else f"{percent:.0f}",
        "left": words.time_left(session.remaining_s),
    }


def _bottom_row() -> list[Refresh]:
    with _box("wb-wide"):
        return [_stations(), _refusals()]


def _stations() -> Refresh:
    columns = [
        _column("id", "Station"),
        _column("site", "Site"),
        _column("statuses", "Status"),
        _column("seen", "Last heard of", "right"),
    ]
    with _box("wb-card"):
        aside = _head("Stations", "")
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
        "id_2": _joined([vendor or "", model or ""], " "),
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
    return {"text": _joined([status.status, code or ""], ": "), "kind": kind}


def _refusals() -> Refresh:
    with _box("wb-card"):
        _head("Refused lately", "the newest of seven days")
        body = _box("")
    shown: Sequence[Refusal] | None = None

    def refresh(look: Look) -> None:
        nonlocal shown
        state = look.state.value
        if state is None or (shown == state.refusals and not shown):
            return
        shown = state.refusals
        body.clear()
        with body:
            for refusal in state.refusals:
                _refusal(refusal, state.taken_at)
            if not state.refusals:
                _text("Nobody was refused. When somebody is, the reason stands here.", "wb-empty")

    return refresh


def _refusal(refusal: Refusal, now: datetime) -> None:
    with _box("wb-refusal"):
        with _box("wb-refusal-head"):
            _text(words.plain(refusal.reason), "wb-chip wb-chip--warn")
            _text(f"{refusal.station_id} · {words.ago(refusal.refused_at, now)}", "wb-second")
        _text(words.without_token(refusal.message, refusal.token_uid), "wb-note")


# Parts of parts


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


def _head(title: str, aside: str) -> ui.label:
    with _box("wb-head"):
        _heading(title, 2, "wb-section")
        return _text(aside, "wb-aside")


def _heading(text: str, level: int, classes: str) -> ui.label:
    return _text(text, classes).props(f"role=heading aria-level={level}")


def _text(text: str, classes: str) -> ui.label:
    return ui.label(text).classes(classes)


def _box(classes: str) -> ui.element:
    return ui.element("div").classes(classes)


def _colour(label: ui.label, name: str) -> None:
    if name not in label.classes:
        label.classes(name, remove="wb-good wb-bad wb-waiting")


def _joined(parts: Sequence[str], by: str = " · ") -> str:
    return by.join(part for part in parts if part)
