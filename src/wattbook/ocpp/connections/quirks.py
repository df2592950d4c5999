"""Quirks: what some stations say wrongly, and what is made of it; `quirks.toml` is the list.

Strict comes first. Only a payload that failed its schema is looked at here, so a station without quirks pays nothing
for those of others. Each fault needs a rule that covers it, else the message is refused as before: garbage is not
repaired (R22). What was changed is said in flags, and the frame is kept as it came.
"""

import copy
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

import msgspec
from jsonschema_rs import ValidationError, Validator
from msgspec import Struct

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import Part

REPAIRS_MAX: Final = 256
"""In one message; one that needs more is not a message with a quirk."""

Step = str | int


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done about one kind of fault; see the head of `quirks.toml`."""

    fault: str
    do: Literal["drop", "drop-item", "truncate", "replace", "coerce"]
    path: str = "*"
    actions: tuple[str, ...] = ()
    part: Literal["request", "answer"] = "request"
    where: Mapping[str, str] = {}
    values: Mapping[str, str] = {}
    default: str | None = None


class Profile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rules that go together.

    Attributes:
        always: whether it holds for every station.
    """

    name: str
    why: str
    source: str
    checked_on: date
    always: bool = False
    rules: tuple[Rule, ...] = ()


class Maker(Struct, frozen=True):
    """Who made a station, in its own words."""

    vendor: str
    model: str


class Repaired(Struct, frozen=True):
    """A payload that fits its schema now, and what was done to it, e.g. `drop enum reason`."""

    payload: JsonObject
    flags: tuple[str, ...]


RulesOf = Callable[[str, Maker | None], Awaitable[Sequence[Rule]]]
"""The rules of a station, by its id and, at its boot, by what it says of itself. Asked only after a fault."""


@cache
def profiles() -> Mapping[str, Profile]:
    """All profiles by name, as `quirks.toml` has them."""
    text = resources.files("wattbook.ocpp.connections").joinpath("quirks.toml").read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text)["profiles"], list[Profile])
    return {profile.name: profile for profile in found}


def rules_of(names: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of these profiles, then those that hold for every station.

    Raises:
        InvalidInput: there is no profile of that name.
    """
    every = profiles()
    chosen = dict.fromkeys(names)
    unknown = [name for name in chosen if name not in every]
    if unknown:
        raise InvalidInput(f"no quirk profile is named {unknown[0][:50]}; there are {', '.join(every)}")
    own = [rule for name in chosen for rule in every[name].rules]
    return *own, *always()


@cache
def always() -> tuple[Rule, ...]:
    """The rules that hold for every station."""
    return tuple(rule for profile in profiles().values() if profile.always for rule in profile.rules)


async def strict(_: str, __: Maker | None) -> Sequence[Rule]:
    """The rules of a station that has no quirks."""
    return always()


def repair(rules: Sequence[Rule], action: str, part: Part, payload: JsonObject, schema: Validator) -> Repaired | None:
    """The payload as it was meant, if every fault in it is covered by a rule."""
    here = [rule for rule in rules if rule.part == part.value and (not rule.actions or action in rule.actions)]
    if not here:
        return None
    meant = copy.deepcopy(payload)
    flags: dict[str, None] = {}
    for _ in range(REPAIRS_MAX):
        fault = next(schema.iter_errors(meant), None)
        if fault is None:
            return Repaired(meant, tuple(flags))
        path: list[Step] = list(fault.instance_path)
        rule = next((rule for rule in here if _covers(rule, fault, path, meant)), None)
        if rule is None or not _apply(rule, fault, path, meant):
            return None
        place = "/".join("*" if isinstance(step, int) else step for step in path)
        flags[f"{rule.do} {fault.kind.name} {place}".strip()] = None
    return None


def _covers(rule: Rule, fault: ValidationError, path: list[Step], payload: JsonObject) -> bool:
    if rule.fault != fault.kind.name or not fnmatchcase("/".join(map(str, path)), rule.path):
        return False
    if not rule.where:
        return True
    beside = _at(payload, path[:-1])
    return isinstance(beside, dict) and all(beside.get(name) == value for name, value in rule.where.items())


def _apply(rule: Rule, fault: ValidationError, path: list[Step], payload: JsonObject) -> bool:
    """Do it; False if it cannot be done here."""
    if rule.fault == "additionalProperties":
        place = _at(payload, path)
        kind: Any = fault.kind
        for name in kind.unexpected:
            del place[name]
        return True
    if not path:
        return False
    if rule.do == "drop-item":
        last = max((n for n, step in enumerate(path) if isinstance(step, int)), default=None)
        if last is None:
            return False
        del _at(payload, path[:last])[path[last]]
        return True
    holder, name = _at(payload, path[:-1]), path[-1]
    if rule.do == "drop":
        del holder[name]
        return True
    value = _value(rule, fault, holder[name])
    if value is None:
        return False
    holder[name] = value
    return True


def _value(rule: Rule, fault: ValidationError, said: Any) -> Any:
    """What to write instead; None if there is nothing."""
    kind: Any = fault.kind
    if rule.do == "truncate":
        return said[: kind.limit]
    if rule.do == "replace":
        return rule.values.get(said, rule.default) if isinstance(said, str) else rule.default
    return next((value for wanted in kind.types if (value := _coerced(said, wanted)) is not None), None)


def _coerced(said: Any, kind: str) -> Any:
    """The same value in another type of JSON; None if it cannot be said exactly."""
    if kind == "string":
        return "" if said is None else _text(said)
    if kind == "boolean" and isinstance(said, str):
        return {"true": True, "false": False}.get(said.strip().lower())
    if kind in ("integer", "number") and isinstance(said, (str, Decimal)):
        return _number(said, whole=kind == "integer")
    return None


def _text(said: Any) -> str | None:
    if isinstance(said, bool):
        return "true" if said else "false"
    if isinstance(said, (int, Decimal)):
        return format(said, "f") if isinstance(said, Decimal) and abs(said.adjusted()) < 30 else str(said)
    return None


def _number(said: str | Decimal, *, whole: bool) -> int | Decimal | None:
    try:
        number = Decimal(said)
    except ArithmeticError:
        return None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return None
    if not whole:
        return number
    return int(number) if number == number.to_integral_value() else None


def _at(payload: Any, path: Sequence[Step]) -> Any:
    for step in path:
        payload = payload[step]
    return payload
