"""The SQL of bill runs: the run, its chunks, what each did, and the lock that keeps two runs apart."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database, fetch
from wattbook.household import tables
from wattbook.kernel.errors import Conflict
from wattbook.tariffs.period import BillingPeriod

_RUNNING: Final = "hashtextextended('household.bill_runs', 0)"


class Chunk(NamedTuple):
    """Houses that are billed by one transaction; all of one tariff and billing period, from first to last day."""

    number: int
    tariff: str
    first_day: date
    last_day: date
    households: list[str]

    @property
    def period(self) -> BillingPeriod:
        return BillingPeriod(self.first_day, self.last_day)


class ChunkTotals(NamedTuple):
    """What a chunk did: houses billed now, billed before, refused; and the control totals of the bills."""

    billed: int = 0
    known: int = 0
    refused: int = 0
    metered_mwh: int = 0
    household_mwh: int = 0
    total: int = 0

    def plus(self, other: "ChunkTotals") -> "ChunkTotals":
        return ChunkTotals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Refusal(NamedTuple):
    household: str
    code: str
    reason: str


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[None]:
    """Nobody else runs bills on this database before the block ends; a process that dies lets go.

    Raises:
        Conflict: somebody does.
    """
    async with database.transaction() as connection:
        if not (await connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_RUNNING})"))).scalar_one():
            raise Conflict("another bill run is going on")
        yield


async def open_run(
    connection: AsyncConnection, first: date, last: date, utility: str, selection: str
) -> tuple[int, str] | None:
    """The run of this period and selection that was begun and not finished: its number and balance group."""
    found = await connection.execute(
        text("""
            SELECT number, balance_group FROM household.bill_runs
            WHERE (first_day, last_day, utility, selection) = (:first, :last, :utility, :selection)
                AND finished_at IS NULL
        """),
        {"first": first, "last": last, "utility": utility, "selection": selection},
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


async def begin_run(
    connection: AsyncConnection,
    period: tuple[date, date],
    utility: tuple[str, str],
    selection: str,
    chunks: Sequence[Chunk],
    now: datetime,
) -> int:
    """A new run with its chunks, all of them open; its number."""
    found = await connection.execute(
        text("""
            INSERT INTO household.bill_runs
                (first_day, last_day, utility, balance_group, selection, houses, started_at)
            VALUES (:first, :last, :utility, :balance_group, :selection, :houses, :now) RETURNING number
        """),
        {
            "first": period[0],
            "last": period[1],
            "utility": utility[0],
            "balance_group": utility[1],
            "selection": selection,
            "houses": sum(len(chunk.households) for chunk in chunks),
            "now": now,
        },
    )
    run: int = found.scalar_one()
    await connection.execute(insert(tables.bill_run_chunks), [chunk._asdict() | {"run": run} for chunk in chunks])
    return run


async def open_chunks(connection: AsyncConnection, run: int) -> list[Chunk]:
    found = await connection.execute(
        text("""
            SELECT chunk.number, tariff, coalesce(chunk.first_day, run.first_day),
                   coalesce(chunk.last_day, run.last_day), households
            FROM household.bill_run_chunks AS chunk JOIN household.bill_runs AS run ON run.number = chunk.run
            WHERE run = :run AND done_at IS NULL ORDER BY chunk.number
        """),
        {"run": run},
    )
    return [Chunk(*row) for row in found]


async def finish_chunk(
    connection: AsyncConnection,
    run: int,
    chunk: Chunk,
    totals: ChunkTotals,
    refusals: Sequence[Refusal],
    now: datetime,
) -> None:
    if refusals:
        # A house that changed its tariff within the period is in two chunks: it is listed once.
        await connection.execute(
            insert(tables.bill_run_refusals).on_conflict_do_nothing(),
            [refusal._asdict() | {"run": run} for refusal in refusals],
        )
    finished = await connection.execute(
        text("""
            UPDATE household.bill_run_chunks
            SET done_at = :now, billed = :billed, known = :known, refused = :refused,
                metered_mwh = :metered_mwh, household_mwh = :household_mwh, total = :total
            WHERE run = :run AND number = :number AND done_at IS NULL
        """),
        totals._asdict() | {"run": run, "number": chunk.number, "now": now},
    )
    assert finished.rowcount == 1, "only one run works on a chunk, and only once"


async def finish_run(connection: AsyncConnection, run: int, now: datetime) -> None:
    await connection.execute(
        text("UPDATE household.bill_runs SET finished_at = :now WHERE number = :run AND finished_at IS NULL"),
        {"run": run, "now": now},
    )


async def totals_of_run(connection: AsyncConnection, run: int) -> dict[str, ChunkTotals]:
    """What the chunks of a run did, by tariff."""
    found = await connection.execute(
        text("""
            SELECT tariff, sum(billed)::bigint, sum(known)::bigint, sum(refused)::bigint, sum(metered_mwh)::bigint,
                   sum(household_mwh)::bigint, sum(total)::bigint
            FROM household.bill_run_chunks WHERE run = :run GROUP BY tariff ORDER BY tariff
        """),
        {"run": run},
    )
    return {row[0]: ChunkTotals(*row[1:]) for row in found}


async def totals_of_bills(connection: AsyncConnection, run: int) -> dict[str, ChunkTotals]:
    """What the bills of a run say, by tariff: the control of `totals_of_run`."""
    found = await connection.execute(
        text("""
            SELECT tariff, count(*), 0, 0, sum(metered_mwh)::bigint, sum(household_mwh)::bigint, sum(total)::bigint
            FROM household.bills WHERE run = :run GROUP BY tariff ORDER BY tariff
        """),
        {"run": run},
    )
    return {row[0]: ChunkTotals(*row[1:]) for row in found}


async def refusals_of_run(connection: AsyncConnection, run: int, limit: int) -> list[Refusal]:
    found = await connection.execute(
        text("""
            SELECT household, code, reason FROM household.bill_run_refusals
            WHERE run = :run ORDER BY household LIMIT :limit
        """),
        {"run": run, "limit": limit},
    )
    return [Refusal(*row) for row in found]


class Issued(NamedTuple):
    """A bill of a house; `cycle` is the billing period that it is a part of, or is."""

    household: str
    id: str
    period: BillingPeriod
    cycle: BillingPeriod


async def bills_in_time(
    connection: AsyncConnection, households: Sequence[str], since: datetime, until: datetime
) -> list[Issued]:
    """Bills of these houses that share any moment with the time."""
    rows = await fetch(
        connection,
        """
        SELECT bill.household, bill.id, bill.first_day, bill.last_day, coalesce(bill.cycle_first_day, bill.first_day),
               coalesce(bill.cycle_last_day, bill.last_day)
        FROM unnest(%s::text[]) AS asked(household)
        CROSS JOIN LATERAL (
            SELECT * FROM household.bills WHERE household = asked.household AND starts_at < %s AND %s < ends_at OFFSET 0
        ) AS bill
        """,
        (list(households), until, since),
    )
    return [Issued(row[0], row[1], BillingPeriod(*row[2:4]), BillingPeriod(*row[4:6])) for row in rows]


async def paid_parts(
    connection: AsyncConnection, households: Sequence[str], since: datetime, until: datetime
) -> list[tuple[int, datetime, str, str, int]]:
    """What was paid at these houses and not withdrawn, of charges that ended after `since` and at the latest at
    `until`: place of the house, counted from zero; end, server, payment, mWh."""
    rows = await fetch(
        connection,
        """
        SELECT asked.place - 1, part.ended_at, part.server, part.payment, part.energy_mwh
        FROM unnest(%s::text[]) WITH ORDINALITY AS asked(household, place)
        CROSS JOIN LATERAL (
            SELECT * FROM household.payment_parts
            WHERE household = asked.household AND ended_at > %s AND ended_at <= %s OFFSET 0
        ) AS part
        JOIN household.payments AS payment ON (payment.server, payment.id) = (part.server, part.payment)
        WHERE payment.state = 'paid'
        """,
        (list(households), since, until),
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


async def billed_days(connection: AsyncConnection, cycles: Sequence[BillingPeriod]) -> set[tuple[str, date]]:
    """Houses and the first days of their bills of just these billing periods, or of parts of them."""
    found = await connection.execute(
        text("""
            SELECT household, first_day FROM household.bills
            WHERE (coalesce(cycle_first_day, first_day), coalesce(cycle_last_day, last_day))
                IN (SELECT * FROM unnest(CAST(:firsts AS date[]), CAST(:lasts AS date[])))
        """),
        {"firsts": [cycle.first for cycle in cycles], "lasts": [cycle.last for cycle in cycles]},
    )
    return {(row[0], row[1]) for row in found}
