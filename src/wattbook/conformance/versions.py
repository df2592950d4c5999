"""What the versions of OCPP-J ask of a management system: the rows by which the checks differ.

Sources: OCPP-J 1.6 (2015) with its errata, OCPP-J 2.0.1 and 2.1 (Part 4), and the JSON schemas that belong to them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

JsonObject = dict[str, Any]

CALL, CALL_RESULT, CALL_ERROR, CALL_RESULT_ERROR, SEND = 2, 3, 4, 5, 6
ID_LENGTH_MAX: Final = 36  # OCPP-J 1.6, 4.1.4
DESCRIPTION_LENGTH_MAX: Final = 255  # OCPP-J 2.0.1, 4.2.3

_CODES_16 = """NotImplemented NotSupported InternalError ProtocolError SecurityError FormationViolation
    PropertyConstraintViolation OccurenceConstraintViolation TypeConstraintViolation GenericError"""

_CODES_2 = """FormatViolation GenericError InternalError MessageTypeNotSupported NotImplemented NotSupported
    OccurrenceConstraintViolation PropertyConstraintViolation ProtocolError RpcFrameworkError SecurityError
    TypeConstraintViolation"""

_RECEIVED_16 = """Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification
    Heartbeat LogStatusNotification MeterValues SecurityEventNotification SignCertificate
    SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction"""

_RECEIVED_201 = """Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification
    Get15118EVCertificate GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit
    NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent
    NotifyMonitoringReport NotifyReport PublishFirmwareStatusNotification ReportChargingProfiles
    ReservationStatusUpdate SecurityEventNotification SignCertificate StatusNotification TransactionEvent"""

_RECEIVED_21 = f"""{_RECEIVED_201} BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm
    NotifyDERStartStop NotifyPriorityCharging NotifySettlement OpenPeriodicEventStream PullDynamicScheduleUpdate
    ReportDERControl VatNumberValidation"""


@dataclass(frozen=True, eq=False)
class Version:
    """One version as a management system must keep it.

    Attributes:
        name: as people say it.
        subprotocol: as the handshake says it.
        schema_folder, request_suffix: where the `ocpp` package keeps the schema of an action.
        error_codes: every code a CALLERROR may bear, misspellings included: the errata of 1.6 (5.1, 5.2) keep them.
        received: the actions that stations send to management systems.
        sent: one that only a management system sends.
        ignored_types: message type numbers that must get no reply.
        refused_types: message type numbers that must get a CALLERROR MessageTypeNotSupported.
        malformed, occurrence: this version's spelling of two codes that all have.
    """

    name: str
    subprotocol: str
    schema_folder: str
    request_suffix: str
    error_codes: frozenset[str]
    received: tuple[str, ...]
    sent: str
    ignored_types: tuple[int, ...]
    refused_types: tuple[int, ...]
    malformed: str
    occurrence: str

    @property
    def is_16(self) -> bool:
        return self.name == "1.6"

    def request_schema(self, action: str) -> JsonObject:
        """The JSON schema of a request, as its authors publish it."""
        return _schema(self.schema_folder, action + self.request_suffix)

    def answer_schema(self, action: str) -> JsonObject:
        return _schema(self.schema_folder, action + "Response")


def _words(text: str) -> tuple[str, ...]:
    return tuple(sorted(text.split()))


V16 = Version(
    "1.6", "ocpp1.6", "v16", "", frozenset(_words(_CODES_16)), _words(_RECEIVED_16), "RemoteStopTransaction",
    (5, 6, 9), (), "FormationViolation", "OccurenceConstraintViolation",
)  # fmt: skip
V201 = Version(
    "2.0.1", "ocpp2.0.1", "v201", "Request", frozenset(_words(_CODES_2)), _words(_RECEIVED_201), "GetVariables",
    (), (5, 6, 9), "FormatViolation", "OccurrenceConstraintViolation",
)  # fmt: skip
V21 = Version(
    "2.1", "ocpp2.1", "v21", "Request", frozenset(_words(_CODES_2)), _words(_RECEIVED_21), "GetVariables",
    (9,), (), "FormatViolation", "OccurrenceConstraintViolation",
)  # fmt: skip

VERSIONS: Mapping[str, Version] = {version.name: version for version in (V16, V201, V21)}


@cache
def _schema(folder: str, name: str) -> JsonObject:
    file = resources.files("ocpp").joinpath(folder, "schemas", f"{name}.json")
    schema: JsonObject = json.loads(file.read_bytes().decode("utf-8-sig"), parse_float=Decimal)
    return schema
