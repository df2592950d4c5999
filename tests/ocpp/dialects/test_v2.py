"""The dialects of 2.0.1 and 2.1: what is said in neutral words is schema-valid and means the same when read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp import messages as m
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.dialects.v2 import DIALECT_21, DIALECT_201, STOP_REASONS, USED
from wattbook.ocpp.wire import frames
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import check

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
IMPORT, EXPORT = "Energy.Active.Import.Register", "Energy.Active.Export.Register"

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
places = st.integers(0, 2**15 - 1)
numbers = st.integers(0, 2**31 - 1)
times = st.integers(-(10**11), 10**12).map(lambda ms: AT + timedelta(milliseconds=ms))
tokens = st.builds(m.IdToken, texts, st.sampled_from(["ISO14443", "eMAID", "Central"]))
quantities = st.decimals(-999_999, 999_999, places=3)
token_infos = st.builds(m.TokenInfo, st.sampled_from(m.Authorization), st.none() | times, st.none() | tokens)
hashes = st.builds(m.CertificateHash, st.just("SHA256"), texts, texts, texts, st.just("http://ocsp.example"))
readings = st.builds(
    m.Reading,
    measurand=st.sampled_from(["Current.Import", "Voltage", "Energy.Reactive.Import.Register"]),
    value=quantities,
    unit=st.none() | st.sampled_from(["A", "V", "varh"]),
    phase=st.none() | st.sampled_from(["L1", "L1-N"]),
    location=st.none() | st.sampled_from(["Inlet", "EV"]),
)
samples = st.builds(
    m.Sample,
    times,
    st.sampled_from(["Sample.Periodic", "Transaction.Begin", "Other"]),
    import_mwh=st.none() | st.integers(-(2**62), 2**62),
    export_mwh=st.none() | st.integers(0, 2**62),
    import_w=st.none() | quantities,
    export_w=st.none() | quantities,
    soc_percent=st.none() | quantities,
    readings=st.lists(readings, max_size=3).map(tuple),
).filter(lambda sample: sample != m.Sample(sample.taken_at, sample.context))
many_samples = st.lists(samples, min_size=1, max_size=3).map(tuple)
statuses = st.sampled_from([status for status in m.ConnectorStatus if status not in USED])
reasons = st.sampled_from(
    [
        reason
        for reason in m.StopReason
        if reason not in STOP_REASONS and reason is not m.StopReason.ENERGY_TRANSFER_REJECTED
    ]
)
variables = st.builds(
    m.ReportedVariable,
    texts,
    texts,
    st.sampled_from(["Actual", "Target"]),
    evse=st.just(0) | st.integers(1, 9),
    value=st.none() | texts,
    mutability=st.sampled_from(["ReadOnly", "ReadWrite"]),
    persistent=st.booleans(),
    characteristics=st.none() | st.just({"dataType": "integer", "supportsMonitoring": True, "unit": "A"}),
)


def commanded(*allowed: str) -> st.SearchStrategy[m.CommandAnswer]:
    return st.builds(m.CommandAnswer, st.sampled_from([m.CommandStatus(status) for status in allowed]))


def needs_of(amperes: int, transfer: str) -> m.ChargingNeeds:
    parameters = {"energyAmount": 20_000, "evMinCurrent": 6, "evMaxCurrent": amperes, "evMaxVoltage": 230}
    needs = {
        "requestedEnergyTransfer": transfer,
        "acChargingParameters": parameters,
        "departureTime": "2026-10-02T06:00:00Z",
    }
    payload = {"evseId": 1, "chargingNeeds": needs}
    said = DIALECT_201.by_action["NotifyEVChargingNeeds"].exchange.read_request(payload)
    assert isinstance(said, m.ChargingNeeds)
    return said


Pair = tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]

EXCHANGES: dict[str, Pair] = {
    "Authorize": (
        st.builds(m.Authorize, tokens, st.none() | texts, st.lists(hashes, max_size=4).map(tuple)),
        st.builds(m.AuthorizeAnswer, token_infos, st.none() | st.sampled_from(m.CertificateStatus)),
    ),
    "BootNotification": (
        st.builds(
            m.BootNotification, texts, texts, serial_number=st.none() | texts, imsi=texts, reason=st.just("Watchdog")
        ),
        st.builds(m.BootAnswer, st.sampled_from(m.Registration), times, st.integers(0, 86400)),
    ),
    "Heartbeat": (st.just(m.Heartbeat()), st.builds(m.HeartbeatAnswer, times)),
    "MeterValues": (st.builds(m.MeterValues, places, many_samples), st.just(m.MeterValuesAnswer())),
    "StatusNotification": (
        st.builds(m.StatusNotification, places, statuses, occurred_at=times, connector=places),
        st.just(m.StatusAnswer()),
    ),
    "TransactionEvent": (
        st.builds(
            m.TransactionEvent,
            st.sampled_from(m.Phase),
            texts,
            numbers,
            times,
            st.sampled_from(["Authorized", "MeterValuePeriodic", "EVDeparted"]),
            many_samples | st.just(()),
            places,
            st.none() | places,
            st.none() | tokens,
            st.booleans(),
            st.none() | reasons,
            st.none() | st.sampled_from(["Charging", "Idle"]),
            st.none() | numbers,
            st.none() | numbers,
        ),
        st.builds(m.TransactionEventAnswer, st.none() | quantities, st.none() | token_infos),
    ),
    "NotifyReport": (
        st.builds(
            m.VariablesReported, numbers, numbers, times, st.lists(variables, max_size=3).map(tuple), st.booleans()
        ),
        st.just(m.VariablesAnswer()),
    ),
    "NotifyEVChargingNeeds": (
        st.builds(needs_of, st.integers(0, 80), st.sampled_from(["AC_single_phase", "AC_three_phase"])),
        st.builds(m.ChargingNeedsAnswer, st.sampled_from(list(m.NeedsStatus)[:3])),
    ),
    "SignCertificate": (
        st.builds(m.SignCertificate, texts, st.sampled_from(["ChargingStationCertificate", "V2GCertificate"])),
        st.builds(m.SignCertificateAnswer, st.booleans()),
    ),
    "Get15118EVCertificate": (
        st.builds(m.ContractCertificate, texts, st.sampled_from(["Install", "Update"]), texts),
        st.builds(m.ContractCertificateAnswer, st.booleans(), texts),
    ),
    "GetCertificateStatus": (st.builds(m.OcspQuestion, hashes), st.builds(m.OcspAnswer, st.none() | texts)),
    "DataTransfer": (
        st.builds(m.DataTransfer, texts, st.none() | texts, st.none() | texts | st.just({"a": [1]})),
        st.builds(m.DataTransferAnswer, st.sampled_from(m.DataTransferStatus), st.none() | texts),
    ),
    "ChangeAvailability": (
        st.builds(m.ChangeAvailability, places, st.booleans()),
        commanded("Accepted", "Rejected", "Scheduled"),
    ),
    "ClearCache": (st.just(m.ClearCache()), commanded("Accepted", "Rejected")),
    "RequestStartTransaction": (
        st.builds(m.RemoteStart, tokens, st.none() | st.integers(1, 9), numbers),
        st.builds(m.CommandAnswer, st.just(m.CommandStatus.ACCEPTED), st.none() | texts),
    ),
    "RequestStopTransaction": (st.builds(m.RemoteStop, texts), commanded("Accepted", "Rejected")),
    "CostUpdated": (st.builds(m.CostUpdated, texts, quantities), st.just(m.CostNoted())),
    "Reset": (st.builds(m.Reset, st.sampled_from(m.ResetKind)), commanded("Accepted", "Rejected", "Scheduled")),
    "UnlockConnector": (
        st.builds(m.UnlockConnector, places, places),
        commanded("Unlocked", "UnlockFailed", "OngoingAuthorizedTransaction", "UnknownConnector"),
    ),
}

hash_without_address = st.builds(m.CertificateHash, st.just("SHA384"), texts, texts, texts)
ONLY_IN_21: dict[str, Pair] = {
    "TransactionEvent": (
        EXCHANGES["TransactionEvent"][0],
        st.builds(
            m.TransactionEventAnswer, st.none() | quantities, st.none() | token_infos, st.none() | quantities
        ).filter(lambda answer: answer != m.TransactionEventAnswer()),
    ),
    "GetCertificateChainStatus": (
        st.builds(
            m.ChainStatusQuestion,
            st.lists(
                st.tuples(hash_without_address, st.just("OCSP"), st.just(("http://a",))), min_size=1, max_size=4
            ).map(tuple),
        ),
        st.builds(
            m.ChainStatusAnswer,
            st.lists(
                st.builds(m.ChainStatus, hash_without_address, st.just("CRL"), st.just("Good"), times),
                min_size=1,
                max_size=4,
            ).map(tuple),
        ),
    ),
    "VatNumberValidation": (
        st.builds(m.VatNumberQuestion, texts, st.none() | places),
        st.builds(
            m.VatNumberAnswer,
            texts,
            st.none() | places,
            st.none() | st.just({"name": "Sun", "address1": "Street 1", "city": "Seoul", "country": "KR"}),
            st.booleans(),
        ),
    ),
}

TABLE = [(DIALECT_201, action, pair) for action, pair in EXCHANGES.items()]
TABLE += [(DIALECT_21, action, pair) for action, pair in {**EXCHANGES, **ONLY_IN_21}.items()]
every_exchange = pytest.mark.parametrize(
    ("dialect", "action", "pair"), TABLE, ids=[f"{dialect.version.name}-{action}" for dialect, action, _ in TABLE]
)


@pytest.mark.parametrize("dialect", [DIALECT_201, DIALECT_21], ids=lambda dialect: dialect.version.name)
def test_every_exchange_has_its_round_trips(dialect: Dialect) -> None:
    assert {exchange.action for exchange in dialect.exchanges} == {row[1] for row in TABLE if row[0] is dialect}


@every_exchange
@given(data=st.data())
def test_a_request_means_the_same_after_the_wire(
    dialect: Dialect, action: str, pair: Pair, data: st.DataObject
) -> None:
    translation, request = dialect.by_action[action], data.draw(pair[0])
    payload = translation.exchange.write_request(request)
    check(translation.request_schema, payload)
    assert translation.exchange.read_request(after_the_wire(payload)) == request
    assert dialect.of(request) is translation


@every_exchange
@given(data=st.data())
def test_an_answer_means_the_same_after_the_wire(
    dialect: Dialect, action: str, pair: Pair, data: st.DataObject
) -> None:
    translation, answer = dialect.by_action[action], data.draw(pair[1])
    payload = translation.exchange.write_answer(answer)
    check(translation.answer_schema, payload)
    assert translation.exchange.read_answer(after_the_wire(payload)) == answer


def after_the_wire(payload: JsonObject) -> JsonObject:
    frame = frames.parse(frames.encode_call("1", "Any", payload))
    assert isinstance(frame, frames.Call)
    return frame.payload


# Measured values


def sample_of(*values: str) -> m.Sample:
    """The sample that values make, each as it stands in the frame."""
    event = f'{{"timestamp":"2026-10-01T12:00:00Z","sampledValue":[{",".join(values)}]}}'
    raw = f'[2,"1","MeterValues",{{"evseId":1,"meterValue":[{event}]}}]'
    frame = frames.parse(raw.encode())
    assert isinstance(frame, frames.Call)
    translation = DIALECT_201.by_action["MeterValues"]
    check(translation.request_schema, frame.payload)
    (sample,) = translation.exchange.read_request(frame.payload).samples
    assert isinstance(sample, m.Sample)
    return sample


@pytest.mark.parametrize(
    ("value", "unit", "mwh"),
    [
        ("0", '{"unit":"Wh"}', 0),
        ("1234.567", '{"unit":"Wh"}', 1_234_567),
        ("0.1", '{"unit":"kWh"}', 100_000),
        ("0.30000000000000004", '{"unit":"kWh"}', 300_000),
        ("9007199254.740993", '{"unit":"kWh"}', 9_007_199_254_740_993),  # more than a binary float holds
        ("12", '{"unit":"Wh","multiplier":3}', 12_000_000),
        ("12.5", '{"multiplier":-1}', 1_250),
        ("1.5E3", '{"unit":"Wh"}', 1_500_000),
        ("7", "{}", 7_000),
    ],
)
def test_a_register_is_whole_milliwatt_hours_without_a_float(value: str, unit: str, mwh: int) -> None:
    assert sample_of(f'{{"value":{value},"unitOfMeasure":{unit}}}').import_mwh == mwh
    assert sample_of(f'{{"value":{value},"measurand":"{EXPORT}","unitOfMeasure":{unit}}}').export_mwh == mwh


@pytest.mark.parametrize("value", ["1e400", "1e-999999", "9" * 60])
def test_a_number_that_measures_nothing_is_kept_and_costs_nothing_else(value: str) -> None:
    sample = sample_of(f'{{"value":{value}}}', f'{{"value":7,"measurand":"{EXPORT}"}}')
    assert (sample.import_mwh, sample.export_mwh) == (None, 7_000)
    (reading,) = sample.readings
    assert (reading.measurand, reading.value) == (IMPORT, None)


def test_a_power_of_ten_no_meter_means_is_kept_and_costs_nothing_else() -> None:
    sample = sample_of('{"value":1,"unitOfMeasure":{"unit":"Wh","multiplier":1000000000}}')
    assert (sample.import_mwh, len(sample.readings)) == (None, 1)


def test_a_signed_value_is_kept_beside_the_number_it_signs() -> None:
    signed = '{"signedMeterData":"T0NNRg==","signingMethod":"","encodingMethod":"OCMF","publicKey":""}'
    sample = sample_of(f'{{"value":5,"signedMeterValue":{signed}}}')
    assert sample.import_mwh == 5_000
    (reading,) = sample.readings
    assert reading.signed
    assert "T0NNRg==" in (reading.text or "")


def test_samples_of_a_transaction_have_no_message_of_their_own() -> None:
    with pytest.raises(InvalidInput, match="events"):
        DIALECT_201.of(m.MeterValues(1, ())).exchange.write_request(m.MeterValues(1, (), "t"))


def test_a_status_of_1_6_is_said_in_the_words_of_2_x() -> None:
    said = m.StatusNotification(2, m.ConnectorStatus.CHARGING, occurred_at=AT)
    payload = DIALECT_21.of(said).exchange.write_request(said)
    assert payload == {
        "timestamp": "2026-10-01T12:00:00.000Z", "connectorStatus": "Occupied", "evseId": 2, "connectorId": 1
    }  # fmt: skip


def test_a_number_beyond_32_bits_is_named() -> None:
    payload = {"chargingStation": {"model": "M", "vendorName": "V"}, "reason": "PowerUp"}
    event = {
        "eventType": "Updated", "timestamp": "2026-10-01T12:00:00Z", "triggerReason": "Trigger", "seqNo": 2**31,
        "transactionInfo": {"transactionId": "t"},
    }  # fmt: skip
    assert DIALECT_21.by_action["BootNotification"].exchange.read_request(payload).reason == "PowerUp"
    with pytest.raises(InvalidInput, match="seqNo"):
        DIALECT_21.by_action["TransactionEvent"].exchange.read_request(event)
    event["seqNo"] = Decimal("5.0")
    assert DIALECT_21.by_action["TransactionEvent"].exchange.read_request(event).seq_no == 5


def test_what_a_vehicle_takes_is_its_current_times_its_voltage_times_its_phases() -> None:
    said = needs_of(16, "AC_three_phase")
    assert (said.power_max_w, said.energy_mwh) == (16 * 230 * 3, 20_000_000)
    assert needs_of(16, "AC_single_phase").power_max_w == 16 * 230
    assert needs_of(0, "AC_single_phase").power_max_w is None


def test_needs_that_no_profile_follows_are_told_in_each_versions_words() -> None:
    answer = m.ChargingNeedsAnswer(m.NeedsStatus.NO_PROFILE)
    statuses = [
        dialect.by_action["NotifyEVChargingNeeds"].exchange.write_answer(answer)["status"]
        for dialect in (DIALECT_201, DIALECT_21)
    ]
    assert statuses == ["Rejected", "NoChargingProfile"]


def test_any_action_can_be_said_verbatim() -> None:
    wish = m.Verbatim("UsePriorityCharging", {"transactionId": "t", "activate": True})
    assert DIALECT_21.of(wish).exchange.write_request(wish) == wish.payload
    with pytest.raises(InvalidInput, match="UsePriorityCharging"):
        DIALECT_201.of(wish)
