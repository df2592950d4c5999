"""MSCONS messages of the German market (EDI@Energy MIG 2.x, UN/EDIFACT D.04B): intervals and register readings.

`pydifact` splits the text into segments and takes care of release characters and of the service string UNA. The
messages of one interchange are read one by one; a line is the number of the segment, because a file is often one line.

Of a metering or market location (LOC+172) follow line items (LIN), each an OBIS code (PIA) with values (QTY), and each
value with its span: DTM+163 and DTM+164 for [from, to), or DTM+9 for a register reading. Of an interval's unit nothing
is written: the OBIS code implies kWh, or kW where the value is a mean power. A local day has 92, 96 or 100 quarters,
and every time says its offset from UTC.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from pydifact.exceptions import EDISyntaxError
from pydifact.parser import Parser
from pydifact.tokenizer import Tokenizer

from wattbook.household.readings.intake.items import (
    BadLine,
    Complaint,
    IntervalReading,
    Item,
    RegisterReading,
    decimal,
    energy,
    text_of,
)

QUALITIES: Final = {
    "220": "valid",
    "67": "estimated",
    "201": "estimated",
    "187": "provisional",
    "79": "valid",
    "Z18": "provisional",
    "20": "questionable",
}
"""QTY qualifiers: true value, substitute, proposed value, forecast, sum of energy, provisional, unusable."""
MISSING: Final = "Z30"
UNUSABLE: Final = "20"
STORNO: Final = "13006"
"""Check identifier of a message that takes back another one."""

_OFFSET: Final = re.compile(r"([0-9]{12})([+-][0-9]{2})?")
_LOCAL_TIME: Final = timezone(timedelta(hours=1))
"""Of a register reading dated by the day alone: winter time, midnight."""

Segment = Sequence[str | Sequence[str]]


def read_mscons(content: bytes) -> Iterator[Item]:
    """The readings of an interchange; the method of one that is not a true value is `MSCONS` and its qualifiers."""
    try:
        text = text_of(content, "latin-1" if b"UNOC" in content[:200] else "utf-8-sig")
    except BadLine as bad:
        yield bad.at(0)
        return
    if not text.lstrip().startswith(("UNA", "UNB")):
        yield Complaint(0, "format", "an interchange begins with UNA or UNB")
        return
    file = _Interchange()
    number = 0
    try:
        for number, segment in enumerate(_segments(text.strip()), start=1):
            yield from file.items(number, segment)
    except EDISyntaxError as error:
        yield from file.value()
        yield Complaint(number + 1, "truncated" if "end of EDI" in str(error) else "format", f"not EDIFACT: {error}")
        return
    yield from file.value()
    if not file.is_ended:
        yield Complaint(number, "truncated", "the segment UNZ that ends the interchange is missing")


def _segments(text: str) -> Iterator[Segment]:
    parser = Parser()
    characters = None
    if text.startswith("UNA"):
        characters = parser.get_control_characters(text)
        text = text[9:].lstrip("\r\n")
    for raw in parser.convert_tokens_to_raw_segments(Tokenizer().get_tokens(text, characters)):
        yield [element if isinstance(element, str) else list(element) for element in raw]


class _Interchange:
    """What the segments so far have said: in which message, at which location, of which register, of which value."""

    def __init__(self) -> None:
        self.is_ended = False
        self._is_passed_over = False
        self._opened_at = 0
        self._count = 0
        self._location = ""
        self._register = ""
        self._value: tuple[int, str, str] | None = None
        self._times: dict[str, datetime] = {}
        self._states: list[str] = []

    def items(self, line: int, segment: Segment) -> Iterator[Item]:
        """What the segment completes."""
        tag = _part(segment, 0, 0)
        if tag not in ("DTM", "STS") or self._value is None:
            yield from self.value()
        try:
            if tag == "UNT":
                self._check_count(line, segment)
            elif tag == "RFF":
                self._reference(segment)
            else:
                self._take(line, tag, segment)
        except BadLine as bad:
            yield bad.at(line, _written(segment))

    def value(self) -> Iterator[Item]:
        """The reading whose last segment was seen."""
        value, self._value = self._value, None
        if value is None or self._is_passed_over:
            return
        line, qualifier, text = value
        try:
            reading = self._reading(line, qualifier, text)
        except BadLine as bad:
            yield bad.at(line, f"{self._location} {self._register} {qualifier} {text}")
        else:
            if reading is not None:
                yield reading

    def _take(self, line: int, tag: str, segment: Segment) -> None:
        if tag == "UNH":
            kind = _part(segment, 2, 0)
            self._opened_at, self._location, self._register = line, "", ""
            self._is_passed_over = kind != "MSCONS"
            if self._is_passed_over:
                raise BadLine("format", f"the message is no MSCONS but {kind[:20]!r}")
        elif tag == "LOC" and _part(segment, 1, 0) in ("172", "Z04", "Z16", "Z17"):
            self._location, self._register = _part(segment, 2, 0), ""
        elif tag == "PIA":
            self._register = _part(segment, 2, 0)
        elif tag == "QTY":
            self._value = line, _part(segment, 1, 0), _part(segment, 1, 1)
            self._times, self._states = {}, []
        elif tag == "DTM" and self._value is not None:
            self._times[_part(segment, 1, 0)] = _moment(_part(segment, 1, 1), _part(segment, 1, 2))
        elif tag == "STS" and self._value is not None:
            self._states += [code for code in (_part(segment, 2, 0), _part(segment, 3, 0)) if code]
        elif tag == "UNZ":
            self.is_ended = True

    def _reference(self, segment: Segment) -> None:
        if _part(segment, 1, 0) == "Z13" and _part(segment, 1, 1) == STORNO:
            self._is_passed_over = True
            raise BadLine("format", "the message takes another one back, which a person has to decide")

    def _check_count(self, line: int, segment: Segment) -> None:
        stated, found = _part(segment, 1, 0), line - self._opened_at + 1
        if stated != str(found):
            raise BadLine("count", f"the message has {found} segments, and its end says {stated[:10]}")

    def _reading(self, line: int, qualifier: str, text: str) -> Item | None:
        if qualifier == MISSING:
            return None
        if qualifier not in QUALITIES:
            raise BadLine("value", f"no qualifier of a value: {qualifier[:10]!r}")
        if not self._location:
            raise BadLine("meter", "the value stands at no location")
        if not self._register:
            raise BadLine("register", "the value has no OBIS code")
        quality = QUALITIES[qualifier]
        method = "" if quality == "valid" and not self._states else " ".join(["MSCONS", qualifier, *self._states])[:64]
        series = self._location, self._register.split("*")[0]
        value = decimal(text)
        since, until = self._times.get("163"), self._times.get("164")
        if since is not None and until is not None:
            minutes, rest = divmod(until - since, timedelta(minutes=1))
            if rest or minutes <= 0:
                raise BadLine("time", f"the value is of no whole minutes: {since} to {until}")
            mwh = energy(value, "kWh", minutes)
            return IntervalReading(line, *series, since, minutes, mwh, quality, method)
        at = self._times.get("9") or until
        if at is None:
            raise BadLine("time", "the value has no span of time (DTM+163, DTM+164) and no moment (DTM+9)")
        return RegisterReading(line, *series, at, energy(value, "kWh", 0), quality, method)


def _moment(text: str, form: str) -> datetime:
    """A DTM of format 303 (minutes and offset), 203 (minutes, UTC) or 102 (a day).

    Raises:
        BadLine: another format, or no time of the calendar.
    """
    try:
        if form == "102":
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=_LOCAL_TIME).astimezone(UTC)
        found = _OFFSET.fullmatch(text) if form in ("303", "203") else None
        if found is None or (form == "303") != bool(found[2]):
            raise ValueError
        offset = timezone(timedelta(hours=int(found[2] or 0)))
        return datetime.strptime(found[1], "%Y%m%d%H%M").replace(tzinfo=offset).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadLine("time", f"no time of format {form[:10]}: {text[:40]!r}") from None


def _part(segment: Segment, element: int, component: int) -> str:
    """Empty where the segment ends before it."""
    if element >= len(segment):
        return ""
    found = segment[element]
    parts = [found] if isinstance(found, str) else found
    return parts[component] if component < len(parts) else ""


def _written(segment: Segment) -> str:
    return "+".join(each if isinstance(each, str) else ":".join(each) for each in segment)
