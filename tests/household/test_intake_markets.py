"""Readings in the formats of markets and meters: Green Button, NEM12, MSCONS, DLMS telegrams, JSON."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from dlms_cosem.hdlc.address import HdlcAddress
from dlms_cosem.hdlc.frames import UnnumberedInformationFrame
from dlms_cosem.protocol.wrappers import WrapperHeader, WrapperProtocolDataUnit
from dlms_cosem.protocol.xdlms.data_notification import DataNotification, LongInvokeIdAndPriority
from dlms_cosem.time import datetime_to_bytes
from greenbutton_objects.parse import parse_feed
from hypothesis import given
from hypothesis import strategies as st

from wattbook.household.readings.intake.dlms import PushLayout, read_dlms
from wattbook.household.readings.intake.espi import read_espi
from wattbook.household.readings.intake.items import EXPORT, IMPORT, Complaint, IntervalReading, Item, RegisterReading
from wattbook.household.readings.intake.local_time import starts_of_day
from wattbook.household.readings.intake.mscons import read_mscons
from wattbook.household.readings.intake.nem12 import read_nem12
from wattbook.household.readings.intake.push import read_push

KWH = 1_000_000
START = datetime(2026, 10, 1, tzinfo=UTC)


def intervals(items: Iterator[Item]) -> list[IntervalReading]:
    return [item for item in items if isinstance(item, IntervalReading)]


def complaints(items: Iterator[Item]) -> list[tuple[int, str]]:
    return [(item.line, item.code) for item in items if isinstance(item, Complaint)]


# Green Button


def feed(readings: str, *, uom: int = 72, power: int = -3, direction: int = 1, accumulation: int = 4) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">
<entry><link rel="self" href="/UsagePoint/1"/><link rel="related" href="/UsagePoint/1/MeterReading"/><title>M1</title>
<content><e:UsagePoint><e:ServiceCategory><e:kind>0</e:kind></e:ServiceCategory></e:UsagePoint></content></entry>
<entry><link rel="self" href="/UsagePoint/1/MeterReading/1"/><link rel="up" href="/UsagePoint/1/MeterReading"/>
<link rel="related" href="/UsagePoint/1/MeterReading/1/IntervalBlock"/><link rel="related" href="/ReadingType/1"/>
<content><e:MeterReading/></content></entry>
<entry><link rel="self" href="/ReadingType/1"/>
<content><e:ReadingType><e:accumulationBehaviour>{accumulation}</e:accumulationBehaviour><e:commodity>1</e:commodity>
<e:flowDirection>{direction}</e:flowDirection><e:powerOfTenMultiplier>{power}</e:powerOfTenMultiplier>
<e:uom>{uom}</e:uom></e:ReadingType></content></entry>
<entry><link rel="self" href="/b/1"/><link rel="up" href="/UsagePoint/1/MeterReading/1/IntervalBlock"/>
<content><e:IntervalBlock><e:interval><e:start>{START.timestamp():.0f}</e:start><e:duration>86400</e:duration>
</e:interval>
{readings}
</e:IntervalBlock></content></entry>
</feed>""".encode()


def reading(number: int, value: object, quality: int | None = None, duration: int = 900) -> str:
    stated = "" if quality is None else f"<e:ReadingQuality><e:quality>{quality}</e:quality></e:ReadingQuality>"
    start = int(START.timestamp()) + number * 900
    period = f"<e:timePeriod><e:duration>{duration}</e:duration><e:start>{start}</e:start></e:timePeriod>"
    return f"<e:IntervalReading>{stated}{period}<e:value>{value}</e:value></e:IntervalReading>"


def test_a_green_button_feed_is_read_with_its_multiplier_and_qualities() -> None:
    content = feed("\n".join([reading(0, 250_000), reading(1, 300_001, 8), reading(2, 1, 17)]))
    found = intervals(read_espi(content))
    assert [(each.meter, each.register, each.energy_mwh, each.quality, each.method) for each in found] == [
        ("M1", IMPORT, 250_000, "valid", ""),
        ("M1", IMPORT, 300_001, "estimated", "ESPI 8"),
        ("M1", IMPORT, 1, "valid", ""),
    ]
    assert [each.start for each in found] == [START + number * timedelta(minutes=15) for number in range(3)]


