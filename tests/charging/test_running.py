"""How readings move a session: registers that only count on, and readings that err."""

from datetime import timedelta
from decimal import Decimal

from tests.charging.world import KWH, NOW
from wattbook.charging.running import Reading, Running

MINUTE = timedelta(minutes=1)


def running(*, meter_start_mwh: int = 100 * KWH, export_start_mwh: int | None = None) -> Running:
    return Running(
        id="",
        state="active",
        started_at=NOW,
        meter_start_mwh=meter_start_mwh,
        rated_power_w=22_000,
        announced_at=NOW,
        sampled_at=None,
        import_register_mwh=None,
        export_start_mwh=export_start_mwh,
        export_register_mwh=None,
        power_w=None,
        soc_percent=None,
        import_mwh=0,
        export_mwh=0,
        shortfall_wms=0,
        flags="",
        connector_no=1,
        next_no=None,
        told_at=None,
        writer="",
        row="",
    )


def test_energy_is_what_the_register_moved_since_the_start() -> None:
    session = running()
    session.advance(Reading(NOW + 10 * MINUTE, 103 * KWH, None, 11_000, Decimal("42.5")))
    assert (session.import_mwh, session.power_w, session.soc_percent) == (3 * KWH, 11_000, Decimal("42.5"))
    session.advance(Reading(NOW + 20 * MINUTE, 105 * KWH))
    assert (session.import_mwh, session.flags) == (5 * KWH, "")


def test_a_register_that_steps_back_is_flagged_once_and_never_lowers_the_energy() -> None:
    session = running()
    for minute, register in enumerate((105, 104, 90)):
        session.advance(Reading(NOW + minute * MINUTE, register * KWH))
        assert session.import_mwh == 5 * KWH
    assert session.flags == "meter-backwards"
    session.advance(Reading(NOW + 9 * MINUTE, 106 * KWH))
    assert session.import_mwh == 6 * KWH


def test_a_register_below_the_start_counts_nothing() -> None:
    session = running()
    session.advance(Reading(NOW + MINUTE, 99 * KWH))
    assert (session.import_mwh, session.flags) == (0, "meter-backwards")


def test_a_reading_that_came_late_changes_nothing() -> None:
    session = running()
    session.advance(Reading(NOW + 10 * MINUTE, 103 * KWH, None, 11_000))
    session.advance(Reading(NOW + 5 * MINUTE, 101 * KWH, None, 3_000))
    session.advance(Reading(NOW - MINUTE, 104 * KWH))
    assert (session.import_mwh, session.power_w, session.flags) == (3 * KWH, 11_000, "")


def test_feed_in_counts_from_the_register_at_the_start_or_from_the_first_one_seen() -> None:
    told, seen = running(export_start_mwh=50 * KWH), running()
    for session in (told, seen):
        session.advance(Reading(NOW + MINUTE, None, 51 * KWH, -9_000))
        session.advance(Reading(NOW + 2 * MINUTE, None, 54 * KWH, -9_000))
    assert (told.export_mwh, seen.export_mwh, seen.power_w) == (4 * KWH, 3 * KWH, -9_000)


def test_what_no_meter_can_show_is_flagged_and_passed_over() -> None:
    session = running()
    session.advance(Reading(NOW + MINUTE, 10**16, -5, 10**12, Decimal(400)))
    assert (session.import_mwh, session.export_mwh, session.power_w, session.soc_percent) == (0, 0, None, None)
    assert session.flags == "out-of-range"


def test_lost_time_comes_from_the_register_where_there_is_one_and_from_power_where_not() -> None:
    by_register, by_power = running(), running()
    by_register.advance(Reading(NOW + 60 * MINUTE, 111 * KWH))
    by_power.advance(Reading(NOW + 60 * MINUTE, None, None, 11_000))
    half_an_hour_of_rated_power = 22_000 * 30 * 60_000
    assert by_register.shortfall_wms == by_power.shortfall_wms == half_an_hour_of_rated_power
