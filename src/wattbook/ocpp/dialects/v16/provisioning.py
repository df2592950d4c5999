"""Block B, provisioning."""

from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.actions import MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, without_none, write_time
from wattbook.ocpp.dialects.v16.parts import COMMAND_ANSWER
from wattbook.ocpp.messages import (
    BootAnswer,
    BootNotification,
    ChangeConfiguration,
    CommandAnswer,
    ConfigurationAnswer,
    ConfigurationValue,
    GetConfiguration,
    Heartbeat,
    HeartbeatAnswer,
    Registration,
    Reset,
    ResetKind,
)
from wattbook.ocpp.wire.frames import JsonObject


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


def _reset(payload: JsonObject) -> Reset:
    return Reset(ResetKind(payload["type"]))


def _write_reset(reset: Reset) -> JsonObject:
    return {"type": reset.kind.value}


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


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("BootNotification", STATION, BootNotification, BootAnswer,
             _boot, _write_boot, _boot_answer, _write_boot_answer),
    Exchange("Heartbeat", STATION, Heartbeat, HeartbeatAnswer,
             lambda _: Heartbeat(), nothing, _heartbeat_answer, _write_heartbeat_answer),
    Exchange("ChangeConfiguration", MANAGEMENT, ChangeConfiguration, CommandAnswer,
             _change_configuration, _write_change_configuration, *COMMAND_ANSWER),
    Exchange("GetConfiguration", MANAGEMENT, GetConfiguration, ConfigurationAnswer,
             _get_configuration, _write_get_configuration, _configuration, _write_configuration),
    Exchange("Reset", MANAGEMENT, Reset, CommandAnswer,
             _reset, _write_reset, *COMMAND_ANSWER),
)
# fmt: on
