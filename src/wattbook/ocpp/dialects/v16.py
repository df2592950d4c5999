"""OCPP 1.6: the neutral messages in the words of "Open Charge Point Protocol 1.6 edition 2", chapter 6.

Meter values are texts there, each with its measurand, unit, phase and place, and with defaults for all of them (7.43);
`_samples` gathers the totals a house of charging needs into fields and keeps the rest as readings. A value that is no
number is kept as the text it was: one garbled temperature must not cost the energy that came with it.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, MWH_PER_WH, div_floor
from wattbook.ocpp.dialects import measurands
from wattbook.ocpp.dialects.actions import EITHER, MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Dialect, Exchange
from wattbook.ocpp.dialects.fields import (
    INT32_MAX,
    nothing,
    place,
    time,
    whole,
    whole_or_none,
    without_none,
    write_time,
)
from wattbook.ocpp.dialects.measurands import (
    AT_OUTLET,
    DEFAULT_MEASURAND,
    ENERGY_FIELDS,
    ENERGY_TOTALS,
    POWER_FIELDS,
    SOC,
    SOC_FIELD,
    TOTALS,
)
from wattbook.ocpp.frames import JsonObject
from wattbook.ocpp.messages import (
    Authorization,
    Authorize,
    AuthorizeAnswer,
    BootAnswer,
    BootNotification,
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    CommandAnswer,
    CommandStatus,
    ConfigurationAnswer,
    ConfigurationValue,
    ConnectorStatus,
    DataTransfer,
    DataTransferAnswer,
    DataTransferStatus,
    GetConfiguration,
    Heartbeat,
    HeartbeatAnswer,
    IdToken,
    MeterValues,
    MeterValuesAnswer,
    Reading,
    Registration,
    RemoteStart,
    RemoteStop,
    Reset,
    ResetKind,
    Sample,
    SignCertificate,
    SignCertificateAnswer,
    StatusAnswer,
    StatusNotification,
    StopReason,
    TokenInfo,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
    UnlockConnector,
)
from wattbook.ocpp.versions import V16

# Plain decimals, with the exponent that some firmware prints; anything else is no number.
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")

ID_TAG_LENGTH_MAX = 20
NO_TOTAL: tuple[None, int] = (None, 0)

AUTHORIZATIONS = {
    Authorization.NO_CREDIT: Authorization.BLOCKED,
    Authorization.NOT_ALLOWED_AT_EVSE: Authorization.INVALID,
    Authorization.NOT_AT_THIS_LOCATION: Authorization.INVALID,
    Authorization.NOT_AT_THIS_TIME: Authorization.INVALID,
    Authorization.UNKNOWN: Authorization.INVALID,
}
"""The nearest word of 1.6 (7.2) for those it does not have."""


# Meter values


def _samples(meter_values: Sequence[JsonObject]) -> tuple[Sample, ...]:
    return measurands.samples(meter_values, _gather)


def _gather(value: JsonObject, totals: dict[str, Any], readings: list[Reading]) -> None:
    """Put a value in the field of `Sample` it belongs to, the first of its kind; else among the readings."""
    get = value.get
    text, measurand, unit = value["value"], get("measurand", DEFAULT_MEASURAND), get("unit")
    phase, location, signed = get("phase"), get("location"), get("format") == "SignedData"
    number = _number(text) if not signed else None
    if number is not None and phase is None:
        field, factor = TOTALS.get((measurand, unit), NO_TOTAL)
        # A total is measured at the outlet; only the state of charge is known in the vehicle.
        if field is not None and field not in totals and (location in AT_OUTLET or field == SOC_FIELD):
            amount = measurands.mwh(number, factor) if field in ENERGY_TOTALS else number * factor
            if amount is not None:
                totals[field] = amount
                return
    readings.append(Reading(measurand, number, text if number is None else None, unit, phase, location, signed))


def _number(text: str) -> Decimal | None:
    """Exact; most values are a few digits and need no closer look."""
    if len(text) <= 18 and text.isascii() and text.isdigit():
        return Decimal(text)
    return Decimal(text) if NUMBER.fullmatch(text) else None


def _write_samples(samples: Sequence[Sample]) -> list[JsonObject]:
    return [{"timestamp": write_time(sample.taken_at), "sampledValue": _write_sample(sample)} for sample in samples]


def _write_sample(sample: Sample) -> list[JsonObject]:
    values = [
        {"value": _write_wh(mwh), "context": sample.context, "measurand": measurand, "unit": "Wh"}
        for measurand, field in ENERGY_FIELDS.items()
        if (mwh := getattr(sample, field)) is not None
    ]
    values += [
        {"value": f"{watts:f}", "context": sample.context, "measurand": measurand, "unit": "W"}
        for measurand, field in POWER_FIELDS.items()
        if (watts := getattr(sample, field)) is not None
    ]
    if sample.soc_percent is not None:
        values.append(
            {
                "value": f"{sample.soc_percent:f}",
                "context": sample.context,
                "measurand": SOC,
                "unit": "Percent",
                "location": "EV",
            }
        )
    return values + [_write_reading(reading, sample.context) for reading in sample.readings]


def _write_reading(reading: Reading, context: str) -> JsonObject:
    return without_none(
        value=f"{reading.value:f}" if reading.value is not None else reading.text or "",
        context=context,
        format="SignedData" if reading.signed else None,
        measurand=reading.measurand,
        unit=reading.unit,
        phase=reading.phase,
        location=reading.location,
    )


def _write_wh(mwh: int) -> str:
    watt_hours, rest = divmod(abs(mwh), MWH_PER_WH)
    sign = "-" if mwh < 0 else ""
    return f"{sign}{watt_hours}.{rest:03}" if rest else f"{sign}{watt_hours}"


# Parts that several messages share


def _register_mwh(payload: JsonObject, name: str) -> int:
    """A meter's register, which these two messages state in whole watt-hours."""
    mwh: int = payload[name] * MWH_PER_WH
    if abs(mwh) > AMOUNT_MAX:
        raise InvalidInput(f"{name}: no meter shows {payload[name]} Wh")
    return mwh


