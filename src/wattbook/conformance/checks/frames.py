"""Frames, right and wrong: what is read, passed over, or answered with which error (OCPP-J, chapter 4)."""

from typing import Final

from websockets.frames import Opcode

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Checks
from wattbook.conformance.outcome import Failed
from wattbook.conformance.raw_station import Answer, RawStation, encode, wire_bytes
from wattbook.conformance.versions import CALL, CALL_ERROR, CALL_RESULT, ID_LENGTH_MAX, SEND

CHECKS = Checks()

GARBAGE: Final = (
    "{garbage", "hello", "[", "{}", "[]", "42", "null", '"text"', "[2]", '[2,"', '[2,17,"Heartbeat",{}]', "[null]",
    '["2","1","Heartbeat",{}]', "\ufeff[",
)  # fmt: skip
BIG_BYTES: Final = 2 << 20
DEEP: Final = 100_000
TOO_BIG, UNSUPPORTED_DATA, INVALID_DATA = 1009, 1003, 1007  # RFC 6455, 7.4.1


@CHECKS.rule(
    "unknown type",
    {
        "1.6": "an unknown message type number gets no reply",
        "2.0.1": "an unknown message type number gets CALLERROR MessageTypeNotSupported",
        "2.1": "an unknown message type number gets no reply",
    },
    {"1.6": "4.1.3", "2.0.1": "4.4", "2.1": "4.1.3"},
)
async def unknown_type(bench: Bench) -> str:
    async with bench.booted() as station:
        for number in bench.version.ignored_types:
            await bench.unmoved(station, [number, bench.new_id(), "Heartbeat", {}])
        for number in bench.version.refused_types:
            unique_id = bench.new_id()
            await station.send([number, unique_id, "Heartbeat", {}])
            bench.is_refusal(await station.answer_to(unique_id), ["MessageTypeNotSupported"])
        await bench.alive(station)
        numbers = ", ".join(map(str, bench.version.ignored_types or bench.version.refused_types))
        return f"types {numbers}: {'MessageTypeNotSupported' if bench.version.refused_types else 'no reply'}"


@CHECKS.requirement(
    "R18", "SEND", "a message of type 6 gets no reply, good or bad", "OCPP-J 2.1, 4.2.5; ChargeTime #406", ("2.1",)
)
async def send(bench: Bench) -> str:
    stream = {"id": 1, "pending": 0, "basetime": bench.target.now().isoformat(), "data": [{"t": 0, "v": "1"}]}
    async with bench.booted() as station:
        await bench.unmoved(station, [SEND, bench.new_id(), "NotifyPeriodicEventStream", stream])
        await bench.unmoved(station, [SEND, bench.new_id(), "NotifyPeriodicEventStream", {"id": "one"}])
        return await bench.unmoved(station, [SEND, bench.new_id(), "NoSuchAction", {}])


@CHECKS.rule(
    "garbage",
    {
        "1.6": "what cannot be read is passed over or answered with an error; the connection lives",
        "2.0.1": 'what cannot be read is dropped, or answered with CALLERROR under the id "-1"',
        "2.1": 'what cannot be read is dropped, or answered with CALLERROR under the id "-1"',
    },
    {"1.6": "4.2", "2.0.1": "4.2.3", "2.1": "4.2.3"},
)
async def garbage(bench: Bench) -> str:
    ids = set()
    async with bench.booted() as station:
        for text in GARBAGE:
            for reply in await bench.reactions(station, text):
                bench.well_formed(Answer(reply))
                if reply[0] != CALL_ERROR or (not bench.version.is_16 and reply[1] not in ("-1", "1")):
                    raise Failed(f"{text!r} was answered {encode(reply)[:200]}")
                ids.add(reply[1])
    answered = f"answered under {', '.join(map(repr, sorted(ids)))}" if ids else "passed over"
    return f"{len(GARBAGE)} kinds: {answered}; the connection lives"


@CHECKS.requirement(
    "R20", "one bad frame", "an unreadable frame does not end the connection", "SteVe closed the socket"
)
async def one_bad_frame(bench: Bench) -> str:
    async with bench.booted() as station:
        return await bench.unharmed(station, '[2,"half a frame","Heartbeat",{')


@CHECKS.requirement("R19", "empty frame", "an empty frame is passed over", "ocpp-rpc passes them over; SteVe #66")
async def empty_frame(bench: Bench) -> str:
    async with bench.booted() as station:
        return await bench.unharmed(station, "", "", " ")


@CHECKS.requirement("R19", "null payload", "a CALL whose payload is null is answered", "OCPP-J 1.6, 4.2.1; SteVe #1109")
async def null_payload(bench: Bench) -> str:
    async with bench.booted() as station:
        answer = await bench.ask(station, "Heartbeat", None)
        if bench.version.is_16 and not answer.is_result:
            raise Failed(f"{answer}; null is legal here")
        await bench.alive(station)
        return str(answer)


