"""How long does the bill run take, stage by stage: summing a month of quarter hours, rating, posting?

Houses are made up, one meter each, 2,976 quarter hours in October in whole watt-hours. Their readings are made once,
as the files that the interval store would have after compaction, and kept in a folder of temporary files. Each size
runs on a database of its own, with fsync, and the bills of each run are checked against its control totals.

The peer sums the same readings of the first houses in PostgreSQL: the same columns in an unlogged table, vacuumed and
read once before, with its own parallel workers; the two take turns. The ratio is of CPU seconds over the same rows,
PostgreSQL's to ours: on a machine that others use too, CPU time says what wall time cannot. Both are printed.

    ./run bench bill-run --households 10000 --households 30000 --households 100000
"""

import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import typer
from rich.console import Console
from rich.progress import Progress, track
from sqlalchemy import make_url, text

from benchmarks._report import report
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.db.migrate import upgrade
from wattbook.household.bills.billing import Utility
from wattbook.household.readings import reading_rows
from wattbook.household.readings.interval_files import write_parquet
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.manifest import STORED, IntervalFile, Manifest
from wattbook.household.readings.slot_sums import Register, sum_slots
from wattbook.household.runs.bill_run import BillRun, RunReport
from wattbook.kernel.identifiers import Eic
from wattbook.kernel.telemetry import tune_garbage_collection
from wattbook.registry import customers, parties
from wattbook.registry.customers import AccountKind, Customer
from wattbook.registry.meters import OBIS_IMPORT
from wattbook.registry.parties import BalanceGroup, NetworkOperator, Party, Role, Supplier
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import compile_household

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
TARIFF: Final = "kr-residential-low-voltage"
PERIOD: Final = BillingPeriod.of_month("2026-10")
SCHEDULE: Final = compile_household(household_tariff(TARIFF), PERIOD)
GROUP: Final = 10_000
"""Houses whose readings of a day are one file."""
QUARTER: Final = timedelta(minutes=15)
BALANCE_GROUP: Final = "11XBENCH-------" + Eic.check_of("11XBENCH-------")
UTILITY: Final = Utility("KR*BEN", BALANCE_GROUP)
GRID: Final = "KR*GRD"
QUARTERS: Final = 2_976
TURNS: Final = 3
AGAINST: Final = "the same sum in PostgreSQL, CPU seconds"
HOUSES: Final = (
    f"""
    INSERT INTO registry.households (id, customer, address, tariff, reading_day)
    SELECT 'H' || lpad(n::text, 9, '0'), 'bench', '1 Hill', '{TARIFF}', 1 FROM generate_series(0, :houses) AS n
    """,
    f"""
    INSERT INTO registry.meters (number, measures, obis_import)
    SELECT 'M' || lpad(n::text, 9, '0'), 'household', '{OBIS_IMPORT.replace(":", chr(92) + ":")}'
    FROM generate_series(0, :houses) AS n
    """,
    f"""
    INSERT INTO registry.meter_networks (meter, network_operator, valid_from)
    SELECT 'M' || lpad(n::text, 9, '0'), '{GRID}', :since FROM generate_series(0, :houses) AS n
    """,
    """
    INSERT INTO registry.meter_places (meter, household, valid_from)
    SELECT 'M' || lpad(n::text, 9, '0'), 'H' || lpad(n::text, 9, '0'), :since FROM generate_series(0, :houses) AS n
    """,
)
PEER_SUM: Final = """
    SELECT meter_no, register, sum(energy_mwh), sum(minutes), min(minutes), max(minutes) FROM readings
    WHERE start >= %s AND start < %s GROUP BY meter_no, register
"""


class Measured(NamedTuple):
    """A run: its stages are in `run`; `cpu_s` of this process, DuckDB in it, `postgres_cpu_s` of the database."""

    houses: int
    run: RunReport
    wall_s: float
    cpu_s: float
    postgres_cpu_s: float
    peak_mib: int


