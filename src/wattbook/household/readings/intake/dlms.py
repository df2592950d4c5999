"""DLMS/COSEM push telegrams (IEC 62056-5-3, DataNotification), as a meter sends them by itself.

A file holds a telegram a line in hexadecimal: the bare notification, or in an HDLC frame or a TCP/UDP wrapper. The
bytes are decoded by `dlms-cosem`; what a telegram pushes differs from maker to maker, so these shapes are known:

- objects that say what they are: `{OBIS, value}` or `{OBIS, value, {scaler, unit}}`, however deep;
- OBIS codes and values in turn, in one list;
- the buffer of a load profile: rows of a declared order of columns, such as clock, status, 1-0:1.8.0.

Active energy in (1.8.0) and out (2.8.0) are register readings; the time integral 5 (1.29.0, 2.29.0) is an interval that
ends at the clock of its row. Anything else that a telegram pushes is passed over.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec
from dlms_cosem.hdlc.frames import UnnumberedInformationFrame
from dlms_cosem.protocol.wrappers import WrapperProtocolDataUnit
from dlms_cosem.protocol.xdlms.data_notification import DataNotification
from dlms_cosem.time import datetime_from_bytes
from dlms_cosem.utils import parse_as_dlms_data

from wattbook.household.readings.intake.items import (
    BadLine,
    IntervalReading,
    Item,
    RegisterReading,
    energy,
    text_of,
)

TELEGRAM_BYTES_MAX: Final = 65_535
DEPTH_MAX: Final = 16

NOTIFICATION: Final = 0x0F
CIPHERED: Final = (0xDB, 0xDC, 0xDD)
"""Tags of general ciphering: the keys are with the head-end system, which has to decipher first."""
HDLC_FLAG: Final = 0x7E
LLC: Final = bytes((0xE6, 0xE7, 0x00))
WRAPPER: Final = bytes((0x00, 0x01))

UNITS: Final = {27: "W", 30: "Wh"}
"""COSEM `unit` (Blue Book, 4.3.2): active power and active energy."""
METER_NUMBERS: Final = ((96, 1, 0), (0, 0, 5), (42, 0, 0))
"""C, D, E of device id 1, of the number in the meter's own group 0, and of the logical device name."""
CLOCK: Final = (1, 0, 0)
REGISTERS: Final = {(1, 8, 0): False, (2, 8, 0): False, (1, 29, 0): True, (2, 29, 0): True}
"""C, D, E of what is read, and whether it counts an interval."""
INVALID_CLOCK: Final = 0x01
DOUBTFUL_CLOCK: Final = 0x02

Obis = tuple[int, int, int, int, int, int]


class PushLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the telegrams of a meter type do not say themselves.

    Attributes:
        minutes: of the intervals of 1.29.0 and 2.29.0.
        unit: of values that come without scaler and unit; `scaler` is their power of ten.
        profile: the columns of a load profile's rows: `clock`, `status`, an OBIS code, or `-` for what is not wanted.
        meter: for telegrams that do not name their meter.
        deviation: how a clock's offset is written: `to-utc` as the Blue Book has it (UTC = local + deviation), or
            `from-utc` as some makers do.
        offset_minutes: of clocks that have no deviation, from UTC.
    """

    minutes: int = 15
    unit: Literal["Wh", "kWh", "W", "kW"] = "Wh"
    scaler: int = 0
    profile: tuple[str, ...] = ()
    meter: str = ""
    deviation: Literal["to-utc", "from-utc"] = "to-utc"
    offset_minutes: int = 0


class _Value(NamedTuple):
    """A pushed object; scaler and unit are None where the telegram has none."""

    obis: Obis
    value: Any
    scaler: int | None = None
    unit: int | None = None


def read_dlms(content: bytes, layout: PushLayout | None = None) -> Iterator[Item]:
    """The readings of a file of telegrams."""
    layout = PushLayout() if layout is None else layout
    try:
        lines = text_of(content).splitlines()
    except BadLine as bad:
        yield bad.at(0)
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield from read_telegram(_octets(line), number, layout)
        except BadLine as bad:
            yield bad.at(number, line)


def read_telegram(telegram: bytes, line: int, layout: PushLayout) -> Iterator[Item]:
    """Raises:
    BadLine: not a telegram, or one of which nothing can be read.
    """
    notification = _notification(telegram)
    try:
        decoded = parse_as_dlms_data(notification.body)
    # The decoder has no error of its own: what a damaged body does to it depends on the octet.
    except Exception as error:
        raise BadLine("truncated", f"the body of the telegram cannot be decoded: {error!r}"[:300]) from None
    values = list(_values(decoded, layout))
    meter = layout.meter or _meter(values)
    if not meter:
        raise BadLine("meter", "the telegram does not name its meter")
    pushed = [(_clock(values, notification, layout), values), *_profile_rows(decoded, layout)]
    wanted = [(clock, value) for clock, row in pushed for value in row if _is_active_energy(value)]
    if not wanted:
        raise BadLine("register", "the telegram pushes no active energy")
    for clock, value in wanted:
        yield _item(line, meter, value, clock, layout)


def _is_active_energy(value: _Value) -> bool:
    return value.obis[2:5] in REGISTERS and isinstance(value.value, int) and not isinstance(value.value, bool)


def _octets(line: str) -> bytes:
    try:
        telegram = bytes.fromhex(line)
    except ValueError:
        raise BadLine("format", "not a telegram in hexadecimal") from None
    if len(telegram) > TELEGRAM_BYTES_MAX:
        raise BadLine("format", f"a telegram has at most {TELEGRAM_BYTES_MAX} bytes, not {len(telegram)}")
    return telegram


def _notification(telegram: bytes) -> DataNotification:
    """The notification in a telegram, out of its frame.

    Raises:
        BadLine: not a notification, enciphered, or damaged.
    """
    apdu = telegram[_start_of(telegram) :]
    if apdu[:1] and apdu[0] in CIPHERED:
        raise BadLine("format", "the telegram is enciphered: the head-end system that has the keys must decipher it")
    try:
        if telegram[0] == HDLC_FLAG:
            frame = UnnumberedInformationFrame.from_bytes(telegram)  # checks length and both check sums
            apdu = bytes(frame.payload)[len(LLC) :]
        elif telegram.startswith(WRAPPER):
            WrapperProtocolDataUnit.from_bytes(telegram)  # checks the length
        if apdu[:1] != bytes((NOTIFICATION,)):
            raise ValueError("it begins with no tag of a DataNotification")
        notification = DataNotification.from_bytes(apdu)
    except Exception as error:  # as many kinds as the library has layers
        raise BadLine("truncated", f"not a sound telegram: {error or error!r}"[:300]) from None
    if _end_of(notification.body, 0, 0) != len(notification.body):
        raise BadLine("truncated", "the body of the telegram goes on after its end")
    return notification


def _start_of(telegram: bytes) -> int:
    """Where the APDU begins."""
    if not telegram:
        raise BadLine("truncated", "an empty telegram")
    if telegram[0] == HDLC_FLAG:
        return max(0, telegram.find(LLC)) + len(LLC)
    return 8 if telegram.startswith(WRAPPER) else 0


# Octets of each data type after its tag (Green Book, A-XDR); -1: a length follows.
_OCTETS: Final = {
    0: 0, 3: 1, 5: 4, 6: 4, 9: -1, 10: -1, 12: -1, 13: 1, 15: 1, 16: 2, 17: 1, 18: 2, 20: 8, 21: 8, 22: 1, 23: 4, 24: 8,
    25: 12, 26: 5, 27: 4, 255: 0,
}  # fmt: skip
_COMPOUND: Final = (1, 2)


def _end_of(body: bytes, at: int, depth: int) -> int:
    """Where the data that begin there end: the decoder would wait for ever for octets that a cut telegram lacks.

    Raises:
        BadLine: they end after the body, are nested too deep, or of a type that no push has.
    """
    if depth > DEPTH_MAX:
        raise BadLine("format", f"the telegram is nested deeper than {DEPTH_MAX}")
    if at >= len(body):
        raise BadLine("truncated", "the telegram ends before its data do")
    tag = body[at]
    at += 1
    if tag in _COMPOUND:
        count, at = _length(body, at)
        for _ in range(count):
            at = _end_of(body, at, depth + 1)
        return at
    if tag not in _OCTETS:
        raise BadLine("format", f"no data type of a push: {tag}")
    octets = _OCTETS[tag]
    if octets < 0:
        octets, at = _length(body, at)
    if at + octets > len(body):
        raise BadLine("truncated", "the telegram ends within a value")
    return at + octets


def _length(body: bytes, at: int) -> tuple[int, int]:
    if at >= len(body):
        raise BadLine("truncated", "the telegram ends before a length")
    if body[at] < 0x80:
        return body[at], at + 1
    octets = body[at] & 0x7F
    if not 0 < octets <= 4 or at + 1 + octets > len(body):
        raise BadLine("truncated", "the telegram ends within a length")
    return int.from_bytes(body[at + 1 : at + 1 + octets], "big"), at + 1 + octets


# What is pushed


def _values(decoded: Any, layout: PushLayout) -> Iterator[_Value]:
    """Every object of the tree that an OBIS code leads."""
    if not isinstance(decoded, list):
        return
    place = 0
    while place < len(decoded):
        obis = _obis(decoded[place])
        if obis is None:
            yield from _values(decoded[place], layout)
            place += 1
            continue
        value = decoded[place + 1] if place + 1 < len(decoded) else None
        scale = decoded[place + 2] if place + 2 < len(decoded) else None
        if isinstance(scale, list) and len(scale) == 2 and all(isinstance(each, int) for each in scale):
            yield _Value(obis, value, scale[0], scale[1])
            place += 3
        else:
            yield _Value(obis, value)
            place += 2


def _obis(data: Any) -> Obis | None:
    """Six octets of which the last says that there is no storage; a text of six characters is none."""
    if isinstance(data, bytes | bytearray) and len(data) == 6 and data[5] == 0xFF:
        return data[0], data[1], data[2], data[3], data[4], data[5]
    return None


def _meter(values: Sequence[_Value]) -> str:
    for number in METER_NUMBERS:
        for value in values:
            if value.obis[2:5] == number and isinstance(value.value, bytes | bytearray | str):
                text = value.value if isinstance(value.value, str) else bytes(value.value).decode("ascii", "replace")
                return text.strip("\x00 ")
    return ""


class _Clock(NamedTuple):
    at: datetime
    is_doubtful: bool


def _clock(values: Sequence[_Value], notification: DataNotification, layout: PushLayout) -> _Clock | None:
    """When the values were read: by the clock among them, else when the telegram says it was sent."""
    for value in values:
        if value.obis[2:5] == CLOCK and value.obis[0] == 0:
            return _moment(value.value, layout)
    if notification.date_time is not None:
        return _of_datetime(notification.date_time, 0, layout)
    return None


def _profile_rows(decoded: Any, layout: PushLayout) -> Iterator[tuple[_Clock, list[_Value]]]:
    """The rows of a load profile, wherever in the tree they stand; a row without a clock follows the one before."""
    if not layout.profile or not isinstance(decoded, list):
        return
    latest: _Clock | None = None
    for row in decoded:
        if not isinstance(row, list):
            continue
        if len(row) != len(layout.profile) or isinstance(row[0], list):
            yield from _profile_rows(row, layout)
            continue
        named = dict(zip(layout.profile, row, strict=True))
        if named.get("clock") is not None:
            latest = _moment(named["clock"], layout)
        elif latest is not None:
            latest = latest._replace(at=latest.at + timedelta(minutes=layout.minutes))
        if latest is None:
            raise BadLine("time", "the first row of the profile has no clock")
        yield latest, [_Value(_parsed_obis(name), value) for name, value in named.items() if ":" in name]


def _parsed_obis(text: str) -> Obis:
    try:
        a, rest = text.split("-")
        b, rest = rest.split(":")
        c, d, e = rest.split("*")[0].split(".")
        return int(a), int(b), int(c), int(d), int(e), 0xFF
    except ValueError:
        raise BadLine("format", f"the layout names no OBIS code: {text[:40]!r}") from None


def _moment(clock: Any, layout: PushLayout) -> _Clock:
    """A clock as twelve octets, as a decoded date-time, or as seconds since 1970."""
    try:
        if isinstance(clock, bytes | bytearray) and len(clock) == 12:
            found, status = datetime_from_bytes(bytes(clock))
            if bytes(clock[9:11]) == b"\x00\x00":  # the library takes no deviation for an unknown one
                found = found.replace(tzinfo=UTC)
            return _of_datetime(found, clock[11], layout)
        if isinstance(clock, tuple):
            found, status = clock
            return _of_datetime(found, status.to_bytes()[0] if status else 0, layout)
        if isinstance(clock, int):
            return _Clock(datetime.fromtimestamp(clock, UTC), False)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise BadLine("time", f"no time of a clock: {error}") from None
    raise BadLine("time", f"no time of a clock: {clock!r}"[:100])


def _of_datetime(found: datetime, status: int, layout: PushLayout) -> _Clock:
    if status != 0xFF and status & INVALID_CLOCK:
        raise BadLine("time", "the meter says that its clock is invalid")
    offset = found.utcoffset()
    local = found.replace(tzinfo=None)
    if offset is None:
        ahead = timedelta(minutes=layout.offset_minutes)
    else:  # the library reads the deviation as the Blue Book has it
        ahead = offset if layout.deviation == "to-utc" else -offset
    return _Clock((local - ahead).replace(tzinfo=UTC), status != 0xFF and bool(status & DOUBTFUL_CLOCK))


def _item(line: int, meter: str, value: _Value, clock: _Clock | None, layout: PushLayout) -> Item:
    if clock is None:
        raise BadLine("time", "neither the telegram nor its values say when they were read")
    its_unit: str = layout.unit
    if value.unit is not None:
        if value.unit not in UNITS:
            raise BadLine("unit", f"unit {value.unit} is neither active energy (30, Wh) nor active power (27, W)")
        its_unit = UNITS[value.unit]
    scaler = layout.scaler if value.scaler is None else value.scaler
    if not -12 <= scaler <= 12:
        raise BadLine("unit", f"a scaler of ten to the power {scaler}")
    mwh = energy(Decimal(value.value).scaleb(scaler), its_unit, layout.minutes)
    a, b, c, d, e, _ = value.obis
    register = f"{a}-{b}:{c}.{d}.{e}"
    quality, method = ("questionable", "DLMS doubtful clock") if clock.is_doubtful else ("valid", "")
    if REGISTERS[value.obis[2:5]]:
        start = clock.at - timedelta(minutes=layout.minutes)
        return IntervalReading(line, meter, register, start, layout.minutes, mwh, quality, method)
    return RegisterReading(line, meter, register, clock.at, mwh, quality, method)
