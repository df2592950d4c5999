"""The bill run: every house of a utility billed for a period, once, however often the run is interrupted or repeated.

A run is begun by one transaction that writes down its houses, cut into chunks. Each chunk is then billed by one
transaction, which locks its houses, posts their bills and marks the chunk done. A crash leaves chunks done or open and
nothing between; the same command goes on with the open ones. A run after a finished one finds no house without a bill
of the period and does nothing, except for houses that were refused before or came since.

Readings are summed for a block of chunks in one pass, before the houses are locked. A house of which readings have come
since is summed again by itself under the locks of its chunk; what comes after those is a late reading.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from itertools import groupby
from time import perf_counter
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.household.bills.billing import Utility
from wattbook.household.bills.periods import READING_DAYS, period_of_month
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.slot_sums import Asked, Register, sum_periods
from wattbook.household.runs import bill_run_rows
from wattbook.household.runs.bill_run_rows import Chunk, ChunkTotals, Refusal
from wattbook.household.runs.chunk_billing import ChunkBilling, Sums, Timing
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import InvalidInput, NotFound, WattbookError
from wattbook.registry.households import find_households
from wattbook.registry.supply_points import Billable, Cycle, billable_households, supply_points
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule, compile_household

CHUNK_HOUSES: Final = 2_000
"""Billed by one transaction: about as many as the book takes in one call."""
BLOCK_HOUSES: Final = 50_000
"""Summed in one pass, whatever their periods."""
SELECTED_MAX: Final = 100_000
"""Houses that a run can be asked for by name."""


class Progress(NamedTuple):
    """How far a run is, told after each chunk."""

    houses_done: int
    houses: int
    totals: ChunkTotals


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did.

    Attributes:
        run: its number; None for a dry run, or when there was nothing to do.
        resumed: it had been begun before.
        totals: control totals by tariff, of the whole run; amounts in stored units of the tariff's currency.
        agrees: the bills of the run, summed anew, say the same.
        refusals: the first hundred houses that have no bill, and why.
        sum_s: seconds of summing readings; `rate_s` of assessing and rating, `post_s` of posting.
    """

    run: int | None
    resumed: bool
    totals: dict[str, ChunkTotals]
    agrees: bool
    refusals: tuple[Refusal, ...] = ()
    sum_s: float = 0.0
    rate_s: float = 0.0
    post_s: float = 0.0

    @property
    def all(self) -> ChunkTotals:
        """Over all tariffs; an amount means something only where they share a currency."""
        total = ChunkTotals()
        for each in self.totals.values():
            total = total.plus(each)
        return total


