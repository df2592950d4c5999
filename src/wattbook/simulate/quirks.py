"""Stations that speak as some do: wrongly, in the ways that `ocpp/connections/quirks.toml` lists.

Each rule there says which fault it forgives. Here the same rule is read the other way round: what the station means to
say is changed until it has that fault, wherever the schema lets it have one. So a vendor that is added to the list is
played as well.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from wattbook.ocpp.connections.quirks import Rule, profiles
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.frames import CALL, JsonObject, encode_call
from wattbook.ocpp.wire.schemas import Part
from wattbook.ocpp.wire.versions import Version

OWN_WORD: Final = "Wattbook"
"""In no list of any version."""

LONG: Final = "-and-some-words-more-than-fit" * 40

Step = str | int
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def rewriting(names: Iterable[str], version: Version) -> Callable[[bytes], bytes]:
    """What changes each CALL of a station with these quirks, before it is sent; by profiles' names.

    Raises:
        KeyError: there is no such profile.
    """
    rules = [rule for name in names for rule in profiles()[name].rules if rule.part == Part.REQUEST.value]

    def rewrite(frame: bytes) -> bytes:
        message = _decode(frame)
        if message[0] != CALL:
            return frame
        _, unique_id, action, payload = message
        return encode_call(unique_id, action, spoil(rules, version, action, payload))

    return rewrite


def spoil(rules: Sequence[Rule], version: Version, action: str, payload: JsonObject) -> JsonObject:
    """The payload with a fault of each rule that can be broken in it, once."""
    for rule in rules:
        if not rule.actions or action in rule.actions:
            payload = _spoilt(rule, version, action, payload)
    return payload


def _spoilt(rule: Rule, version: Version, action: str, payload: JsonObject) -> JsonObject:
    """The payload with the first fault of this kind; as it was, if there is no place for one."""
    schema = schemas.validator(version, action, Part.REQUEST)
    faults = sum(1 for _ in schema.iter_errors(payload))
    places = list(_places(rule, payload))
    if rule.do == "drop-item":
        places.reverse()  # what is lost with the fault is better not the register of energy, which comes first
    for path, value in places:
        changed = copy.deepcopy(payload)
        holder = _at(changed, path[:-1])
        holder[path[-1]] = value
        found = list(schema.iter_errors(changed))
        if len(found) == faults + 1 and any(_is_meant(rule, fault) for fault in found):
            return changed
    return payload


def _is_meant(rule: Rule, fault: Any) -> bool:
    place = "/".join(map(str, fault.instance_path))
    return bool(rule.fault == fault.kind.name and fnmatchcase(place, rule.path))


def _places(rule: Rule, payload: JsonObject) -> Iterator[tuple[list[Step], Any]]:
    """Where this fault may be put, and what to put there."""
    for path, value in _walk(payload, []):
        if rule.fault == "additionalProperties":
            if isinstance(value, dict):
                yield [*path, "vendorExtension"], OWN_WORD
        elif path and fnmatchcase("/".join(map(str, path)), rule.path) and _stands_beside(rule, payload, path):
            yield from ((path, wrong) for wrong in _wrong(rule, value))


def _stands_beside(rule: Rule, payload: JsonObject, path: list[Step]) -> bool:
    beside = _at(payload, path[:-1])
    return all(isinstance(beside, dict) and beside.get(name) == word for name, word in rule.where.items())


def _wrong(rule: Rule, value: Any) -> Iterator[Any]:
    """What a station with this quirk says instead of the value."""
    if rule.fault == "enum" and isinstance(value, str):
        yield from (wrong for wrong, right in rule.values.items() if right == value)
        yield OWN_WORD
    elif rule.fault == "maxLength" and isinstance(value, str):
        yield value + LONG
    elif rule.fault == "type" and isinstance(value, bool):
        yield str(value).lower()
    elif rule.fault == "type" and isinstance(value, int | Decimal):
        yield str(value)
    elif rule.fault == "type" and isinstance(value, str) and value.isdecimal():
        yield int(value)


def _walk(value: Any, path: list[Step]) -> Iterator[tuple[list[Step], Any]]:
    yield path, value
    inside: Iterable[tuple[Step, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for step, each in inside:
        yield from _walk(each, [*path, step])


def _at(payload: Any, path: Sequence[Step]) -> Any:
    for step in path:
        payload = payload[step]
    return payload