def test_a_green_button_feed_says_the_same_to_another_reader() -> None:
    content = feed("\n".join(reading(number, number * 1_000) for number in range(96)), power=0)
    (point,) = parse_feed(BytesIO(content))
    (theirs,) = point.meterReadings
    ours = intervals(read_espi(content))
    assert [(each.start, each.energy_mwh) for each in ours] == [
        (each.timePeriod.start, each.value * 1_000) for each in theirs.intervalReadings
    ]


def test_a_green_button_reading_that_is_wrong_costs_only_itself() -> None:
    wrong = [reading(0, "much"), reading(1, 5, 99), reading(2, 5, duration=1_000), "<e:IntervalReading/>"]
    items = list(read_espi(feed("\n".join([*wrong, reading(4, 5_000)]))))
    first = feed("").decode().split("</e:interval>")[0].count("\n") + 2
    assert complaints(iter(items)) == [
        (first, "value"), (first + 1, "value"), (first + 2, "time"), (first + 3, "time"),
    ]  # fmt: skip
    assert [each.energy_mwh for each in intervals(iter(items))] == [5_000]


def test_green_button_directions_power_registers_and_other_commodities() -> None:
    assert intervals(read_espi(feed(reading(0, 4_000), direction=19)))[0].register == EXPORT
    assert intervals(read_espi(feed(reading(0, 2), uom=38, power=3)))[0].energy_mwh == KWH // 2
    (shown,) = read_espi(feed(reading(0, 7, duration=0), power=3, accumulation=3))
    assert isinstance(shown, RegisterReading)
    assert (shown.at, shown.value_mwh) == (START, 7 * KWH)
    assert [code for _, code in complaints(read_espi(feed(reading(0, 7), uom=73)))] == ["unit"]


def test_a_green_button_feed_that_was_cut_keeps_its_whole_readings() -> None:
    whole = feed("\n".join(reading(number, 250_000) for number in range(4)))
    last = whole.index(b"<e:value>", whole.rindex(b"<e:IntervalReading>"))
    for end in (last + 12, last - 5, len(whole) - 30):
        items = list(read_espi(whole[:end]))
        assert [each.energy_mwh for each in intervals(iter(items))] == [250_000] * 3
        assert [code for _, code in complaints(iter(items))] == ["truncated"]
    assert complaints(read_espi(whole[:40])) == [(0, "truncated")]


