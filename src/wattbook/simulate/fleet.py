"""A fleet: many simulated stations at once, each with some sessions one after the other.

What a station does follows from the seed and its own number, so it is the same however the fleet is scheduled.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.kernel.units import MWH_PER_WH
from wattbook.simulate.evses import Evse, Meter
from wattbook.simulate.latencies import percentile
from wattbook.simulate.sessions import Outcome
from wattbook.simulate.stations import SimulatedStation, Tally
from wattbook.simulate.vehicles import random_vehicle

SESSION_MAX = timedelta(hours=1)
BREAK_BETWEEN = timedelta(minutes=10)
OUTLETS_W = (11_000, 22_000)
METERS_BEGAN = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What a fleet shall do.

    Attributes:
        url: the stations' common part, such as `ws://127.0.0.1:9000/ocpp`.
        count: of stations, named `<prefix>00001` and so on.
        sessions: of each station.
        token: what every driver shows.
        ends_before: simulated time runs out before this moment, so that no sample comes from the future.
        at_once: stations that are connected at the same time.
        password: of every station (HTTP Basic).
    """

    url: str
    count: int
    sessions: int
    token: str
    ends_before: datetime
    seed: int = 0
    prefix: str = "SIM-"
    at_once: int = 100
    password: bytes | None = None

    def __post_init__(self) -> None:
        if min(self.count, self.sessions, self.at_once) < 1:
            raise InvalidInput("a fleet needs at least one station, one session, and one at once")
        if self.starts_at < METERS_BEGAN:
            raise InvalidInput(f"{self.sessions} sessions of a station would begin before {METERS_BEGAN:%Y}")

    @property
    def starts_at(self) -> datetime:
        return self.ends_before - self.sessions * (SESSION_MAX + BREAK_BETWEEN)


@dataclass(slots=True)
class FleetReport:
    """What came of it.

    Attributes:
        tried: sessions that were begun or refused.
        sessions: that ran to their stop.
        refusals: reason → sessions.
        faults: in words → how often; stations that could not connect among them.
        tally: of all messages of all stations.
    """

    tried: int = 0
    sessions: int = 0
    import_mwh: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)

    def count(self, outcome: Outcome) -> None:
        self.tried += 1
        self.import_mwh += outcome.import_mwh
        self.faults.update(outcome.faults)
        if outcome.refusal is not None:
            self.refusals[outcome.refusal] += 1
        elif outcome.stop_reason is not None:
            self.sessions += 1

    def latency_ms(self, percent: int) -> float:
        """What so many percent of the answers took at most."""
        return percentile(sorted(self.tally.latencies_s), percent) * 1000


def _unwatched(_: FleetReport) -> None:
    pass


async def run_fleet(plan: FleetPlan, *, watch: Callable[[FleetReport], None] = _unwatched) -> FleetReport:
    """Run every station; `watch` is shown the report so far after each session that was tried.

    What goes wrong at one station is a fault in the report, and the others go on.
    """
    report = FleetReport()
    few = asyncio.Semaphore(plan.at_once)

    async def run_one(number: int) -> None:
        async with few:
            await _run_station(plan, number, report, watch)

    await asyncio.gather(*(run_one(number) for number in range(1, plan.count + 1)))
    return report


async def _run_station(plan: FleetPlan, number: int, report: FleetReport, watch: Callable[[FleetReport], None]) -> None:
    random = Random(f"{plan.seed}/{number}")
    outlet = Evse(random.choice(OUTLETS_W), meter=_meter_before(plan.starts_at))
    station = SimulatedStation(f"{plan.prefix}{number:05}", ManualClock(plan.starts_at), [outlet], tally=report.tally)
    try:
        await station.connect(plan.url, plan.password)
        for _ in range(plan.sessions):
            report.count(await _drive_by(station, plan.token, random))
            watch(report)
            if not station.is_connected:
                return
        await station.leave()
    except WattbookError as error:
        report.faults[error.message] += 1


def _meter_before(moment: datetime) -> Meter:
    """One that has counted as if its outlet had never rested, so a later fleet never turns a register back."""
    hours_w = max(OUTLETS_W) * ((moment - METERS_BEGAN) // timedelta(hours=1))
    return Meter(hours_w * MWH_PER_WH)


async def _drive_by(station: SimulatedStation, token: str, random: Random) -> Outcome:
    """One driver, for 20 minutes to an hour, and a break."""
    lasting = random.randint(20, SESSION_MAX // timedelta(minutes=1)) * timedelta(minutes=1)
    outcome = await station.charge(token, random_vehicle(random), lasting=lasting)
    station.clock.advance(BREAK_BETWEEN)
    return outcome
