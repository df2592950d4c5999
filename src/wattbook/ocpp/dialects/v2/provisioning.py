"""Block B, provisioning."""

from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.actions import MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, whole, without_none, write_time
from wattbook.ocpp.dialects.v2.parts import COMMAND_ANSWER, read_evse, write_evse
from wattbook.ocpp.messages import (
    BootAnswer,
    BootNotification,
    CommandAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Registration,
    ReportedVariable,
    Reset,
    ResetKind,
    VariablesAnswer,
    VariablesReported,
)
from wattbook.ocpp.wire.frames import JsonObject

RESETS = {ResetKind.SOFT: "OnIdle", ResetKind.HARD: "Immediate"}

RESET_KINDS = {"OnIdle": ResetKind.SOFT, "Immediate": ResetKind.HARD, "ImmediateAndResume": ResetKind.HARD}


def _boot(payload: JsonObject) -> BootNotification:
    station = payload["chargingStation"]
    modem = station.get("modem", {})
    return BootNotification(
        vendor=station["vendorName"],
        model=station["model"],
        serial_number=station.get("serialNumber"),
        firmware_version=station.get("firmwareVersion"),
        iccid=modem.get("iccid"),
        imsi=modem.get("imsi"),
        reason=payload["reason"],
    )


def _write_boot(boot: BootNotification) -> JsonObject:
    station = without_none(
        vendorName=boot.vendor,
        model=boot.model,
        serialNumber=boot.serial_number or boot.box_serial_number,
        firmwareVersion=boot.firmware_version,
        modem=without_none(iccid=boot.iccid, imsi=boot.imsi) or None,
    )
    return {"chargingStation": station, "reason": boot.reason or "PowerUp"}


def _boot_answer(payload: JsonObject) -> BootAnswer:
    return BootAnswer(
        Registration(payload["status"]), parse_rfc3339(payload["currentTime"]), whole(payload, "interval")
    )


def _write_boot_answer(answer: BootAnswer) -> JsonObject:
    return {"status": answer.status.value, "currentTime": write_time(answer.now), "interval": answer.interval_s}


def _heartbeat_answer(payload: JsonObject) -> HeartbeatAnswer:
    return HeartbeatAnswer(parse_rfc3339(payload["currentTime"]))


def _write_heartbeat_answer(answer: HeartbeatAnswer) -> JsonObject:
    return {"currentTime": write_time(answer.now)}


def _report(payload: JsonObject) -> VariablesReported:
    variables = tuple(variable for data in payload.get("reportData", ()) for variable in _variables(data))
    return VariablesReported(
        whole(payload, "requestId"),
        whole(payload, "seqNo"),
        parse_rfc3339(payload["generatedAt"]),
        variables,
        payload.get("tbc", False),
    )


def _variables(data: JsonObject) -> list[ReportedVariable]:
    """One an attribute of the variable."""
    component, variable = data["component"], data["variable"]
    evse, connector = read_evse(component)
    return [
        ReportedVariable(
            component["name"],
            variable["name"],
            attribute.get("type", "Actual"),
            component.get("instance", ""),
            variable.get("instance", ""),
            evse or 0,
            connector or 0,
            attribute.get("value"),
            attribute.get("mutability"),
            attribute.get("persistent", False),
            attribute.get("constant", False),
            data.get("variableCharacteristics"),
        )
        for attribute in data["variableAttribute"]
    ]


def _write_report(report: VariablesReported) -> JsonObject:
    return without_none(
        requestId=report.request_id,
        seqNo=report.seq_no,
        generatedAt=write_time(report.generated_at),
        reportData=[_write_variable(variable) for variable in report.variables] or None,
        tbc=report.more or None,
    )


def _write_variable(said: ReportedVariable) -> JsonObject:
    component = without_none(
        name=said.component,
        instance=said.component_instance or None,
        evse=write_evse(said.evse or None, said.connector or None),
    )
    attribute = without_none(
        type=said.attribute,
        value=said.value,
        mutability=said.mutability,
        persistent=said.persistent or None,
        constant=said.constant or None,
    )
    return without_none(
        component=component,
        variable=without_none(name=said.variable, instance=said.variable_instance or None),
        variableAttribute=[attribute],
        variableCharacteristics=said.characteristics,
    )


def _reset(payload: JsonObject) -> Reset:
    return Reset(RESET_KINDS[payload["type"]])


def _write_reset(reset: Reset) -> JsonObject:
    return {"type": RESETS[reset.kind]}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("BootNotification", STATION, BootNotification, BootAnswer,
             _boot, _write_boot, _boot_answer, _write_boot_answer),
    Exchange("Heartbeat", STATION, Heartbeat, HeartbeatAnswer,
             lambda _: Heartbeat(), nothing, _heartbeat_answer, _write_heartbeat_answer),
    Exchange("NotifyReport", STATION, VariablesReported, VariablesAnswer,
             _report, _write_report, lambda _: VariablesAnswer(), nothing),
    Exchange("Reset", MANAGEMENT, Reset, CommandAnswer,
             _reset, _write_reset, *COMMAND_ANSWER),
)
# fmt: on
