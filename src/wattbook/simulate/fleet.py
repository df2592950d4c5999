"""A fleet: many simulated stations at once, each with some sessions one after the other.

What a station does follows from the seed and its own number, so it is the same however the fleet is scheduled.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random

from cryptography import x509

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.kernel.units import MWH_PER_WH
from wattbook.ocpp.connections.quirks import rules_of
from wattbook.ocpp.security.tls import read_roots, station_tls
from wattbook.ocpp.wire.versions import V16, VERSIONS, Version
from wattbook.simulate.evses import Evse, Meter
from wattbook.simulate.latencies import percentile
from wattbook.simulate.line import Tally
from wattbook.simulate.quirks import rewriting
from wattbook.simulate.scenarios import Scenario, Visit, scenario_of
from wattbook.simulate.sessions import Outcome
from wattbook.simulate.stations import SimulatedStation

BREAK_BETWEEN = timedelta(minutes=10)
OUTLETS_W = (11_000, 22_000)
METERS_BEGAN = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
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
        version: of OCPP, such as `2.0.1`.
        scenario: one of `scenarios.SCENARIOS`, played at each session.
        quirks: names of profiles in `quirks.toml` of OCPP, in which every station speaks; none: those of the scenario.
        roots: certificates that vouch for the other end of a wss URL, PEM.
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
    version: str = V16.name
    scenario: str = "charge"
    quirks: tuple[str, ...] = ()
    roots: Path | None = None

    def __post_init__(self) -> None:
        if min(self.count, self.sessions, self.at_once) < 1:
            raise InvalidInput("a fleet needs at least one station, one session, and one at once")
        if self.starts_at < METERS_BEGAN:
            raise InvalidInput(f"{self.sessions} sessions of a station would begin before {METERS_BEGAN:%Y}")
        if self.version not in (version.name for version in VERSIONS):
            raise InvalidInput(
                f"there is no OCPP {self.version}; there are {', '.join(each.name for each in VERSIONS)}"
            )
        rules_of(self.quirks)
        if self.url.startswith("wss:") and self.roots is None:
            raise InvalidInput("a wss URL needs roots that vouch for the other end")

    @property
    def starts_at(self) -> datetime:
        return self.ends_before - self.sessions * (self.play.lasts_max + BREAK_BETWEEN)

    @property
    def play(self) -> Scenario:
        return scenario_of(self.scenario)

    @property
    def spoken(self) -> Version:
        return next(version for version in VERSIONS if version.name == self.version)

    @property
    def habits(self) -> tuple[str, ...]:
        """The quirks of every station."""
        return self.quirks or self.play.quirks

    @cached_property
    def trusted(self) -> Sequence[x509.Certificate]:
        return () if self.roots is None else read_roots(self.roots)

    def tls(self) -> ssl.SSLContext | None:
        return station_tls(self.trusted) if self.url.startswith("wss:") else None


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
    export_mwh: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)

    def count(self, outcome: Outcome) -> None:
        self.tried += 1
        self.import_mwh += outcome.import_mwh
        self.export_mwh += outcome.export_mwh
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


class Gathering:
    """A place where so many meet; who cannot come is not waited for."""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self._all_here = asyncio.Event()

    async def wait(self) -> None:
        self.miss_one()
        await self._all_here.wait()

    def miss_one(self) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._all_here.set()


async def run_fleet(plan: FleetPlan, *, watch: Callable[[FleetReport], None] = _unwatched) -> FleetReport:
    """Run every station; `watch` is shown the report so far after each session that was tried.

    What goes wrong at one station is a fault in the report, and the others go on.
    """
    report = FleetReport()
    few = asyncio.Semaphore(plan.count if plan.play.together else plan.at_once)
    gathering = Gathering(plan.count)

    async def run_one(number: int) -> None:
        async with few:
            try:
                await _run_station(plan, number, report, watch, gathering)
            finally:
                gathering.miss_one()

    await asyncio.gather(*(run_one(number) for number in range(1, plan.count + 1)))
    return report


async def _run_station(
    plan: FleetPlan, number: int, report: FleetReport, watch: Callable[[FleetReport], None], gathering: Gathering
) -> None:
    random = Random(f"{plan.seed}/{number}")
    station = _station(plan, number, random, report.tally)
    visit = Visit(plan.token, random, gathering.wait, plan.trusted)
    try:
        await station.connect(plan.url, plan.password, plan.tls())
        for _ in range(plan.sessions):
            report.count(await plan.play.play(station, visit))
            watch(report)
            if not station.is_connected:
                return
            station.clock.advance(BREAK_BETWEEN)
    except WattbookError as error:
        report.faults[error.message] += 1
    finally:
        await station.leave()


def _station(plan: FleetPlan, number: int, random: Random, tally: Tally) -> SimulatedStation:
    outlet = Evse(
        power_w := random.choice(OUTLETS_W),
        feed_in_max_w=power_w if plan.play.feeds_in else 0,
        meter=_meter_before(plan.starts_at),
    )
    return SimulatedStation(
        f"{plan.prefix}{number:05}",
        ManualClock(plan.starts_at),
        [outlet],
        tally=tally,
        subprotocols=[plan.spoken.subprotocol],
        rewrite=rewriting(plan.habits, plan.spoken) if plan.habits else None,
    )


def _meter_before(moment: datetime) -> Meter:
    """One that has counted as if its outlet had never rested, so a later fleet never turns a register back."""
    counted_mwh = max(OUTLETS_W) * ((moment - METERS_BEGAN) // timedelta(hours=1)) * MWH_PER_WH
    return Meter(counted_mwh, counted_mwh)
