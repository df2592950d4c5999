"""The neutral vocabulary: what stations and management systems say to each other, whatever the version.

A request is a struct that names the type of its answer, so `await connection.call(Heartbeat())` is a
`HeartbeatAnswer`. Values are already what the house works with: energy in whole milliwatt-hours, times aware and in
UTC, other quantities as exact decimals in their base unit. The `dialects` read and write them on the wire.

Places: `evse` counts from 1, and 0 is the station itself. OCPP 1.6 knows connectors only; each of them is one EVSE here
and `connector` stays None. Transaction ids are texts; 1.6 writes them as integers.
"""

from wattbook.ocpp.messages.authorization import Authorize, AuthorizeAnswer, ClearCache
from wattbook.ocpp.messages.availability import ChangeAvailability, ConnectorStatus, StatusAnswer, StatusNotification
from wattbook.ocpp.messages.base import Answer, AnswerT_co, End, Json, Request
from wattbook.ocpp.messages.carried import (
    DataTransfer,
    DataTransferAnswer,
    DataTransferStatus,
    Verbatim,
    VerbatimAnswer,
)
from wattbook.ocpp.messages.certificates import (
    CertificateHash,
    CertificateStatus,
    ChainStatus,
    ChainStatusAnswer,
    ChainStatusQuestion,
    ContractCertificate,
    ContractCertificateAnswer,
    OcspAnswer,
    OcspQuestion,
    SignCertificate,
    SignCertificateAnswer,
)
from wattbook.ocpp.messages.commands import CommandAnswer, CommandStatus
from wattbook.ocpp.messages.metering import MeterValues, MeterValuesAnswer, Reading, Sample
from wattbook.ocpp.messages.payment import VatNumberAnswer, VatNumberQuestion
from wattbook.ocpp.messages.provisioning import (
    BootAnswer,
    BootNotification,
    ChangeConfiguration,
    ConfigurationAnswer,
    ConfigurationValue,
    GetConfiguration,
    Heartbeat,
    HeartbeatAnswer,
    Registration,
    ReportedVariable,
    Reset,
    ResetKind,
    VariablesAnswer,
    VariablesReported,
)
from wattbook.ocpp.messages.remote_control import RemoteStart, RemoteStop, UnlockConnector
from wattbook.ocpp.messages.smart_charging import ChargingNeeds, ChargingNeedsAnswer, NeedsStatus
from wattbook.ocpp.messages.tariff_and_cost import CostNoted, CostUpdated
from wattbook.ocpp.messages.tokens import Authorization, IdToken, TokenInfo
from wattbook.ocpp.messages.transactions import (
    Phase,
    StopReason,
    TransactionEvent,
    TransactionEventAnswer,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)

__all__ = [
    "Answer",
    "AnswerT_co",
    "Authorization",
    "Authorize",
    "AuthorizeAnswer",
    "BootAnswer",
    "BootNotification",
    "CertificateHash",
    "CertificateStatus",
    "ChainStatus",
    "ChainStatusAnswer",
    "ChainStatusQuestion",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ChargingNeeds",
    "ChargingNeedsAnswer",
    "ClearCache",
    "CommandAnswer",
    "CommandStatus",
    "ConfigurationAnswer",
    "ConfigurationValue",
    "ConnectorStatus",
    "ContractCertificate",
    "ContractCertificateAnswer",
    "CostNoted",
    "CostUpdated",
    "DataTransfer",
    "DataTransferAnswer",
    "DataTransferStatus",
    "End",
    "GetConfiguration",
    "Heartbeat",
    "HeartbeatAnswer",
    "IdToken",
    "Json",
    "MeterValues",
    "MeterValuesAnswer",
    "NeedsStatus",
    "OcspAnswer",
    "OcspQuestion",
    "Phase",
    "Reading",
    "Registration",
    "RemoteStart",
    "RemoteStop",
    "ReportedVariable",
    "Request",
    "Reset",
    "ResetKind",
    "Sample",
    "SignCertificate",
    "SignCertificateAnswer",
    "StatusAnswer",
    "StatusNotification",
    "StopReason",
    "TokenInfo",
    "TransactionEvent",
    "TransactionEventAnswer",
    "TransactionStarted",
    "TransactionStartedAnswer",
    "TransactionStopped",
    "TransactionStoppedAnswer",
    "UnlockConnector",
    "VariablesAnswer",
    "VariablesReported",
    "VatNumberAnswer",
    "VatNumberQuestion",
    "Verbatim",
    "VerbatimAnswer",
]
