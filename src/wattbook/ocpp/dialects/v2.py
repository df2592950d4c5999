"""OCPP 2.0.1 and 2.1: the neutral messages in the words of Part 2, chapters 1 to 3, of both.

2.1 only adds to 2.0.1; what a message may hold in which of them is checked by the schemas, before reading and after
writing. So both share one table, and a row that 2.1 alone has stands in its own.

Measured values are JSON numbers there, read as exact decimals, with a unit and a power of ten (2.0.1 Part 2, 2.51). A
signed value comes beside the number it signs; it is kept as a reading of its own.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from wattbook.kernel.clock import parse_rfc3339
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_WH
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
    CertificateHash,
    CertificateStatus,
    ChainStatus,
    ChainStatusAnswer,
    ChainStatusQuestion,
    ChangeAvailability,
    ChargingNeeds,
    ChargingNeedsAnswer,
    ClearCache,
    CommandAnswer,
    CommandStatus,
    ConnectorStatus,
    ContractCertificate,
    ContractCertificateAnswer,
    DataTransfer,
    DataTransferAnswer,
    DataTransferStatus,
    Heartbeat,
    HeartbeatAnswer,
    IdToken,
    MeterValues,
    MeterValuesAnswer,
    NeedsStatus,
    OcspAnswer,
    OcspQuestion,
    Phase,
    Reading,
    Registration,
    RemoteStart,
    RemoteStop,
    ReportedVariable,
    Reset,
    ResetKind,
    Sample,
    SignCertificate,
    SignCertificateAnswer,
    StatusAnswer,
    StatusNotification,
    StopReason,
    TokenInfo,
    TransactionEvent,
    TransactionEventAnswer,
    UnlockConnector,
    VariablesAnswer,
    VariablesReported,
    VatNumberAnswer,
    VatNumberQuestion,
)
from wattbook.ocpp.versions import V21, V201

DIGITS_MAX = 40
"""Of a measured value, before or behind the point; one beyond measures nothing and is kept as text."""
INTEGER_MAX: int = 10**DIGITS_MAX

TOKEN_KIND = "ISO14443"
"""Of a token whose kind was not said: a card by radio."""

PHASES = {phase.value: phase for phase in Phase}
ACCEPTED, REJECTED, FAILED = "Accepted", "Rejected", "Failed"

USED = frozenset(
    {
        ConnectorStatus.PREPARING,
        ConnectorStatus.CHARGING,
        ConnectorStatus.SUSPENDED_EV,
        ConnectorStatus.SUSPENDED_EVSE,
        ConnectorStatus.FINISHING,
    }
)
"""Statuses of 1.6 that are one here: `Occupied`."""

STOP_REASONS = {
    StopReason.HARD_RESET: StopReason.IMMEDIATE_RESET,
    StopReason.SOFT_RESET: StopReason.REBOOT,
    StopReason.UNLOCK_COMMAND: StopReason.OTHER,
}
"""The nearest word for those of 1.6 that 2.x does not have."""

RESETS = {ResetKind.SOFT: "OnIdle", ResetKind.HARD: "Immediate"}
RESET_KINDS = {"OnIdle": ResetKind.SOFT, "Immediate": ResetKind.HARD, "ImmediateAndResume": ResetKind.HARD}

PHASES_OF_TRANSFER = {"AC_two_phase": 2, "AC_three_phase": 3, "AC_BPT": 3, "AC_DER": 3, "AC_BPT_DER": 3}
"""Of an energy transfer mode; every other one has one."""

NOT_SUPPORTED = {"reasonCode": "UnsupportedRequest"}  # Part 2, appendix 5: reason codes


# Meter values


def _samples(meter_values: Sequence[JsonObject]) -> tuple[Sample, ...]:
    return measurands.samples(meter_values, _gather)


def _gather(value: JsonObject, totals: dict[str, Any], readings: list[Reading]) -> None:
    """Put a value in the field of `Sample` it belongs to, the first of its kind; else among the readings."""
    get = value.get
    number, measurand, scale = value["value"], get("measurand", DEFAULT_MEASURAND), get("unitOfMeasure")
    phase, location, signed = get("phase"), get("location"), get("signedMeterValue")
    unit = None
    if scale is not None:
        unit = scale.get("unit")
        if scale.get("multiplier"):
            number = _scaled(number, scale["multiplier"])
    if signed is not None:
        text = msgspec.json.encode(signed).decode()
        readings.append(Reading(measurand, text=text, unit=unit, phase=phase, location=location, signed=True))
    if not _is_measured(number):
        readings.append(Reading(measurand, None, str(number), unit, phase, location))
        return
    if phase is None:
        field, factor = TOTALS.get((measurand, unit), (None, 0))
        # A total is measured at the outlet; only the state of charge is known in the vehicle.
        if field is not None and field not in totals and (location in AT_OUTLET or field == SOC_FIELD):
            amount = measurands.mwh(number, factor) if field in ENERGY_TOTALS else Decimal(number) * factor
            if amount is not None:
                totals[field] = amount
                return
    readings.append(Reading(measurand, Decimal(number), None, unit, phase, location))


def _scaled(number: Decimal | int, multiplier: int) -> Decimal | int:
    """The number times this power of ten, exactly; NaN when no meter means it."""
    if abs(multiplier) > DIGITS_MAX or not _is_measured(number):
        return Decimal("NaN")
    sign, digits, exponent = Decimal(number).as_tuple()
    assert isinstance(exponent, int), "JSON has finite numbers"
    return Decimal((sign, digits, exponent + int(multiplier)))


def _is_measured(number: Decimal | int) -> bool:
    if isinstance(number, int):
        return abs(number) < INTEGER_MAX
    return number.is_finite() and -DIGITS_MAX <= number.adjusted() <= DIGITS_MAX


def _write_samples(samples: Sequence[Sample]) -> list[JsonObject]:
    return [{"timestamp": write_time(sample.taken_at), "sampledValue": _write_sample(sample)} for sample in samples]


def _write_sample(sample: Sample) -> list[JsonObject]:
    values = [
        _value(Decimal(mwh) / MWH_PER_WH, sample.context, measurand, "Wh")
        for measurand, field in ENERGY_FIELDS.items()
        if (mwh := getattr(sample, field)) is not None
    ]
    values += [
        _value(watts, sample.context, measurand, "W")
        for measurand, field in POWER_FIELDS.items()
        if (watts := getattr(sample, field)) is not None
    ]
    if sample.soc_percent is not None:
        values.append(_value(sample.soc_percent, sample.context, SOC, "Percent") | {"location": "EV"})
    return values + [_write_reading(reading, sample.context) for reading in sample.readings]


def _value(number: Decimal, context: str, measurand: str, unit: str) -> JsonObject:
    return {"value": number, "context": context, "measurand": measurand, "unitOfMeasure": {"unit": unit}}


def _write_reading(reading: Reading, context: str) -> JsonObject:
    """
    Raises:
        InvalidInput: a reading that is no number, which these versions have no place for.
    """
    signed = None
    if reading.signed and reading.text is not None:
        try:
            signed = msgspec.json.decode(reading.text)
        except msgspec.DecodeError:
            raise InvalidInput(f"a signed {reading.measurand} is an object here, not {reading.text[:20]!r}") from None
    elif reading.value is None:
        raise InvalidInput(f"{reading.measurand} is a number here, not {reading.text!r}")
    return without_none(
        value=0 if reading.value is None else reading.value,
        context=context,
        measurand=reading.measurand,
        phase=reading.phase,
        location=reading.location,
        signedMeterValue=signed,
        unitOfMeasure={"unit": reading.unit} if reading.unit else None,
    )


# Parts that several messages share


def _token(token: JsonObject) -> IdToken:
    return IdToken(token["idToken"], token["type"])


def _write_token(token: IdToken) -> JsonObject:
    return {"idToken": token.value, "type": token.kind or TOKEN_KIND}


def _token_info(info: JsonObject) -> TokenInfo:
    group = info.get("groupIdToken")
    return TokenInfo(Authorization(info["status"]), time(info, "cacheExpiryDateTime"), _token(group) if group else None)


def _write_token_info(info: TokenInfo | None) -> JsonObject | None:
    if info is None:
        return None
    return without_none(
        status=info.status.value,
        cacheExpiryDateTime=write_time(info.expires_at),
        groupIdToken=_write_token(info.group) if info.group else None,
    )


def _evse(payload: JsonObject) -> tuple[int | None, int | None]:
    """EVSE and connector, as far as they are told."""
    evse = payload.get("evse")
    if evse is None:
        return None, None
    return place(evse, "id"), place(evse, "connectorId") if "connectorId" in evse else None


def _write_evse(evse: int | None, connector: int | None) -> JsonObject | None:
    return None if evse is None else without_none(id=evse, connectorId=connector)


def _hash(data: JsonObject) -> CertificateHash:
    return CertificateHash(
        data["hashAlgorithm"],
        data["issuerNameHash"],
        data["issuerKeyHash"],
        data["serialNumber"],
        data.get("responderURL"),
    )


def _write_hash(certificate: CertificateHash) -> JsonObject:
    return without_none(
        hashAlgorithm=certificate.algorithm,
        issuerNameHash=certificate.issuer_name_hash,
        issuerKeyHash=certificate.issuer_key_hash,
        serialNumber=certificate.serial_number,
        responderURL=certificate.responder_url,
    )


# Station → management system


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


def _status(payload: JsonObject) -> StatusNotification:
    return StatusNotification(
        evse=place(payload, "evseId"),
        connector=place(payload, "connectorId"),
        status=ConnectorStatus(payload["connectorStatus"]),
        occurred_at=time(payload, "timestamp"),
    )


def _write_status(status: StatusNotification) -> JsonObject:
    """
    Raises:
        InvalidInput: a status without its time, which these versions ask for.
    """
    if status.occurred_at is None:
        raise InvalidInput("a status has its time here")
    said = ConnectorStatus.OCCUPIED if status.status in USED else status.status
    # A connector that is not numbered is the EVSE's first; the station itself has 0 and 0.
    connector = status.connector if status.connector is not None else min(status.evse, 1)
    return {
        "timestamp": write_time(status.occurred_at),
        "connectorStatus": said.value,
        "evseId": status.evse,
        "connectorId": connector,
    }


def _authorize(payload: JsonObject) -> Authorize:
    hashes = payload.get("iso15118CertificateHashData", ())
    return Authorize(_token(payload["idToken"]), payload.get("certificate"), tuple(_hash(each) for each in hashes))


def _write_authorize(authorize: Authorize) -> JsonObject:
    return without_none(
        idToken=_write_token(authorize.token),
        certificate=authorize.certificate,
        iso15118CertificateHashData=[_write_hash(each) for each in authorize.certificate_hashes] or None,
    )


def _authorize_answer(payload: JsonObject) -> AuthorizeAnswer:
    status = payload.get("certificateStatus")
    return AuthorizeAnswer(_token_info(payload["idTokenInfo"]), CertificateStatus(status) if status else None)


def _write_authorize_answer(answer: AuthorizeAnswer) -> JsonObject:
    return without_none(
        idTokenInfo=_write_token_info(answer.token_info),
        certificateStatus=answer.certificate_status.value if answer.certificate_status else None,
    )


def _event(payload: JsonObject) -> TransactionEvent:
    get, info = payload.get, payload["transactionInfo"]
    token, values, reason = get("idToken"), get("meterValue"), info.get("stoppedReason")
    evse, connector = _evse(payload)
    return TransactionEvent(
        PHASES[payload["eventType"]],
        info["transactionId"],
        whole(payload, "seqNo"),
        parse_rfc3339(payload["timestamp"]),
        payload["triggerReason"],
        _samples(values) if values is not None else (),
        evse,
        connector,
        _token(token) if token is not None else None,
        get("offline", False),
        StopReason(reason) if reason is not None else None,
        info.get("chargingState"),
        whole_or_none(payload, "reservationId"),
        whole_or_none(info, "remoteStartId"),
        get("costDetails"),
    )


def _write_event(event: TransactionEvent) -> JsonObject:
    reason = event.stop_reason
    info = without_none(
        transactionId=event.transaction_id,
        chargingState=event.charging_state,
        stoppedReason=STOP_REASONS.get(reason, reason).value if reason else None,
        remoteStartId=event.remote_start_id,
    )
    return without_none(
        eventType=event.phase.value,
        timestamp=write_time(event.occurred_at),
        triggerReason=event.trigger,
        seqNo=event.seq_no,
        transactionInfo=info,
        offline=event.offline or None,
        evse=_write_evse(event.evse, event.connector),
        idToken=_write_token(event.token) if event.token else None,
        meterValue=_write_samples(event.samples) or None,
        reservationId=event.reservation_id,
        costDetails=event.cost_details,
    )


def _event_answer(payload: JsonObject) -> TransactionEventAnswer:
    info, cost = payload.get("idTokenInfo"), payload.get("totalCost")
    return TransactionEventAnswer(None if cost is None else Decimal(cost), _token_info(info) if info else None)


def _write_event_answer(answer: TransactionEventAnswer) -> JsonObject:
    if answer is NOTED:
        return {}
    return without_none(totalCost=answer.total_cost, idTokenInfo=_write_token_info(answer.token_info))


NOTED = TransactionEventAnswer()


def _meter_values(payload: JsonObject) -> MeterValues:
    return MeterValues(place(payload, "evseId"), _samples(payload["meterValue"]))


def _write_meter_values(values: MeterValues) -> JsonObject:
    """
    Raises:
        InvalidInput: samples of a transaction; these versions send them in its events.
    """
    if values.transaction_id is not None:
        raise InvalidInput("samples of a transaction are sent in its events here")
    return {"evseId": values.evse, "meterValue": _write_samples(values.samples)}


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
    evse, connector = _evse(component)
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
        evse=_write_evse(said.evse or None, said.connector or None),
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


def _needs(payload: JsonObject) -> ChargingNeeds:
    needs = payload["chargingNeeds"]
    told = needs.get("acChargingParameters") or needs.get("dcChargingParameters") or {}
    energy = told.get("energyAmount")
    return ChargingNeeds(
        place(payload, "evseId"),
        needs["requestedEnergyTransfer"],
        measurands.mwh(energy, MWH_PER_WH) if energy is not None and _is_measured(energy) else None,
        _power_max_w(told, PHASES_OF_TRANSFER.get(needs["requestedEnergyTransfer"], 1)),
        time(needs, "departureTime"),
        payload,
    )


def _power_max_w(told: JsonObject, phases: int) -> int | None:
    """As told, or of current and voltage; the voltage of AC is that of a phase."""
    watts = told.get("evMaxPower")
    if watts is None and "evMaxCurrent" in told:
        amperes, volts = told["evMaxCurrent"], told["evMaxVoltage"]
        watts = amperes * volts * phases if _is_measured(amperes) and _is_measured(volts) else None
    return int(watts) if watts is not None and 0 < watts <= INT32_MAX else None


def _write_needs(needs: ChargingNeeds) -> JsonObject:
    payload: JsonObject = needs.said
    return payload


def _needs_answer(payload: JsonObject) -> ChargingNeedsAnswer:
    return ChargingNeedsAnswer(NeedsStatus(payload["status"]))


def _write_needs_answer(answer: ChargingNeedsAnswer) -> JsonObject:
    return {"status": answer.status.value}


def _write_needs_answer_201(answer: ChargingNeedsAnswer) -> JsonObject:
    """2.0.1 has no word for needs that are heard while no profile follows."""
    no_profile = answer.status is NeedsStatus.NO_PROFILE
    return {"status": NeedsStatus.REJECTED.value if no_profile else answer.status.value}


# Certificates


def _sign_certificate(payload: JsonObject) -> SignCertificate:
    purpose = payload.get("certificateType", "ChargingStationCertificate")
    return SignCertificate(payload["csr"], purpose, whole_or_none(payload, "requestId"))


def _write_sign_certificate(request: SignCertificate) -> JsonObject:
    return without_none(csr=request.csr, certificateType=request.purpose, requestId=request.request_id)


def _sign_certificate_answer(payload: JsonObject) -> SignCertificateAnswer:
    return SignCertificateAnswer(payload["status"] == ACCEPTED)


def _write_sign_certificate_answer(answer: SignCertificateAnswer) -> JsonObject:
    return {"status": ACCEPTED if answer.accepted else REJECTED}


def _contract(payload: JsonObject) -> ContractCertificate:
    return ContractCertificate(
        payload["iso15118SchemaVersion"],
        payload["action"],
        payload["exiRequest"],
        whole_or_none(payload, "maximumContractCertificateChains"),
        tuple(payload.get("prioritizedEMAIDs", ())),
    )


def _write_contract(request: ContractCertificate) -> JsonObject:
    return without_none(
        iso15118SchemaVersion=request.iso15118_version,
        action=request.action,
        exiRequest=request.exi_request,
        maximumContractCertificateChains=request.chains_max,
        prioritizedEMAIDs=list(request.emaids) or None,
    )


def _contract_answer(payload: JsonObject) -> ContractCertificateAnswer:
    remaining = whole_or_none(payload, "remainingContracts")
    return ContractCertificateAnswer(payload["status"] == ACCEPTED, payload["exiResponse"], remaining)


def _write_contract_answer(answer: ContractCertificateAnswer) -> JsonObject:
    return without_none(
        status=ACCEPTED if answer.accepted else FAILED,
        exiResponse=answer.exi_response,
        remainingContracts=answer.remaining,
    )


def _ocsp(payload: JsonObject) -> OcspQuestion:
    return OcspQuestion(_hash(payload["ocspRequestData"]))


def _write_ocsp(question: OcspQuestion) -> JsonObject:
    return {"ocspRequestData": _write_hash(question.certificate)}


def _ocsp_answer(payload: JsonObject) -> OcspAnswer:
    return OcspAnswer(payload.get("ocspResult"))


def _write_ocsp_answer(answer: OcspAnswer) -> JsonObject:
    return without_none(status=FAILED if answer.response is None else ACCEPTED, ocspResult=answer.response)


def _chain(payload: JsonObject) -> ChainStatusQuestion:
    return ChainStatusQuestion(
        tuple(
            (_hash(each["certificateHashData"]), each["source"], tuple(each["urls"]))
            for each in payload["certificateStatusRequests"]
        )
    )


def _write_chain(question: ChainStatusQuestion) -> JsonObject:
    return {
        "certificateStatusRequests": [
            {"certificateHashData": _write_hash(certificate), "source": source, "urls": list(urls)}
            for certificate, source, urls in question.certificates
        ]
    }


def _chain_answer(payload: JsonObject) -> ChainStatusAnswer:
    return ChainStatusAnswer(
        tuple(
            ChainStatus(
                _hash(each["certificateHashData"]), each["source"], each["status"], parse_rfc3339(each["nextUpdate"])
            )
            for each in payload["certificateStatus"]
        )
    )


def _write_chain_answer(answer: ChainStatusAnswer) -> JsonObject:
    return {
        "certificateStatus": [
            {
                "certificateHashData": _write_hash(each.certificate),
                "source": each.source,
                "status": each.status,
                "nextUpdate": write_time(each.next_update),
            }
            for each in answer.statuses
        ]
    }


def _vat(payload: JsonObject) -> VatNumberQuestion:
    return VatNumberQuestion(payload["vatNumber"], place(payload, "evseId") if "evseId" in payload else None)


def _write_vat(question: VatNumberQuestion) -> JsonObject:
    return without_none(vatNumber=question.vat_number, evseId=question.evse)


def _vat_answer(payload: JsonObject) -> VatNumberAnswer:
    return VatNumberAnswer(payload["vatNumber"], whole_or_none(payload, "evseId"), payload.get("company"))


def _write_vat_answer(answer: VatNumberAnswer) -> JsonObject:
    return without_none(
        status=REJECTED if answer.company is None else ACCEPTED,
        vatNumber=answer.vat_number,
        evseId=answer.evse,
        company=answer.company,
        statusInfo=NOT_SUPPORTED if answer.company is None else None,
    )


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
    evse = place(payload, "evseId") if "evseId" in payload else None
    return RemoteStart(_token(payload["idToken"]), evse, whole(payload, "remoteStartId"))


def _write_remote_start(start: RemoteStart) -> JsonObject:
    return without_none(idToken=_write_token(start.token), evseId=start.evse, remoteStartId=start.remote_start_id)


def _remote_stop(payload: JsonObject) -> RemoteStop:
    return RemoteStop(payload["transactionId"])


def _write_remote_stop(stop: RemoteStop) -> JsonObject:
    return {"transactionId": stop.transaction_id}


def _reset(payload: JsonObject) -> Reset:
    return Reset(RESET_KINDS[payload["type"]])


def _write_reset(reset: Reset) -> JsonObject:
    return {"type": RESETS[reset.kind]}


def _change_availability(payload: JsonObject) -> ChangeAvailability:
    evse, _ = _evse(payload)
    return ChangeAvailability(evse or 0, payload["operationalStatus"] == "Operative")


def _write_change_availability(change: ChangeAvailability) -> JsonObject:
    return without_none(
        operationalStatus="Operative" if change.operative else "Inoperative",
        evse=_write_evse(change.evse or None, None),
    )


def _unlock(payload: JsonObject) -> UnlockConnector:
    return UnlockConnector(place(payload, "evseId"), place(payload, "connectorId"))


def _write_unlock(unlock: UnlockConnector) -> JsonObject:
    return {"evseId": unlock.evse, "connectorId": 1 if unlock.connector is None else unlock.connector}


def _command_answer(payload: JsonObject) -> CommandAnswer:
    return CommandAnswer(CommandStatus(payload["status"]), payload.get("transactionId"))


def _write_command_answer(answer: CommandAnswer) -> JsonObject:
    return without_none(status=answer.status.value, transactionId=answer.transaction_id)


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
    Exchange("StatusNotification", STATION, StatusNotification, StatusAnswer,
             _status, _write_status, lambda _: StatusAnswer(), nothing),
    Exchange("TransactionEvent", STATION, TransactionEvent, TransactionEventAnswer,
             _event, _write_event, _event_answer, _write_event_answer),
    Exchange("NotifyReport", STATION, VariablesReported, VariablesAnswer,
             _report, _write_report, lambda _: VariablesAnswer(), nothing),
    Exchange("SignCertificate", STATION, SignCertificate, SignCertificateAnswer,
             _sign_certificate, _write_sign_certificate, _sign_certificate_answer, _write_sign_certificate_answer),
    Exchange("Get15118EVCertificate", STATION, ContractCertificate, ContractCertificateAnswer,
             _contract, _write_contract, _contract_answer, _write_contract_answer),
    Exchange("GetCertificateStatus", STATION, OcspQuestion, OcspAnswer,
             _ocsp, _write_ocsp, _ocsp_answer, _write_ocsp_answer),
    Exchange("DataTransfer", EITHER, DataTransfer, DataTransferAnswer,
             _data_transfer, _write_data_transfer, _data_transfer_answer, _write_data_transfer_answer),
    Exchange("ChangeAvailability", MANAGEMENT, ChangeAvailability, CommandAnswer,
             _change_availability, _write_change_availability, *_command),
    Exchange("ClearCache", MANAGEMENT, ClearCache, CommandAnswer,
             lambda _: ClearCache(), nothing, *_command),
    Exchange("RequestStartTransaction", MANAGEMENT, RemoteStart, CommandAnswer,
             _remote_start, _write_remote_start, *_command),
    Exchange("RequestStopTransaction", MANAGEMENT, RemoteStop, CommandAnswer,
             _remote_stop, _write_remote_stop, *_command),
    Exchange("Reset", MANAGEMENT, Reset, CommandAnswer,
             _reset, _write_reset, *_command),
    Exchange("UnlockConnector", MANAGEMENT, UnlockConnector, CommandAnswer,
             _unlock, _write_unlock, *_command),
)

ONLY_IN_201: tuple[Exchange[Any, Any], ...] = (
    Exchange("NotifyEVChargingNeeds", STATION, ChargingNeeds, ChargingNeedsAnswer,
             _needs, _write_needs, _needs_answer, _write_needs_answer_201),
)

ONLY_IN_21: tuple[Exchange[Any, Any], ...] = (
    Exchange("NotifyEVChargingNeeds", STATION, ChargingNeeds, ChargingNeedsAnswer,
             _needs, _write_needs, _needs_answer, _write_needs_answer),
    Exchange("GetCertificateChainStatus", STATION, ChainStatusQuestion, ChainStatusAnswer,
             _chain, _write_chain, _chain_answer, _write_chain_answer),
    Exchange("VatNumberValidation", STATION, VatNumberQuestion, VatNumberAnswer,
             _vat, _write_vat, _vat_answer, _write_vat_answer),
)
# fmt: on

DIALECT_201 = Dialect(V201, (*EXCHANGES, *ONLY_IN_201))
DIALECT_21 = Dialect(V21, (*EXCHANGES, *ONLY_IN_21))
