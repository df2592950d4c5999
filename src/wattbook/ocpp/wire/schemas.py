"""The schema check: every payload of every version against the JSON schema its authors publish.

The schemas are those inside the `ocpp` package, compiled once on first use. A failure is named by the constraint that
failed; `CODE_OF_KEYWORD` is the one place that turns a constraint into an error code.

Times are left to the dialects, which read each of them anyway: a time without offset is UTC for OCPP 1.6 (3.15), while
the schemas' `date-time` would refuse it. Where nobody reads them, because a message is carried verbatim, `times` has
them checked by the house's own reader.
"""

import json
from enum import Enum
from functools import cache
from importlib import resources

from jsonschema_rs import Validator, validator_for

from wattbook.kernel.clock import parse_rfc3339
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.versions import Version

CODE_OF_KEYWORD = {
    "required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "enum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "maxLength": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "pattern": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "minimum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "maximum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "multipleOf": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "additionalProperties": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
}


def _is_time(text: str) -> bool:
    try:
        parse_rfc3339(text)
    except InvalidInput:
        return False
    return True


FORMATS = {"date-time": _is_time, "uri": lambda _: True}
"""What a text of a format must be; an address is judged by whoever goes there."""


class Part(Enum):
    """Which half of an exchange a payload is."""

    REQUEST = "request"
    ANSWER = "answer"


@cache
def actions(version: Version) -> frozenset[str]:
    """Every action the version's specification knows, supported here or not."""
    names = {entry.name.removesuffix(".json") for entry in _folder(version).iterdir() if entry.name.endswith(".json")}
    requests = {name for name in names if not name.endswith("Response")}
    return frozenset(name.removesuffix(version.request_suffix) for name in requests)


@cache
def is_answered(version: Version, action: str) -> bool:
    """Whether the action has an answer; a SEND of 2.1 has none."""
    return _folder(version).joinpath(f"{action}Response.json").is_file()


@cache
def validator(version: Version, action: str, part: Part, *, times: bool = False) -> Validator:
    """The compiled schema of one payload; where the specification knows no answer, only an empty one is valid.

    Raises:
        KeyError: the version has no such action.
    """
    return validator_for(document(version, action, part), validate_formats=times, formats=FORMATS)


def document(version: Version, action: str, part: Part) -> JsonObject:
    """The schema as published; see `validator`."""
    if action not in actions(version):
        raise KeyError(action)
    if is_answered(version, action):
        suffix = "Response" if part is Part.ANSWER else version.request_suffix
    elif part is Part.ANSWER:
        return {"type": "object", "maxProperties": 0}
    else:
        suffix = ""
    schema: JsonObject = json.loads(
        _folder(version).joinpath(f"{action}{suffix}.json").read_bytes().decode("utf-8-sig")
    )
    return schema


def check(schema: Validator, payload: JsonObject) -> None:
    """Raise the first constraint the payload breaks.

    Raises:
        RpcError: with the code of the constraint, and the place in the payload.
    """
    try:
        if schema.is_valid(payload):
            return
        fault = next(schema.iter_errors(payload))
    except ValueError:  # the validator's own bound on depth
        raise RpcError(ErrorCode.FORMAT_VIOLATION, "the payload is nested too deeply") from None
    place = "/".join(str(step) for step in fault.instance_path) or "payload"
    code = CODE_OF_KEYWORD.get(fault.kind.name, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
    raise RpcError(code, f"{place}: {fault.message}")


def _folder(version: Version) -> resources.abc.Traversable:
    return resources.files("ocpp").joinpath(version.schema_folder, "schemas")
