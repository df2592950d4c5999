"""Energy: plotted by the hour, and added up as the proof does."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from wattbook.book.audit import Proof
from wattbook.console import words
from wattbook.console.ledger import energy_ledger
from wattbook.console.look import Look
from wattbook.console.parts import Refresh, box, head, text
from wattbook.console.snapshot import Snapshot
from wattbook.console.style import DRAWN, FED_IN, RUNNING
from wattbook.kernel.units import Energy


def energy_row(zone: ZoneInfo) -> list[Refresh]:
    with box("wb-wide"):
        return [_chart(zone), _ledger()]


def _chart(zone: ZoneInfo) -> Refresh:
    with box("wb-card wb-plot"):
        head("Energy by the hour", "today, kWh, by the hour in which a session ended")
        chart = ui.echart(_chart_options(), renderer="svg").classes("wb-chart")

    def refresh(look: Look) -> None:
        state = look.state.value
        if state is None:
            return
        series = _chart_series(state)
        labels = [f"{hour.start.astimezone(zone):%H}" for hour in state.hours]
        if (chart.options["series"], chart.options["xAxis"]["data"]) != (series, labels):
            chart.options["series"], chart.options["xAxis"]["data"] = series, labels
            chart.options["title"]["show"] = not (state.drawn_today_mwh or state.fed_in_today_mwh)
            chart.update()

    return refresh


def _chart_options() -> dict[str, Any]:
    faint, line = "#8a94a1", "rgba(138, 148, 161, .18)"
    letters = {"color": faint, "fontSize": 11.5, "fontFamily": "Roboto, sans-serif"}
    return {
        "animation": False,
        "grid": {"left": 4, "right": 6, "top": 34, "bottom": 2, "containLabel": True},
        "title": {
            "text": "No session has moved energy today.",
            "left": "center",
            "top": "middle",
            "textStyle": letters | {"fontSize": 13.5, "fontWeight": "normal"},
        },
        "legend": {
            "right": 0,
            "top": 0,
            "icon": "roundRect",
            "itemWidth": 10,
            "itemHeight": 10,
            "itemGap": 16,
            "textStyle": letters,
        },
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True},
        "xAxis": {
            "type": "category",
            "data": [],
            "axisLabel": letters | {"interval": 2},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": line}, "onZero": True},
        },
        "yAxis": {"type": "value", "axisLabel": letters, "splitLine": {"lineStyle": {"color": line}}},
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
    with box("wb-card"):
        head("Every kilowatt-hour, once", "since the first day")
        body = box("")

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
                text("The proof is on its way: every transfer of the book is read for it.", "wb-empty")

    return refresh


def _ledger_lines(proof: Proof) -> None:
    ledger = energy_ledger(proof)
    with box("wb-ledger"):
        for line in ledger.sources:
            _ledger_line(line.words, line.mwh)
        _ledger_line("Came in", ledger.total_mwh, "wb-sum")
        box("wb-gap")
        for line in ledger.uses:
            _ledger_line(line.words, line.mwh)
        _ledger_line("Answered for", ledger.total_mwh - ledger.difference_mwh, "wb-sum")


def _ledger_line(name: str, mwh: int, kind: str = "wb-words") -> None:
    text(name, kind)
    text(" ".join(words.energy(mwh)), f"wb-number {'wb-sum' if kind == 'wb-sum' else ''}")


def _rules(proof: Proof) -> None:
    with box("wb-rules"):
        for finding in proof.findings:
            name = words.plain(finding.name)
            chip = text(name if finding.holds else f"{name}: {words.count(finding.count)}", "wb-chip")
            chip.classes("wb-chip--good" if finding.holds else "wb-chip--bad")
            chip.tooltip(finding.rule)
