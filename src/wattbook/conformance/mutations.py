"""Messages that break exactly one rule of their schema, with the code a management system should answer.

Each is a right payload, changed in one place. The codes are the words of the error tables: how often a field is there
(Occurrence), of what type it is (Type), which value it has (Property). Where the words leave room, more than one code
is right and the first is the one that fits best.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wattbook.conformance.generator import Schema, resolve
from wattbook.conformance.versions import JsonObject, Version

TIME: Final = "time"
EXTRA: Final = "noSuchField"
NOT_IN_ENUM: Final = "NoSuchValue"
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """A wrong payload.

    Attributes:
        kind: which rule is broken: missing, type, enum, length, extra, items, range, time.
        place: where, as a path such as `meterValue/0/timestamp`.
        payload: the payload.
        codes: codes that are right; the first fits best.
    """

    kind: str
    place: str
    payload: Any
    codes: tuple[str, ...]


def codes(version: Version) -> Mapping[str, tuple[str, ...]]:
    """Kind of mutation → codes that are right, as this version spells them."""
    occurrence, type_, property_ = version.occurrence, "TypeConstraintViolation", "PropertyConstraintViolation"
    # 1.6 calls an incomplete payload a ProtocolError too; 2.x calls what does not keep the structure so.
    loose = (version.malformed, "ProtocolError")
    return {
        "missing": (occurrence, *loose),
        "type": (type_, version.malformed),
        "enum": (property_, type_),
        "length": (property_, type_),
        "extra": (property_, *loose, occurrence),
        "items": (occurrence, property_),
        "range": (property_, type_),
        TIME: (property_, type_, version.malformed),
    }


def mutations(version: Version, schema: Schema, right: JsonObject) -> Iterator[Mutation]:
    """Every payload that breaks one rule of the schema in one place where `right` has something to break."""
    table = codes(version)

    def broken(kind: str, place: Path, change: Callable[[Any], Any]) -> Mutation:
        allowed = table[kind]
        return Mutation(kind, "/".join(map(str, place)) or "payload", _changed(right, place, change), allowed)

    for place, part, value in _walk(schema, schema, right, ()):
        if isinstance(value, dict):
            yield from _of_object(place, part, value, broken)
        elif isinstance(value, list):
            yield from _of_list(place, part, value, broken)
        elif isinstance(value, str) and "enum" in part:
            yield broken("enum", place, lambda _: NOT_IN_ENUM)
        elif isinstance(value, str):
            if "maxLength" in part:
                yield broken("length", place, lambda _, n=part["maxLength"] + 1: "x" * n)  # type: ignore[misc]
            if part.get("format") == "date-time":
                yield broken(TIME, place, lambda _: "the day before yesterday")
        else:
            if "minimum" in part:
                yield broken("range", place, lambda _, n=part["minimum"] - 1: n)  # type: ignore[misc]
            if "maximum" in part:
                yield broken("range", place, lambda _, n=part["maximum"] + 1: n)  # type: ignore[misc]
        if place and "type" in part:
            # What is no value of an enum either breaks two rules at once.
            mutation = broken("type", place, lambda _, t=part["type"]: _of_another_type(t))  # type: ignore[misc]
            yield Mutation(
                "type", mutation.place, mutation.payload, table["type"] + table["enum"][:1] * ("enum" in part)
            )


def _of_object(
    place: Path, part: Schema, value: JsonObject, broken: Callable[[str, Path, Callable[[Any], Any]], Mutation]
) -> Iterator[Mutation]:
    for name in part.get("required", ()):
        yield broken("missing", (*place, name), lambda _: _GONE)
    if part.get("additionalProperties", True) is False:
        yield broken("extra", place, lambda whole: {**whole, EXTRA: 1})


def _of_list(
    place: Path, part: Schema, value: list[Any], broken: Callable[[str, Path, Callable[[Any], Any]], Mutation]
) -> Iterator[Mutation]:
    if part.get("minItems", 0) > 0:
        yield broken("items", place, lambda whole: whole[: part["minItems"] - 1])
    if "maxItems" in part and value:
        missing = part["maxItems"] + 1 - len(value)
        yield broken("items", place, lambda whole: whole + [whole[0]] * missing)


def _walk(root: Schema, schema: Schema, value: Any, place: Path) -> Iterator[tuple[Path, Schema, Any]]:
    """Every place of the payload with its schema; of a list only the first item, for the others are like it."""
    schema = resolve(root, schema)
    yield place, schema, value
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from _walk(root, part, value[name], (*place, name))
    elif isinstance(value, list) and value:
        yield from _walk(root, schema["items"], value[0], (*place, 0))


_GONE: Final = object()


def _changed(value: Any, place: Path, change: Callable[[Any], Any]) -> Any:
    """The value with a change in one place; what is not on the way there is shared with the old one."""
    if not place:
        return change(value)
    step, *rest = place
    changed, whole = _changed(value[step], tuple(rest), change), value.copy()
    if changed is _GONE:
        del whole[step]
    else:
        whole[step] = changed
    return whole


def _of_another_type(json_type: str) -> Any:
    return {"string": 42, "integer": "42", "number": "4.2", "boolean": "true", "array": {}, "object": "text"}[json_type]
