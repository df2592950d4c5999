"""Files of meters' data in every format: what is right is read exactly, what is wrong is told by its line."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.household.readings.intake.csv_layout import CsvLayout, csv_layout, layout_of
from wattbook.household.readings.intake.csv_rows import read_csv
from wattbook.household.readings.intake.formats import FORMATS, reader_of
from wattbook.household.readings.intake.items import (
    BadLine,
    Complaint,
    IntervalReading,
    Item,
    RegisterReading,
    decimal,
    energy,
    unit,
)
from wattbook.household.readings.intake.local_time import starts_of_day
from wattbook.kernel.errors import InvalidInput

KWH = 1_000_000
BERLIN = ZoneInfo("Europe/Berlin")


def intervals(items: Iterator[Item]) -> list[IntervalReading]:
    return [item for item in items if isinstance(item, IntervalReading)]


def complaints(items: Iterator[Item]) -> list[tuple[int, str]]:
    return [(item.line, item.code) for item in items if isinstance(item, Complaint)]


# Units and numbers


@pytest.mark.parametrize(
    ("text", "its_unit", "mwh"),
    [("0.123456", "kWh", 123_456), ("1", "MWh", 1_000 * KWH), ("250", "Wh", 250_000), ("7", "mWh", 7)],
)
def test_energy_is_read_exactly(text: str, its_unit: str, mwh: int) -> None:
    assert energy(decimal(text), its_unit, 15) == mwh


def test_mean_power_becomes_the_energy_of_its_interval() -> None:
    assert energy(Decimal("1.2"), "kW", 15) == KWH * 3 // 10
    assert energy(Decimal("0.000001"), "kW", 15) == 0  # a quarter of 1 mWh is nearest to nothing
    assert energy(Decimal("0.000002"), "kW", 15) == 1  # half a mWh goes up
    assert energy(Decimal(1), "kWh", 15, multiplier=40) == 40 * KWH
    assert energy(Decimal(3), "Wh", 15, Fraction(1, 3)) == 1_000


def test_a_unit_that_may_be_milli_or_mega_is_refused() -> None:
    assert (unit("KWH"), unit("wh")) == ("kWh", "Wh")
    for wrong in ("mwh", "kvarh", "V", "m3", ""):
        with pytest.raises(BadLine):
            unit(wrong)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**9))
def test_a_number_keeps_every_digit(number: Decimal) -> None:
    assert decimal(f"{number:f}") == number
    assert decimal(f"{number:f}".replace(".", ","), ",") == number


@pytest.mark.parametrize("text", ["", "1e3", "nan", "inf", "1.2.3", "0x10", "1_0", "٣", "9" * 30, "1 2"])
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(BadLine):
        decimal(text)


# CSV


LONG = b"""meter,register,start,kwh
M1,1-0:1.8.0,2026-10-01T00:00:00+09:00,0.25
M1,1-0:1.8.0,2026-10-01T00:15:00+09:00,abc
M1,1-0:1.8.0,yesterday,0.5
M1,1-0:1.8.0,2026-10-01T00:30:00+09:00,0.5

