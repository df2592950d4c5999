"""What browsers look at of houses: each house and period at its own pace, and not too many at a time."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.billing.houses import numbers_of
from wattbook.config import Settings
from wattbook.console.pacing import Paced, Seen
from wattbook.db.engine import Database
from wattbook.household.accounts.account import Account, DayAccount, account_of, day_of
from wattbook.household.accounts.listing import ListedHouse, houses_after
from wattbook.household.bills.notices import Notice, notices_of_house
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import WattbookError

READ_EVERY_S: Final = 20.0
PATIENCE_S: Final = 2.0
LOOKS_MAX: Final = 64
DAYS_AT_ONCE: Final = 2
NOTICES_SHOWN_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class HouseLook:
    """A house and a period of it; `numbers` are those of its numbered documents, by what they are of."""

    account: Account
    numbers: dict[str, str]
    notices: tuple[Notice, ...]

    def is_like(self, other: "HouseLook") -> bool:
        """But for the moment at which it was taken."""
        return replace(self, account=replace(self.account, taken_at=other.account.taken_at)) == other


class HouseLooks:
    """What all browsers look at of houses together."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._database = database
        self._clock = clock
        self._intervals = IntervalStore(settings.data / "intervals")
        self._looks: OrderedDict[tuple[str, str | None], Paced[HouseLook | WattbookError]] = OrderedDict()
        self._reading = asyncio.Semaphore(DAYS_AT_ONCE)

    async def look(self, household: str, month: str | None) -> Seen[HouseLook | WattbookError]:
        """What is known within `PATIENCE_S`; an error where there is no such house or period."""
        key = household, month
        if key not in self._looks:
            self._looks[key] = Paced(lambda: self._read(household, month), READ_EVERY_S)
        self._looks.move_to_end(key)
        looked = await self._looks[key].look(PATIENCE_S)
        while len(self._looks) > LOOKS_MAX:
            _, oldest = self._looks.popitem(last=False)
            await oldest.close()
        return looked

    async def houses(self, after: str, limit: int) -> list[ListedHouse]:
        """The houses after an id."""
        zone = ZoneInfo(self.settings.time_zone)
        async with self._reading, self._database.snapshot() as connection:
            return await houses_after(connection, after, now=self._clock(), zone=zone, limit=limit)

    async def day(self, household: str, day: date) -> DayAccount | WattbookError:
        async with self._reading, self._database.snapshot() as connection:
            try:
                return await day_of(connection, self._intervals, household, day, now=self._clock())
            except WattbookError as error:
                return error

    async def close(self) -> None:
        for paced in self._looks.values():
            await paced.close()

    async def _read(self, household: str, month: str | None) -> HouseLook | WattbookError:
        async with self._database.snapshot() as connection:
            try:
                account = await account_of(connection, self._intervals, household, month, now=self._clock())
            except WattbookError as error:
                return error
            sources = [
                source
                for each in account.bills
                for source in (f"bill:{each.bill.id}", *(f"credit:{note.id}" for note in each.notes))
            ]
            numbers = await numbers_of(connection, sources)
            told = await notices_of_house(connection, household, limit=NOTICES_SHOWN_MAX)
        return HouseLook(account, numbers, tuple(told))
