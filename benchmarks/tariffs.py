"""How fast sessions are priced: one by one, in columns by the million, and with how many tariffs at hand.

The same sessions are priced by another engine in the same run: the crate `ocpi-tariffs`, in Rust, called from a Rust
program of a few lines. What is compared is pricing alone: both sides have parsed the JSON of tariff and record before
the clock starts. The other engine reads the parsed tariff anew for each price, as its interface wants it; ours compiled
it once, which is its point. All seconds are of the processor.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from time import process_time
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks._oracle import Job, Oracle, OracleMissing
from benchmarks._report import report
from wattbook.kernel.clock import format_rfc3339
from wattbook.kernel.units import Energy
from wattbook.tariffs.bulk import Records, price_records
from wattbook.tariffs.compiling import compile_tariff
from wattbook.tariffs.ocpi import parse_tariff
from wattbook.tariffs.pricer import Pricer
from wattbook.tariffs.station import SessionPeriod

ZONE: Final = ZoneInfo("Europe/Berlin")
BULK: Final = int(os.environ.get("WATTBOOK_BENCH_RECORDS", "1000000"))
SINGLE: Final = 20_000
PEER: Final = 20_000
ATTEMPTS: Final = 4
TARIFFS: Final = (10, 1_000, 100_000)
PERIODS: Final = 3
_START: Final = datetime(2026, 3, 1, tzinfo=UTC)

Answer = TypeVar("Answer")


def tariff(number: int) -> dict[str, Any]:
    """A start fee, energy by day and night, parking after an hour; every number its own price."""

    def part(kind: str, price: float, step: int = 1) -> dict[str, Any]:
        return {"type": kind, "price": price, "vat": 19, "step_size": step}

    day = {"start_time": "08:00", "end_time": "20:00"}
    return {
        "country_code": "DE", "party_id": "WTB", "id": f"T{number}", "currency": "EUR",
        "last_updated": "2026-01-01T00:00:00Z",
        "elements": [
            {"price_components": [part("FLAT", 0.5)]},
            {"price_components": [part("ENERGY", 0.39 + number % 97 / 1000)], "restrictions": day},
            {"price_components": [part("ENERGY", 0.29 + number % 89 / 1000)]},
            {"price_components": [part("PARKING_TIME", 6, 300)], "restrictions": {"min_duration": 3600}},
        ],
    }  # fmt: skip


def session(random: Random) -> list[SessionPeriod]:
    """Two periods of charging and one of parking, somewhere in a year."""
    start = _START + timedelta(minutes=random.randrange(365 * 1440))
    half = timedelta(minutes=random.randint(10, 90))
    return [
        SessionPeriod(start, Energy(random.randint(10**6, 10**7)), half),
        SessionPeriod(start + half, Energy(random.randint(10**6, 10**7)), half),
        SessionPeriod(start + 2 * half, parking=timedelta(minutes=random.randint(1, 60))),
    ]


def record(periods: Sequence[SessionPeriod]) -> dict[str, Any]:
    def dimensions(period: SessionPeriod) -> list[dict[str, Any]]:
        hours = {"TIME": period.time, "PARKING_TIME": period.parking}
        timed = [{"type": name, "volume": lasted / timedelta(hours=1)} for name, lasted in hours.items() if lasted]
        drawn = [{"type": "ENERGY", "volume": float(period.energy.kwh)}] if period.energy.mwh else []
        return [*drawn, *timed]

    end = periods[-1].start + periods[-1].parking
    return {
        "id": "CDR1", "country_code": "DE", "party_id": "WTB", "currency": "EUR",
        "start_date_time": format_rfc3339(periods[0].start), "end_date_time": format_rfc3339(end),
        "charging_periods": [
            {"start_date_time": format_rfc3339(each.start), "dimensions": dimensions(each)} for each in periods
        ],
        "total_cost": {"excl_vat": 0}, "total_energy": 0, "total_time": 0, "last_updated": format_rfc3339(end),
    }  # fmt: skip


def timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    """What it gives, and the seconds of the processor that it takes."""
    begun = process_time()
    answer = work()
    return answer, process_time() - begun


def singles(pricers: Sequence[Pricer], sessions: Sequence[Sequence[SessionPeriod]]) -> float:
    """Seconds for a price with its totals rounded to money, each by the next of the tariffs in a shuffled order."""
    best = []
    for attempt in range(ATTEMPTS):  # the best of some: others on the machine make it only slower
        order = Random(attempt).choices(pricers, k=len(sessions))

        def work(order: list[Pricer] = order) -> None:
            for pricer, periods in zip(order, sessions, strict=True):
                price = pricer.price(periods)
                price.before_tax_money(), price.after_tax_money()

        best.append(timed(work)[1] / len(sessions))
    return min(best)


def repeated(records: Records, times: int) -> Records:
    """The same columns many times over."""
    rows = len(records.start_us)

    def column(values: Any) -> Any:
        return np.tile(values, times)

    first = (np.arange(times)[:, None] * rows + records.first[None, :]).ravel()
    return Records(
        first=first,
        start_us=column(records.start_us),
        energy=column(records.energy),
        time=column(records.time),
        parking=column(records.parking),
        fed_in=column(records.fed_in),
        reserved=column(records.reserved),
        current_ma=(column(records.current_ma[0]), column(records.current_ma[1])),
        power_mw=(column(records.power_mw[0]), column(records.power_mw[1])),
    )


def main() -> int:
    try:
        oracle = Oracle()
    except OracleMissing as missing:
        print(f"no peer to compare with: {missing}", file=sys.stderr)
        return 1
    random = Random(4)
    sessions = [session(random) for _ in range(SINGLE)]
    pricer = compile_tariff(parse_tariff(tariff(0)), ZONE)

    by_count = {}
    pricers: list[Pricer] = []
    compiling = 0.0
    for count in TARIFFS:
        start = len(pricers)
        more, seconds = timed(
            lambda start=start, count=count: [  # type: ignore[misc]
                compile_tariff(parse_tariff(tariff(n)), ZONE) for n in range(start, count)
            ]
        )
        pricers += more
        compiling += seconds
        gc.collect()
        gc.freeze()  # as a server does with what it keeps: the collector does not walk through every tariff again
        by_count[count] = singles(pricers, sessions)

    columns, packing = timed(lambda: Records.of(sessions))
    many = repeated(columns, max(BULK // SINGLE, 1))
    bulks = [timed(lambda: price_records(pricer, many).stored()) for _ in range(ATTEMPTS)]
    bulk = bulks[0][0]
    per_bulk = min(seconds for _, seconds in bulks) / len(many.first)

    sample = sessions[:50]
    jobs = [Job(tariff(0), record(each), "Europe/Berlin", PEER // len(sample)) for each in sample]
    runs = [oracle.price(jobs) for _ in range(ATTEMPTS)]
    told = runs[0]
    per_peer = min(sum(answer.seconds for answer in run) for run in runs) / (PEER // len(sample) * len(sample))
    agreeing = sum(
        answer.before is not None and abs(answer.before - pricer.price(each).before_tax) < 0.0001
        for answer, each in zip(told, sample, strict=True)
    )
    single = [pricer.price(each) for each in sample]
    assert [price.after_tax_money().amount for price in single] == bulk[1][: len(sample)], "bulk is not as one by one"

    rows = [
        *((f"one by one, among {count:,} compiled tariffs", f"{1 / each:,.0f}", f"{per_peer / each:.2f}")
          for count, each in by_count.items()),
        (f"in columns, {len(many.first):,} records", f"{1 / per_bulk:,.0f}", f"{per_peer / per_bulk:.2f}"),
        ("ocpi-tariffs 0.48.0 (Rust)", f"{1 / per_peer:,.0f}", "1.00"),
    ]  # fmt: skip
    report(
        "tariffs",
        ratio=per_peer / per_bulk,
        against="ocpi-tariffs 0.48.0 in Rust, one by one",
        figures={
            "bulk_per_s": round(1 / per_bulk),
            "single_per_s": round(1 / by_count[10]),
            "peer_per_s": round(1 / per_peer),
            "ratio_single": round(per_peer / by_count[10], 3),
            "ratio_bulk": round(per_peer / per_bulk, 2),
            "single_us_by_tariffs": {str(count): round(each * 1e6, 2) for count, each in by_count.items()},
            "compile_us": round(compiling / TARIFFS[-1] * 1e6, 1),
            "columns_per_s": round(len(sessions) / packing),
            "records": len(many.first),
            "periods_each": PERIODS,
            "agreeing": f"{agreeing} of {len(sample)}",
        },
        columns=("what", "prices/s", "ratio to the peer"),
        rows=rows,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