@dataclass(frozen=True, slots=True)
class BillRun:
    """What a run needs.

    Attributes:
        clock: gives the time of issue of each chunk's bills.
        engine: sums the readings: `duckdb`, or `spark`.
        progress: is told after each chunk.
        period: days, billed of every house; or, by cycle, a calendar month.
        by_cycle: each house is billed for its own period that begins in the month, by its reading day. Houses whose
            period is not over yet are left to a later run.
        chunk_houses: how many houses one transaction bills.
    """

    database: Database
    intervals: IntervalStore
    utility: Utility
    period: BillingPeriod
    clock: Callable[[], datetime]
    engine: str = "duckdb"
    progress: Callable[[Progress], None] = lambda _: None
    chunk_houses: int = CHUNK_HOUSES
    households: tuple[str, ...] | None = None
    by_cycle: bool = False

    async def run(self) -> RunReport:
        """Bill every house that has no bill of the period.

        Raises:
            InvalidInput: the period is not over where a tariff holds, or too many houses are named.
            NotFound: a house that is named is not registered.
            Conflict: another run is going on.
        """
        async with bill_run_rows.alone(self.database):
            number, resumed = await self._number()
            if number is None:
                return RunReport(None, False, {}, agrees=True)
            async with self.database.transaction() as connection:
                chunks = await bill_run_rows.open_chunks(connection, number)
            report = await self._work(number, chunks)
            async with self.database.transaction() as connection:
                await bill_run_rows.finish_run(connection, number, utc(self.clock()))
                totals = await bill_run_rows.totals_of_run(connection, number)
                control = await bill_run_rows.totals_of_bills(connection, number)
                refusals = await bill_run_rows.refusals_of_run(connection, number, 100)
        return replace(report, resumed=resumed, totals=totals, agrees=_agree(totals, control), refusals=tuple(refusals))

    async def try_out(self) -> RunReport:
        """What a run would do now; writes nothing. Houses that need a closer look are counted as refused."""
        async with self.database.snapshot() as connection:
            chunks = await self._chunks(connection)
        return await self._work(None, chunks)

    async def _number(self) -> tuple[int | None, bool]:
        """The run to go on with, or a new one; None if every house has its bill."""
        period, selection = (self.period.first, self.period.last), _selection(self.households, self.by_cycle)
        async with self.database.transaction() as connection:
            begun = await bill_run_rows.open_run(connection, *period, self.utility.party, selection)
            if begun is not None:
                number, balance_group = begun
                if balance_group != self.utility.balance_group:
                    raise InvalidInput(f"run {number} was begun with balance group {balance_group}: go on with that")
                return number, True
            chunks = await self._chunks(connection)
            if not chunks:
                return None, False
            utility = (self.utility.party, self.utility.balance_group)
            return await bill_run_rows.begin_run(
                connection, period, utility, selection, chunks, utc(self.clock())
            ), False

    async def _chunks(self, connection: AsyncConnection) -> list[Chunk]:
        """The houses without a bill of their period, each chunk of one tariff and period.

        Those that are summed together are neighbours in the store of readings, whatever their periods.
        """
        houses = await self._billable(connection)
        cycles = sorted({(each.first, each.last) for each in houses})
        billed = await bill_run_rows.billed_days(connection, [BillingPeriod(*cycle) for cycle in cycles])
        chunks: list[Chunk] = []
        later: list[datetime] = []
        is_any_over = False
        for (tariff, first, last), group in _alike(houses):
            open_houses = [each.household for each in group if _is_open(each, billed)]
            schedule = self._schedule(tariff, BillingPeriod(first, last))
            if isinstance(schedule, Schedule) and bounds(schedule)[1] > utc(self.clock()):
                later += [bounds(schedule)[1]] if open_houses else []
                continue
            is_any_over = True
            for start in range(0, len(open_houses), self.chunk_houses):
                chunks.append(Chunk(len(chunks), tariff, first, last, open_houses[start : start + self.chunk_houses]))
        if later and not (is_any_over and self.by_cycle):
            raise InvalidInput(f"{self.period} is not over before {format_rfc3339(min(later))}")
        return chunks

    async def _billable(self, connection: AsyncConnection) -> list[Billable]:
        if self.households is not None and len(self.households) > SELECTED_MAX:
            raise InvalidInput(f"at most {SELECTED_MAX} houses are named, not {len(self.households)}")
        houses = await billable_households(connection, self._cycles(), self.households)
        if missing := sorted(set(self.households or ()) - {each.household for each in houses}):
            if (await find_households(connection, missing[:1]))[0] is not None:
                raise InvalidInput(f"household {missing[0]}, {self.period}: nobody has a contract")
            raise NotFound(f"household {missing[0]} is not registered", household=missing[0])
        return houses

    def _cycles(self) -> list[Cycle]:
        """The period of the houses of each reading day."""
        month = f"{self.period.first:%Y-%m}"
        periods = [period_of_month(month, day) if self.by_cycle else self.period for day in READING_DAYS]
        return [
            Cycle(day, period.first, period.last, *_widest(period))
            for day, period in zip(READING_DAYS, periods, strict=True)
        ]

    def _schedule(self, tariff: str, period: BillingPeriod) -> Schedule | WattbookError:
        """The tariff for the period, or why it cannot be billed by: it is not known, or not in this time."""
        try:
            return compile_household(household_tariff(tariff), period)
        except WattbookError as error:
            return error

    async def _work(self, run: int | None, chunks: Sequence[Chunk]) -> RunReport:
        """Bill the chunks, block by block; for a dry run only say what that would give."""
        report = RunReport(run, False, {}, agrees=True)
        houses, done = sum(len(chunk.households) for chunk in chunks), 0
        timing, sum_s = Timing(), 0.0
        totals: dict[str, ChunkTotals] = {}
        for block in _blocks(chunks):
            started = perf_counter()
            sums = await self._sum(block)
            sum_s += perf_counter() - started
            for chunk in block:
                async with self._transaction(run) as connection:
                    did, took = await self._bill(run, connection, chunk, sums.get(chunk.period))
                timing = timing.plus(took)
                totals[chunk.tariff] = totals.get(chunk.tariff, ChunkTotals()).plus(did)
                done += len(chunk.households)
                self.progress(Progress(done, houses, totals[chunk.tariff]))
        return replace(report, totals=totals, sum_s=sum_s, rate_s=timing.rate_s, post_s=timing.post_s)

    async def _bill(
        self, run: int | None, connection: AsyncConnection, chunk: Chunk, sums: Sums | None
    ) -> tuple[ChunkTotals, Timing]:
        """What is done with a chunk after its readings were summed."""
        schedule = self._schedule(chunk.tariff, chunk.period)
        if not isinstance(schedule, Schedule):
            return await self._refuse(run, schedule, connection, chunk)
        assert sums is not None
        billing = ChunkBilling(run, schedule, self.utility, self.intervals, self.clock)
        return await (billing.try_out if run is None else billing.bill)(connection, chunk, sums)

    async def _refuse(
        self, run: int | None, error: WattbookError, connection: AsyncConnection, chunk: Chunk
    ) -> tuple[ChunkTotals, Timing]:
        """No house of the chunk can be billed by its tariff."""
        totals = ChunkTotals(refused=len(chunk.households))
        if run is not None:
            refusals = [Refusal(house, error.code, error.message) for house in chunk.households]
            await bill_run_rows.finish_chunk(connection, run, chunk, totals, refusals, utc(self.clock()))
        return totals, Timing()

    @asynccontextmanager
    async def _transaction(self, run: int | None) -> AsyncIterator[AsyncConnection]:
        opened = self.database.snapshot() if run is None else self.database.transaction()
        async with opened as connection:
            yield connection

    async def _sum(self, block: Sequence[Chunk]) -> dict[BillingPeriod, Sums]:
        """What the supply points of the houses of a block measured, each in its period; by period."""
        houses: dict[BillingPeriod, list[str]] = {}
        schedules: dict[BillingPeriod, Schedule] = {}
        for chunk in block:
            schedule = self._schedule(chunk.tariff, chunk.period)
            if isinstance(schedule, Schedule):
                schedules[chunk.period] = schedule
                houses.setdefault(chunk.period, []).extend(chunk.households)
        if not schedules:
            return {}
        since = min(bounds(schedule)[0] for schedule in schedules.values())
        until = max(bounds(schedule)[1] for schedule in schedules.values())
        asked: list[Asked] = []
        async with self.database.snapshot() as connection:
            for period, schedule in schedules.items():
                days = (period.first, period.last)
                points = await supply_points(connection, houses[period], *bounds(schedule), days)
                registers = dict.fromkeys(Register(point.meter, point.register) for point in points if point)
                asked.append(Asked(schedule, list(registers)))
            manifest = await self.intervals.manifest(connection, since, until)
            batches = await self.intervals.batches(connection, since, until)
        measured = await sum_periods(manifest, asked, engine=self.engine)
        return {
            each.schedule.period: Sums({register: row for row, register in enumerate(each.registers)}, found, batches)
            for each, found in zip(asked, measured, strict=True)
        }