@CHECKS.rule("empty payload", "{} is the payload of a CALL without fields, and its answer has an object", "4.2.1")
async def empty_payload(bench: Bench) -> str:
    async with bench.booted() as station:
        answer = await bench.ask(station, "Heartbeat", {})
        if "currentTime" not in answer.payload:
            raise Failed(f"answered {encode(answer.elements)[:200]}")
        return "CALLRESULT with currentTime"


@CHECKS.rule("payload is no object", "CALLERROR that says the payload is malformed", "4.2.3")
async def payload_is_no_object(bench: Bench) -> str:
    codes = (bench.version.malformed, "TypeConstraintViolation", "ProtocolError")
    async with bench.booted() as station:
        wrong: tuple[object, ...] = ([], "text", 42, True)
        seen = {await bench.refused(station, "Heartbeat", payload, codes) for payload in wrong}
        return ", ".join(sorted(seen))


@CHECKS.rule("too few or too many elements", "a CALL of 3 or 5 elements gets a CALLERROR under its id", "4.2.1")
async def wrong_number_of_elements(bench: Bench) -> str:
    codes = (bench.version.malformed, "ProtocolError", "GenericError", "RpcFrameworkError")
    seen = set()
    async with bench.booted() as station:
        for rest in (["Heartbeat"], ["Heartbeat", {}, {}], [{}, "Heartbeat"]):
            unique_id = bench.new_id()
            await station.send([CALL, unique_id, *rest])
            seen.add(bench.is_refusal(await station.answer_to(unique_id), codes))
    return ", ".join(sorted(seen))


@CHECKS.rule("id too long", "a message id of 37 characters gets a CALLERROR", "4.1.4")
async def id_too_long(bench: Bench) -> str:
    unique_id = (bench.new_id() + "x" * ID_LENGTH_MAX)[: ID_LENGTH_MAX + 1]
    async with bench.booted() as station:
        replies = await bench.reactions(station, [CALL, unique_id, "Heartbeat", {}])
        if not replies:
            raise Failed("no answer")
        answer = bench.well_formed(Answer(replies[0]))
        if answer.is_result:
            raise Failed("answered as if it were right")
        return f"{answer.error_code} under {'its id' if answer.elements[1] == unique_id else answer.elements[1]!r}"


@CHECKS.rule("id of 36 characters", "the longest id is answered under itself, and so is the shortest", "4.1.4")
async def longest_id(bench: Bench) -> str:
    unique_id = (bench.new_id() + "x" * ID_LENGTH_MAX)[:ID_LENGTH_MAX]
    async with bench.booted() as station:
        for each in (unique_id, "é" * (ID_LENGTH_MAX - 8) + unique_id[:8], unique_id[-1]):
            if not (await station.ask(each, "Heartbeat", {})).is_result:
                raise Failed(f"id {each!r} was refused")
    return "36 ASCII characters, 36 wide ones, and one"


@CHECKS.rule("duplicate id in flight", "both CALLs are answered; a second one that is refused is told so", "4.1.4")
async def duplicate_id(bench: Bench) -> str:
    unique_id = bench.new_id()
    async with bench.booted() as station:
        frame = encode([CALL, unique_id, "Heartbeat", {}]).encode()
        await station.send_bytes(wire_bytes(Opcode.TEXT, frame) * 2)
        answers = [bench.well_formed(await station.answer_to(unique_id, number)) for number in (1, 2)]
        if not any(answer.is_result for answer in answers):
            raise Failed(f"neither was handled: {answers[0]}; {answers[1]}")
        await bench.alive(station)
        return "; ".join(str(answer) for answer in answers)


@CHECKS.rule("frame of 2 MiB", "answered, or closed with 1009 (message too big); never silence", "4.2")
async def big_frame(bench: Bench) -> str:
    action, payload = bench.words.vendor_message("x" * BIG_BYTES)
    async with bench.booted() as station:
        seen = await _answered_or_closed(bench, station, action, payload, TOO_BIG)
    async with bench.connect() as station:
        await bench.alive(station)
    return f"{seen}; the station may come back"


@CHECKS.rule("frame of 64 KiB", "a message far above 2 kB is answered", {"1.6": "4.2", "2.0.1": "4.2", "2.1": "5.2"})
async def middling_frame(bench: Bench) -> str:
    async with bench.booted() as station:
        return str(await bench.ask(station, *bench.words.vendor_message("x" * (64 << 10))))


@CHECKS.rule("deep nesting", "answered with an error or passed over; the connection lives", "4.2")
async def deep_nesting(bench: Bench) -> str:
    deep = "[" * DEEP + "]" * DEEP
    objects = '{"a":' * DEEP + "1" + "}" * DEEP
    async with bench.booted() as station:
        await bench.unharmed(station, deep)
        return await bench.unharmed(station, f'[2,"{bench.new_id()}","Heartbeat",{objects}]')


