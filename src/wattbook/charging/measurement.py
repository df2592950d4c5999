"""What a session measured in the end: its energy, its time, and whether somebody had that stretch of the meter before.

Stations err. The stop's register counts; one that is below the start's, or beyond any meter's range, gives way to the
newest sample; a doubt becomes a flag on the session, never a lost stop.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from wattbook.charging.policy import Policy
from wattbook.charging.records import SessionRow, Stretch
from wattbook.charging.running import CLOCK_IMPLAUSIBLE, METER_BACKWARDS, OUT_OF_RANGE, REGISTER_MWH_MAX

CLOCK_OVERLAP: Final = "clock-overlap"
STOP_BELOW_SAMPLES: Final = "stop-below-samples"
EXPORT_START_MISSING: Final = "export-start-missing"


def plausible(moment: datetime, now: datetime, policy: Policy) -> bool:
    """Whether a station's time can be true; one that is not is kept, but nothing is judged by it."""
    return now - policy.clock_behind_max <= moment <= now + policy.clock_ahead_max


def measure_end(session: SessionRow, stopped_at: datetime, now: datetime, policy: Policy) -> None:
    """When it ended, by the station's clock, or by ours when that cannot be true."""
    if plausible(stopped_at, now, policy) and stopped_at >= session.begun_at:
        session.ended_at = stopped_at
        return
    _flag(session, CLOCK_IMPLAUSIBLE)
    session.ended_at = max(now, session.begun_at)


def measure_import(session: SessionRow, register_mwh: int) -> None:
    """What was drawn, from the register at the end."""
    if not 0 <= register_mwh <= REGISTER_MWH_MAX:
        _flag(session, OUT_OF_RANGE)
        return
    session.meter_stop_mwh = register_mwh
    if register_mwh < session.meter_start_mwh:
        _flag(session, METER_BACKWARDS)
        return
    if register_mwh < (session.import_register_mwh or 0):
        _flag(session, STOP_BELOW_SAMPLES)
    session.import_mwh = register_mwh - session.meter_start_mwh


def measure_export(session: SessionRow, register_mwh: int) -> None:
    """What was fed in, from the register at the end; nothing when no start is known to count from."""
    if not 0 <= register_mwh <= REGISTER_MWH_MAX:
        _flag(session, OUT_OF_RANGE)
    elif session.export_start_mwh is None:
        _flag(session, EXPORT_START_MISSING)
    elif register_mwh < session.export_start_mwh:
        _flag(session, METER_BACKWARDS)
    else:
        if register_mwh < (session.export_register_mwh or 0):
            _flag(session, STOP_BELOW_SAMPLES)
        session.export_register_mwh = register_mwh
        session.export_mwh = register_mwh - session.export_start_mwh


def measured_before(session: SessionRow, others: Sequence[Stretch]) -> bool:
    """Whether a session at the same time settled part of the same stretch of the register."""
    start, end = session.meter_start_mwh, session.meter_start_mwh + session.import_mwh
    return any(
        other.register_from_mwh < end and start < other.register_to_mwh for other in _at_the_same_time(session, others)
    )


def place_in_time(session: SessionRow, others: Sequence[Stretch]) -> None:
    """Give the session the longest stretch of its time that no other session at the meter has.

    Where clocks made sessions overlap whose registers do not, time is what gives way: it is flagged, and a session that
    is left without any time is settled without.
    """
    assert session.ended_at is not None, "placed when it ended"
    start, end = session.begun_at, session.ended_at
    free = [(start, end)]
    for other in _at_the_same_time(session, others):
        free = [piece for one in free for piece in _without(one, other)]
    if free != [(start, end)]:
        _flag(session, CLOCK_OVERLAP)
    if free:
        session.span_start, session.span_end = max(free, key=lambda piece: piece[1] - piece[0])


def _at_the_same_time(session: SessionRow, others: Sequence[Stretch]) -> list[Stretch]:
    assert session.ended_at is not None, "compared when it ended"
    return [other for other in others if other.start < session.ended_at and session.begun_at < other.end]


def _without(piece: tuple[datetime, datetime], taken: Stretch) -> list[tuple[datetime, datetime]]:
    start, end = piece
    if taken.end <= start or end <= taken.start:
        return [piece]
    return [(a, b) for a, b in ((start, taken.start), (taken.end, end)) if a < b]


def _flag(session: SessionRow, flag: str) -> None:
    if flag not in session.flags:
        session.flags = [*session.flags, flag]
