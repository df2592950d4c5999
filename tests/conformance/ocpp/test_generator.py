"""The generator keeps the schemas where it should and breaks one rule where it should."""

import json
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Validator, validator_for

from wattbook.conformance.generator import FULL, GREATEST, SMALLEST, Schema, payload, payloads, resolve
from wattbook.conformance.mutations import mutations
from wattbook.conformance.raw_station import encode
from wattbook.conformance.versions import VERSIONS, Version

RECEIVED = [(version, action) for version in VERSIONS.values() for action in version.received]
EACH = pytest.mark.parametrize(("version", "action"), RECEIVED, ids=[f"{v.name}-{action}" for v, action in RECEIVED])


@cache
def schema_of(version: Version, action: str) -> tuple[Schema, Validator]:
    schema = version.request_schema(action)
    return schema, validator_for(encode(schema), validate_formats=True)


def on_the_wire(value: Any) -> Any:
    return json.loads(encode(value))


@given(st.sampled_from(RECEIVED), st.integers(0, 10**9), st.integers(0, 40))
def test_every_payload_keeps_its_schema(which: tuple[Version, str], seed: int, number: int) -> None:
    schema, fits = schema_of(*which)
    drawn = on_the_wire(payload(schema, number, Random(seed)))
    assert fits.is_valid(drawn), [fault.message for fault in fits.iter_errors(drawn)]


@EACH
def test_every_mutation_breaks_its_schema(version: Version, action: str) -> None:
    schema, fits = schema_of(version, action)
    for mutation in mutations(version, schema, payload(schema, FULL, Random(action))):
        assert not fits.is_valid(on_the_wire(mutation.payload)), f"{mutation.kind} at {mutation.place}"


@EACH
def test_a_seed_gives_the_same_payloads_again(version: Version, action: str) -> None:
    schema, _ = schema_of(version, action)
    assert list(payloads(schema, 7)) == list(payloads(schema, 7))


@EACH
def test_payloads_show_every_value_of_every_enum(version: Version, action: str) -> None:
    schema, _ = schema_of(version, action)
    shown: dict[int, set[str]] = {}
    for drawn in payloads(schema, 0):
        _gather(schema, schema, drawn, shown)
    for enum_at, values in shown.items():
        assert values == set(_enums(schema)[enum_at])


def test_the_smallest_has_what_is_required_and_the_greatest_has_all() -> None:
    schema, _ = schema_of(VERSIONS["1.6"], "StatusNotification")
    assert set(payload(schema, SMALLEST, Random(0))) == set(schema["required"])
    greatest = payload(schema, GREATEST, Random(0))
    assert set(greatest) == set(schema["properties"])
    assert len(greatest["info"]) == 50


def test_a_mutation_names_what_it_breaks_and_the_code_in_the_versions_spelling() -> None:
    version = VERSIONS["1.6"]
    schema, _ = schema_of(version, "Authorize")
    found = {m.kind: (m.place, m.payload, m.codes[0]) for m in mutations(version, schema, {"idTag": "A"})}
    assert found == {
        "missing": ("idTag", {}, "OccurenceConstraintViolation"),
        "extra": ("payload", {"idTag": "A", "noSuchField": 1}, "PropertyConstraintViolation"),
        "length": ("idTag", {"idTag": "x" * 21}, "PropertyConstraintViolation"),
        "type": ("idTag", {"idTag": 42}, "TypeConstraintViolation"),
    }


def _enums(schema: Any) -> dict[int, list[str]]:
    if not isinstance(schema, dict):
        return {}
    own = {id(schema): schema["enum"]} if isinstance(schema.get("enum"), list) else {}
    return own | {at: values for part in schema.values() for at, values in _enums(part).items()}


def _gather(root: Schema, schema: Schema, value: Any, shown: dict[int, set[str]]) -> None:
    schema = resolve(root, schema)
    if isinstance(schema.get("enum"), list):
        shown.setdefault(id(schema), set()).add(value)
    elif isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                _gather(root, part, value[name], shown)
    elif isinstance(value, list):
        for item in value:
            _gather(root, schema["items"], item, shown)
