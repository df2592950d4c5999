"""The 1.6 dialect: whatever is said in neutral words is schema-valid on the wire and means the same when read."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp import messages as m
from wattbook.ocpp.dialects.v16 import AUTHORIZATIONS as AUTHORIZATIONS_OF_2_X
from wattbook.ocpp.dialects.v16 import DIALECT
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import check

AUTHORIZATIONS = [status for status in m.Authorization if status not in AUTHORIZATIONS_OF_2_X]
STATUSES = [status for status in m.ConnectorStatus if status is not m.ConnectorStatus.OCCUPIED]
REASONS = list(m.StopReason)[: list(m.StopReason).index(m.StopReason.ENERGY_LIMIT_REACHED)]

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)


def read(action: str, payload: JsonObject) -> Any:
    translation = DIALECT.by_action[action]
    check(translation.request_schema, payload)
    return translation.exchange.read_request(payload)


def sample_of(*values: JsonObject) -> m.Sample:
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "2026-10-01T12:00:00Z", "sampledValue": list(values)}]}
    (sample,) = read("MeterValues", payload).samples
    assert isinstance(sample, m.Sample)
    return sample


# Round trips

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
places = st.integers(0, 2**15 - 1)
numbers_as_ids = st.integers(-(2**31) + 1, 2**31 - 1).map(str)
times = st.integers(-(10**11), 10**12).map(lambda ms: AT + timedelta(milliseconds=ms))
tokens = texts.map(m.IdToken)
registers = st.integers(-(2**62), 2**62)
whole_watt_hours = st.integers(-(2**50), 2**50).map(lambda wh: wh * 1000)
quantities = st.decimals(-999_999, 999_999, places=3)
token_infos = st.builds(m.TokenInfo, st.sampled_from(AUTHORIZATIONS), st.none() | times, st.none() | tokens)
readings = st.builds(
    m.Reading,
    measurand=st.sampled_from(["Current.Import", "Voltage", "Energy.Reactive.Import.Register"]),
    value=quantities,
    unit=st.sampled_from(["A", "V", "varh", "Celsius"]),
    phase=st.none() | st.sampled_from(["L1", "L1-N"]),
    location=st.none() | st.sampled_from(["Inlet", "EV"]),
) | st.builds(m.Reading, measurand=st.just("Voltage"), text=st.just("OCMF|{}"), signed=st.just(True))
samples = st.builds(
    m.Sample,
    times,
    st.sampled_from(["Sample.Periodic", "Transaction.Begin", "Other"]),
    import_mwh=st.none() | registers,
    export_mwh=st.none() | registers,
    import_w=st.none() | quantities,
    export_w=st.none() | quantities,
    soc_percent=st.none() | quantities,
    readings=st.lists(readings, max_size=3).map(tuple),
).filter(lambda sample: sample != m.Sample(sample.taken_at, sample.context))
many_samples = st.lists(samples, min_size=1, max_size=3).map(tuple)

requests: dict[str, st.SearchStrategy[Any]] = {
    "Authorize": st.builds(m.Authorize, tokens),
    "BootNotification": st.builds(m.BootNotification, texts, texts, serial_number=st.none() | texts, imsi=texts),
    "Heartbeat": st.just(m.Heartbeat()),
    "MeterValues": st.builds(m.MeterValues, places, many_samples, st.none() | numbers_as_ids),
    "StartTransaction": st.builds(m.TransactionStarted, places, tokens, whole_watt_hours, times, st.none() | places),
    "StatusNotification": st.builds(
        m.StatusNotification, places, st.sampled_from(STATUSES), st.just("GroundFailure"), st.none() | times
    ),
    "StopTransaction": st.builds(
        m.TransactionStopped,
        numbers_as_ids,
        whole_watt_hours,
        times,
        st.sampled_from(REASONS),
        st.none() | tokens,
        many_samples | st.just(()),
    ),
    "SignCertificate": st.builds(m.SignCertificate, texts),
    "DataTransfer": st.builds(m.DataTransfer, texts, st.none() | texts, st.none() | texts),
    "ChangeAvailability": st.builds(m.ChangeAvailability, places, st.booleans()),
    "ChangeConfiguration": st.builds(m.ChangeConfiguration, texts, texts),
    "ClearCache": st.just(m.ClearCache()),
    "GetConfiguration": st.builds(m.GetConfiguration, st.lists(texts, max_size=3).map(tuple)),
    "RemoteStartTransaction": st.builds(m.RemoteStart, tokens, st.none() | places),
    "RemoteStopTransaction": st.builds(m.RemoteStop, numbers_as_ids),
    "Reset": st.builds(m.Reset, st.sampled_from(m.ResetKind)),
    "UnlockConnector": st.builds(m.UnlockConnector, places),
}


def commanded(*allowed: str) -> st.SearchStrategy[m.CommandAnswer]:
    return st.builds(m.CommandAnswer, st.sampled_from([m.CommandStatus(status) for status in allowed]))


answers: dict[str, st.SearchStrategy[Any]] = {
    "Authorize": st.builds(m.AuthorizeAnswer, token_infos),
    "BootNotification": st.builds(m.BootAnswer, st.sampled_from(m.Registration), times, st.integers(0, 86400)),
    "Heartbeat": st.builds(m.HeartbeatAnswer, times),
    "MeterValues": st.just(m.MeterValuesAnswer()),
    "StartTransaction": st.builds(m.TransactionStartedAnswer, numbers_as_ids, token_infos),
    "StatusNotification": st.just(m.StatusAnswer()),
    "StopTransaction": st.builds(m.TransactionStoppedAnswer, st.none() | token_infos),
    "SignCertificate": st.builds(m.SignCertificateAnswer, st.booleans()),
    "DataTransfer": st.builds(m.DataTransferAnswer, st.sampled_from(m.DataTransferStatus), st.none() | texts),
    "ChangeAvailability": commanded("Accepted", "Rejected", "Scheduled"),
    "ChangeConfiguration": commanded("Accepted", "Rejected", "RebootRequired", "NotSupported"),
    "ClearCache": commanded("Accepted", "Rejected"),
    "GetConfiguration": st.builds(
        m.ConfigurationAnswer,
        st.lists(st.builds(m.ConfigurationValue, texts, st.booleans(), st.none() | texts), max_size=3).map(tuple),
        st.lists(texts, max_size=3).map(tuple),
    ),
    "RemoteStartTransaction": commanded("Accepted", "Rejected"),
    "RemoteStopTransaction": commanded("Accepted", "Rejected"),
    "Reset": commanded("Accepted", "Rejected"),
    "UnlockConnector": commanded("Unlocked", "UnlockFailed", "NotSupported"),
}


def test_every_exchange_has_its_round_trips() -> None:
    assert set(requests) == set(answers) == {exchange.action for exchange in DIALECT.exchanges}


@pytest.mark.parametrize("action", sorted(requests))
@given(data=st.data())
def test_a_request_means_the_same_after_the_wire(action: str, data: st.DataObject) -> None:
    translation = DIALECT.by_action[action]
    request = data.draw(requests[action])
    payload = translation.exchange.write_request(request)
    check(translation.request_schema, payload)
    assert translation.exchange.read_request(payload) == request
    assert DIALECT.of(request) is translation


@pytest.mark.parametrize("action", sorted(requests))
@given(data=st.data())
def test_an_answer_means_the_same_after_the_wire(action: str, data: st.DataObject) -> None:
    translation = DIALECT.by_action[action]
    answer = data.draw(answers[action])
    payload = translation.exchange.write_answer(answer)
    check(translation.answer_schema, payload)
    assert translation.exchange.read_answer(payload) == answer


def test_words_and_groups_that_1_6_does_not_have_are_told_as_the_nearest_it_has() -> None:
    write = DIALECT.by_action["Authorize"].exchange.write_answer
    assert write(m.AuthorizeAnswer(m.TokenInfo(m.Authorization.NO_CREDIT))) == {"idTagInfo": {"status": "Blocked"}}
    too_long = m.TokenInfo(m.Authorization.ACCEPTED, group=m.IdToken("x" * 21))
    assert write(m.AuthorizeAnswer(too_long)) == {"idTagInfo": {"status": "Accepted"}}


# Energy

IMPORT, EXPORT = "Energy.Active.Import.Register", "Energy.Active.Export.Register"


@pytest.mark.parametrize(
    ("value", "unit", "mwh"),
    [
        ("0", "Wh", 0),
        ("1234567", "Wh", 1_234_567_000),
        ("1234.567", "Wh", 1_234_567),
        ("1234.567", "kWh", 1_234_567_000),
        ("0.1", "kWh", 100_000),
        ("0.30000000000000004", "kWh", 300_000),  # a float printed by the station; finer than 1 mWh is cut off
        ("1234.5679", "Wh", 1_234_567),
        ("-0.0001", "Wh", -1),  # downward
        ("+5", "Wh", 5000),
        ("1.5E3", "Wh", 1_500_000),
        ("1e-3", "kWh", 1000),
        ("9223372036854775", "Wh", 9_223_372_036_854_775_000),
    ],
)
def test_a_register_is_whole_milliwatt_hours_without_a_float(value: str, unit: str, mwh: int) -> None:
    assert sample_of({"value": value, "measurand": IMPORT, "unit": unit}).import_mwh == mwh
    assert sample_of({"value": value, "measurand": EXPORT, "unit": unit}).export_mwh == mwh


@given(st.decimals(0, 10**12, places=6))
def test_every_register_of_six_decimals_of_kwh_is_exact(kwh: Decimal) -> None:
    assert sample_of({"value": f"{kwh:f}", "unit": "kWh"}).import_mwh == int(kwh * 10**6)


def test_the_defaults_of_the_specification() -> None:
    assert sample_of({"value": "7"}) == m.Sample(AT, "Sample.Periodic", import_mwh=7000)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "NaN", "Infinity", "1,5", "1_000", "٣", " 7 ", "0x10", "--1", "1e999999999", "1e-999999999", "9" * 25],
)
def test_what_is_no_number_is_kept_as_text_and_costs_nothing_else(text: str) -> None:
    sample = sample_of({"value": text}, {"value": "7", "measurand": EXPORT})
    assert sample == m.Sample(AT, export_mwh=7000, readings=(m.Reading(IMPORT, text=text),))


def test_a_register_that_fits_no_meter_is_a_reading() -> None:
    sample = sample_of({"value": "9" * 18, "unit": "kWh"})
    assert sample.import_mwh is None
    assert sample.readings == (m.Reading(IMPORT, Decimal("9" * 18), unit="kWh"),)


@pytest.mark.parametrize("payload", [{"meterStart": 2**60}, {"connectorId": -1}, {"connectorId": 2**40}])
def test_an_integer_that_fits_no_column_is_refused(payload: JsonObject) -> None:
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-10-01T12:00:00Z"}
    with pytest.raises(InvalidInput):
        read("StartTransaction", start | payload)


# Samples


def test_totals_have_fields_and_the_rest_are_readings() -> None:
    sample = sample_of(
        {"value": "5", "measurand": IMPORT, "unit": "kWh", "location": "Outlet"},
        {"value": "11.5", "measurand": "Power.Active.Import", "unit": "kW"},
        {"value": "3700.5", "measurand": "Power.Active.Export", "unit": "W"},
        {"value": "55.5", "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": "16", "measurand": "Current.Import", "unit": "A", "phase": "L1"},
        {"value": "1.6", "measurand": IMPORT, "unit": "kWh", "phase": "L1"},
        {"value": "1.7", "measurand": IMPORT, "unit": "kWh", "location": "Inlet"},
    )
    assert sample == m.Sample(
        AT,
        import_mwh=5_000_000,
        import_w=Decimal(11500),
        export_w=Decimal("3700.5"),
        soc_percent=Decimal("55.5"),
        readings=(
            m.Reading("Current.Import", Decimal(16), unit="A", phase="L1"),
            m.Reading(IMPORT, Decimal("1.6"), unit="kWh", phase="L1"),
            m.Reading(IMPORT, Decimal("1.7"), unit="kWh", location="Inlet"),
        ),
    )


def test_the_first_of_two_equal_totals_counts_and_the_second_is_kept() -> None:
    sample = sample_of({"value": "5"}, {"value": "6"})
    assert sample == m.Sample(AT, import_mwh=5000, readings=(m.Reading(IMPORT, Decimal(6)),))


def test_signed_data_is_kept_whole() -> None:
    sample = sample_of({"value": "7"}, {"value": "OCMF|{}|{}", "format": "SignedData"})
    assert sample.import_mwh == 7000
    assert sample.readings == (m.Reading(IMPORT, text="OCMF|{}|{}", signed=True),)


def test_begin_and_end_in_one_meter_value_are_two_samples() -> None:
    values = [{"value": "1", "context": "Transaction.Begin"}, {"value": "9", "context": "Transaction.End"}]
    stop = {
        "transactionId": 7,
        "meterStop": 9,
        "timestamp": "2026-10-01T14:00:00+02:00",
        "transactionData": [{"timestamp": "2026-10-01T12:00:00Z", "sampledValue": values}],
    }
    stopped = read("StopTransaction", stop)
    assert stopped == m.TransactionStopped(
        "7",
        9000,
        AT,
        m.StopReason.LOCAL,
        samples=(m.Sample(AT, "Transaction.Begin", 1000), m.Sample(AT, "Transaction.End", 9000)),
    )


# Times


@pytest.mark.parametrize(
    "text", ["2026-10-01T12:00:00Z", "2026-10-01T12:00:00.000Z", "2026-10-01T14:00:00+02:00", "2026-10-01T12:00:00"]
)
def test_a_time_is_read_into_utc_with_or_without_offset(text: str) -> None:
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": text}
    assert read("StartTransaction", start).started_at == AT


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(InvalidInput):
        read("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "noon"})


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 10, 1, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    payload = DIALECT.by_action["Heartbeat"].exchange.write_answer(m.HeartbeatAnswer(moment))
    assert payload == {"currentTime": "2026-10-01T12:00:00.123Z"}


# What 1.6 cannot say


def test_a_transaction_id_that_is_no_number_cannot_be_written() -> None:
    translation = DIALECT.by_action["RemoteStopTransaction"]
    for transaction_id in ("b2c1", str(2**40)):
        with pytest.raises(InvalidInput):
            translation.exchange.write_request(m.RemoteStop(transaction_id))


def test_a_message_of_another_version_has_no_words_here() -> None:
    class CostUpdated(m.Request[m.Answer], frozen=True):
        pass

    with pytest.raises(InvalidInput, match=r"1\.6 has no message"):
        DIALECT.of(CostUpdated())