ATTACKS = {
    "expansion": b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
    "file": b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
    "external": b'<!DOCTYPE x SYSTEM "http://localhost/x.dtd">',
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_a_green_button_feed_with_a_document_type_is_refused_unread(attack: bytes) -> None:
    content = feed(reading(0, 5)).replace(b"\n<feed", b"\n" + attack + b"<feed").replace(b">M1<", b">&b;<")
    assert complaints(read_espi(content)) == [(0, "format")]
    assert complaints(read_espi(content.decode().replace("UTF-8", "UTF-16").encode("utf-16"))) == [(0, "format")]


# NEM12


def nem12(*rows: str, ended: bool = True) -> bytes:
    return "\n".join(["100,NEM12,202610020000,MDP1,RETAIL1", *rows, *(["900"] if ended else []), ""]).encode()


SERIES = "200,VABD000163,E1B1,1,{},N1,METSER123,{},30,"


def day(date: str, values: list[str], flag: str = "A", updated: str = "20261002010101") -> str:
    return ",".join(["300", date, *values, flag, "", "", updated, ""])


def test_nem12_is_market_time_with_qualities_of_single_intervals() -> None:
    values = [f"0.{number:02}1" for number in range(48)]
    found = intervals(
        read_nem12(nem12(SERIES.format("E1", "kWh"), day("20261001", values, "V"), "400,1,40,A,,", "400,41,48,S14,,"))
    )
    assert len(found) == 48
    assert found[0].start == datetime(2026, 9, 30, 14, tzinfo=UTC)
    assert {(each.minutes, each.register) for each in found} == {(30, IMPORT)}
    assert [each.energy_mwh for each in found] == [number * 10_000 + 1_000 for number in range(48)]
    assert [each.quality for each in found] == ["valid"] * 40 + ["estimated"] * 8
    assert found[40].method == "NEM S14"


def test_a_later_update_of_a_nem12_day_has_a_higher_version() -> None:
    rows = [day("20261001", ["1"] * 48), day("20261001", ["2"] * 48, updated="20261003010101")]
    found = intervals(read_nem12(nem12(SERIES.format("B1", "Wh"), *rows)))
    versions = {each.energy_mwh: each.version for each in found}
    assert versions[2_000] is not None
    assert versions[1_000] is not None
    assert versions[2_000] > versions[1_000]
    assert {each.register for each in found} == {EXPORT}


def test_a_nem12_record_that_is_wrong_costs_only_itself() -> None:
    good = day("20261001", ["1"] * 48)
    bad = ["x" if number == 5 else "" if number == 6 else "1" for number in range(48)]
    items = list(
        read_nem12(
            nem12(
                good,  # nobody said of which meter
                SERIES.format("E1", "kWh"),
                good,
                day("20261002", ["1"] * 47),
                day("20269902", ["1"] * 48),
                day("20261003", bad),
                SERIES.format("K1", "kvarh"),
                good,
                "777,?",
                ended=False,
            )
        )
    )
    assert complaints(iter(items)) == [
        (2, "format"), (5, "count"), (6, "time"), (7, "value"), (8, "unit"), (9, "format"), (10, "format"),
        (10, "truncated"),
    ]  # fmt: skip
    assert len(intervals(iter(items))) == 48 + 46


# MSCONS


def mscons(starts: list[datetime], *, location: str = "DE0001", qualifier: str = "220", state: str = "") -> str:
    """Of one location, in UTC; the sender's name has every character that must be released."""
    segments = ["UNH+1+MSCONS:D:04B:UN:2.4c", "BGM+7+1+9", "NAD+MS+A?+B?:C?'D??::293", "UNS+D", "NAD+DP"]
    segments += [f"LOC+172+{location}", "LIN+1", "PIA+5+1-1?:1.29.0:SRW"]
    for number, start in enumerate(starts):
        end = start + timedelta(minutes=15)
        segments += [
            f"QTY+{qualifier}:{number}.125",
            f"DTM+163:{start:%Y%m%d%H%M}?+00:303",
            f"DTM+164:{end:%Y%m%d%H%M}?+00:303",
            *([state] if state else []),
        ]
    segments.append(f"UNT+{len(segments) + 1}+1")
    return "'".join(["UNA:+.? ", "UNB+UNOC:3+A:500+B:500+261001:0000+x", *segments, "UNZ+1+x", ""])


@pytest.mark.parametrize(("day_of", "count"), [("2026-03-29", 92), ("2026-06-01", 96), ("2026-10-25", 100)])
def test_a_german_day_of_mscons_has_its_quarters(day_of: str, count: int) -> None:
    starts = starts_of_day(datetime.fromisoformat(day_of).date(), ZoneInfo("Europe/Berlin"), 15)
    found = intervals(read_mscons(mscons(starts).encode("latin-1")))
    assert [each.start for each in found] == starts
    assert len(found) == count
    assert [each.energy_mwh for each in found] == [number * KWH + 125_000 for number in range(count)]
    assert {(each.meter, each.register, each.quality, each.method) for each in found} == {
        ("DE0001", "1-1:1.29.0", "valid", "")
    }


def test_mscons_states_become_quality_and_method() -> None:
    substitute = mscons([START], qualifier="67", state="STS+Z32++Z92")
    (found,) = intervals(read_mscons(substitute.encode()))
    assert (found.quality, found.method) == ("estimated", "MSCONS 67 Z92")
    assert intervals(read_mscons(mscons([START], qualifier="Z18").encode()))[0].quality == "provisional"
    assert list(read_mscons(mscons([START], qualifier="Z30").encode())) == []


def test_mscons_offsets_storno_registers_and_lines_that_are_wrong() -> None:
    sample = mscons([START, START + timedelta(minutes=15)])
    winter = sample.replace("DTM+163:202610010000?+00", "DTM+163:202610010100?+01")
    assert intervals(read_mscons(winter.encode()))[0].start == START
    assert complaints(read_mscons(sample.replace("UNS+D", "RFF+Z13:13006'UNS+D").encode()))[0][1] == "format"
    assert intervals(read_mscons(sample.replace("UNS+D", "RFF+Z13:13006'UNS+D").encode())) == []
    shown = sample.split("QTY")[0] + "QTY+220:1234.5'DTM+9:20261001:102'UNT+11+1'UNZ+1+x'"
    (register,) = read_mscons(shown.encode())
    assert isinstance(register, RegisterReading)
    assert (register.at, register.value_mwh) == (datetime(2026, 9, 30, 23, tzinfo=UTC), 1_234_500_000)
    broken = sample.replace("QTY+220:0.125", "QTY+220:many").replace("UNT+15", "UNT+16")
    items = list(read_mscons(broken.encode()))
    assert [code for _, code in complaints(iter(items))] == ["value", "count"]
    assert len(intervals(iter(items))) == 1


def test_an_interchange_that_was_cut_keeps_its_whole_values() -> None:
    whole = mscons([START + number * timedelta(minutes=15) for number in range(4)])
    items = list(read_mscons(whole[: whole.index("QTY+220:2.125") + 9].encode()))
    assert len(intervals(iter(items))) == 2
    assert [code for _, code in complaints(iter(items))] == ["truncated"]
    assert complaints(read_mscons(whole[: whole.index("UNZ")].encode()))[-1][1] == "truncated"


# DLMS


def octets(content: bytes) -> bytes:
    return bytes([9, len(content)]) + content


def structure(*parts: bytes) -> bytes:
    return bytes([2, len(parts)]) + b"".join(parts)


def count(value: int) -> bytes:
    return bytes([6]) + value.to_bytes(4, "big")


def obis(*groups: int) -> bytes:
    return octets(bytes((*groups, 255)))


def scaled(scaler: int, unit: int) -> bytes:
    return structure(bytes([15]) + scaler.to_bytes(1, "big", signed=True), bytes([22, unit]))


METER = [obis(0, 0, 96, 1, 0), octets(b"M123")]
IMPORTED = structure(obis(1, 0, 1, 8, 0), count(123_456), scaled(1, 30))


def notification(body: bytes, at: datetime | None = START) -> bytes:
    telegram: bytes = DataNotification(LongInvokeIdAndPriority(1), at, body).to_bytes()
    return telegram


def test_a_telegram_says_meter_register_scaler_and_unit() -> None:
    body = structure(*METER, IMPORTED, structure(obis(1, 0, 32, 7, 0), count(230)))
    (found,) = read_dlms(notification(body).hex().encode())
    assert found == RegisterReading(1, "M123", "1-0:1.8.0", START, 1_234_560_000)


def test_telegrams_come_in_frames_and_wrappers() -> None:
    apdu = notification(structure(*METER, IMPORTED))
    frame = UnnumberedInformationFrame(
        HdlcAddress(1, None, "client"), HdlcAddress(1, 17, "server"), b"\xe6\xe7\x00" + apdu
    ).to_bytes()
    wrapped = WrapperProtocolDataUnit(apdu, WrapperHeader(1, 16, len(apdu))).to_bytes()
    lines = [apdu, frame, wrapped, frame[:-4] + b"\x00" + frame[-3:], wrapped[:-1], b"\xdb" + apdu, b"\x01\x02"]
    items = list(read_dlms(b"\n".join(line.hex().encode() for line in lines) + b"\nnot hex"))
    assert len({item[1:] for item in items if isinstance(item, RegisterReading)}) == 1
    assert complaints(iter(items)) == [
        (4, "truncated"), (5, "truncated"), (6, "format"), (7, "truncated"), (8, "format"),
    ]  # fmt: skip


@given(st.data())
def test_a_telegram_cut_anywhere_is_told_and_nobody_waits(data: st.DataObject) -> None:
    whole = notification(structure(*METER, IMPORTED))
    end = data.draw(st.integers(1, len(whole) - 1))
    assert [code for _, code in complaints(read_dlms(whole[:end].hex().encode()))] == ["truncated"]


def test_codes_and_values_in_turn_need_a_declared_unit() -> None:
    body = structure(octets(b"Maker_V1"), *METER, obis(1, 1, 1, 8, 0), count(5), obis(1, 1, 2, 8, 0), count(6))
    found = list(read_dlms(notification(body).hex().encode(), PushLayout(unit="Wh", scaler=1)))
    assert [(item.register, item.value_mwh) for item in found if isinstance(item, RegisterReading)] == [
        ("1-1:1.8.0", 50_000),
        ("1-1:2.8.0", 60_000),
    ]


def test_the_rows_of_a_load_profile_end_at_their_clock() -> None:
    clock = datetime_to_bytes(START.astimezone(ZoneInfo("Europe/Berlin")))
    rows = bytes([1, 2]) + structure(octets(clock), bytes([17, 0]), count(250)) + structure(
        bytes([0]), bytes([17, 0]), count(260)
    )  # fmt: skip
    layout = PushLayout(profile=("clock", "status", "1-0:1.29.0"))
    found = intervals(read_dlms(notification(structure(*METER, rows)).hex().encode(), layout))
    assert [(each.start, each.energy_mwh) for each in found] == [
        (START - timedelta(minutes=15), 250_000),
        (START, 260_000),
    ]


def test_a_clock_with_the_other_sign_or_without_a_zone_is_declared() -> None:
    local = START.replace(tzinfo=None) + timedelta(hours=2)
    plain = datetime_to_bytes(local)
    ahead = plain[:9] + (120).to_bytes(2, "big", signed=True) + plain[11:]
    for clock, layout in (
        (plain, PushLayout(offset_minutes=120)),
        (ahead, PushLayout(deviation="from-utc")),
        (datetime_to_bytes(START), PushLayout(offset_minutes=540)),
    ):
        body = structure(*METER, obis(0, 0, 1, 0, 0), octets(clock), IMPORTED)
        (found,) = read_dlms(notification(body, None).hex().encode(), layout)
        assert isinstance(found, RegisterReading)
        assert found.at == START, layout


def test_what_a_telegram_lacks_is_told() -> None:
    for body, at, code in (
        (structure(IMPORTED), START, "meter"),
        (structure(*METER, IMPORTED), None, "time"),
        (structure(*METER), START, "register"),
        (structure(*METER, structure(obis(1, 0, 1, 8, 0), count(1), scaled(0, 32))), START, "unit"),
    ):
        assert complaints(read_dlms(notification(body, at).hex().encode())) == [(1, code)]


# JSON


def test_pushed_readings_are_read_one_by_one() -> None:
    good = {"meter": "M1", "start": "2026-10-01T00:00:00Z", "minutes": 15, "value": "0.25"}
    document = [
        good,
        good | {"value": 0.25},
        good | {"start": "2026-10-01T00:15:00"},
        good | {"unit": "kvarh"},
        good | {"at": "2026-10-01T00:00:00Z"},
        {"meter": "M1", "register": "export", "at": "2026-10-01T09:00:00+09:00", "value": "12"},
    ]
    items = list(read_push(json.dumps({"readings": document}).encode()))
    assert items[0] == IntervalReading(1, "M1", IMPORT, START, 15, 250_000)
    assert items[5] == RegisterReading(6, "M1", EXPORT, START, 12 * KWH)
    assert complaints(iter(items)) == [(2, "format"), (3, "format"), (4, "unit"), (5, "time")]
    assert complaints(read_push(b'{"readings": [')) == [(0, "truncated")]
