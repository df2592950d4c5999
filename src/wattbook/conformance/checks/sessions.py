"""Charging: a session whole, replayed, cut off, unknown, with a meter that errs (OCPP 1.6, chapter 4; 2.x, block E)."""

from datetime import datetime, timedelta
from typing import Final

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Checks
from wattbook.conformance.outcome import Failed
from wattbook.conformance.raw_station import Answer, RawStation
from wattbook.conformance.words import Said

CHECKS = Checks()

SESSION: Final = timedelta(minutes=40)
START_WH, END_WH = 1_000_000, 1_007_000
UNKNOWN_TOKEN: Final = "NO-SUCH-TOKEN"


class _Session:
    """One charging session as a station sends it; a replay sends the same payload under a new id."""

    def __init__(
        self,
        bench: Bench,
        station: RawStation,
        token: str,
        *,
        later: timedelta = timedelta(0),
        start_wh: int = START_WH,
    ) -> None:
        self._bench = bench
        self._station = station
        self._token = token
        self._began_at = bench.target.now().replace(microsecond=0) - SESSION + later
        self.transaction = bench.new_id()
        self.start_said: Said = bench.words.start(token, self.transaction, start_wh, self._began_at)

    async def start(self) -> Answer:
        answer = await self.say(self.start_said)
        self.transaction = self._bench.words.transaction(answer.payload, self.transaction)
        return answer

    async def say(self, said: Said) -> Answer:
        """Say it; it must be acknowledged."""
        answer = await self._bench.ask(self._station, *said)
        if not answer.is_result:
            raise Failed(f"{said[0]} was answered {answer}")
        return answer

    def meter(self, sequence: int, wh: int, minutes: int) -> Said:
        return self._bench.words.meter(self.transaction, sequence, wh, self._at(minutes))

    def stop(self, sequence: int, wh: int = END_WH, minutes: int = 39) -> Said:
        return self._bench.words.stop(self._token, self.transaction, sequence, wh, self._at(minutes))

    def _at(self, minutes: int) -> datetime:
        return self._began_at + timedelta(minutes=minutes)


@CHECKS.rule(
    "charging session",
    "authorised, started, metered and stopped; every message acknowledged",
    {"1.6": "4", "2.0.1": "E", "2.1": "E"},
)
async def charging_session(bench: Bench) -> str:
    token = bench.token()
    async with bench.booted() as station:
        session = _Session(bench, station, token)
        await session.say(bench.words.status(bench.target.now(), "Available"))
        _is_accepted(bench, await session.say(bench.words.authorize(token)), "Authorize")
        _is_accepted(bench, await session.start(), "the start")
        for sequence in (1, 2):
            await session.say(session.meter(sequence, START_WH + sequence * 2000, sequence * 10))
        await session.say(session.stop(3))
        await session.say(bench.words.status(bench.target.now(), "Available"))
    return f"transaction {session.transaction}"


@CHECKS.requirement(
    "R25",
    "replayed start and stop",
    "the same start is the same transaction; every replay is acknowledged",
    "libocpp repeats under a new message id; OCPP 1.6, 4.8; 2.x, E04",
)
async def replays(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, bench.token())
        await session.start()
        first = session.transaction
        await session.start()
        if session.transaction != first:
            raise Failed(f"the start was booked twice, as {first} and as {session.transaction}")
        meter, stop = session.meter(1, START_WH + 2000, 10), session.stop(2)
        for said in (meter, meter, stop, stop, meter, session.start_said):
            answer = await session.say(said)
        if bench.words.transaction(answer.payload, first) != first:
            raise Failed("after its stop the start was booked as another transaction")
    async with bench.booted() as station:
        await _Session(bench, station, bench.token()).say(stop)
    return f"transaction {first} each time"


@CHECKS.requirement(
    "R24", "stop nobody knows", "the stop of an unknown transaction is acknowledged", "connectorio PR #199"
)
async def unknown_stop(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, UNKNOWN_TOKEN)
        session.transaction = "987654321" if bench.version.is_16 else bench.new_id()
        return str(await session.say(session.stop(7)))


