"""Stations that speak wrongly, as the list of quirks has it: each fault is a fault, and is forgiven to that vendor."""

from typing import Any

import msgspec
import pytest

from wattbook.ocpp.connections.quirks import profiles, repair, rules_of
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.frames import encode_call, encode_result
from wattbook.ocpp.wire.schemas import Part
from wattbook.ocpp.wire.versions import V16, V201, Version
from wattbook.simulate.quirks import rewriting, spoil

AT = "2026-10-01T12:00:00Z"
BOOT = {"chargePointVendor": "maker", "chargePointModel": "model", "chargePointSerialNumber": "1"}
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": AT}
VALUES = {
    "connectorId": 1,
    "meterValue": [
        {
            "timestamp": AT,
            "sampledValue": [
                {
                    "value": "5",
                    "unit": "Wh",
                    "measurand": "Energy.Active.Import.Register",
                    "context": "Sample.Periodic",
                },
                {"value": "9", "unit": "Celsius", "measurand": "Temperature"},
            ],
        }
    ],
}
STOP = {"transactionId": 1, "meterStop": 5, "timestamp": AT, "reason": "Local", "idTag": "04AABB"}
EVENT = {
    "eventType": "Ended",
    "timestamp": AT,
    "triggerReason": "StopAuthorized",
    "seqNo": 3,
    "transactionInfo": {"transactionId": "1", "stoppedReason": "Local"},
}

CASES: list[tuple[str, Version, str, dict[str, Any]]] = [
    ("billing", V16, "MeterValues", VALUES),
    ("billing", V16, "StopTransaction", STOP),
    ("billing", V201, "TransactionEvent", EVENT),
    ("long-texts", V16, "BootNotification", BOOT),
    ("own-error-codes", V16, "StatusNotification", STATUS),
    ("misspelled-units", V16, "MeterValues", VALUES),
    ("numbers-as-text", V16, "StopTransaction", STOP),
    ("extra-fields", V16, "BootNotification", BOOT),
]


@pytest.mark.parametrize(("name", "version", "action", "meant"), CASES)
def test_what_is_said_wrongly_is_a_fault_that_is_forgiven(
    name: str, version: Version, action: str, meant: dict[str, Any]
) -> None:
    schema = schemas.validator(version, action, Part.REQUEST)
    assert schema.is_valid(meant)
    said = spoil(profiles()[name].rules, version, action, meant)
    assert not schema.is_valid(said)
    assert repair(rules_of([name]), action, Part.REQUEST, said, schema) is not None


def test_what_has_no_place_for_the_fault_is_said_as_it_is_meant() -> None:
    assert spoil(profiles()["own-error-codes"].rules, V16, "Heartbeat", {}) == {}


def test_only_calls_are_said_wrongly() -> None:
    rewrite = rewriting(["extra-fields"], V16)
    answer = encode_result("1", {"status": "Accepted"})
    assert rewrite(answer) == answer
    message = msgspec.json.decode(rewrite(encode_call("1", "BootNotification", BOOT)))
    assert message[:3] == [2, "1", "BootNotification"]
    assert message[3] == BOOT | {"vendorExtension": "Wattbook"}