def _write_register(mwh: int) -> int:
    """Whole watt-hours, cut off downward like any register that shows fewer digits."""
    return div_floor(mwh, MWH_PER_WH)


def _number_id(payload: JsonObject, name: str) -> str:
    return str(whole(payload, name))


def _write_number_id(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise InvalidInput(f"OCPP 1.6 needs a whole number as transaction id, not {text!r}") from None
    if abs(number) > INT32_MAX:
        raise InvalidInput(f"OCPP 1.6 needs a transaction id of 32 bits, not {text}")
    return number


def _token_info(info: JsonObject) -> TokenInfo:
    group = info.get("parentIdTag")
    return TokenInfo(Authorization(info["status"]), time(info, "expiryDate"), IdToken(group) if group else None)


def _write_token_info(info: TokenInfo) -> JsonObject:
    return without_none(
        status=AUTHORIZATIONS.get(info.status, info.status).value,
        expiryDate=write_time(info.expires_at),
        # One that is too long for 1.6 (7.28) is left out rather than refused: it opens nothing that is closed.
        parentIdTag=info.group.value if info.group and len(info.group.value) <= ID_TAG_LENGTH_MAX else None,
    )


# Station → management system


def _boot(payload: JsonObject) -> BootNotification:
    return BootNotification(
        vendor=payload["chargePointVendor"],
        model=payload["chargePointModel"],
        serial_number=payload.get("chargePointSerialNumber"),
        box_serial_number=payload.get("chargeBoxSerialNumber"),
        firmware_version=payload.get("firmwareVersion"),
        iccid=payload.get("iccid"),
        imsi=payload.get("imsi"),
        meter_type=payload.get("meterType"),
        meter_serial_number=payload.get("meterSerialNumber"),
    )


def _write_boot(boot: BootNotification) -> JsonObject:
    return without_none(
        chargePointVendor=boot.vendor,
        chargePointModel=boot.model,
        chargePointSerialNumber=boot.serial_number,
        chargeBoxSerialNumber=boot.box_serial_number,
        firmwareVersion=boot.firmware_version,
        iccid=boot.iccid,
        imsi=boot.imsi,
        meterType=boot.meter_type,
        meterSerialNumber=boot.meter_serial_number,
    )


def _boot_answer(payload: JsonObject) -> BootAnswer:
    return BootAnswer(Registration(payload["status"]), parse_rfc3339(payload["currentTime"]), payload["interval"])


def _write_boot_answer(answer: BootAnswer) -> JsonObject:
    return {
        "status": answer.status.value,
        "currentTime": write_time(answer.now),
        "interval": answer.interval_s,
    }


def _heartbeat_answer(payload: JsonObject) -> HeartbeatAnswer:
    return HeartbeatAnswer(parse_rfc3339(payload["currentTime"]))


def _write_heartbeat_answer(answer: HeartbeatAnswer) -> JsonObject:
    return {"currentTime": write_time(answer.now)}


def _status(payload: JsonObject) -> StatusNotification:
    return StatusNotification(
        evse=place(payload, "connectorId"),
        status=ConnectorStatus(payload["status"]),
        error=payload["errorCode"],
        occurred_at=time(payload, "timestamp"),
        info=payload.get("info"),
        vendor=payload.get("vendorId"),
        vendor_error=payload.get("vendorErrorCode"),
    )


def _write_status(status: StatusNotification) -> JsonObject:
    return without_none(
        connectorId=status.evse,
        status=status.status.value,
        errorCode=status.error,
        timestamp=write_time(status.occurred_at),
        info=status.info,
        vendorId=status.vendor,
        vendorErrorCode=status.vendor_error,
    )


def _authorize(payload: JsonObject) -> Authorize:
    return Authorize(IdToken(payload["idTag"]))


def _write_authorize(authorize: Authorize) -> JsonObject:
    return {"idTag": authorize.token.value}


def _authorize_answer(payload: JsonObject) -> AuthorizeAnswer:
    return AuthorizeAnswer(_token_info(payload["idTagInfo"]))


def _write_authorize_answer(answer: AuthorizeAnswer) -> JsonObject:
    return {"idTagInfo": _write_token_info(answer.token_info)}


def _started(payload: JsonObject) -> TransactionStarted:
    return TransactionStarted(
        evse=place(payload, "connectorId"),
        token=IdToken(payload["idTag"]),
        meter_mwh=_register_mwh(payload, "meterStart"),
        started_at=parse_rfc3339(payload["timestamp"]),
        reservation_id=whole_or_none(payload, "reservationId"),
    )


def _write_started(started: TransactionStarted) -> JsonObject:
    return without_none(
        connectorId=started.evse,
        idTag=started.token.value,
        meterStart=_write_register(started.meter_mwh),
        timestamp=write_time(started.started_at),
        reservationId=started.reservation_id,
    )


def _started_answer(payload: JsonObject) -> TransactionStartedAnswer:
    return TransactionStartedAnswer(_number_id(payload, "transactionId"), _token_info(payload["idTagInfo"]))


def _write_started_answer(answer: TransactionStartedAnswer) -> JsonObject:
    return {
        "transactionId": _write_number_id(answer.transaction_id),
        "idTagInfo": _write_token_info(answer.token_info),
    }


def _stopped(payload: JsonObject) -> TransactionStopped:
    return TransactionStopped(
        transaction_id=_number_id(payload, "transactionId"),
        meter_mwh=_register_mwh(payload, "meterStop"),
        stopped_at=parse_rfc3339(payload["timestamp"]),
        # 6.49: a stop without reason is a local one.
        reason=StopReason(payload["reason"]) if "reason" in payload else StopReason.LOCAL,
        token=IdToken(payload["idTag"]) if "idTag" in payload else None,
        samples=_samples(payload.get("transactionData", ())),
    )


def _write_stopped(stopped: TransactionStopped) -> JsonObject:
    return without_none(
        transactionId=_write_number_id(stopped.transaction_id),
        meterStop=_write_register(stopped.meter_mwh),
        timestamp=write_time(stopped.stopped_at),
        reason=stopped.reason.value,
        idTag=stopped.token.value if stopped.token else None,
        transactionData=_write_samples(stopped.samples) or None,
    )


def _stopped_answer(payload: JsonObject) -> TransactionStoppedAnswer:
    return TransactionStoppedAnswer(_token_info(payload["idTagInfo"]) if "idTagInfo" in payload else None)


def _write_stopped_answer(answer: TransactionStoppedAnswer) -> JsonObject:
    return {"idTagInfo": _write_token_info(answer.token_info)} if answer.token_info else {}


def _meter_values(payload: JsonObject) -> MeterValues:
    return MeterValues(
        evse=place(payload, "connectorId"),
        samples=_samples(payload["meterValue"]),
        transaction_id=_number_id(payload, "transactionId") if "transactionId" in payload else None,
    )


def _write_meter_values(values: MeterValues) -> JsonObject:
    return without_none(
        connectorId=values.evse,
        transactionId=None if values.transaction_id is None else _write_number_id(values.transaction_id),
        meterValue=_write_samples(values.samples),
    )


def _sign_certificate(payload: JsonObject) -> SignCertificate:
    return SignCertificate(payload["csr"])


def _write_sign_certificate(request: SignCertificate) -> JsonObject:
    return {"csr": request.csr}


def _sign_certificate_answer(payload: JsonObject) -> SignCertificateAnswer:
    return SignCertificateAnswer(payload["status"] == "Accepted")


def _write_sign_certificate_answer(answer: SignCertificateAnswer) -> JsonObject:
    return {"status": "Accepted" if answer.accepted else "Rejected"}


# Either way


def _data_transfer(payload: JsonObject) -> DataTransfer:
    return DataTransfer(payload["vendorId"], payload.get("messageId"), payload.get("data"))


def _write_data_transfer(transfer: DataTransfer) -> JsonObject:
    return without_none(vendorId=transfer.vendor, messageId=transfer.message_id, data=transfer.data)


def _data_transfer_answer(payload: JsonObject) -> DataTransferAnswer:
    return DataTransferAnswer(DataTransferStatus(payload["status"]), payload.get("data"))


def _write_data_transfer_answer(answer: DataTransferAnswer) -> JsonObject:
    return without_none(status=answer.status.value, data=answer.data)


# Management system → station


def _remote_start(payload: JsonObject) -> RemoteStart:
    return RemoteStart(IdToken(payload["idTag"]), place(payload, "connectorId") if "connectorId" in payload else None)


def _write_remote_start(start: RemoteStart) -> JsonObject:
    return without_none(idTag=start.token.value, connectorId=start.evse)


def _remote_stop(payload: JsonObject) -> RemoteStop:
    return RemoteStop(_number_id(payload, "transactionId"))


def _write_remote_stop(stop: RemoteStop) -> JsonObject:
    return {"transactionId": _write_number_id(stop.transaction_id)}


def _reset(payload: JsonObject) -> Reset:
    return Reset(ResetKind(payload["type"]))


def _write_reset(reset: Reset) -> JsonObject:
    return {"type": reset.kind.value}


def _change_availability(payload: JsonObject) -> ChangeAvailability:
    return ChangeAvailability(place(payload, "connectorId"), payload["type"] == "Operative")


def _write_change_availability(change: ChangeAvailability) -> JsonObject:
    return {"connectorId": change.evse, "type": "Operative" if change.operative else "Inoperative"}


def _get_configuration(payload: JsonObject) -> GetConfiguration:
    return GetConfiguration(tuple(payload.get("key", ())))


def _write_get_configuration(request: GetConfiguration) -> JsonObject:
    return {"key": list(request.keys)} if request.keys else {}


def _configuration(payload: JsonObject) -> ConfigurationAnswer:
    values = payload.get("configurationKey", ())
    return ConfigurationAnswer(
        tuple(ConfigurationValue(value["key"], value["readonly"], value.get("value")) for value in values),
        tuple(payload.get("unknownKey", ())),
    )


def _write_configuration(answer: ConfigurationAnswer) -> JsonObject:
    values = [without_none(key=item.key, readonly=item.read_only, value=item.value) for item in answer.values]
    return without_none(configurationKey=values or None, unknownKey=list(answer.unknown_keys) or None)


def _change_configuration(payload: JsonObject) -> ChangeConfiguration:
    return ChangeConfiguration(payload["key"], payload["value"])


def _write_change_configuration(change: ChangeConfiguration) -> JsonObject:
    return {"key": change.key, "value": change.value}


def _unlock(payload: JsonObject) -> UnlockConnector:
    return UnlockConnector(place(payload, "connectorId"))


def _write_unlock(unlock: UnlockConnector) -> JsonObject:
    return {"connectorId": unlock.evse}


def _command_answer(payload: JsonObject) -> CommandAnswer:
    return CommandAnswer(CommandStatus(payload["status"]))


def _write_command_answer(answer: CommandAnswer) -> JsonObject:
    return {"status": answer.status.value}


_command = (_command_answer, _write_command_answer)

# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("Authorize", STATION, Authorize, AuthorizeAnswer,
             _authorize, _write_authorize, _authorize_answer, _write_authorize_answer),
    Exchange("BootNotification", STATION, BootNotification, BootAnswer,
             _boot, _write_boot, _boot_answer, _write_boot_answer),
    Exchange("Heartbeat", STATION, Heartbeat, HeartbeatAnswer,
             lambda _: Heartbeat(), nothing, _heartbeat_answer, _write_heartbeat_answer),
    Exchange("MeterValues", STATION, MeterValues, MeterValuesAnswer,
             _meter_values, _write_meter_values, lambda _: MeterValuesAnswer(), nothing),
    Exchange("StartTransaction", STATION, TransactionStarted, TransactionStartedAnswer,
             _started, _write_started, _started_answer, _write_started_answer),
    Exchange("StatusNotification", STATION, StatusNotification, StatusAnswer,
             _status, _write_status, lambda _: StatusAnswer(), nothing),
    Exchange("StopTransaction", STATION, TransactionStopped, TransactionStoppedAnswer,
             _stopped, _write_stopped, _stopped_answer, _write_stopped_answer),
    Exchange("SignCertificate", STATION, SignCertificate, SignCertificateAnswer,
             _sign_certificate, _write_sign_certificate, _sign_certificate_answer, _write_sign_certificate_answer),
    Exchange("DataTransfer", EITHER, DataTransfer, DataTransferAnswer,
             _data_transfer, _write_data_transfer, _data_transfer_answer, _write_data_transfer_answer),
    Exchange("ChangeAvailability", MANAGEMENT, ChangeAvailability, CommandAnswer,
             _change_availability, _write_change_availability, *_command),
    Exchange("ChangeConfiguration", MANAGEMENT, ChangeConfiguration, CommandAnswer,
             _change_configuration, _write_change_configuration, *_command),
    Exchange("ClearCache", MANAGEMENT, ClearCache, CommandAnswer,
             lambda _: ClearCache(), nothing, *_command),
    Exchange("GetConfiguration", MANAGEMENT, GetConfiguration, ConfigurationAnswer,
             _get_configuration, _write_get_configuration, _configuration, _write_configuration),
    Exchange("RemoteStartTransaction", MANAGEMENT, RemoteStart, CommandAnswer,
             _remote_start, _write_remote_start, *_command),
    Exchange("RemoteStopTransaction", MANAGEMENT, RemoteStop, CommandAnswer,
             _remote_stop, _write_remote_stop, *_command),
    Exchange("Reset", MANAGEMENT, Reset, CommandAnswer,
             _reset, _write_reset, *_command),
    Exchange("UnlockConnector", MANAGEMENT, UnlockConnector, CommandAnswer,
             _unlock, _write_unlock, *_command),
)
# fmt: on

DIALECT = Dialect(V16, EXCHANGES)
