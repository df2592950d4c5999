"""What is tolerated, of whom, and what is not (R21, R22)."""

from decimal import Decimal
from typing import Any

import pytest

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.connections.quirks import Repaired, always, profiles, repair, rules_of
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import Part
from wattbook.ocpp.wire.versions import V16, V201, Version

AT = "2026-10-01T12:00:00Z"


def tolerate(
    action: str, payload: JsonObject, *names: str, version: Version = V16, part: Part = Part.REQUEST
) -> Repaired | None:
    return repair(rules_of(names), action, part, payload, schemas.validator(version, action, part))


def values(*samples: JsonObject) -> JsonObject:
    return {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": list(samples)}]}


def test_every_profile_says_why_and_who_says_so() -> None:
    assert {"billing", "long-texts"} <= profiles().keys()
    assert all(profile.why and profile.source for profile in profiles().values())
    assert always()


def test_a_profile_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no quirk profile is named nonsense; there are billing"):
        rules_of(["nonsense"])


def test_readings_beside_an_unknown_word_are_kept_and_the_input_is_not_changed() -> None:
    good: JsonObject = {"value": "100", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
    payload = values(good, {"value": "5", "measurand": "Power.Secret"}, {"value": "6", "unit": "Wattsies"})
    meant = tolerate("MeterValues", payload)
    assert meant is not None
    assert meant.payload == values(good)
    assert meant.flags == ("drop-item enum meterValue/*/sampledValue/*/measurand",
                           "drop-item enum meterValue/*/sampledValue/*/unit")  # fmt: skip
    assert len(payload["meterValue"][0]["sampledValue"]) == 3


@pytest.mark.parametrize(
    ("sample", "kept"),
    [
        ({"value": "1", "context": "Sample.Alfen"}, {"value": "1"}),
        ({"value": "50.1", "measurand": "Frequency", "unit": "Hz"}, {"value": "50.1", "measurand": "Frequency"}),
    ],
)
def test_a_word_that_changes_nothing_is_dropped_and_its_value_kept(sample: JsonObject, kept: JsonObject) -> None:
    meant = tolerate("MeterValues", values(sample))
    assert meant is not None
    assert meant.payload == values(kept)


def test_a_value_whose_phase_is_unknown_is_not_taken_for_a_total() -> None:
    other: JsonObject = {"value": "1"}
    meant = tolerate("MeterValues", values({"value": "9", "phase": "L4"}, other))
    assert meant is not None
    assert meant.payload == values(other)


def test_a_message_of_which_nothing_is_left_is_refused() -> None:
    assert tolerate("MeterValues", values({"value": "9", "unit": "xWh"})) is None


def test_a_stop_is_never_lost_to_its_reason_or_its_readings() -> None:
    stop = {"transactionId": 1, "meterStop": 5, "timestamp": AT}
    data = [{"timestamp": AT, "sampledValue": [{"value": "9", "location": "Moon"}]}]
    meant = tolerate("StopTransaction", stop | {"reason": "Bored", "idTag": "x" * 21, "transactionData": data})
    assert meant is not None
    assert meant.payload == stop | {"transactionData": [{"timestamp": AT, "sampledValue": []}]}
    assert len(meant.flags) == 3


def test_a_transaction_event_is_never_lost_to_an_optional_word() -> None:
    info = {"transactionId": "t"}
    event = {"eventType": "Ended", "timestamp": AT, "seqNo": 2}
    meant = tolerate(
        "TransactionEvent",
        event | {
            "triggerReason": "Whim",
            "transactionInfo": info | {"stoppedReason": "Bored", "chargingState": "Dancing"},
            "meterValue": [{"timestamp": AT, "sampledValue": [{"value": 1, "phase": "L9"}]}],
        },
        version=V201,
    )  # fmt: skip
    assert meant is not None
    assert meant.payload == event | {"triggerReason": "Trigger", "transactionInfo": info}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StartTransaction", {"connectorId": 1, "idTag": "x" * 21, "meterStart": 0, "timestamp": AT}),
        ("StartTransaction", {"connectorId": 1, "idTag": "x", "meterStart": "0", "timestamp": AT}),
        ("StartTransaction", {"connectorId": 1, "idTag": "x", "timestamp": AT}),
        ("StopTransaction", {"transactionId": 1, "meterStop": 5, "timestamp": AT, "extra": 1}),
        ("MeterValues", {"connectorId": 1, "meterValue": []}),
        ("MeterValues", {"meterValue": values({"value": "1"})["meterValue"]}),
        ("Authorize", {"idTag": "x" * 21}),
        ("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m", "chargePointSerialNumber": "x" * 26}),
    ],
)
def test_whom_to_bill_and_how_much_is_never_guessed_and_strict_is_the_default(action: str, payload: JsonObject) -> None:
    assert tolerate(action, payload) is None


BOOT: JsonObject = {"chargePointVendor": "v", "chargePointModel": "m"}
STATUS: JsonObject = {"connectorId": 1, "status": "Faulted"}


@pytest.mark.parametrize(
    ("profile", "action", "part", "said", "meant"),
    [
        ("long-texts", "BootNotification", Part.REQUEST, BOOT | {"chargePointSerialNumber": "x" * 30},
         BOOT | {"chargePointSerialNumber": "x" * 25}),
        ("own-error-codes", "StatusNotification", Part.REQUEST, STATUS | {"errorCode": "Error"},
         STATUS | {"errorCode": "OtherError"}),
        ("misspelled-units", "MeterValues", Part.REQUEST, values({"value": "1", "unit": "KWh"}),
         values({"value": "1", "unit": "kWh"})),
        ("loose-configuration", "GetConfiguration", Part.ANSWER,
         {"configurationKey": [{"key": "k", "readonly": "True", "value": 300}]},
         {"configurationKey": [{"key": "k", "readonly": True, "value": "300"}]}),
        ("numbers-as-text", "MeterValues", Part.REQUEST, values({"value": Decimal("1.50")}) | {"transactionId": "7"},
         values({"value": "1.50"}) | {"transactionId": 7}),
        ("extra-fields", "Heartbeat", Part.REQUEST, {"x": 1, "y": 2}, {}),
    ],
)  # fmt: skip
def test_a_profile_helps_its_stations_only(
    profile: str, action: str, part: Part, said: JsonObject, meant: JsonObject
) -> None:
    repaired = tolerate(action, said, profile, part=part)
    assert repaired is not None
    assert repaired.payload == meant
    assert repaired.flags
    assert tolerate(action, said, part=part) is None


@pytest.mark.parametrize("said", ["1.5", "x", "NaN", "1e99999", [], {}, None])
def test_what_cannot_be_written_exactly_is_not_coerced(said: Any) -> None:
    payload = {"transactionId": said, "meterStop": 5, "timestamp": AT}
    assert tolerate("StopTransaction", payload, "numbers-as-text") is None


def test_a_message_with_more_faults_than_a_quirk_has_is_refused() -> None:
    samples = [{"value": "1", "context": f"mine {n}"} for n in range(300)]
    assert tolerate("MeterValues", values(*samples)) is None