@CHECKS.rule("binary frame", "closed with 1003 (unsupported data), passed over or answered; never silence after", "4.2")
async def binary_frame(bench: Bench) -> str:
    async with bench.booted() as station:
        await station.send(bytes(range(256)))
        unique_id = bench.new_id()
        await station.send([CALL, unique_id, "Heartbeat", {}])
        try:
            await station.answer_to(unique_id)
            seen = "passed over"
        except Failed:
            if station.close_code not in (UNSUPPORTED_DATA, INVALID_DATA, 1002):
                raise
            seen = f"closed with {station.close_code}"
    async with bench.connect() as station:
        await bench.alive(station)
    return seen


@CHECKS.rule("fragments", "a message in fragments is one message, also with a ping between them (RFC 6455, 5.4)", "4.2")
async def fragments(bench: Bench) -> str:
    unique_id = bench.new_id()
    frame = encode([CALL, unique_id, "Heartbeat", {}]).encode()
    async with bench.booted() as station:
        await station.send_parts(
            (Opcode.TEXT, frame[:5], False),
            (Opcode.CONT, b"", False),
            (Opcode.PING, b"between", True),
            (Opcode.CONT, frame[5:9], False),
            (Opcode.CONT, frame[9:], True),
        )
        if not (await station.answer_to(unique_id)).is_result:
            raise Failed("refused")
        return "CALLRESULT"


@CHECKS.rule("half frames", "a frame that comes byte by byte is one frame", "4.2")
async def half_frames(bench: Bench) -> str:
    unique_id = bench.new_id()
    data = wire_bytes(Opcode.TEXT, encode([CALL, unique_id, "Heartbeat", {}]).encode())
    async with bench.booted() as station:
        for byte in data:
            await station.send_bytes(bytes([byte]))
        if not (await station.answer_to(unique_id)).is_result:
            raise Failed("refused")
    async with bench.booted() as station:
        await station.send_bytes(data[:7])
        station.cut()
    async with bench.connect() as station:
        await bench.alive(station)
    return "CALLRESULT; a half frame at the end of a connection did no harm"


@CHECKS.rule("text that is no UTF-8", "closed with 1007, passed over or answered with an error", "4.2")
async def no_utf8(bench: Bench) -> str:
    unique_id = bench.new_id()
    async with bench.booted() as station:
        await station.send_parts((Opcode.TEXT, f'[2,"{unique_id}","Heartbeat",{{"a":"'.encode() + b'\xff\xfe"}]', True))
        try:
            seen = await bench.unharmed(station)
        except Failed:
            if station.close_code not in (INVALID_DATA, 1002):
                raise
            seen = f"closed with {station.close_code}"
    async with bench.connect() as station:
        await bench.alive(station)
    return seen


@CHECKS.rule("U+0000 in a text", "answered, with an error or not, and never InternalError", "4.2")
async def nul_character(bench: Bench) -> str:
    async with bench.booted() as station:
        answer = await bench.ask(station, "DataTransfer", {"vendorId": "a\0b", "data": "\0"})
        if answer.error_code == "InternalError":
            raise Failed(str(answer))
        await bench.alive(station)
        return str(answer)


@CHECKS.requirement(
    "R17",
    "answer nobody asked for",
    "an unexpected CALLRESULT or CALLERROR gets no CALLERROR",
    "ChargeTime #406, ocpp-rpc #96",
)
async def unexpected_answers(bench: Bench) -> str:
    async with bench.booted() as station:
        return await _no_call_error(
            bench,
            station,
            [CALL_RESULT, bench.new_id(), {}],
            [CALL_RESULT, bench.new_id(), {"status": 42}],
            [CALL_ERROR, bench.new_id(), "GenericError", "", {}],
        )


@CHECKS.requirement(
    "R17",
    "malformed answer",
    "a CALLRESULT or CALLERROR of a wrong form gets no CALLERROR",
    "ChargeTime #406, ocpp-rpc #96",
)
async def malformed_answers(bench: Bench) -> str:
    async with bench.booted() as station:
        return await _no_call_error(
            bench,
            station,
            [CALL_RESULT, bench.new_id()],
            [CALL_RESULT, bench.new_id(), "text"],
            [CALL_ERROR, bench.new_id()],
        )


async def _no_call_error(bench: Bench, station: RawStation, *answers: list[object]) -> str:
    for reply in await bench.reactions(station, *answers):
        if reply[0] == CALL_ERROR or bench.version.name != "2.1":
            raise Failed(f"replied {encode(reply)[:200]}")
    return "no CALLERROR"


async def _answered_or_closed(
    bench: Bench, station: RawStation, action: str, payload: dict[str, object], close_code: int
) -> str:
    try:
        return str(await bench.ask(station, action, payload))
    except Failed:
        if station.close_code != close_code:
            raise
        return f"closed with {close_code}"