class Peer(NamedTuple):
    """Seconds of one sum over the same rows."""

    rows: int
    ours_s: float
    ours_cpu_s: float
    theirs_s: float
    theirs_cpu_s: float


def main(
    households: Annotated[list[int], typer.Option(help="How many; again for another size.")] = [100_000],  # noqa: B006
    peer_households: Annotated[int, typer.Option(help="Of which PostgreSQL sums the readings; 0: no peer.")] = 10_000,
    folder: Annotated[Path | None, typer.Option(help="Where readings are kept between runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Sum and rate, and post nothing.")] = False,
) -> None:
    tune_garbage_collection()
    cache = folder or Path(tempfile.gettempdir()) / "wattbook-bench-bill-run"
    files = make_readings(cache, max([*households, peer_households]))
    with tempfile.TemporaryDirectory() as data, EmbeddedServer(Path(data)) as server:
        measured = [asyncio.run(measure(server, cache, files, count, dry_run)) for count in households]
        peer = asyncio.run(measure_peer(server, cache, files, peer_households)) if peer_households else None
    tell(measured, peer)


# The readings


def make_readings(cache: Path, houses: int) -> list[IntervalFile]:
    """Files of the groups that hold so many houses, made where they are missing."""
    wanted = [(group, day) for group in range(-(-houses // GROUP)) for day in utc_days()]
    missing = [each for each in wanted if not (cache / path_of(*each)).exists()]
    for group, day in track(missing, "making readings", console=Console(stderr=True), disable=not missing):
        write_day(cache, group, day)
    return [file_of(group, day) for group, day in wanted]


def utc_days() -> list[date]:
    """October in Seoul begins on the last day of September in UTC."""
    since, until = bounds(SCHEDULE)
    days = (until - timedelta(microseconds=1)).date().toordinal() - since.date().toordinal() + 1
    return [since.date() + timedelta(days=number) for number in range(days)]


def path_of(group: int, day: date) -> str:
    return f"day={day}/{group:06d}.parquet"


def meter(number: int) -> str:
    return f"M{number:09d}"


def starts_of(day: date) -> list[datetime]:
    since, until = bounds(SCHEDULE)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    quarters = [midnight + number * QUARTER for number in range(96)]
    return [start for start in quarters if since <= start < until]


def file_of(group: int, day: date) -> IntervalFile:
    first = group * GROUP
    return IntervalFile(
        path_of(group, day), day, GROUP * len(starts_of(day)), meter(first), meter(first + GROUP - 1), True
    )


def write_day(cache: Path, group: int, day: date) -> None:
    """A profile of the day, larger in the evening, times the size of the house, with chance on top."""
    random = np.random.default_rng([group, day.toordinal()])
    starts = starts_of(day)
    size = np.random.default_rng([group]).gamma(4.0, 0.25, GROUP)
    local_hour = np.array([(start.hour + 9) % 24 for start in starts])
    profile = 60 + 50 * np.exp(-((local_hour - 20) ** 2) / 8) + 20 * np.exp(-((local_hour - 8) ** 2) / 4)
    watt_hours = (size[:, None] * profile[None, :] + random.integers(0, 60, (GROUP, len(starts)))).astype(np.int64)
    count = watt_hours.size
    places = np.repeat(np.arange(GROUP, dtype=np.int32), len(starts))
    numbers = pa.array([meter(group * GROUP + place) for place in range(GROUP)])
    nothing = pa.array(np.zeros(count, np.int32))
    columns = {
        "meter_no": pa.DictionaryArray.from_arrays(pa.array(places), numbers),
        "register": pa.DictionaryArray.from_arrays(nothing, [OBIS_IMPORT]),
        "start": pa.array(np.tile(np.array([start.replace(tzinfo=None) for start in starts], "datetime64[us]"), GROUP)),
        "minutes": pa.repeat(pa.scalar(15, pa.int32()), count),
        "energy_mwh": pa.array(watt_hours.ravel() * 1_000),
        "quality": pa.DictionaryArray.from_arrays(nothing, ["valid"]),
        "version": nothing,
        "method": pa.DictionaryArray.from_arrays(nothing, [""]),
        "batch": pa.repeat(pa.scalar(1, pa.int64()), count),
    }
    columns["start"] = columns["start"].cast(STORED.field("start").type)
    final = cache / path_of(group, day)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_suffix(".partial")
    with temporary.open("wb") as file:
        write_parquet(pa.table({name: columns[name] for name in STORED.names}), file)
    temporary.rename(final)


# The run


async def measure(
    server: EmbeddedServer, cache: Path, files: Sequence[IntervalFile], houses: int, dry_run: bool
) -> Measured:
    """One bill run on a database of its own, which is dropped afterwards."""
    with database_of(server, f"bench_{houses}") as url:
        database = Database(url)
        await register(database, houses)
        async with database.transaction() as connection:
            own = [file for file in files if file.meter_first < meter(houses)]
            await reading_rows.add_interval_files(connection, own, batch=None)
            await connection.execute(text("ANALYZE"))
        cpu_s, postgres_cpu_s, started = time.process_time(), postgres_cpu(server), time.perf_counter()
        with Progress(console=Console(file=sys.stderr)) as bar:
            task = bar.add_task(f"billing {houses:,} houses", total=houses)
            run = BillRun(
                database,
                IntervalStore(cache),
                UTILITY,
                PERIOD,
                lambda: NOW,
                progress=lambda told: bar.update(task, completed=told.houses_done),
            )
            done = await (run.try_out() if dry_run else run.run())
        wall_s = time.perf_counter() - started
        measured = Measured(
            houses, done, wall_s, time.process_time() - cpu_s, postgres_cpu(server) - postgres_cpu_s, peak_mib()
        )
        assert done.agrees, "the bills sum to the control totals"
        assert (done.all.billed, done.all.refused) == (houses, 0), done.refusals[:3]
        assert dry_run or (await run.run()).run is None, "a second run does nothing"
        await database.close()
    return measured


async def register(database: Database, houses: int) -> None:
    """A utility, its customer, and so many houses with a meter each."""
    async with database.transaction() as connection:
        await parties.add_parties(connection, [Party(UTILITY.party, "Bench power", (Role.OTHER,))])
        await parties.add_suppliers(connection, [Supplier(UTILITY.party, "Bench power")])
        await parties.add_balance_groups(connection, [BalanceGroup(BALANCE_GROUP, UTILITY.party)])
        await parties.add_network_operators(connection, [NetworkOperator(GRID, "Bench grid")])
        customer = Customer("bench", UTILITY.party, "Bench", "ko", AccountKind.POSTPAID, "KRW")
        await customers.add_customers(connection, [customer])
        # By SQL: what is measured begins when the houses are on record.
        for statement in HOUSES:
            await connection.execute(text(statement), {"houses": houses - 1, "since": SINCE})


@contextmanager
def database_of(server: EmbeddedServer, name: str) -> Iterator[str]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        url = make_url(server.url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# The peer


async def measure_peer(server: EmbeddedServer, cache: Path, files: Sequence[IntervalFile], houses: int) -> Peer:
    own = [file for file in files if file.meter_first < meter(houses)]
    registers = [Register(meter(number), OBIS_IMPORT) for number in range(houses)]
    manifest = Manifest(cache, tuple(own))
    ours, theirs = [], []
    with psycopg.connect(server.url, autocommit=True) as connection:
        rows = load(connection, cache, own)
        for _ in range(TURNS):
            cpu_s, started = time.process_time(), time.perf_counter()
            sums = await sum_slots(manifest, SCHEDULE, registers)
            ours.append((time.process_time() - cpu_s, time.perf_counter() - started))
            cpu_s, started = postgres_cpu(server), time.perf_counter()
            found = connection.execute(PEER_SUM, list(bounds(SCHEDULE))).fetchall()
            theirs.append((postgres_cpu(server) - cpu_s, time.perf_counter() - started))
        connection.execute("DROP TABLE readings")
    expected = {number: row for (number, _), row in zip(registers, sums.energies_mwh[:, 0].tolist(), strict=True)}
    assert {row[0]: int(row[2]) for row in found if row[0] in expected} == expected, "both have the same sums"
    our_cpu_s, our_s = (statistics.median(turn) for turn in zip(*ours, strict=True))
    their_cpu_s, their_s = (statistics.median(turn) for turn in zip(*theirs, strict=True))
    return Peer(rows, our_s, our_cpu_s, their_s, their_cpu_s)


def load(connection: psycopg.Connection, cache: Path, files: Sequence[IntervalFile]) -> int:
    """The readings of the files in a table of the same columns; how many."""
    connection.execute("""
        CREATE UNLOGGED TABLE readings (meter_no text, register text, start timestamptz, minutes int, energy_mwh bigint,
                                        quality text, version int, method text, batch bigint)
    """)
    copying = "COPY readings FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        for file in track(files, "loading the peer", console=Console(stderr=True)):
            sink = pa.BufferOutputStream()
            options = pyarrow.csv.WriteOptions(include_header=False)
            pyarrow.csv.write_csv(pyarrow.parquet.read_table(cache / file.path, partitioning=None), sink, options)
            copy.write(sink.getvalue().to_pybytes())
    connection.execute("VACUUM (ANALYZE) readings")
    connection.execute("SELECT sum(energy_mwh) FROM readings")
    return sum(file.readings for file in files)


def postgres_cpu(server: EmbeddedServer) -> float:
    """Seconds that the server and all its processes have used, those that ended included."""
    first = (server.data / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
    ticks = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if entry.name == first:
                    ticks += sum(map(int, fields[11:15]))
                elif fields[1] == first:
                    ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_mib() -> int:
    """The most memory this process had; DuckDB works in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# The report


def tell(measured: Sequence[Measured], peer: Peer | None) -> None:
    figures: dict[str, object] = {}
    rows = []
    for each in measured:
        readings = each.houses * QUARTERS
        figures[f"houses_{each.houses}"] = {
            "sum_s": round(each.run.sum_s, 2),
            "rate_s": round(each.run.rate_s, 2),
            "post_s": round(each.run.post_s, 2),
            "wall_s": round(each.wall_s, 2),
            "cpu_s": round(each.cpu_s, 2),
            "postgres_cpu_s": round(each.postgres_cpu_s, 2),
            "bills_per_s": round(each.houses / each.wall_s),
            "readings_per_s": round(readings / each.run.sum_s),
            "peak_mib": each.peak_mib,
        }
        rows.append(
            [
                f"{each.houses:,}",
                *(f"{seconds:,.1f}" for seconds in (each.run.sum_s, each.run.rate_s, each.run.post_s, each.wall_s)),
                f"{each.houses / each.wall_s:,.0f}",
                f"{readings / each.run.sum_s / 1e6:,.1f} M",
                f"{(each.cpu_s + each.postgres_cpu_s) / each.houses * 1e6:,.0f}",
                f"{each.peak_mib:,} MiB",
            ]
        )
    ratio = 0.0
    if peer is not None:
        ratio = peer.theirs_cpu_s / peer.ours_cpu_s
        figures["peer"] = {name: round(value, 2) for name, value in peer._asdict().items()}
        print(
            f"{peer.rows:,} readings summed: {peer.ours_cpu_s:.2f} s of CPU ({peer.ours_s:.2f} s) here, "
            f"{peer.theirs_cpu_s:.2f} s ({peer.theirs_s:.2f} s) in PostgreSQL: {ratio:.1f} × by CPU, "
            f"{peer.theirs_s / peer.ours_s:.1f} × by the clock"
        )
    columns = ("houses", "sum s", "rate s", "post s", "all s", "bills/s", "readings/s", "CPU µs/bill", "peak")
    report("bill-run", ratio=ratio, against=AGAINST, figures=figures, columns=columns, rows=rows)


if __name__ == "__main__":
    typer.run(main)
