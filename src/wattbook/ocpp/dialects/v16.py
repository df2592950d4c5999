"""OCPP 1.6, core profile: the neutral messages in the words of "Open Charge Point Protocol 1.6 edition 2", chapter 6.

Meter values are texts there, each with its measurand, unit, phase and place, and with defaults for all of them (7.43);
`_samples` gathers the totals a house of charging needs into fields and keeps the rest as readings. A value that is no
number is kept as the text it was: one garbled temperature must not cost the energy that came with it.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from wattbook.kernel.clock import parse_rfc3339, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, MWH_PER_KWH, MWH_PER_WH, div_floor
from wattbook.ocpp.dialects.exchange import Dialect, Exchange
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
    End,
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

# Values that fit every integer column and every station's firmware.
INT32_MAX = 2**31 - 1

# Plain decimals, with the exponent that some firmware prints; anything else is no number.
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")

DEFAULT_MEASURAND = "Energy.Active.Import.Register"
DEFAULT_CONTEXT = "Sample.Periodic"
AT_OUTLET = (None, "Outlet")

# Measurand → field of Sample; unit → factor into that field's unit, where None stands for the default unit (7.45).
ENERGY_FIELDS = {"Energy.Active.Import.Register": "import_mwh", "Energy.Active.Export.Register": "export_mwh"}
ENERGY_UNITS = {None: MWH_PER_WH, "Wh": MWH_PER_WH, "kWh": MWH_PER_KWH}
POWER_FIELDS = {"Power.Active.Import": "import_w", "Power.Active.Export": "export_w"}
POWER_UNITS = {None: 1, "W": 1, "kW": 1000}
SOC, SOC_FIELD = "SoC", "soc_percent"
ENERGY_TOTALS = frozenset(ENERGY_FIELDS.values())

# The same as one look-up: (measurand, unit) → (field, factor).
TOTALS: dict[tuple[str, str | None], tuple[str, int]] = {
    (measurand, unit): (field, factor)
    for fields, units in ((ENERGY_FIELDS, ENERGY_UNITS), (POWER_FIELDS, POWER_UNITS))
    for measurand, field in fields.items()
    for unit, factor in units.items()
} | {(SOC, None): (SOC_FIELD, 1), (SOC, "Percent"): (SOC_FIELD, 1)}


# Meter values


def _samples(meter_values: Sequence[JsonObject]) -> tuple[Sample, ...]:
    """One sample a moment and context; most meter values have one context only."""
    samples = []
    for meter_value in meter_values:
        taken_at = parse_rfc3339(meter_value["timestamp"])
        gathered: dict[str, tuple[dict[str, Any], list[Reading]]] = {}
        for value in meter_value["sampledValue"]:
            context = value.get("context", DEFAULT_CONTEXT)
            if context not in gathered:
                gathered[context] = ({}, [])
            _gather(value, *gathered[context])
        for context, (totals, readings) in gathered.items():
            samples.append(Sample(taken_at, context, readings=tuple(readings), **totals))
    return tuple(samples)


def _gather(value: JsonObject, totals: dict[str, Any], readings: list[Reading]) -> None:
    """Put a value in the field of `Sample` it belongs to, the first of its kind; else among the readings."""
    get = value.get
    text, measurand, unit = value["value"], get("measurand", DEFAULT_MEASURAND), get("unit")
    phase, location, signed = get("phase"), get("location"), get("format") == "SignedData"
    number = Decimal(text) if not signed and NUMBER.fullmatch(text) else None
    if number is not None and phase is None:
        field, factor = TOTALS.get((measurand, unit), (None, 0))
        # A total is measured at the outlet; only the state of charge is known in the vehicle.
        if field is not None and field not in totals and (location in AT_OUTLET or field == SOC_FIELD):
            amount = _mwh(number, factor) if field in ENERGY_TOTALS else number * factor
            if amount is not None:
                totals[field] = amount
                return
    readings.append(Reading(measurand, number, text if number is None else None, unit, phase, location, signed))


def _mwh(number: Decimal, mwh_per_unit: int) -> int | None:
    """A register's value in whole mWh, cut off downward; None when no register can show it."""
    numerator, denominator = number.as_integer_ratio()
    mwh = div_floor(numerator * mwh_per_unit, denominator)
    return mwh if abs(mwh) <= AMOUNT_MAX else None


