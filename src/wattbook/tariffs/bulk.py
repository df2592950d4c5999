"""Millions of records priced at once, to the same integers as one by one.

The periods of all records stand in columns, and a tariff is applied to whole columns: which element holds is a mask,
the first that holds is a choice of masks, a session's total is a sum between two rows. Numbers are 64-bit integers as
long as the largest product that can occur fits, and Python's own integers beyond; there is no float anywhere.

What columns cannot say, a session priced by several tariffs, is for `price_periods`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, Currency
from wattbook.tariffs.pricer import US_PER_HOUR, Lane, Pricer, ScaledLimit
from wattbook.tariffs.restrictions import MICROSECONDS, SECONDS_PER_DAY, Range, Restrictions
from wattbook.tariffs.session_price import Rate
from wattbook.tariffs.station import Dimension, SessionPeriod

Integers = NDArray[Any]
"""Of 64 bits, or of objects that are Python's integers."""
Booleans = NDArray[np.bool_]

UNKNOWN: Final = -1
_FITS: Final = 2**62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Records:
    """Periods in columns, a record's periods one after the other in the order of time.

    Attributes:
        first: of each record, the row of its first period; every record has one.
        start_us: since 1970, UTC; volumes in mWh and µs.
        current_ma, power_mw: lowest and highest; UNKNOWN where not stated.
    """

    first: Integers
    start_us: Integers
    energy: Integers
    time: Integers
    parking: Integers
    fed_in: Integers
    reserved: Integers
    current_ma: tuple[Integers, Integers]
    power_mw: tuple[Integers, Integers]

    def __post_init__(self) -> None:
        rows = len(self.start_us)
        columns = self.energy, self.time, self.parking, self.fed_in, self.reserved, *self.current_ma, *self.power_mw
        if any(len(column) != rows for column in columns) or (len(self.first) and self.first[-1] >= rows):
            raise InvalidInput("the columns of records have one length")
        if any(len(column) and column.min() < 0 for column in columns[:5]):
            raise InvalidInput("a volume is negative; feed-in is a volume of its own")

    @classmethod
    def of(cls, records: Sequence[Sequence[SessionPeriod]]) -> "Records":
        """Columns of sessions that are at hand as periods.

        Raises:
            InvalidInput: a record without a period, or periods out of order.
        """
        if not all(records):
            raise InvalidInput("a record has at least one period")
        rows = list(chain.from_iterable(records))
        counts = np.array([len(each) for each in records], dtype=np.int64)

        def column(values: Any) -> Integers:
            return np.fromiter(values, dtype=np.int64, count=len(rows))

        made = cls(
            first=np.concatenate(([0], np.cumsum(counts)[:-1])) if len(records) else np.zeros(0, np.int64),
            start_us=column((row.start - _EPOCH) // _MICROSECOND for row in rows),
            energy=column(row.energy.mwh for row in rows),
            time=column(row.time // _MICROSECOND for row in rows),
            parking=column(row.parking // _MICROSECOND for row in rows),
            fed_in=column(row.fed_in.mwh for row in rows),
            reserved=column(row.reserved // _MICROSECOND for row in rows),
            current_ma=_pair(column, [row.current_a for row in rows], 1_000),
            power_mw=_pair(column, [row.power_kw for row in rows], MWH_PER_KWH),
        )
        inside = np.ones(len(rows), dtype=bool)
        inside[made.first] = False
        if len(rows) and (np.diff(made.start_us, prepend=made.start_us[0])[inside] < 0).any():
            raise InvalidInput("the periods of a session must be in the order of time")
        return made


def _pair(column: Any, known: list[tuple[Decimal, Decimal] | None], per_unit: int) -> tuple[Integers, Integers]:
    low, high = (column(UNKNOWN if each is None else int(each[side] * per_unit) for each in known) for side in (0, 1))
    return low, high


@dataclass(frozen=True)
class BulkPrices:
    """What each record costs: numerators over `scale`, in units of the currency; see `Price`."""

    currency: str
    scale: int
    bought_before: Integers
    bought_after: Integers
    fed_in_before: Integers
    fed_in_after: Integers

    def stored(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Half up to the stored unit, in the order of the fields: what the book takes."""
        factor = 10 ** Currency.of(self.currency).stored_digits
        amounts = self.bought_before, self.bought_after, self.fed_in_before, self.fed_in_after
        a, b, c, d = (_half_up(each, factor, self.scale) for each in amounts)
        return a, b, c, d


def _half_up(amounts: Integers, factor: int, scale: int) -> list[int]:
    """Of amounts that are not negative."""
    wide = _wide(amounts, 2 * factor, 2 * scale)
    rounded: list[int] = ((wide * (2 * factor) + scale) // (2 * scale)).tolist()
    return rounded


def price_records(pricer: Pricer, records: Records) -> BulkPrices:
    """The price of every record by one tariff."""
    if not len(records.first):
        nothing = np.zeros(0, dtype=np.int64)
        return BulkPrices(pricer.tariff.currency, pricer.scale, nothing, nothing, nothing, nothing)
    bulk = _Bulk(pricer, records)
    before, after = bulk.bought()
    for limit in pricer.limits:
        before, after = _clamped(limit, before, after)
    fed_in = bulk.stepped(Dimension.ENERGY_EXPORT, records.fed_in)
    return BulkPrices(pricer.tariff.currency, pricer.scale, before, after, *bulk.amounts([fed_in]))


def _clamped(limit: ScaledLimit, before: Integers, after: Integers) -> tuple[Integers, Integers]:
    """As `pricer.clamp`."""
    side = np.maximum if limit.reason == "min_price" else np.minimum
    if max(limit.before, limit.after or 0) >= _FITS:
        before, after = before.astype(object), after.astype(object)
    limited = side(before, limit.before)
    return limited, np.maximum(limited, after if limit.after is None else side(after, limit.after))


@dataclass(frozen=True)
class _Billed:
    """Volumes of each row by the choice that prices it (-1: none), and what the step adds to each record."""

    lane: Lane
    choice: Integers
    volume: Integers
    added_choice: Integers
    added: Integers


class _Bulk:
    """One tariff applied to records."""

    def __init__(self, pricer: Pricer, records: Records) -> None:
        self.pricer, self.records = pricer, records
        self.rows = len(records.start_us)
        self.counts = np.diff(records.first, append=self.rows)
        driven = (records.energy | records.time | records.parking | records.fed_in) != 0
        self.is_reservation = (records.reserved != 0) & ~driven
        self.moments = _Moments(self) if pricer.by_course else None

    def per_row(self, of_record: Integers) -> Integers:
        return np.repeat(of_record, self.counts)

    def per_record(self, of_row: Integers) -> Integers:
        total: Integers = np.add.reduceat(of_row, self.records.first)
        return total

    def bought(self) -> tuple[Integers, Integers]:
        records = self.records
        parking = self.stepped(Dimension.PARKING_TIME, records.parking)
        parked = self.per_record(np.where(parking.choice >= 0, parking.volume, 0)) > 0
        time = self.stepped(Dimension.TIME, records.time, unless=parked)
        billed = [self.stepped(Dimension.ENERGY, records.energy), time, parking, self.flat()]
        if records.reserved.any():
            billed += self.reserved()
        return self.amounts(billed)

    def choice(self, lane: Lane, among: Booleans) -> Integers:
        """Of each row, the place of the first choice that holds; -1 for none."""
        chosen: Integers = np.full(self.rows, -1, dtype=np.int64)
        for place in range(len(lane) - 1, -1, -1):
            when = lane[place].when
            holds = among if when is None else among & self._hold(when)
            chosen[holds] = place
        return chosen

    def _hold(self, when: Restrictions) -> Booleans:
        assert self.moments is not None, "a restricted tariff"
        return self.moments.hold(when)

    def stepped(self, dimension: Dimension, volume: Integers, unless: Booleans | None = None) -> _Billed:
        lane = self.pricer.lanes[dimension]
        return self.billed(lane, self.choice(lane, volume != 0), volume, unless)

    def billed(self, lane: Lane, choice: Integers, volume: Integers, unless: Booleans | None = None) -> _Billed:
        """With the step of the last choice of each record."""
        nothing = np.zeros(len(self.counts), dtype=np.int64)
        if not lane or not (choice >= 0).any():
            return _Billed(lane, choice, volume, nothing - 1, nothing)
        row = np.where(choice >= 0, np.arange(self.rows), -1)
        last_row = np.maximum.reduceat(row, self.records.first)
        last = np.where(last_row >= 0, choice[last_row], -1)
        steps = np.array([0, *(each.rate.step for each in lane)], dtype=np.int64)[last + 1]
        total = self.per_record(np.where(choice >= 0, volume, 0))
        added = np.where(steps > 0, -total % np.maximum(steps, 1), 0)
        if unless is not None:
            added = np.where(unless, 0, added)
        return _Billed(lane, choice, volume, last, added)

    def flat(self) -> _Billed:
        lane = self.pricer.lanes[Dimension.FLAT]
        return self.once(lane, self.choice(lane, ~self.is_reservation) if lane else np.full(self.rows, -1))

    def once(self, lane: Lane, choice: Integers) -> _Billed:
        """A flat fee: the first row of each record that has one."""
        row = np.where(choice >= 0, np.arange(self.rows), self.rows)
        first = np.minimum.reduceat(row, self.records.first)
        due = first < self.rows
        ones = np.zeros(self.rows, dtype=np.int64)
        ones[first[due]] = 1
        nothing = np.zeros(len(self.counts), dtype=np.int64)
        return _Billed(lane, choice, ones, nothing - 1, nothing)

    def reserved(self) -> list[_Billed]:
        """Reservations that were used, and those that expired, each by its own lanes."""
        expired = self.per_row(np.logical_and.reduceat(self.is_reservation, self.records.first))
        billed = []
        for lanes, mine in ((self.pricer.reserved, ~expired), (self.pricer.expired, expired)):
            for name, lane in lanes.items():
                choice = self.choice(lane, mine & (self.records.reserved != 0))
                volume = self.records.reserved
                billed.append(self.billed(lane, choice, volume) if name == "TIME" else self.once(lane, choice))
        return billed

    def amounts(self, billed: Sequence[_Billed]) -> tuple[Integers, Integers]:
        """Before and after tax, of each record."""
        before: Integers = np.zeros(len(self.counts), dtype=np.int64)
        after: Integers = before
        for each in billed:
            for place, choice in enumerate(each.lane):
                mine = each.choice == place
                if mine.any():
                    volume = self.per_record(np.where(mine, each.volume, 0))
                    volume = volume + np.where(each.added_choice == place, each.added, 0)
                    before, after = _added(before, after, volume, choice.rate)
        return before, after


def _added(before: Integers, after: Integers, volume: Integers, rate: Rate) -> tuple[Integers, Integers]:
    dearest = max(rate.before, rate.after)
    top = int(max(volume.max(initial=0), 1)) * dearest
    if before.dtype != object and int(max(before.max(initial=0), after.max(initial=0))) + top >= _FITS:
        before, after = before.astype(object), after.astype(object)
    if before.dtype == object:
        volume = volume.astype(object)
    return before + volume * rate.before, after + volume * rate.after


def _wide(amounts: Integers, factor: int, added: int) -> Integers:
    """As objects where a product with the factor would not fit."""
    if amounts.dtype == object or int(amounts.max(initial=0)) * factor + added < _FITS:
        return amounts
    return amounts.astype(object)


# ------------------------------------------------------------------------------------------------------- restrictions


class _Moments:
    """What restrictions are held against, in columns: `restrictions.Moment` for every row."""

    def __init__(self, bulk: _Bulk) -> None:
        records = bulk.records
        drawn = np.cumsum(records.energy) - records.energy
        self.drawn = drawn - bulk.per_row(drawn[records.first])
        self.elapsed = records.start_us - bulk.per_row(records.start_us[records.first])
        if bulk.is_reservation.any():
            self.elapsed = self._since_begun(bulk)
        self.current = records.current_ma
        self.power = _power(records)
        self.known: dict[Restrictions, Booleans] = {}
        local = records.start_us // MICROSECONDS
        if bulk.pricer.zone is not None:
            local = local + offsets(bulk.pricer.zone, local)
        self.day, self.second = local // SECONDS_PER_DAY + _EPOCH_DAY, local % SECONDS_PER_DAY

    @staticmethod
    def _since_begun(bulk: _Bulk) -> Integers:
        """Since the reservation began in a reservation, and since it ended after that."""
        records = bulk.records
        none = np.iinfo(np.int64).max
        begun = np.minimum.reduceat(np.where(bulk.is_reservation, none, records.start_us), records.first)
        since = bulk.per_row(records.start_us[records.first])
        driven = bulk.per_row(begun)
        return records.start_us - np.where(bulk.is_reservation | (driven == none), since, driven)

    def hold(self, when: Restrictions) -> Booleans:
        """As `Restrictions.hold`; elements of several dimensions are tested once."""
        if when not in self.known:
            self.known[when] = self._hold(when)
        return self.known[when]

    def _hold(self, when: Restrictions) -> Booleans:
        holds = _within(when.dates, self.day) & _within(when.drawn_mwh, self.drawn)
        holds &= _within(when.elapsed_us, self.elapsed)
        holds &= _reaches(when.current_ma, self.current) & _reaches(when.power_mw, self.power)
        if when.days is not None:
            holds &= np.isin((self.day - 1) % 7, list(when.days))
        if when.clock is not None:
            start, end = when.clock
            since, until = self.second >= start, self.second < end
            holds &= since & until if start < end else since | until
        return holds


def _within(limits: Range, values: Integers) -> Booleans:
    holds = np.ones(len(values), dtype=bool)
    if limits.low is not None:
        holds &= values >= limits.low
    if limits.high is not None:
        holds &= values < limits.high
    return holds


def _reaches(limits: Range, known: tuple[Integers, Integers]) -> Booleans:
    lowest, highest = known
    holds = np.ones(len(lowest), dtype=bool)
    if limits.low is not None:
        holds &= (highest >= limits.low) | (highest == UNKNOWN)
    if limits.high is not None:
        holds &= (lowest < limits.high) | (lowest == UNKNOWN)
    return holds


def _power(records: Records) -> tuple[Integers, Integers]:
    """As stated, else the mean of what the period drew: see `pricer.power_mw`."""
    mean = (records.power_mw[0] == UNKNOWN) & (records.energy != 0) & (records.time != 0)
    if not mean.any():
        return records.power_mw
    drawn, time = records.energy[mean].astype(object), records.time[mean].astype(object)
    power = (drawn * US_PER_HOUR // time).astype(np.int64)
    low, high = (side.copy() for side in records.power_mw)
    low[mean] = high[mean] = power
    return low, high


def offsets(zone: tzinfo, seconds: Integers) -> Integers:
    """Seconds that clocks in the zone are ahead of UTC, at each of these seconds since 1970."""
    first, last = (datetime.fromtimestamp(int(each), UTC).year for each in (seconds.min(), seconds.max()))
    moments, ahead = _changes(zone, first, last)
    return ahead[np.searchsorted(moments, seconds, side="right") - 1]


@lru_cache(maxsize=256)
def _changes(zone: tzinfo, first_year: int, last_year: int) -> tuple[Integers, Integers]:
    """Every second at which the offset changes in these years, after one before all, and the offset from it on."""
    moment = int(datetime(first_year, 1, 1, tzinfo=UTC).timestamp()) - SECONDS_PER_DAY
    end = int(datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    moments, ahead = [moment], [_ahead(zone, moment)]
    while moment < end:
        following = moment + SECONDS_PER_DAY
        if _ahead(zone, following) != ahead[-1]:
            low, high = moment, following
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _ahead(zone, middle) == ahead[-1] else (low, middle)
            moments.append(high)
            ahead.append(_ahead(zone, high))
        moment = following
    return np.array(moments, dtype=np.int64), np.array(ahead, dtype=np.int64)


def _ahead(zone: tzinfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    assert offset is not None, "a zone knows its offset"
    return offset // timedelta(seconds=1)
