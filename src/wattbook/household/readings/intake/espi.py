"""Green Button files: ESPI (NAESB REQ.21) in an Atom feed.

The feed is walked here and not by a library: those that exist read a file as a whole, stop at the first code they do
not know, and cannot point at a line. The parser expands no entity and loads nothing; a file with a document type is
refused before anything of it is read, because no Green Button file needs one and attacks do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from lxml import etree  # type: ignore[import-untyped]

from wattbook.household.readings.intake.items import (
    EXPORT,
    FILE_BYTES_MAX,
    IMPORT,
    BadLine,
    Complaint,
    IntervalReading,
    Item,
    RegisterReading,
    energy,
)

NAMES: Final = {"atom": "http://www.w3.org/2005/Atom", "espi": "http://naesb.org/espi"}
SECONDS_PER_MINUTE: Final = 60

ELECTRICITY: Final = 1
DIRECTIONS: Final = {0: IMPORT, 1: IMPORT, 19: EXPORT}
"""`flowDirection`: none, forward, reverse."""
UNITS: Final = {38: "W", 72: "Wh"}
"""`uom` (IEC 61968-9 units): active power and active energy."""
CUMULATIVE: Final = (1, 3)
"""`accumulationBehaviour`: bulk quantity and cumulative are registers; delta data is an interval."""
QUALITIES: Final = {
    0: "valid",
    7: "edited",
    8: "estimated",
    9: "estimated",
    10: "questionable",
    11: "valid",
    12: "provisional",
    13: "provisional",
    14: "valid",
    15: "estimated",
    16: "questionable",
    17: "valid",
    18: "valid",
}
"""`ReadingQuality.quality` as a quality of ours. The code itself is kept as the method, such as `ESPI 8`."""
OURS: Final = {"valid": 17, "questionable": 10, "provisional": 12, "estimated": 8, "edited": 7}
"""The other way, for what is given out; `vee.espi_quality` knows the methods of estimates."""


class _Kind(NamedTuple):
    """What a ReadingType says of the values that refer to it."""

    register: str
    unit: str
    power_of_ten: int
    is_register: bool
    quality: int


def read_espi(content: bytes) -> Iterator[Item]:
    """The readings of a feed. A line is that of the element in the file."""
    try:
        feed, cut = _parsed(content)
    except BadLine as bad:
        yield bad.at(0)
        return
    links = _Links(feed)
    blocks = list(_entries(feed, "IntervalBlock"))
    if not blocks:
        yield Complaint(0, "format", "the feed holds no IntervalBlock")
    for entry in blocks:
        try:
            meter, kind = links.series(entry)
        except BadLine as bad:
            yield bad.at(entry.sourceline or 0, _title(entry))
            continue
        for reading in entry.iterfind(".//espi:IntervalReading", NAMES):
            try:
                yield _item(reading, meter, kind)
            except BadLine as bad:
                yield bad.at(reading.sourceline or 0, etree.tostring(reading, encoding="unicode", with_tail=False))
    if cut is not None:
        yield cut


def _parsed(content: bytes) -> tuple[Any, Complaint | None]:
    """The feed; of one that was cut short what is whole, with the complaint."""
    if len(content) > FILE_BYTES_MAX:
        raise BadLine("format", f"the file has {len(content)} bytes: at most {FILE_BYTES_MAX} are read")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\x00" in content:
        raise BadLine("format", "a Green Button file has no document type, no entities, and is written in UTF-8")
    try:
        return _tree(content, recover=False), None
    except etree.XMLSyntaxError as error:
        if content.rstrip().endswith(b"feed>"):
            raise BadLine("format", f"not XML: {error}") from None
        return _tree_of_the_rest(content, error)


def _tree(content: bytes, *, recover: bool) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover, encoding="utf-8"
    )
    return etree.fromstring(content, parser)


def _tree_of_the_rest(content: bytes, error: Exception) -> tuple[Any, Complaint]:
    """Without the last reading of a file that was cut: its value may be half a number."""
    try:
        feed = _tree(content, recover=True)
        found = [] if feed is None else feed.findall(".//espi:IntervalReading", NAMES)
    except etree.XMLSyntaxError:  # nothing of it is XML
        found = []
    if not found:
        raise BadLine("truncated", f"the feed is cut short: {error}") from None
    last = found[-1]
    last.getparent().remove(last)
    return feed, Complaint(last.sourceline or 0, "truncated", f"the feed is cut short: {error}")


class _Links:
    """Which entry of the feed belongs to which: `related` leads down, `up` and `self` lead back."""

    def __init__(self, feed: Any) -> None:
        self._meter_readings = list(_entries(feed, "MeterReading"))
        self._reading_types = {_link(each, "self"): each for each in _entries(feed, "ReadingType")}
        self._usage_points = list(_entries(feed, "UsagePoint"))

    def series(self, block: Any) -> tuple[str, _Kind]:
        """The meter of an IntervalBlock, and what its values are.

        Raises:
            BadLine: a link leads nowhere, or the values are no active energy.
        """
        parent = self._parent(block, self._meter_readings)
        if parent is None:
            raise BadLine("format", "the IntervalBlock belongs to no MeterReading")
        types = [self._reading_types[link] for link in _links(parent, "related") if link in self._reading_types]
        if len(types) != 1:
            raise BadLine("format", f"the MeterReading of the IntervalBlock has {len(types)} ReadingTypes")
        point = self._parent(parent, self._usage_points)
        if point is None:
            raise BadLine("meter", "the MeterReading belongs to no UsagePoint")
        return _meter(point), _kind(types[0])

    def _parent(self, entry: Any, among: list[Any]) -> Any:
        own, up = _link(entry, "self"), _link(entry, "up")
        for candidate in among:
            related = _links(candidate, "related")
            if (up and up in related) or (own and own in related):
                return candidate
        return None


def _entries(feed: Any, name: str) -> Iterator[Any]:
    entries = feed.iterfind("atom:entry", NAMES)
    return (each for each in entries if each.find(f"atom:content/espi:{name}", NAMES) is not None)


def _links(entry: Any, relation: str) -> list[str]:
    return [link.get("href", "") for link in entry.iterfind("atom:link", NAMES) if link.get("rel") == relation]


def _link(entry: Any, relation: str) -> str:
    return next(iter(_links(entry, relation)), "")


def _title(entry: Any) -> str:
    return (entry.findtext("atom:title", "", NAMES) or "").strip()


def _meter(point: Any) -> str:
    """The title of the usage point when it has one, else the last part of its link.

    Raises:
        BadLine: it has neither.
    """
    name = _title(point) or _link(point, "self").rstrip("/").rpartition("/")[2]
    if not name:
        raise BadLine("meter", "the UsagePoint has no title and no link to itself")
    return name


def _kind(entry: Any) -> _Kind:
    found = entry.find("atom:content/espi:ReadingType", NAMES)
    commodity, uom, direction = (
        _number(found, "commodity", 1),
        _number(found, "uom"),
        _number(found, "flowDirection", 1),
    )
    if commodity != ELECTRICITY:
        raise BadLine("unit", f"commodity {commodity} is not electricity")
    if uom not in UNITS:
        raise BadLine("unit", f"uom {uom} is neither active energy (72, Wh) nor active power (38, W)")
    if direction not in DIRECTIONS:
        raise BadLine("register", f"flowDirection {direction} is neither forward (1) nor reverse (19)")
    power = _number(found, "powerOfTenMultiplier", 0)
    if not -12 <= power <= 12:
        raise BadLine("unit", f"a multiplier of ten to the power {power}")
    accumulation = _number(found, "accumulationBehaviour", 4)
    return _Kind(
        DIRECTIONS[direction], UNITS[uom], power, accumulation in CUMULATIVE, _number(found, "defaultQuality", 0)
    )


def _item(reading: Any, meter: str, kind: _Kind) -> Item:
    period = reading.find("espi:timePeriod", NAMES)
    if period is None:
        raise BadLine("time", "the reading has no timePeriod")
    line: int = reading.sourceline or 0
    start = _moment(_number(period, "start"))
    seconds = _number(period, "duration", 0)
    value = Decimal(_number(reading, "value"))
    stated = reading.find("espi:ReadingQuality", NAMES)
    code = kind.quality if stated is None else _number(stated, "quality")
    if code not in QUALITIES:
        raise BadLine("value", f"no quality of a reading: {code}")
    minutes = seconds // SECONDS_PER_MINUTE
    mwh = energy(value.scaleb(kind.power_of_ten), kind.unit, minutes, Fraction(1))
    method = "" if code in (0, 14, 17, 18) else f"ESPI {code}"
    if kind.is_register:
        at = start + timedelta(seconds=seconds)
        return RegisterReading(line, meter, kind.register, at, mwh, QUALITIES[code], method)
    if seconds % SECONDS_PER_MINUTE:
        raise BadLine("time", f"an interval of {seconds} seconds")
    return IntervalReading(line, meter, kind.register, start, minutes, mwh, QUALITIES[code], method)


def _number(element: Any, name: str, default: int | None = None) -> int:
    text = element.findtext(f"espi:{name}", None, NAMES)
    if text is None or not text.strip():
        if default is None:
            raise BadLine("format", f"{etree.QName(element).localname} has no {name}")
        return default
    if len(text) > 20:
        raise BadLine("value", f"{name} is no whole number: {text[:40]!r}")
    try:
        return int(text)
    except ValueError:
        raise BadLine("value", f"{name} is no whole number: {text[:40]!r}") from None


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadLine("time", f"no moment of the calendar: {seconds} seconds") from None
