"""Connections: the newest wins, a late end of an older changes nothing, and coming and going does no harm."""

import asyncio

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Checks
from wattbook.conformance.outcome import Failed

CHECKS = Checks()

COMINGS = 20
ANY_CALL = ("TriggerMessage", {"requestedMessage": "Heartbeat"})


@CHECKS.requirement(
    "R1",
    "newest connection wins",
    "a second socket of a station is let in, and the first is closed",
    "ocpp-go #314, citrineos-core #583",
)
async def newest_wins(bench: Bench) -> str:
    async with bench.booted() as old, bench.connect() as new:
        await bench.alive(new)
        code = await old.wait_closed()
        await bench.alive(new)
        return f"the first was closed with {code}"


@CHECKS.requirement(
    "R1",
    "first socket is dead",
    "a station that lost its network is let in on a new socket at once",
    "citrineos-core #583: locked out for minutes",
)
async def first_socket_is_dead(bench: Bench) -> str:
    async with bench.booted() as old:
        old.stop_reading()
        async with bench.connect() as new:
            await bench.boot(new)
            await bench.alive(new)
        old.resume_reading()
    return "let in while the first socket was dead"


@CHECKS.requirement(
    "R2",
    "late end of the old socket",
    "the end of a replaced socket changes nothing for the new one",
    "ts-ocpp #19, lbbrhzn/ocpp PR #2122, SteVe PR #1958",
)
async def late_end_of_the_old(bench: Bench) -> str:
    async with bench.booted() as old:
        old.stop_reading()
        async with bench.connect() as new:
            await bench.boot(new)
            old.cut()
            await bench.alive(new)
            if bench.target.trigger is None:
                return "the new socket is answered"
            new.holds_calls = True
            await bench.trigger(*ANY_CALL)
            await new.next_call()
            return "the new socket is answered, and CALLs come on it"


@CHECKS.requirement("R3", "ping", "a ping of the station gets its pong", "SteVe #357, #817")
async def ping(bench: Bench) -> str:
    async with bench.booted() as station:
        for _ in range(3):
            await station.ping()
        await bench.alive(station)
    return "pong"


@CHECKS.requirement("R5", "coming and going", "fast connects and disconnects leave nothing behind", "SteVe PR #1958")
async def coming_and_going(bench: Bench) -> str:
    for number in range(COMINGS):
        async with bench.connect() as station:
            if number % 2:
                station.cut()
    async with bench.booted() as station:
        await bench.alive(station)
    return f"{COMINGS} times, then heard"


@CHECKS.requirement(
    "R6",
    "all at once",
    "many sockets opened at the same time: the newest one serves",
    "SAP simulator #1204; restart storms",
)
async def all_at_once(bench: Bench) -> str:
    async def knock() -> None:
        async with bench.connect() as station:
            if station.subprotocol is None:
                raise Failed("let in without a sub-protocol")

    outcomes = await asyncio.gather(*(knock() for _ in range(COMINGS)), return_exceptions=True)
    async with bench.booted() as station:
        await bench.alive(station)
    refused = [outcome for outcome in outcomes if outcome is not None]
    return f"{COMINGS - len(refused)} of {COMINGS} were let in, then the station was heard"


@CHECKS.rule(
    "answers on their own connection", "a CALL on a connection that is lost is not answered on the next one", "4.1.1"
)
async def answers_stay(bench: Bench) -> str:
    unique_id = bench.new_id()
    async with bench.booted() as old:
        await old.send([2, unique_id, *bench.words.heartbeat()])
        old.cut()
    async with bench.connect() as new:
        await bench.alive(new)
        await bench.alive(new)
        if any(each[1] == unique_id for each in new.heard):
            raise Failed("answered on the next connection")
    return "nothing of the old connection came on the new one"