def _alike(houses: Sequence[Billable]) -> Iterator[tuple[tuple[str, date, date], list[Billable]]]:
    """Houses of one tariff and period, so that as many as are summed together have meters beside each other."""
    by_meter = sorted(houses, key=lambda each: (each.tariff, each.meter))
    for _, group in groupby(by_meter, key=lambda each: each.tariff):
        of_tariff = list(group)
        for start in range(0, len(of_tariff), BLOCK_HOUSES):
            of_block = sorted(of_tariff[start : start + BLOCK_HOUSES], key=lambda each: (each.first, each.last))
            for alike, houses_alike in groupby(of_block, key=lambda each: (each.tariff, each.first, each.last)):
                yield alike, list(houses_alike)


def _blocks(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Chunks of one tariff, as many as are summed together."""
    blocks: list[list[Chunk]] = []
    held = 0
    for chunk in chunks:
        if not blocks or blocks[-1][-1].tariff != chunk.tariff or held + len(chunk.households) > BLOCK_HOUSES:
            blocks.append([])
            held = 0
        blocks[-1].append(chunk)
        held += len(chunk.households)
    return blocks


def _is_open(house: Billable, billed: Set[tuple[str, date]]) -> bool:
    """A bill of it is not issued yet."""
    return any((house.household, day) not in billed for day in house.bill_days)


def _selection(households: Sequence[str] | None, by_cycle: bool) -> str:
    """What a run is about beside its days."""
    named = "" if households is None else sha256("\x1f".join(sorted(set(households))).encode()).hexdigest()
    return f"by cycle {named}".rstrip() if by_cycle else named


def _agree(totals: dict[str, ChunkTotals], control: dict[str, ChunkTotals]) -> bool:
    """The sums of the bills are those of the chunks, whatever else the chunks counted."""
    nothing = ChunkTotals()
    return all(
        control.get(tariff, nothing) == total._replace(known=0, refused=0) for tariff, total in totals.items()
    ) and set(control) <= set(totals)


def _widest(period: BillingPeriod) -> tuple[datetime, datetime]:
    """The widest time that the period has in any time zone; who is not measured in his own is refused there."""
    first = datetime.combine(period.first, time(), UTC) - timedelta(hours=14)
    return first, datetime.combine(period.last, time(), UTC) + timedelta(hours=24 + 12)
