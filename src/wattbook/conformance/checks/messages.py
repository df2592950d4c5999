"""Every message: each action a management system receives, right in every way its schema allows, and wrong in each.

One check an action and version, for right payloads and for wrong ones. A sample of both is sent; all with `thorough`.
"""

from collections.abc import Iterable
from random import Random
from typing import Final

from jsonschema_rs import Validator, validator_for

from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Check, Checks, Demand, Run
from wattbook.conformance.generator import FULL, payload, payloads
from wattbook.conformance.mutations import TIME, Mutation, mutations
from wattbook.conformance.outcome import Failed, NotApplicable
from wattbook.conformance.raw_station import encode
from wattbook.conformance.versions import VERSIONS, Version

CHECKS = Checks()

RIGHT_SAMPLE: Final = 6
WRONG_SAMPLE: Final = 12
FRAME_BYTES_MAX: Final = 128 << 10  # a system may close on what is far above the 2 kB that hold most messages
BILLING: Final = frozenset({"MeterValues", "StartTransaction", "StopTransaction", "TransactionEvent"})
TOLERABLE: Final = frozenset({"enum", "length", "items"})  # R21: energy is not lost to a word that does not change it
UNHANDLED: Final = frozenset({"NotImplemented", "NotSupported"})
HOUSE_FAULTS: Final = UNHANDLED | {"InternalError"}


def answer_validator(version: Version, action: str) -> Validator:
    """The schema of an action's answer; as text, because its numbers are read as decimals here."""
    return validator_for(encode(version.answer_schema(action)), validate_formats=False)


@CHECKS.requirement(
    "R22",
    "unreadable times",
    "a time that nobody can read is refused in every message",
    "the schemas' date-time; SteVe #1301",
)
async def unreadable_times(bench: Bench) -> str:
    timed, kept = 0, []
    async with bench.booted() as station:
        for action in bench.version.received:
            wrong = [each for each in wrong_payloads(bench.version, action, bench.target.seed) if each.kind == TIME]
            for each in wrong if bench.target.thorough else wrong[:1]:
                timed += 1
                answer = await bench.ask(station, action, each.payload)
                if answer.is_result or answer.error_code == "InternalError":
                    kept.append(f"{action} {each.place}: {answer}")
    if kept:
        raise Failed(f"{len(kept)} of {timed} taken: {', '.join(kept)}")
    return f"{timed} times refused"


def wrong_payloads(version: Version, action: str, seed: int) -> list[Mutation]:
    """Every mutation of a payload with every option, that fits a frame."""
    schema = version.request_schema(action)
    every = mutations(version, schema, payload(schema, FULL, Random(f"{seed}/wrong")))
    return [mutation for mutation in every if len(encode(mutation.payload)) <= FRAME_BYTES_MAX]


def _right(action: str) -> Run:
    async def run(bench: Bench) -> str:
        version = bench.version
        fits = answer_validator(version, action)
        drawn = list(payloads(version.request_schema(action), bench.target.seed))
        drawn = drawn if bench.target.thorough else drawn[:RIGHT_SAMPLE]
        refusals = set()
        async with bench.booted() as station:
            for said in drawn:
                answer = await bench.ask(station, action, said)
                if answer.error_code in HOUSE_FAULTS:
                    raise Failed(f"{answer}, to {encode(said)[:300]}")
                if answer.is_result and not fits.is_valid(answer.payload):
                    raise Failed(f"an answer that breaks its schema: {encode(answer.payload)[:300]}")
                if not answer.is_result:
                    refusals.add(str(answer.error_code))
        told = f", some refused with {', '.join(sorted(refusals))}" if refusals else ""
        return f"{len(drawn)} payloads answered{told}"

    return run


def _wrong(action: str) -> Run:
    async def run(bench: Bench) -> str:
        wrong = [each for each in wrong_payloads(bench.version, action, bench.target.seed) if each.kind != TIME]
        if not bench.target.thorough:
            bench.random.shuffle(wrong)
            wrong = list(_one_of_each_kind_first(wrong))[:WRONG_SAMPLE]
        tolerated = 0
        async with bench.booted() as station:
            for each in wrong:
                answer = await bench.ask(station, action, each.payload)
                if answer.is_result and action in BILLING and each.kind in TOLERABLE:
                    tolerated += 1
                elif answer.error_code in UNHANDLED:
                    raise NotApplicable("needs the action to be handled at all")
                elif answer.error_code not in each.codes:
                    expected = " or ".join(each.codes)
                    raise Failed(f"{each.kind} at {each.place}: {answer}; expected {expected}")
        told = f", {tolerated} taken for the energy in them" if tolerated else ""
        return f"{len(wrong) - tolerated} payloads refused in the right words{told}"

    return run


def _one_of_each_kind_first(wrong: Iterable[Mutation]) -> Iterable[Mutation]:
    seen: set[str] = set()
    later = []
    for each in wrong:
        if each.kind in seen:
            later.append(each)
        else:
            seen.add(each.kind)
            yield each
    yield from later


def _checks() -> Iterable[Check]:
    actions = sorted({action for version in VERSIONS.values() for action in version.received})
    for action in actions:
        speakers = [version.name for version in VERSIONS.values() if action in version.received]
        right = (
            "every payload that keeps the schema is answered, never with InternalError, NotImplemented, NotSupported"
        )
        wrong = "a payload that breaks the schema is refused with the code of the rule it breaks"
        yield Check(f"right {action}", _demands(speakers, action, right), _right(action))
        yield Check(f"wrong {action}", _demands(speakers, action, wrong), _wrong(action))


def _demands(versions: list[str], action: str, expected: str) -> dict[str, Demand]:
    return {version: Demand("schemas", expected, f"OCPP {version}, schema of {action}") for version in versions}


CHECKS.all.extend(_checks())
