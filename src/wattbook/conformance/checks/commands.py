"""CALLs of the management system: one at a time, crossing ours, answered late, twice, wrongly or not at all."""

from typing import Any, Final

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Checks
from wattbook.conformance.outcome import Failed
from wattbook.conformance.raw_station import Elements, RawStation, encode, form_faults
from wattbook.conformance.versions import CALL, CALL_ERROR, CALL_RESULT, CALL_RESULT_ERROR, ID_LENGTH_MAX

CHECKS = Checks()

ACTION: Final = "TriggerMessage"
PAYLOAD: Final[dict[str, Any]] = {"requestedMessage": "Heartbeat"}


@CHECKS.rule("form of a CALL", "[2, id, action, payload], an id of 36 characters at most, and a right payload", "4.2.1")
async def form_of_a_call(bench: Bench) -> str:
    async with bench.booted() as station:
        call = await _called(bench, station)
        if len(call) != 4 or not isinstance(call[1], str) or not 0 < len(call[1]) <= ID_LENGTH_MAX:
            raise Failed(f"sent {encode(call)[:200]}")
        if call[2] != ACTION or call[3] != PAYLOAD:
            raise Failed(f"asked for {ACTION}, sent {encode(call)[:200]}")
        await _accept(station, call)
        await bench.alive(station)
        return f"id of {len(call[1])} characters"


@CHECKS.requirement(
    "R13",
    "crossing CALLs",
    "a CALL of the station is answered while one of the system is open",
    "citrineos-core #189: one slot for both directions",
)
async def crossing_calls(bench: Bench) -> str:
    async with bench.booted() as station:
        call = await _called(bench, station)
        await bench.alive(station)
        await bench.alive(station)
        await _accept(station, call)
        return "answered while the system's CALL was open"


@CHECKS.requirement(
    "R13",
    "one CALL outstanding",
    "the next CALL comes when the one before is answered, not earlier",
    "OCPP-J, 4.1.1; citrineos-core #1096",
)
async def one_outstanding(bench: Bench) -> str:
    async with bench.booted() as station:
        first = await _called(bench, station)
        await bench.trigger(ACTION, PAYLOAD)
        await bench.trigger(ACTION, PAYLOAD)
        await bench.alive(station)
        await bench.alive(station)
        if station.calls:
            raise Failed("a second CALL came before the first was answered")
        await _accept(station, first)
        second = await station.next_call()
        await bench.alive(station)
        if station.calls:
            raise Failed("a third CALL came before the second was answered")
        await _accept(station, second)
        third = await station.next_call()
        await _accept(station, third)
        if len({first[1], second[1], third[1]}) != 3:
            raise Failed("two CALLs with one id")
        return "three CALLs, each after the answer to the one before"


@CHECKS.requirement(
    "R14",
    "CALL refused",
    "a CALLERROR to a CALL of the system frees it for the next",
    "mobilityhouse/ocpp #130, ocpp-go #412",
)
async def call_refused(bench: Bench) -> str:
    async with bench.booted() as station:
        for error in (["NotSupported", "", {}], ["NoSuchCode", "text", {"more": 1}], ["GenericError"]):
            call = await _called(bench, station)
            await station.send([CALL_ERROR, call[1], *error])
        await _accept(station, await _called(bench, station))
        await bench.alive(station)
        return "refused three times, called again each time"


@CHECKS.requirement("R16", "answer twice", "a second answer to a CALL is passed over", "SteVe, MaEVe: late answers")
async def answered_twice(bench: Bench) -> str:
    async with bench.booted() as station:
        call = await _called(bench, station)
        await _accept(station, call)
        return await bench.unmoved(station, [CALL_RESULT, call[1], {"status": "Rejected"}])


@CHECKS.requirement(
    "R16",
    "answer on the next connection",
    "an answer to a CALL of the connection before does no harm",
    "SteVe, MaEVe: late answers",
)
async def answered_on_the_next_connection(bench: Bench) -> str:
    async with bench.booted() as old:
        call = await _called(bench, old)
        old.cut()
    async with bench.booted() as new:
        await _accept(new, call)
        await bench.alive(new)
        new.holds_calls = True
        await bench.trigger(ACTION, PAYLOAD)
        await _accept(new, await new.next_call())
        return "passed over, and CALLs come on the new connection"


@CHECKS.requirement(
    "R17",
    "unfit answer",
    "an answer that breaks its schema: silence before 2.1, CALLRESULTERROR from 2.1 on",
    "ChargeTime #406, ocpp-rpc #96; OCPP 2.1 Part 2, FR.06",
)
async def unfit_answer(bench: Bench) -> str:
    async with bench.booted() as station:
        call = await _called(bench, station)
        replies = await bench.reactions(station, [CALL_RESULT, call[1], {"status": 42}])
        if bench.version.name != "2.1":
            if replies:
                raise Failed(f"replied {encode(replies[0])[:200]}")
            return "no reply"
        if [reply[:2] for reply in replies] != [[CALL_RESULT_ERROR, call[1]]]:
            raise Failed(f"replied {encode(replies[0])[:200]}" if replies else "no CALLRESULTERROR")
        faults = form_faults([CALL_ERROR, *replies[0][1:]], bench.version.error_codes)
        if faults:
            raise Failed("; ".join(faults))
        return f"CALLRESULTERROR {replies[0][2]}"


@CHECKS.requirement(
    "R1",
    "CALL when the socket is replaced",
    "an open CALL of the old socket does not block the new one",
    "citrineos-core #583",
)
async def replaced_while_calling(bench: Bench) -> str:
    async with bench.booted() as old:
        await _called(bench, old)
        async with bench.booted() as new:
            call = await _called(bench, new)
            await _accept(new, call)
            await bench.alive(new)
            return "the new socket was called at once"


async def _called(bench: Bench, station: RawStation) -> Elements:
    """The next CALL of the system, held open."""
    station.holds_calls = True
    await bench.trigger(ACTION, PAYLOAD)
    return await station.next_call()


async def _accept(station: RawStation, call: Elements) -> None:
    assert call[0] == CALL
    await station.send([CALL_RESULT, call[1], {"status": "Accepted"}])
