"""How readings move a running session: pure arithmetic on its numbers, one reading after the other.

Readings are facts that may be wrong. A register that steps back is flagged and never lowers the energy; a reading that
came late changes nothing; a register beyond any meter's range counts as not read.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from wattbook.charging.progress import shortfall_by_power, shortfall_by_register
from wattbook.kernel.units import AMOUNT_MAX

REGISTER_MWH_MAX: Final = 10**15
"""1 TWh: no meter of a charging station counts further."""

POWER_W_MAX: Final = 100_000_000

METER_BACKWARDS: Final = "meter-backwards"
CLOCK_IMPLAUSIBLE: Final = "clock-implausible"
OUT_OF_RANGE: Final = "out-of-range"

_MILLISECOND: Final = timedelta(milliseconds=1)


class Reading(Struct, frozen=True, gc=False):
    """What a meter showed at one moment; what it did not show is None.

    Attributes:
        sampled_at: by the station's clock, in UTC.
        power_w: drawn; negative while feeding in.
        other: anything else that was said, as JSON can say it.
    """

    sampled_at: datetime
    import_register_mwh: int | None = None
    export_register_mwh: int | None = None
    power_w: int | None = None
    soc_percent: Decimal | None = None
    other: Any = None


class Samples(Struct, frozen=True, gc=False):
    """Readings of one EVSE, of a transaction or, without its id, by the clock."""

    station_id: str
    connector_no: int
    transaction_id: str | None
    readings: tuple[Reading, ...]


class Next(Struct, frozen=True, gc=False):
    """A message of a session whose station counts them (OCPP 2.x), with its readings.

    Attributes:
        number: of the message in its transaction.
        told_at: by the station's clock.
    """

    station_id: str
    transaction_id: str
    number: int
    told_at: datetime
    readings: tuple[Reading, ...]


@dataclass(slots=True)
class Running:
    """The numbers of a session that readings move; the names are those of `tables.sessions`.

    `next_no` is the number of its next message if those that were heard have no gap; None: they have, or nobody counts.

    `writer` and `row` are the version of the row they were read from: who wrote it, and where it lies, which changes
    also when one transaction writes it twice. Nothing is locked while readings are taken, and a session that another
    writer has changed meanwhile is looked at again.
    """

    id: str
    state: str
    started_at: datetime
    meter_start_mwh: int
    rated_power_w: int
    announced_at: datetime
    sampled_at: datetime | None
    import_register_mwh: int | None
    export_start_mwh: int | None
    export_register_mwh: int | None
    power_w: int | None
    soc_percent: Decimal | None
    import_mwh: int
    export_mwh: int
    shortfall_wms: int
    flags: str
    connector_no: int
    next_no: int | None
    told_at: datetime | None
    writer: str
    row: str

    def flag(self, flag: str) -> None:
        """Note something implausible, once."""
        if flag not in self.flags.split():
            self.flags = f"{self.flags} {flag}".lstrip()

    def take(self, said: Next) -> bool:
        """Take a message if it is surely the next one; else leave it alone."""
        if self.next_no != said.number or self.state == "completed":
            return False
        if self.told_at is not None and said.told_at <= self.told_at:
            return False
        self.next_no, self.told_at = said.number + 1, said.told_at
        for reading in said.readings:
            self.advance(reading)
        return True

    def advance(self, reading: Reading) -> None:
        """Take one reading."""
        drawn, fed_in = self._in_range(reading.import_register_mwh), self._in_range(reading.export_register_mwh)
        since, sampled_at = self.sampled_at or self.started_at, reading.sampled_at
        if sampled_at < since:
            return
        if self.rated_power_w and sampled_at > since:
            self._add_shortfall((sampled_at - since) // _MILLISECOND, drawn, reading.power_w)
        self.sampled_at = sampled_at
        if drawn is not None:
            self._advance_import(drawn)
        if fed_in is not None:
            self._advance_export(fed_in)
        if reading.power_w is not None and abs(reading.power_w) <= POWER_W_MAX:
            self.power_w = reading.power_w
        if reading.soc_percent is not None and 0 <= reading.soc_percent <= 100:
            self.soc_percent = reading.soc_percent

    def _in_range(self, register_mwh: int | None) -> int | None:
        if register_mwh is None or 0 <= register_mwh <= REGISTER_MWH_MAX:
            return register_mwh
        self.flag(OUT_OF_RANGE)
        return None

    def _advance_import(self, register_mwh: int) -> None:
        known = self.meter_start_mwh if self.import_register_mwh is None else self.import_register_mwh
        if register_mwh < known:
            self.flag(METER_BACKWARDS)
        else:
            self.import_register_mwh = register_mwh
            self.import_mwh = register_mwh - self.meter_start_mwh

    def _advance_export(self, register_mwh: int) -> None:
        if self.export_start_mwh is None:
            self.export_start_mwh = register_mwh
        known = self.export_start_mwh if self.export_register_mwh is None else self.export_register_mwh
        if register_mwh < known:
            self.flag(METER_BACKWARDS)
        else:
            self.export_register_mwh = register_mwh
            self.export_mwh = register_mwh - self.export_start_mwh

    def _add_shortfall(self, elapsed_ms: int, drawn_mwh: int | None, power_w: int | None) -> None:
        before_mwh = self.meter_start_mwh if self.sampled_at is None else self.import_register_mwh
        if drawn_mwh is not None and before_mwh is not None:
            added = shortfall_by_register(self.rated_power_w, elapsed_ms, drawn_mwh - before_mwh)
        elif power_w is not None:
            first_w = power_w if self.power_w is None else self.power_w
            added = shortfall_by_power(self.rated_power_w, elapsed_ms, first_w, power_w)
        else:
            return
        self.shortfall_wms = min(self.shortfall_wms + added, AMOUNT_MAX)
