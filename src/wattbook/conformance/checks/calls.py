"""CALLs and the words in which they are refused: actions, acceptance, order (OCPP-J, 4.1 and 4.3)."""

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Checks
from wattbook.conformance.outcome import Failed, NotApplicable
from wattbook.conformance.raw_station import encode
from wattbook.conformance.versions import CALL

CHECKS = Checks()

PIPELINED = 20


@CHECKS.rule(
    "unknown action", "NotImplemented: the action is not known", {"1.6": "4.2.3", "2.0.1": "4.3", "2.1": "4.3"}
)
async def unknown_action(bench: Bench) -> str:
    async with bench.booted() as station:
        for action in ("FlyToTheMoon", "heartbeat", "", "x" * 2000):
            await bench.refused(station, action, {}, ["NotImplemented"])
        await bench.alive(station)
    return "NotImplemented, also for a wrong case, an empty name and one of 2000 characters"


@CHECKS.rule(
    "action of the other direction",
    "NotSupported: the action is known and not supported by its receiver",
    {"1.6": "4.2.3", "2.0.1": "4.3", "2.1": "4.3"},
)
async def action_of_the_other_direction(bench: Bench) -> str:
    async with bench.booted() as station:
        for action in (bench.version.sent, "Reset", "ClearCache"):
            await bench.refused(station, action, {}, ["NotSupported"])
    return "NotSupported"


@CHECKS.rule("action of another version", "NotImplemented", {"1.6": "4.2.3", "2.0.1": "4.3"})
async def action_of_another_version(bench: Bench) -> str:
    foreign = "TransactionEvent" if bench.version.is_16 else "StartTransaction"
    async with bench.booted() as station:
        return await bench.refused(station, foreign, {}, ["NotImplemented"])


@CHECKS.rule(
    "field missing",
    "the code that is spelled as this version spells it",
    {"1.6": "4.2.3", "2.0.1": "4.3", "2.1": "4.3"},
)
async def spelling(bench: Bench) -> str:
    codes = (bench.version.occurrence, bench.version.malformed, "ProtocolError")
    async with bench.booted() as station:
        return await bench.refused(station, "Authorize", {}, codes)


@CHECKS.rule(
    "CALL before accepted",
    "SecurityError for all but BootNotification",
    {"1.6": "errata 3.8", "2.0.1": "B02", "2.1": "B02"},
)
async def before_accepted(bench: Bench) -> str:
    pending = bench.target.pending_station
    if pending is None:
        raise NotApplicable("needs a station that is not accepted yet")
    async with bench.connect(pending) as station:
        boot = await bench.ask(station, *bench.words.boot())
        if boot.payload.get("status") == "Accepted":
            raise Failed("the station was accepted")
        said = (bench.words.heartbeat(), bench.words.authorize("SOMEBODY"), bench.words.vendor_message("hello"))
        for action, payload in said:
            await bench.refused(station, action, payload, ["SecurityError"])
        return f"BootNotification {boot.payload.get('status')}, the rest SecurityError"


@CHECKS.requirement(
    "R10",
    "no BootNotification on reconnect",
    "an accepted station is heard without a new BootNotification",
    "evcc #15671, #27309; lbbrhzn/ocpp #336",
)
async def no_boot_on_reconnect(bench: Bench) -> str:
    async with bench.booted():
        pass
    async with bench.connect() as station:
        answer = await bench.ask(station, *bench.words.heartbeat())
        if not answer.is_result:
            raise Failed(str(answer))
        return "heard"


@CHECKS.requirement(
    "R15", "order", "CALLs of one station are answered in the order they came", "SteVe #79, openHAB PR #21265"
)
async def order(bench: Bench) -> str:
    ids = [bench.new_id() for _ in range(PIPELINED)]
    async with bench.booted() as station:
        for number, unique_id in enumerate(ids):
            action, payload = (
                bench.words.status(bench.target.now(), "Available") if number % 2 else bench.words.heartbeat()
            )
            await station.send([CALL, unique_id, action, payload])
        for unique_id in ids:
            if not bench.well_formed(await station.answer_to(unique_id)).is_result:
                raise Failed("a pipelined CALL was refused")
        answered = [each[1] for each in station.heard if each[0] != CALL and each[1] in ids]
        if answered != ids:
            raise Failed("answered in another order")
    return f"{PIPELINED} CALLs sent at once, answered in order"


@CHECKS.requirement(
    "R30",
    "first statuses at once",
    "the first StatusNotifications of a station do not hurt each other",
    "SteVe #2107: deadlock told as InternalError",
)
async def first_statuses(bench: Bench) -> str:
    ids = [bench.new_id() for _ in range(PIPELINED)]
    async with bench.booted() as station:
        for number, unique_id in enumerate(ids):
            action, payload = bench.words.status(bench.target.now(), "Available", 1 + number % 4)
            await station.send([CALL, unique_id, action, payload])
        answers = [bench.well_formed(await station.answer_to(unique_id)) for unique_id in ids]
    refused = {answer.error_code for answer in answers if answer.error_code == "InternalError"}
    if refused:
        raise Failed("InternalError")
    return f"{PIPELINED} statuses: " + ", ".join(sorted({str(answer)[:60] for answer in answers}))


@CHECKS.requirement(
    "R22",
    "garbage in fields",
    "a payload that breaks its schema is refused, not kept",
    "SteVe #1301: unvalidated messages killed the pages",
)
async def garbage_in_fields(bench: Bench) -> str:
    action, payload = bench.words.status(bench.target.now(), "Available")
    seen = set()
    async with bench.booted() as station:
        for name in payload:
            answer = await bench.ask(station, action, {**payload, name: {"<script>": [1]}})
            if answer.is_result:
                raise Failed(f"{encode({name: {'<script>': [1]}})} was accepted")
            seen.add(str(answer.error_code))
    return ", ".join(sorted(seen))
