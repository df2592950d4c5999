"""Each constraint of a schema has its error code."""

from typing import Any

import pytest

from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import Part, actions, check, validator
from wattbook.ocpp.wire.versions import V16, VERSIONS, Version

START: JsonObject = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "2026-10-01T12:00:00Z"}
VALUES: JsonObject = {
    "connectorId": 1,
    "meterValue": [{"timestamp": "2026-10-01T12:00:00Z", "sampledValue": [{"value": "1"}]}],
}

BROKEN: list[tuple[str, str, JsonObject, str, str]] = [
    ("required", "StartTransaction", {**START, "idTag": ...}, "OccurenceConstraintViolation", "idTag"),
    ("minItems", "MeterValues", {**VALUES, "meterValue": []}, "OccurenceConstraintViolation", "meterValue"),
    ("type", "StartTransaction", {**START, "connectorId": "1"}, "TypeConstraintViolation", "connectorId"),
    ("type: fraction", "StartTransaction", {**START, "meterStart": 1.5}, "TypeConstraintViolation", "meterStart"),
    ("type: boolean", "StartTransaction", {**START, "connectorId": True}, "TypeConstraintViolation", "connectorId"),
    ("type: null", "StartTransaction", {**START, "reservationId": None}, "TypeConstraintViolation", "reservationId"),
    ("maxLength", "StartTransaction", {**START, "idTag": "A" * 21}, "PropertyConstraintViolation", "idTag"),
    ("additionalProperties", "StartTransaction", {**START, "x": 1}, "PropertyConstraintViolation", "'x'"),
    (
        "enum, deep inside",
        "MeterValues",
        {**VALUES, "meterValue": [{**VALUES["meterValue"][0], "sampledValue": [{"value": "1", "unit": "Hz"}]}]},
        "PropertyConstraintViolation",
        "meterValue/0/sampledValue/0/unit",
    ),
]


def without_dots(payload: JsonObject) -> JsonObject:
    return {name: value for name, value in payload.items() if value is not ...}


@pytest.mark.parametrize(
    ("action", "payload", "spelled", "place"), [row[1:] for row in BROKEN], ids=[r[0] for r in BROKEN]
)
def test_a_broken_constraint_has_its_code_and_place(action: str, payload: JsonObject, spelled: str, place: str) -> None:
    with pytest.raises(RpcError, match=place) as caught:
        check(validator(V16, action, Part.REQUEST), without_dots(payload))
    assert V16.error_codes[caught.value.rpc_code] == spelled


def test_bounds_of_numbers_are_property_constraints() -> None:
    """1.6 has none in the core profile; its charging profiles have `multipleOf`."""
    period = {"startPeriod": 0, "limit": 16.12}
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    profile: dict[str, Any] = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile"}
    profile |= {"chargingProfileKind": "Relative", "chargingSchedule": schedule}
    with pytest.raises(RpcError) as caught:
        check(validator(V16, "RemoteStartTransaction", Part.REQUEST), {"idTag": "A", "chargingProfile": profile})
    assert caught.value.rpc_code is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


def test_a_payload_deeper_than_the_validator_goes_is_refused() -> None:
    deep: JsonObject = {}
    for _ in range(900):
        deep = {"a": deep}
    with pytest.raises(RpcError) as caught:
        check(validator(V16, "StartTransaction", Part.REQUEST), {**START, "x": deep})
    assert V16.error_codes[caught.value.rpc_code] in ("FormationViolation", "PropertyConstraintViolation")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_every_schema_of_every_version_compiles(version: Version) -> None:
    for action in actions(version):
        validator(version, action, Part.REQUEST)
        if (version.name, action) != ("2.1", "NotifyPeriodicEventStream"):  # the one message without an answer
            validator(version, action, Part.ANSWER)


def test_the_actions_are_those_of_the_specification() -> None:
    assert len(actions(V16)) == 39  # 28 of edition 2 and 11 of the security extension
    assert "Heartbeat" in actions(V16)
    assert "HeartbeatResponse" not in actions(V16)


def test_an_action_the_version_does_not_have_has_no_schema() -> None:
    with pytest.raises(KeyError):
        validator(V16, "TransactionEvent", Part.REQUEST)
    with pytest.raises(KeyError):
        validator(V16, "../v201/schemas/HeartbeatRequest", Part.REQUEST)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.version.name)
def test_every_exchange_of_a_dialect_has_its_schemas(dialect: Any) -> None:
    assert set(dialect.by_action) <= actions(dialect.version)