def _write_samples(samples: Sequence[Sample]) -> list[JsonObject]:
    return [{"timestamp": _write_time(sample.taken_at), "sampledValue": _write_sample(sample)} for sample in samples]


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
    return _without_none(
        value=f"{reading.value:f}" if reading.value is not None else reading.text or "",
        context=context,
        format="SignedData" if reading.signed else None,
        measurand=reading.measurand,
        unit=reading.unit,
        phase=reading.phase,
        location=reading.location,
    )


def _write_wh(mwh: int) -> str:
    whole, rest = divmod(abs(mwh), MWH_PER_WH)
    sign = "-" if mwh < 0 else ""
    return f"{sign}{whole}.{rest:03}" if rest else f"{sign}{whole}"


# Parts that several messages share


def _without_none(**fields: Any) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _time(payload: JsonObject, name: str) -> datetime | None:
    text = payload.get(name)
    return None if text is None else parse_rfc3339(text)


def _write_time(moment: datetime | None) -> str | None:
    """Milliseconds: more digits than three are refused by many stations."""
    return None if moment is None else utc(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _place(payload: JsonObject) -> int:
    connector: int = payload["connectorId"]
    if not 0 <= connector <= INT32_MAX:
        raise InvalidInput(f"connectorId: {connector} is no connector")
    return connector


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
    number: int = payload[name]
    if abs(number) > INT32_MAX:
        raise InvalidInput(f"{name}: {number} does not fit 32 bits")
    return str(number)


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
    return TokenInfo(Authorization(info["status"]), _time(info, "expiryDate"), IdToken(group) if group else None)


def _write_token_info(info: TokenInfo) -> JsonObject:
    return _without_none(
        status=info.status.value,
        expiryDate=_write_time(info.expires_at),
        parentIdTag=info.group.value if info.group else None,
    )


def _nothing(_: object) -> JsonObject:
    return {}


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
    return _without_none(
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
        "currentTime": _write_time(answer.now),
        "interval": answer.interval_s,
    }


def _heartbeat_answer(payload: JsonObject) -> HeartbeatAnswer:
    return HeartbeatAnswer(parse_rfc3339(payload["currentTime"]))


def _write_heartbeat_answer(answer: HeartbeatAnswer) -> JsonObject:
    return {"currentTime": _write_time(answer.now)}


def _status(payload: JsonObject) -> StatusNotification:
    return StatusNotification(
        evse=_place(payload),
        status=ConnectorStatus(payload["status"]),
        error=payload["errorCode"],
        occurred_at=_time(payload, "timestamp"),
        info=payload.get("info"),
        vendor=payload.get("vendorId"),
        vendor_error=payload.get("vendorErrorCode"),
    )


def _write_status(status: StatusNotification) -> JsonObject:
    return _without_none(
        connectorId=status.evse,
        status=status.status.value,
        errorCode=status.error,
        timestamp=_write_time(status.occurred_at),
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
        evse=_place(payload),
        token=IdToken(payload["idTag"]),
        meter_mwh=_register_mwh(payload, "meterStart"),
        started_at=parse_rfc3339(payload["timestamp"]),
        reservation_id=int(_number_id(payload, "reservationId")) if "reservationId" in payload else None,
    )


def _write_started(started: TransactionStarted) -> JsonObject:
    return _without_none(
        connectorId=started.evse,
        idTag=started.token.value,
        meterStart=_write_register(started.meter_mwh),
        timestamp=_write_time(started.started_at),
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
    return _without_none(
        transactionId=_write_number_id(stopped.transaction_id),
        meterStop=_write_register(stopped.meter_mwh),
        timestamp=_write_time(stopped.stopped_at),
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
        evse=_place(payload),
        samples=_samples(payload["meterValue"]),
        transaction_id=_number_id(payload, "transactionId") if "transactionId" in payload else None,
    )


def _write_meter_values(values: MeterValues) -> JsonObject:
    return _without_none(
        connectorId=values.evse,
        transactionId=None if values.transaction_id is None else _write_number_id(values.transaction_id),
        meterValue=_write_samples(values.samples),
    )


# Either way


def _data_transfer(payload: JsonObject) -> DataTransfer:
    return DataTransfer(payload["vendorId"], payload.get("messageId"), payload.get("data"))


def _write_data_transfer(transfer: DataTransfer) -> JsonObject:
    return _without_none(vendorId=transfer.vendor, messageId=transfer.message_id, data=transfer.data)


def _data_transfer_answer(payload: JsonObject) -> DataTransferAnswer:
    return DataTransferAnswer(DataTransferStatus(payload["status"]), payload.get("data"))


def _write_data_transfer_answer(answer: DataTransferAnswer) -> JsonObject:
    return _without_none(status=answer.status.value, data=answer.data)


# Management system → station


def _remote_start(payload: JsonObject) -> RemoteStart:
    return RemoteStart(IdToken(payload["idTag"]), _place(payload) if "connectorId" in payload else None)


def _write_remote_start(start: RemoteStart) -> JsonObject:
    return _without_none(idTag=start.token.value, connectorId=start.evse)


def _remote_stop(payload: JsonObject) -> RemoteStop:
    return RemoteStop(_number_id(payload, "transactionId"))


def _write_remote_stop(stop: RemoteStop) -> JsonObject:
    return {"transactionId": _write_number_id(stop.transaction_id)}


def _reset(payload: JsonObject) -> Reset:
    return Reset(ResetKind(payload["type"]))


def _write_reset(reset: Reset) -> JsonObject:
    return {"type": reset.kind.value}


def _change_availability(payload: JsonObject) -> ChangeAvailability:
    return ChangeAvailability(_place(payload), payload["type"] == "Operative")


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
    values = [_without_none(key=item.key, readonly=item.read_only, value=item.value) for item in answer.values]
    return _without_none(configurationKey=values or None, unknownKey=list(answer.unknown_keys) or None)


def _change_configuration(payload: JsonObject) -> ChangeConfiguration:
    return ChangeConfiguration(payload["key"], payload["value"])


def _write_change_configuration(change: ChangeConfiguration) -> JsonObject:
    return {"key": change.key, "value": change.value}


def _unlock(payload: JsonObject) -> UnlockConnector:
    return UnlockConnector(_place(payload))


def _write_unlock(unlock: UnlockConnector) -> JsonObject:
    return {"connectorId": unlock.evse}


def _command_answer(payload: JsonObject) -> CommandAnswer:
    return CommandAnswer(CommandStatus(payload["status"]))


def _write_command_answer(answer: CommandAnswer) -> JsonObject:
    return {"status": answer.status.value}


STATION = frozenset({End.STATION})
MANAGEMENT = frozenset({End.MANAGEMENT})
EITHER = STATION | MANAGEMENT
_command = (_command_answer, _write_command_answer)

# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("Authorize", STATION, Authorize, AuthorizeAnswer,
             _authorize, _write_authorize, _authorize_answer, _write_authorize_answer),
    Exchange("BootNotification", STATION, BootNotification, BootAnswer,
             _boot, _write_boot, _boot_answer, _write_boot_answer),
    Exchange("Heartbeat", STATION, Heartbeat, HeartbeatAnswer,
             lambda _: Heartbeat(), _nothing, _heartbeat_answer, _write_heartbeat_answer),
    Exchange("MeterValues", STATION, MeterValues, MeterValuesAnswer,
             _meter_values, _write_meter_values, lambda _: MeterValuesAnswer(), _nothing),
    Exchange("StartTransaction", STATION, TransactionStarted, TransactionStartedAnswer,
             _started, _write_started, _started_answer, _write_started_answer),
    Exchange("StatusNotification", STATION, StatusNotification, StatusAnswer,
             _status, _write_status, lambda _: StatusAnswer(), _nothing),
    Exchange("StopTransaction", STATION, TransactionStopped, TransactionStoppedAnswer,
             _stopped, _write_stopped, _stopped_answer, _write_stopped_answer),
    Exchange("DataTransfer", EITHER, DataTransfer, DataTransferAnswer,
             _data_transfer, _write_data_transfer, _data_transfer_answer, _write_data_transfer_answer),
    Exchange("ChangeAvailability", MANAGEMENT, ChangeAvailability, CommandAnswer,
             _change_availability, _write_change_availability, *_command),
    Exchange("ChangeConfiguration", MANAGEMENT, ChangeConfiguration, CommandAnswer,
             _change_configuration, _write_change_configuration, *_command),
    Exchange("ClearCache", MANAGEMENT, ClearCache, CommandAnswer,
             lambda _: ClearCache(), _nothing, *_command),
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
