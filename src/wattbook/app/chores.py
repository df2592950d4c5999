"""Work that comes round by itself while a deployment serves, a bounded piece at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import duckdb
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.app.policy import policy_of
from wattbook.book.posting import expire_holds
from wattbook.charging.history import roll_up, tend_meter_values
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.db.rounds import surviving
from wattbook.household.accounts.tending import check_houses, tend
from wattbook.household.accounts.watching import look_at_houses
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.clock import Clock
from wattbook.ocpp.retention import forget, kept_for
from wattbook.ocpp.security.renewal import ask_for_renewals
from wattbook.ocpp.told.costs import tell_costs
from wattbook.ocpp.told.local_lists import keep_in_step
from wattbook.ocpp.told.tariffs_in_force import tell_tariffs
from wattbook.ocpp.transactions.prepaid import prepaid_subscriber
from wattbook.ocpp.transactions.reaper import Patience, Turn, reap
from wattbook.payments.cards import settle_overdue
from wattbook.payments.daily import reconcile_due
from wattbook.payments.operations import Providers
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.edge import subscriber

HOLDS_EXPIRE_EVERY: Final = timedelta(seconds=30)
CARDS_SETTLE_EVERY: Final = timedelta(minutes=1)
REPORTS_EVERY: Final = timedelta(minutes=10)
HOUSES_EVERY: Final = timedelta(seconds=10)
HOUSES_AGAIN_AFTER: Final = timedelta(hours=1)
READINGS_TENDED_EVERY: Final = timedelta(minutes=5)
READINGS_CHECKED_AGAIN_AFTER: Final = timedelta(hours=12)
DAYS_COMPACTED_AT_ONCE: Final = 4
LISTS_EVERY: Final = timedelta(minutes=1)
TARIFFS_EVERY: Final = timedelta(minutes=1)
COSTS_EVERY: Final = timedelta(seconds=10)
REAP_EVERY: Final = timedelta(seconds=30)
HISTORY_EVERY: Final = timedelta(minutes=5)
FORGETS_EVERY: Final = timedelta(minutes=10)
RENEWS_EVERY: Final = timedelta(minutes=1)

log = structlog.get_logger(__name__)

Work = Callable[[Database, Clock], Awaitable[None]]


class Chore(NamedTuple):
    """What comes round, and how long after its last end."""

    pause: timedelta
    work: Work


def chores(settings: Settings, roaming: Roaming, providers: Providers) -> list[Chore]:
    """All of a deployment's."""
    rounds = [
        Chore(CARDS_SETTLE_EVERY, _settle_cards),
        Chore(HOLDS_EXPIRE_EVERY, _expire_holds),
        Chore(REPORTS_EVERY, partial(_reconcile, providers)),
        Chore(HISTORY_EVERY, partial(tend_history, settings)),
        Chore(HOUSES_EVERY, _Houses(settings, look_at_houses, HOUSES_AGAIN_AFTER)),
        Chore(HOUSES_EVERY, _Houses(settings, check_houses, READINGS_CHECKED_AGAIN_AFTER)),
        Chore(READINGS_TENDED_EVERY, partial(_tend_readings, settings)),
        Chore(LISTS_EVERY, _keep_lists),
        Chore(REAP_EVERY, partial(_reap, settings, roaming, Turn())),
        Chore(FORGETS_EVERY, partial(_forget, settings)),
        Chore(RENEWS_EVERY, partial(_renew, settings)),
    ]
    if settings.ocpp_tell_tariffs:
        rounds.append(Chore(TARIFFS_EVERY, _tell_tariffs))
    if settings.ocpp_tell_costs_every_s is not None:
        rounds.append(Chore(COSTS_EVERY, partial(_tell_costs, timedelta(seconds=settings.ocpp_tell_costs_every_s))))
    return rounds


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do it while the block runs; what is not done by its end is left."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def coming_round(chore: Chore, database: Database, clock: Clock) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await asyncio.sleep(chore.pause.total_seconds())
            with surviving("periodic-work-failed", work=str(chore.work)):
                await chore.work(database, clock)

    async with beside(repeat()):
        yield


