"""Which meter and which of its registers a reading is of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.readings import reading_rows
from wattbook.household.readings.intake.items import EXPORT, IMPORT, Complaint, IntervalReading, Item, RegisterReading
from wattbook.household.readings.reading_rows import Channel
from wattbook.registry.locations import meters_at_locations
from wattbook.registry.meters import Measures, Meter, MeterPlace, find_meters, places_of_meters
from wattbook.registry.validity import Ambiguous, Missing

DIRECTIONS: Final = {"1": IMPORT, "2": EXPORT}
"""Value group C of an OBIS code (IEC 62056-61): active energy in and out."""
TOTALS: Final = ("0", "")
"""Value group E: the sum over all tariffs. A register of one tariff is not the meter's total."""


class Matcher(NamedTuple):
    """The meters, places and channels that the readings of a source can be of."""

    meters: dict[str, tuple[Meter, ...]]
    places: dict[tuple[str, datetime], MeterPlace | Missing | Ambiguous[MeterPlace]]
    channels: dict[tuple[str, str], Channel]

    @classmethod
    async def of(cls, connection: AsyncConnection, asked: Sequence[tuple[str, datetime]]) -> "Matcher":
        """Args:
        asked: identifiers as the source has them, each with a moment.
        """
        names = sorted({name.strip() for name, _ in asked})
        meters: dict[str, tuple[Meter, ...]] = {
            name: (meter,)
            for name, meter in zip(names, await find_meters(connection, names), strict=True)
            if meter is not None
        }
        places = [name for name in names if name not in meters]
        meters |= {name: found for name, found in (await meters_at_locations(connection, places)).items() if found}
        doubtful = sorted({(meter.number, at) for name, at in asked for meter in _several(meters, name)})
        found_places = dict(zip(doubtful, await places_of_meters(connection, doubtful), strict=True))
        numbers = [meter.number for found in meters.values() for meter in found]
        return cls(meters, found_places, await reading_rows.channels(connection, numbers))

    def matched(self, reading: IntervalReading | RegisterReading) -> Item:
        """The reading with the number of its meter and the OBIS code of its register, or why it is of none."""
        at = reading.start if isinstance(reading, IntervalReading) else reading.at
        found = self.meters.get(reading.meter.strip(), ())
        if len(found) > 1:
            found = tuple(meter for meter in found if isinstance(self.places.get((meter.number, at)), MeterPlace))
        if len(found) != 1:
            words = "is not registered" if not found else f"is the place of {len(found)} meters"
            return Complaint(reading.line, "meter", f"meter {reading.meter[:64]!r} {words}")
        (meter,) = found
        if meter.measures is not Measures.HOUSEHOLD:
            return Complaint(reading.line, "meter", f"meter {meter.number} measures no house")
        register = _register(meter, reading.register.strip())
        if register is None:
            return Complaint(
                reading.line, "register", f"meter {meter.number} has no register {reading.register[:32]!r}"
            )
        return reading._replace(meter=meter.number, register=register)

    def channel(self, meter: str, register: str) -> Channel:
        return self.channels.get((meter, register), Channel(meter, register))


def _several(meters: dict[str, tuple[Meter, ...]], name: str) -> tuple[Meter, ...]:
    found = meters.get(name.strip(), ())
    return found if len(found) > 1 else ()


def _register(meter: Meter, code: str) -> str | None:
    """The meter's own code for the register: the same one, or the one of the same direction."""
    own = {IMPORT: meter.obis_import, EXPORT: meter.obis_export}
    if code in own:
        return own[code]
    if code in own.values():
        return code
    groups = code.split("*")[0].partition(":")[2].split(".")
    if len(groups) != 3 or groups[2] not in TOTALS or groups[1] not in ("8", "29", "9"):
        return None
    return own.get(DIRECTIONS.get(groups[0], ""))
