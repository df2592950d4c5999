"""Every action of every version: which functional block it belongs to, who sends it, how it is answered without ado.

The names of an action mean the same in every version that has it; which version has it is told by that version's
schemas. An action with a struct of its own is written in the version's dialect; every other one is carried verbatim,
and answered by the payload given here unless a controller has more to say.

Source: OCPP 1.6 edition 2, chapter 5, and its security extension; OCPP 2.0.1 and 2.1, Part 2, by block.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from msgspec import Struct

from wattbook.ocpp.messages import End

STATION = frozenset({End.STATION})
MANAGEMENT = frozenset({End.MANAGEMENT})
EITHER = STATION | MANAGEMENT


class Block(Enum):
    """A functional block of OCPP 2.x; the messages of 1.6 are put where 2.x has them."""

    SECURITY = "A"
    PROVISIONING = "B"
    AUTHORIZATION = "C"
    LOCAL_LIST = "D"
    TRANSACTIONS = "E"
    REMOTE_CONTROL = "F"
    AVAILABILITY = "G"
    RESERVATION = "H"
    TARIFF_AND_COST = "I"
    METERING = "J"
    SMART_CHARGING = "K"
    FIRMWARE = "L"
    CERTIFICATES = "M"
    DIAGNOSTICS = "N"
    DISPLAY = "O"
    DATA_TRANSFER = "P"
    BIDIRECTIONAL = "Q"
    DER_CONTROL = "R"
    BATTERY_SWAP = "S"

    @property
    def title(self) -> str:
        return f"{self.value} {self.name.lower().replace('_', ' ')}"


class Action(Struct, frozen=True):
    """`answer` is what is said back when nothing is decided: the message is noted."""

    block: Block
    senders: frozenset[End]
    answer: Mapping[str, Any] = {}


def _from(senders: frozenset[End], block: Block, names: str) -> dict[str, Action]:
    return {name: Action(block, senders) for name in names.split()}


ACTIONS: Final[Mapping[str, Action]] = {
    # What stations tell.
    **_from(STATION, Block.SECURITY, "SecurityEventNotification SignCertificate"),
    **_from(STATION, Block.PROVISIONING, "BootNotification Heartbeat NotifyReport"),
    **_from(STATION, Block.AUTHORIZATION, "Authorize NotifySettlement VatNumberValidation"),
    **_from(STATION, Block.TRANSACTIONS, "StartTransaction StopTransaction TransactionEvent"),
    **_from(STATION, Block.AVAILABILITY, "StatusNotification"),
    **_from(STATION, Block.RESERVATION, "ReservationStatusUpdate"),
    **_from(STATION, Block.METERING, "MeterValues"),
    **_from(STATION, Block.SMART_CHARGING, "ReportChargingProfiles NotifyChargingLimit ClearedChargingLimit"),
    **_from(STATION, Block.SMART_CHARGING, "NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyPriorityCharging"),
    **_from(STATION, Block.SMART_CHARGING, "PullDynamicScheduleUpdate"),
    **_from(STATION, Block.FIRMWARE, "FirmwareStatusNotification SignedFirmwareStatusNotification"),
    **_from(STATION, Block.FIRMWARE, "PublishFirmwareStatusNotification"),
    **_from(STATION, Block.CERTIFICATES, "Get15118EVCertificate GetCertificateStatus GetCertificateChainStatus"),
    **_from(STATION, Block.DIAGNOSTICS, "DiagnosticsStatusNotification LogStatusNotification NotifyEvent"),
    **_from(STATION, Block.DIAGNOSTICS, "NotifyMonitoringReport NotifyCustomerInformation"),
    **_from(STATION, Block.DIAGNOSTICS, "OpenPeriodicEventStream ClosePeriodicEventStream NotifyPeriodicEventStream"),
    **_from(STATION, Block.DISPLAY, "NotifyDisplayMessages"),
    **_from(STATION, Block.DER_CONTROL, "NotifyDERAlarm NotifyDERStartStop ReportDERControl"),
    **_from(STATION, Block.BATTERY_SWAP, "BatterySwap"),
    # Either way.
    **_from(EITHER, Block.DATA_TRANSFER, "DataTransfer"),
    # What management systems ask for.
    **_from(MANAGEMENT, Block.PROVISIONING, "ChangeConfiguration GetConfiguration GetVariables SetVariables Reset"),
    **_from(MANAGEMENT, Block.PROVISIONING, "GetBaseReport GetReport SetNetworkProfile"),
    **_from(MANAGEMENT, Block.AUTHORIZATION, "ClearCache NotifyWebPaymentStarted"),
    **_from(MANAGEMENT, Block.LOCAL_LIST, "GetLocalListVersion SendLocalList"),
    **_from(MANAGEMENT, Block.TRANSACTIONS, "GetTransactionStatus"),
    **_from(MANAGEMENT, Block.REMOTE_CONTROL, "RemoteStartTransaction RemoteStopTransaction UnlockConnector"),
    **_from(MANAGEMENT, Block.REMOTE_CONTROL, "RequestStartTransaction RequestStopTransaction"),
    **_from(MANAGEMENT, Block.REMOTE_CONTROL, "TriggerMessage ExtendedTriggerMessage"),
    **_from(MANAGEMENT, Block.AVAILABILITY, "ChangeAvailability"),
    **_from(MANAGEMENT, Block.RESERVATION, "CancelReservation ReserveNow"),
    **_from(MANAGEMENT, Block.TARIFF_AND_COST, "CostUpdated SetDefaultTariff GetTariffs ClearTariffs"),
    **_from(MANAGEMENT, Block.TARIFF_AND_COST, "ChangeTransactionTariff"),
    **_from(MANAGEMENT, Block.SMART_CHARGING, "SetChargingProfile GetChargingProfiles ClearChargingProfile"),
    **_from(MANAGEMENT, Block.SMART_CHARGING, "GetCompositeSchedule UpdateDynamicSchedule UsePriorityCharging"),
    **_from(MANAGEMENT, Block.FIRMWARE, "UpdateFirmware SignedUpdateFirmware PublishFirmware UnpublishFirmware"),
    **_from(MANAGEMENT, Block.CERTIFICATES, "CertificateSigned InstallCertificate DeleteCertificate"),
    **_from(MANAGEMENT, Block.CERTIFICATES, "GetInstalledCertificateIds"),
    **_from(MANAGEMENT, Block.DIAGNOSTICS, "GetDiagnostics GetLog GetMonitoringReport SetMonitoringBase"),
    **_from(MANAGEMENT, Block.DIAGNOSTICS, "SetMonitoringLevel SetVariableMonitoring ClearVariableMonitoring"),
    **_from(MANAGEMENT, Block.DIAGNOSTICS, "CustomerInformation AdjustPeriodicEventStream GetPeriodicEventStream"),
    **_from(MANAGEMENT, Block.DISPLAY, "SetDisplayMessage GetDisplayMessages ClearDisplayMessage"),
    **_from(MANAGEMENT, Block.BIDIRECTIONAL, "AFRRSignal NotifyAllowedEnergyTransfer"),
    **_from(MANAGEMENT, Block.DER_CONTROL, "SetDERControl GetDERControl ClearDERControl"),
    **_from(MANAGEMENT, Block.BATTERY_SWAP, "RequestBatterySwap"),
    # What must be answered with more than that it was noted.
    "NotifyEVChargingSchedule": Action(Block.SMART_CHARGING, STATION, {"status": "Accepted"}),
    "OpenPeriodicEventStream": Action(Block.DIAGNOSTICS, STATION, {"status": "Accepted"}),
    # Nobody here plans schedules that change by the minute.
    "PullDynamicScheduleUpdate": Action(
        Block.SMART_CHARGING, STATION, {"status": "Rejected", "statusInfo": {"reasonCode": "NoProfile"}}
    ),
}
