"""Charging profiles, at either end: which limit holds at an outlet at a moment (OCPP 1.6, 3.13; 2.0.1 Part 2, K).

Of the profiles of one purpose the highest stack level that says something about the moment counts. A transaction's own
profile stands in the place of the default one; the limit of the whole station bounds both, and is shared equally by the
outlets that charge. Limits in amperes hold for each phase of 230 V.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from wattbook.kernel.clock import parse_rfc3339
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import div_floor
from wattbook.ocpp.wire.frames import JsonObject

VOLTS: Final = 230
PHASES: Final = 3
SECOND: Final = timedelta(seconds=1)
PROFILES_MAX: Final = 100


class Purpose(StrEnum):
    """What a profile limits; 1.6 says `ChargePointMaxProfile` for the first."""

    STATION = "ChargingStationMaxProfile"
    EXTERNAL = "ChargingStationExternalConstraints"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


PURPOSES: Final[Mapping[str, Purpose]] = {purpose.value: purpose for purpose in Purpose} | {
    "ChargePointMaxProfile": Purpose.STATION
}
RECURRENCES: Final[Mapping[str | None, timedelta]] = {"Daily": timedelta(days=1), "Weekly": timedelta(weeks=1)}


class Limit(NamedTuple):
    """The most power, None without a limit, and until when that stays so, None for good."""

    power_w: int | None
    until: datetime | None


UNLIMITED: Final = Limit(None, None)


@dataclass(frozen=True, slots=True)
class Period:
    """From this second of the schedule on; None: nothing is limited."""

    start_s: int
    power_w: int | None


@dataclass(frozen=True, slots=True)
class ChargingProfile:
    """One profile, whatever the version.

    Attributes:
        evse: 0: of the station.
        starts_at: of the schedule; None: it begins with the transaction.
        repeats_after: None: once.
        lasting: of the schedule; None: until the end.
    """

    id: int
    evse: int
    purpose: Purpose
    stack_level: int
    periods: tuple[Period, ...]
    starts_at: datetime | None = None
    repeats_after: timedelta | None = None
    lasting: timedelta | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None

    def limit(self, moment: datetime, began_at: datetime) -> Limit:
        """What it says of this moment, of a transaction that began then."""
        if self.valid_from is not None and moment < self.valid_from:
            return Limit(None, self.valid_from)
        if self.valid_to is not None and moment >= self.valid_to:
            return UNLIMITED
        start = self._start(moment, began_at)
        found = Limit(None, start) if moment < start else self._scheduled(start, moment)
        return Limit(found.power_w, _earliest((found.until, self.valid_to)))

    def _start(self, moment: datetime, began_at: datetime) -> datetime:
        start = began_at if self.starts_at is None else self.starts_at
        if self.repeats_after is None or moment < start:
            return start
        return start + (moment - start) // self.repeats_after * self.repeats_after

    def _scheduled(self, start: datetime, moment: datetime) -> Limit:
        again = None if self.repeats_after is None else start + self.repeats_after
        end = _earliest((again, None if self.lasting is None else start + self.lasting))
        if end is not None and moment >= end:
            return Limit(None, again)
        elapsed_s = (moment - start) // SECOND
        now = [period for period in self.periods if period.start_s <= elapsed_s]
        later = [start + period.start_s * SECOND for period in self.periods if period.start_s > elapsed_s]
        return Limit(now[-1].power_w if now else None, _earliest((*later[:1], end)))


def read_profile(payload: JsonObject) -> ChargingProfile:
    """A profile out of SetChargingProfile of any version.

    Raises:
        InvalidInput: a purpose or a unit that is not known here.
    """
    profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
    schedule = profile["chargingSchedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    purpose = PURPOSES.get(profile["chargingProfilePurpose"])
    if purpose is None:
        raise InvalidInput(f"no limit is made of a {profile['chargingProfilePurpose']}")
    kind, unit = profile["chargingProfileKind"], schedule["chargingRateUnit"]
    transaction_id, lasting = profile.get("transactionId"), schedule.get("duration")
    return ChargingProfile(
        id=profile.get("chargingProfileId", profile.get("id")),
        evse=place_of(payload),
        purpose=purpose,
        stack_level=profile["stackLevel"],
        periods=tuple(_period(period, unit) for period in schedule["chargingSchedulePeriod"]),
        starts_at=None if kind == "Relative" else _moment(schedule, "startSchedule"),
        repeats_after=RECURRENCES.get(profile.get("recurrencyKind")) if kind == "Recurring" else None,
        lasting=None if lasting is None else lasting * SECOND,
        valid_from=_moment(profile, "validFrom"),
        valid_to=_moment(profile, "validTo"),
        transaction_id=None if transaction_id is None else str(transaction_id),
    )


def place_of(payload: JsonObject) -> int:
    """The outlet that is meant, 0 for the station."""
    number: int = payload["connectorId"] if "connectorId" in payload else payload["evseId"]
    return number


def _period(period: JsonObject, unit: str) -> Period:
    limit = period.get("limit")  # 2.1: a period may steer otherwise than by a limit
    if limit is None:
        return Period(period["startPeriod"], None)
    volts = 1 if unit == "W" else VOLTS * period.get("numberPhases", PHASES)
    return Period(period["startPeriod"], int(Decimal(limit) * volts))


def _moment(payload: JsonObject, name: str) -> datetime | None:
    return parse_rfc3339(payload[name]) if name in payload else None


class ChargingProfiles:
    """All profiles of one station."""

    def __init__(self) -> None:
        self._profiles: list[ChargingProfile] = []

    def __len__(self) -> int:
        return len(self._profiles)

    def put(self, profile: ChargingProfile) -> None:
        """In the place of one with its id, or with its purpose, outlet and stack level (K01.FR.05, FR.06)."""
        place = (profile.evse, profile.purpose, profile.stack_level, profile.transaction_id)
        self._profiles = [
            each
            for each in self._profiles
            if each.id != profile.id and (each.evse, each.purpose, each.stack_level, each.transaction_id) != place
        ][: PROFILES_MAX - 1]
        self._profiles.append(profile)

    def clear(self, id: int | None, evse: int | None, purpose: str | None, stack_level: int | None) -> int:
        """Take away what fits; how many did. What is None is not asked for."""
        before = len(self._profiles)
        asked = None if purpose is None else PURPOSES.get(purpose)
        self._profiles = [
            each
            for each in self._profiles
            if (id is not None and each.id != id)
            or (evse is not None and each.evse != evse)
            or (purpose is not None and each.purpose is not asked)
            or (stack_level is not None and each.stack_level != stack_level)
        ]
        return before - len(self._profiles)

    def end_transaction(self, evse: int) -> None:
        """A transaction's profile ends with it (1.6, 3.13.2; K01)."""
        self._profiles = [each for each in self._profiles if each.purpose is not Purpose.TX or each.evse != evse]

    def limit(
        self, evse: int, moment: datetime, began_at: datetime, transaction_id: str | None, *, sharing: int = 1
    ) -> Limit:
        """What the outlet may offer now, to a transaction that began then; `sharing` outlets charge."""
        own = [
            each
            for each in self._profiles
            if each.purpose is Purpose.TX and each.evse == evse and each.transaction_id in (None, transaction_id)
        ]
        transactions = _prevailing(own, moment, began_at)
        if transactions.power_w is None:
            defaults = self._of(Purpose.TX_DEFAULT, evse)
            transactions = _least((transactions, _prevailing(defaults, moment, began_at)))
        caps = (_prevailing(self._of(purpose, 0), moment, began_at) for purpose in (Purpose.STATION, Purpose.EXTERNAL))
        shared = [Limit(None if cap.power_w is None else div_floor(cap.power_w, sharing), cap.until) for cap in caps]
        return _least((transactions, *shared))

    def composite(
        self,
        evse: int,
        since: datetime,
        lasting: timedelta,
        most_w: int,
        transaction_id: str | None = None,
        *,
        sharing: int = 1,
    ) -> list[tuple[int, int]]:
        """Second from `since` → watts that hold from then on, never more than `most_w` (K08)."""
        found: list[tuple[int, int]] = []
        moment, end = since, since + lasting
        while moment < end:
            limit = self.limit(evse, moment, since, transaction_id, sharing=sharing)
            power_w = most_w if limit.power_w is None else min(most_w, limit.power_w)
            if not found or found[-1][1] != power_w:
                found.append(((moment - since) // SECOND, power_w))
            moment = end if limit.until is None else limit.until
        return found

    def _of(self, purpose: Purpose, evse: int) -> list[ChargingProfile]:
        """Those of the outlet and those of every outlet."""
        return [each for each in self._profiles if each.purpose is purpose and each.evse in (0, evse)]


def _prevailing(profiles: Sequence[ChargingProfile], moment: datetime, began_at: datetime) -> Limit:
    """Of the highest stack level that says something; it may change when any of them does."""
    limits = [
        each.limit(moment, began_at) for each in sorted(profiles, key=lambda each: (-each.stack_level, -each.evse))
    ]
    power_w = next((limit.power_w for limit in limits if limit.power_w is not None), None)
    return Limit(power_w, _earliest(limit.until for limit in limits))


def _least(limits: Sequence[Limit]) -> Limit:
    powers = [limit.power_w for limit in limits if limit.power_w is not None]
    return Limit(min(powers, default=None), _earliest(limit.until for limit in limits))


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