,1-0:1.8.0,2026-10-01T00:45:00+09:00,0.5
M1,2-0:1.8.0,2026-10-01T00:45:00+09:00,0.0000001
M2,export,2026-10-01T00:00:00Z,1"""


def test_a_csv_row_that_is_wrong_costs_only_itself() -> None:
    items = list(read_csv(LONG, csv_layout("readings")))
    assert [(each.line, each.meter, each.energy_mwh) for each in intervals(iter(items))] == [
        (2, "M1", 250_000),
        (5, "M1", 500_000),
        (9, "M2", KWH),
    ]
    assert intervals(iter(items))[0].start == datetime(2026, 9, 30, 15, tzinfo=UTC)
    assert complaints(iter(items)) == [(3, "value"), (4, "time"), (7, "meter"), (8, "value")]


def test_a_csv_file_that_was_cut_says_so_at_its_last_line() -> None:
    items = list(read_csv(LONG[: -len(",2026-10-01T00:00:00Z,1")], csv_layout("readings")))
    assert complaints(iter(items))[-1] == (9, "truncated")
    assert len(intervals(iter(items))) == 2


def test_a_csv_file_of_another_form_is_one_complaint() -> None:
    assert complaints(read_csv(b"a;b;c\n1;2;3\n", csv_layout("readings"))) == [(0, "format")]
    assert complaints(read_csv(b"\xff\xfe\x00", csv_layout("readings"))) == [(0, "format")]
    assert complaints(read_csv(b"", csv_layout("readings"))) == [(0, "format")]


def test_local_times_stamped_at_the_end_of_the_interval() -> None:
    content = "meter,date,time,kwh\nM1,2026-10-01,00:15,0.1\nM1,2026-10-02,00:00,0.2\n"
    first, last = intervals(read_csv(content.encode(), csv_layout("readings-kst")))
    assert first.start == datetime(2026, 9, 30, 15, tzinfo=UTC)
    assert last.start == datetime(2026, 10, 1, 14, 45, tzinfo=UTC)


def rows_of_day(day: date, *, hours: int = 24, repeat_two: bool = False) -> bytes:
    """A German day as a clock on the wall tells it, a row a quarter."""
    clocks = [hour for hour in range(24) if not (hours == 23 and hour == 2)]
    if repeat_two:
        clocks.insert(3, 2)
    rows = [f"M1;{day:%d.%m.%Y} {hour:02}:{quarter:02};0,25" for hour in clocks for quarter in (0, 15, 30, 45)]
    return "\n".join(["Z;T;V", *rows, ""]).encode()


WALL = CsvLayout(
    title="wall clock",
    meter="Z",
    time=("T",),
    time_format="%d.%m.%Y %H:%M",
    zone="Europe/Berlin",
    value="V",
    delimiter=";",
    decimal=",",
)


@pytest.mark.parametrize(
    ("day", "content", "count"),
    [
        (date(2026, 3, 29), rows_of_day(date(2026, 3, 29), hours=23), 92),
        (date(2026, 6, 1), rows_of_day(date(2026, 6, 1)), 96),
        (date(2026, 10, 25), rows_of_day(date(2026, 10, 25), repeat_two=True), 100),
    ],
)
def test_a_day_on_the_wall_clock_has_92_96_or_100_quarters(day: date, content: bytes, count: int) -> None:
    found = intervals(read_csv(content, WALL))
    assert [each.start for each in found] == starts_of_day(day, BERLIN, 15)
    assert len(found) == count


def test_the_hour_that_is_missing_in_spring_is_refused_by_line() -> None:
    assert complaints(read_csv(rows_of_day(date(2026, 3, 29)), WALL)) == [(line, "time") for line in range(10, 14)]


def test_a_repeated_hour_on_a_day_that_has_none_tells_the_same_times_again() -> None:
    found = intervals(read_csv(rows_of_day(date(2026, 6, 1), repeat_two=True), WALL))
    assert len(found) - len({each.start for each in found}) == 4


def test_rows_of_a_day_hold_as_many_values_as_the_day_has_quarters() -> None:
    layout = csv_layout("days-berlin")
    header = "Zaehlpunkt;OBIS;Datum;" + ";".join(str(number) for number in range(1, 101))
    days = {"29.03.2026": 92, "30.03.2026": 96, "25.10.2026": 100}
    rows = [f"M1;1-1:1.29.0;{day};" + ";".join(["1,2"] * count) for day, count in days.items()]
    wrong = "M1;1-1:1.29.0;26.10.2026;" + ";".join(["1,2"] * 100)
    gap = "M1;1-1:1.29.0;31.03.2026;" + ";".join(["1,2"] * 95 + [""])
    items = list(read_csv("\n".join([header, *rows, wrong, gap, ""]).encode(), layout))
    found = intervals(iter(items))
    assert len(found) == 92 + 96 + 100 + 95
    assert {each.energy_mwh for each in found} == {300_000}
    assert complaints(iter(items)) == [(5, "count")]


@given(st.dates(date(2000, 1, 1), date(2037, 12, 31)), st.sampled_from([5, 15, 30, 60]))
def test_a_local_day_is_cut_without_gap_or_overlap(day: date, minutes: int) -> None:
    starts = starts_of_day(day, BERLIN, minutes)
    assert len(starts) * minutes in (23 * 60, 24 * 60, 25 * 60)
    assert starts[0].astimezone(BERLIN).date() == day
    assert starts_of_day(day + timedelta(days=1), BERLIN, minutes)[0] == starts[-1] + timedelta(minutes=minutes)


def test_registers_come_in_csv_too() -> None:
    content = b"meter,register,at,kwh\nM1,1-0:1.8.0,2026-10-01T00:00:00Z,12345.678\n"
    (reading,) = read_csv(content, csv_layout("registers"))
    assert isinstance(reading, RegisterReading)
    assert reading.value_mwh == 12_345_678_000


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": 20},
        {"delimiter": ".."},
        {"decimal": ",", "delimiter": ","},
        {"zone": "Mars/Olympus"},
        {"unit": "litre"},
        {"has_header": False},
        {"quality_codes": {"A": "splendid"}},
        {"form": "day-rows", "counts": "register"},
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    sound: dict[str, object] = {"title": "t", "meter": "m", "time": ("t",), "time_format": "%Y", "value": "v"}
    with pytest.raises(InvalidInput, match="layout mine"):
        layout_of(sound | change, "mine", CsvLayout)


def test_an_unknown_layout_or_format_names_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="readings-kst"):
        csv_layout("nowhere")
    with pytest.raises(InvalidInput, match="nem12"):
        reader_of("pdf")
    with pytest.raises(InvalidInput, match="layout"):
        reader_of("csv")
    with pytest.raises(InvalidInput, match="by itself"):
        reader_of("nem12", "readings")
    with pytest.raises(InvalidInput, match="no layout at"):
        reader_of("dlms", "nowhere.toml")


def test_a_layout_of_telegrams_is_a_file(tmp_path: Path) -> None:
    declared = tmp_path / "kamstrup.toml"
    declared.write_text('unit = "Wh"\nscaler = 1\nprofile = ["clock", "status", "1-0:1.29.0"]\n')
    assert list(reader_of("dlms", declared)(b"")) == []
    declared.write_text("colour = 1\n")
    with pytest.raises(InvalidInput, match="colour"):
        reader_of("dlms", declared)


READERS = {name: reader_of(name, "readings" if name == "csv" else None) for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
@given(content=st.binary(max_size=300))
def test_no_bytes_make_a_reader_raise(name: str, content: bytes) -> None:
    for item in READERS[name](content):
        assert isinstance(item, Complaint | IntervalReading | RegisterReading)