async def tend_history(settings: Settings, database: Database, clock: Clock) -> None:
    """Make partitions ahead, roll up what came in, drop what is old."""
    keep = _days(settings.meter_values_keep_days)
    async with database.transaction() as connection:
        await roll_up(connection, now=clock())
    async with database.transaction() as connection:
        await tend_meter_values(connection, now=clock(), keep=keep)


class _Seen(Protocol):
    """What a look at some houses says: the last one of them, empty when there is none after it."""

    @property
    def after(self) -> str: ...


class _Look(Protocol):
    async def __call__(
        self, connection: AsyncConnection, intervals: IntervalStore, after: str, *, now: datetime
    ) -> _Seen: ...


class _Houses:
    """Looks at some houses at a time; when all were seen, again from the first after a while."""

    def __init__(self, settings: Settings, look: _Look, again_after: timedelta) -> None:
        self._intervals = _intervals(settings)
        self._look = look
        self._again_after = again_after
        self._after = ""
        self._began: datetime | None = None

    async def __call__(self, database: Database, clock: Clock) -> None:
        now = clock()
        if not self._after:
            if self._began is not None and now - self._began < self._again_after:
                return
            self._began = now
        with _reading():
            async with database.transaction() as connection:
                looked = await self._look(connection, self._intervals, self._after, now=now)
        self._after = looked.after


async def _tend_readings(settings: Settings, database: Database, clock: Clock) -> None:
    """Compact some days that are over, sweep leftovers, assess noted bills again."""
    with _reading():
        await tend(database, _intervals(settings), now=clock(), days_max=DAYS_COMPACTED_AT_ONCE, settled=True)


def _intervals(settings: Settings) -> IntervalStore:
    return IntervalStore(settings.data / "intervals")


@contextmanager
def _reading() -> Iterator[None]:
    """A file of readings that cannot be read is trouble with the machine."""
    try:
        yield
    except duckdb.Error as error:
        raise OSError(f"readings cannot be read: {error}") from error


async def _keep_lists(database: Database, clock: Clock) -> None:
    """Tell stations which tokens are new and which are gone."""
    async with database.transaction() as connection:
        await keep_in_step(connection, clock())


async def _tell_tariffs(database: Database, clock: Clock) -> None:
    """Tell stations which tariff is in force where, as far as it is new to them."""
    async with database.transaction() as connection:
        await tell_tariffs(connection, clock())


async def _tell_costs(every: timedelta, database: Database, clock: Clock) -> None:
    """Tell stations that show it what a session costs so far."""
    async with database.transaction() as connection:
        await tell_costs(connection, clock(), every=every)


async def _reap(settings: Settings, roaming: Roaming, turn: Turn, database: Database, clock: Clock) -> None:
    """Look after transactions that nobody ends."""
    patience = Patience(
        silent=timedelta(minutes=settings.transaction_silent_minutes),
        gone=timedelta(hours=settings.transaction_gone_hours),
    )
    async with database.transaction() as connection:
        subscribers = [subscriber(roaming), prepaid_subscriber(clock, policy_of(settings))]
        await reap(connection, now=clock(), patience=patience, subscribers=subscribers, turn=turn)


async def _forget(settings: Settings, database: Database, clock: Clock) -> None:
    """Delete what is older than the operator wants it kept."""
    await forget(database, clock, kept_for(settings))


async def _renew(settings: Settings, database: Database, clock: Clock) -> None:
    """Tell stations whose certificate ends soon to ask for another."""
    async with database.transaction() as connection:
        within = timedelta(days=settings.ocpp_renew_before_days)
        told = await ask_for_renewals(connection, now=clock(), within=within)
    if told:
        log.info("renewals-asked", stations=len(told))


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


async def _settle_cards(database: Database, clock: Clock) -> None:
    """Give up what was authorised and not used, and capture what nobody has asked for yet."""
    async with database.transaction() as connection:
        await settle_overdue(connection, now=clock())


async def _reconcile(providers: Providers, database: Database, clock: Clock) -> None:
    """Compare what providers report of the days that are over with the book."""
    await reconcile_due(database, providers, clock)


async def _expire_holds(database: Database, clock: Clock) -> None:
    async with database.transaction() as connection:
        await expire_holds(connection, now=clock())
