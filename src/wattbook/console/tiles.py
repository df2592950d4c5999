"""The four numbers at the top: stations, charging now, energy today, audit."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from nicegui import ui

from wattbook.console import words
from wattbook.console.look import Look, Proven
from wattbook.console.pacing import Seen
from wattbook.console.parts import Refresh, box, colour, heading, text
from wattbook.console.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Tile:
    value: ui.label
    unit: ui.label
    note: ui.label

    def show(self, value: str, unit: str, note: str) -> None:
        self.value.text, self.unit.text, self.note.text = value, unit, note


def tiles(zone: ZoneInfo) -> Refresh:
    with box("wb-tiles"):
        stations, live, energy, audit = _tile("Stations"), _tile("Charging now"), _tile("Energy today"), _tile("Audit")

    def refresh(look: Look) -> None:
        if look.state.value is not None:
            _show_stations(stations, look.state.value)
            _show_live(live, look.state.value)
            _show_energy(energy, look.state.value)
        _show_audit(audit, look.audit, zone)

    return refresh


def _tile(title: str) -> Tile:
    with box("wb-card wb-tile"):
        heading(title, 2, "wb-title")
        with box("wb-figure"):
            value, unit = text(words.NOTHING, "wb-value"), text("", "wb-unit")
        return Tile(value, unit, text("", "wb-note"))


def _show_stations(tile: Tile, state: Snapshot) -> None:
    fleet = state.fleet
    offline = fleet.stations - fleet.online
    notes = [
        f"{words.count(offline)} offline" if offline else "",
        f"{words.count(fleet.out_of_service)} out of service" if fleet.out_of_service else "",
    ]
    if not fleet.stations:
        tile.show("0", "stations", "none is registered yet")
        return
    calm = "all heard of and in service"
    tile.show(words.count(fleet.online), f"of {words.count(fleet.stations)} online", words.joined(notes) or calm)


def _show_live(tile: Tile, state: Snapshot) -> None:
    live = state.live
    notes = [
        f"{' '.join(words.power(live.drawing_w))} drawn" if live.drawing_w else "",
        f"{' '.join(words.power(live.feeding_w))} fed in" if live.feeding_w else "",
    ]
    noun = "session" if live.sessions == 1 else "sessions"
    tile.show(words.count(live.sessions), noun, words.joined(notes) or "no power flows")


def _show_energy(tile: Tile, state: Snapshot) -> None:
    fed_in = " ".join(words.energy(state.fed_in_today_mwh))
    value, unit = words.energy(state.drawn_today_mwh)
    tile.show(value, f"{unit} drawn", f"{fed_in} fed in" if state.fed_in_today_mwh else "nothing fed in")


def _show_audit(tile: Tile, seen: Seen[Proven], zone: ZoneInfo) -> None:
    proven = seen.value
    if proven is None:
        tile.show(words.NOTHING, "", "the proof could not be made" if seen.failed else "the proof is being made")
        colour(tile.value, "wb-waiting")
        return
    broken = sum(not finding.holds for finding in proven.proof.findings)
    transfers = words.counted(proven.proof.totals["transfers"], "transfer")
    late = " · the newest try failed" if seen.failed else ""
    note = f"{transfers}, checked {words.clock(proven.at, zone)}{late}"
    if proven.proof.holds:
        tile.show("Holds", words.counted(len(proven.proof.findings), "rule"), note)
    else:
        tile.show("Broken", f"{words.counted(broken, 'rule')} of {len(proven.proof.findings)}", note)
    colour(tile.value, "wb-good" if proven.proof.holds else "wb-bad")
