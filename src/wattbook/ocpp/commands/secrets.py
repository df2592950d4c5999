"""Which CALLs of ours hold a secret, and how they are kept without it.

A password travels to its station in a CALL like any other, so it must not stay behind in the places where CALLs are
kept for people: the rows of commands, the webhooks, the journal of frames.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from wattbook.ocpp.wire.frames import JsonObject

_KEYS: Final = frozenset({"authorizationkey", "basicauthpassword"})
"""Settings without case: of 1.6 (security extension, AuthorizationKey) and 2.x (SecurityCtrlr, BasicAuthPassword)."""

_FIELDS: Final = frozenset({"basicAuthPassword", "apnPassword", "key", "password"})
"""Of a network profile of 2.x, at any depth."""

_ACTIONS: Final = (b'"ChangeConfiguration"', b'"SetVariables"', b'"SetNetworkProfile"')
"""A frame without one of these in it holds no secret."""

WITHHELD: Final = "withheld"


def holds_secret(action: str, payload: JsonObject) -> bool:
    """Whether the payload of this CALL is to be shown to nobody but its station."""
    match action:
        case "ChangeConfiguration":
            return _is_key(payload.get("key"))
        case "SetVariables":
            given = payload.get("setVariableData")
            return isinstance(given, list) and any(
                _is_key(_field(_field(each, "variable"), "name")) for each in given if isinstance(each, Mapping)
            )
        case "SetNetworkProfile":
            return _has_field(payload)
    return False


def without_secret(raw: bytes) -> bytes:
    """A frame as it may be kept: as it is, or with a secret payload withheld."""
    if not any(action in raw for action in _ACTIONS):
        return raw
    try:
        frame = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    if not isinstance(frame, list) or len(frame) < 4 or not isinstance(frame[2], str) or not isinstance(frame[3], dict):
        return raw
    if not holds_secret(frame[2], frame[3]):
        return raw
    return msgspec.json.encode([*frame[:3], WITHHELD])


def _is_key(name: object) -> bool:
    return isinstance(name, str) and name.casefold() in _KEYS


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


def _has_field(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(name in _FIELDS or _has_field(each) for name, each in value.items())
    return False