@CHECKS.requirement(
    "R24", "meter values nobody knows", "meter values of an unknown transaction are acknowledged", "OCPP 1.6, 4.7"
)
async def unknown_meter_values(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, UNKNOWN_TOKEN)
        session.transaction = "987654322" if bench.version.is_16 else bench.new_id()
        return str(await session.say(session.meter(3, END_WH, 10)))


@CHECKS.requirement(
    "R31",
    "unknown token",
    "Invalid, or Unknown in 2.x; never Accepted, never an error",
    "OCPP 1.6, 7.2; 2.x, AuthorizationStatusEnumType",
)
async def unknown_token(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, UNKNOWN_TOKEN)
        verdict = bench.words.verdict((await session.say(bench.words.authorize(UNKNOWN_TOKEN))).payload)
        if verdict not in (("Invalid",) if bench.version.is_16 else ("Invalid", "Unknown")):
            raise Failed(f"judged {verdict}")
        return str(verdict)


@CHECKS.requirement(
    "R24",
    "unknown token charges",
    "a start with an unknown token is acknowledged and not accepted",
    "OCPP 1.6, 4.8; 2.x, block C",
)
async def unknown_token_charges(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, UNKNOWN_TOKEN)
        verdict = bench.words.verdict((await session.start()).payload)
        if verdict in (None, "Accepted"):
            raise Failed(f"judged {verdict}")
        await session.say(session.stop(1, START_WH + 10))
        return str(verdict)


@CHECKS.requirement(
    "R31",
    "ConcurrentTx at Authorize",
    "ConcurrentTx is no answer to Authorize",
    "OCPP 1.6, 7.2: only at a start",
    ("1.6",),
)
async def concurrent_at_authorize(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, bench.token())
        await session.start()
        verdict = bench.words.verdict((await session.say(bench.words.authorize(bench.token()))).payload)
        await session.say(session.stop(1))
        if verdict == "ConcurrentTx":
            raise Failed("ConcurrentTx")
        return str(verdict)


@CHECKS.requirement(
    "R26",
    "power loss",
    "after a power loss the next session of the connector is acknowledged",
    "MicroOcpp #100, OCPP.Core #47",
)
async def power_loss(bench: Bench) -> str:
    async with bench.booted() as station:
        await _Session(bench, station, bench.token()).start()
        station.cut()
    async with bench.booted() as station:
        session = _Session(bench, station, bench.token(), later=timedelta(minutes=5), start_wh=START_WH + 500)
        answer = await session.start()
        await session.say(session.stop(1, minutes=20))
        return f"the next start was judged {bench.words.verdict(answer.payload)}"


@CHECKS.requirement(
    "R27",
    "register goes back",
    "meter values and a stop below the start are acknowledged",
    "citrineos-core #1060, #869",
)
async def register_goes_back(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, bench.token())
        await session.start()
        await session.say(session.meter(1, START_WH - 5000, 10))
        return str(await session.say(session.stop(2, 0)))


@CHECKS.requirement(
    "R28", "time goes back", "a reading older than the one before is acknowledged", "SteVe #1962, #1992"
)
async def time_goes_back(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, bench.token())
        await session.start()
        await session.say(session.meter(1, START_WH + 3000, 20))
        await session.say(session.meter(2, START_WH + 1000, 10))
        return str(await session.say(session.stop(3)))


@CHECKS.requirement(
    "R25",
    "sent while offline",
    "messages kept while offline are acknowledged, also when out of order",
    "OCPP 2.x, E04; SAP simulator #1204",
    ("2.0.1", "2.1"),
)
async def offline(bench: Bench) -> str:
    async with bench.booted() as station:
        session = _Session(bench, station, bench.token())
        kept = [session.stop(2), session.meter(1, START_WH + 2000, 10), session.start_said]
        for action, payload in kept:
            await session.say((action, {**payload, "offline": True}))
        return "end, middle and beginning acknowledged in this order"


def _is_accepted(bench: Bench, answer: Answer, what: str) -> None:
    verdict = bench.words.verdict(answer.payload)
    if verdict != "Accepted":
        raise Failed(f"{what} was judged {verdict}")
