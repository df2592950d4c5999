"""The neutral vocabulary: what stations and management systems say to each other, whatever the version.

A request is a struct that names the type of its answer, so `await connection.call(Heartbeat())` is a
`HeartbeatAnswer`. Values are already what the house works with: energy in whole milliwatt-hours, times aware and in
UTC, other quantities as exact decimals in their base unit. The `dialects` read and write them on the wire.

Places: `evse` counts from 1, and 0 is the station itself. OCPP 1.6 knows connectors only; each of them is one EVSE here
and `connector` stays None. Transaction ids are texts; 1.6 writes them as integers.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

Json: TypeAlias = Any
"""A value of JSON whose shape only its sender and its receiver know."""


class End(Enum):
    """The two ends of a connection."""

    STATION = "station"
    MANAGEMENT = "management"


class Answer(Struct, frozen=True, gc=False):
    """Base of every answer."""


AnswerT_co = TypeVar("AnswerT_co", bound=Answer, covariant=True)


class Request(Struct, Generic[AnswerT_co], frozen=True, gc=False):
    """Base of every request; its parameter is the struct it is answered with."""


# Tokens


class IdToken(Struct, frozen=True):
    """What a driver shows; `kind` (RFID, eMAID, …) is None where the version does not say it."""

    value: str
    kind: str | None = None


class Authorization(StrEnum):
    """What the management system says of a token."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TRANSACTION = "ConcurrentTx"
    # Since 2.0.1; 1.6 hears the nearest word it has.
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_AT_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


class TokenInfo(Struct, frozen=True):
    """The verdict on a token, until when a station may remember it, and the token of its group."""

    status: Authorization
    expires_at: datetime | None = None
    group: IdToken | None = None


# Meter values


class Reading(Struct, frozen=True, gc=False):
    """One measured value that has no field of its own in `Sample`.

    Attributes:
        measurand: the field's own name, known to us or not.
        value: exact, in `unit`; None when the station sent no number.
        text: what it sent instead: signed data, or something garbled. Kept, so that nothing is lost.
        unit: as sent.
        phase: as sent; None: total.
        location: as sent; None: the outlet.
        signed: `text` is a signed meter value in the meter's own format.
    """

    measurand: str
    value: Decimal | None = None
    text: str | None = None
    unit: str | None = None
    phase: str | None = None
    location: str | None = None
    signed: bool = False


class Sample(Struct, frozen=True, gc=False):
    """The values of one moment, taken for one reason.

    The totals that charging needs have fields; every other value is in `readings`.

    Attributes:
        taken_at: by the station's clock.
        context: why it was taken: `Sample.Periodic`, `Transaction.Begin`, …
        import_mwh: the register of energy drawn from the grid; finer digits than 1 mWh are cut off downward, which a
            later reading makes up for, as a register only counts on.
        export_mwh: the register of energy fed in.
        import_w: active power drawn.
        export_w: active power fed in.
        soc_percent: state of charge of the vehicle.
        readings: everything else, in the order it was sent.
    """

    taken_at: datetime
    context: str = "Sample.Periodic"
    import_mwh: int | None = None
    export_mwh: int | None = None
    import_w: Decimal | None = None
    export_w: Decimal | None = None
    soc_percent: Decimal | None = None
    readings: tuple[Reading, ...] = ()


# Station → management system


class Registration(StrEnum):
    """Whether the management system takes the station in."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class BootAnswer(Answer, frozen=True):
    """`interval_s`: between heartbeats when accepted, else before the next BootNotification."""

    status: Registration
    now: datetime
    interval_s: int


class BootNotification(Request[BootAnswer], frozen=True):
    """A station introduces itself; `reason` is said since 2.0.1."""

    vendor: str
    model: str
    serial_number: str | None = None
    box_serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None
    reason: str | None = None


class HeartbeatAnswer(Answer, frozen=True):
    """The time of the management system, for the station's clock."""

    now: datetime


class Heartbeat(Request[HeartbeatAnswer], frozen=True):
    """A station is there."""


class ConnectorStatus(StrEnum):
    """What a connector is doing. Since 2.0.1 a connector that is used says `Occupied`, whatever happens there."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class StatusAnswer(Answer, frozen=True):
    """Noted."""


class StatusNotification(Request[StatusAnswer], frozen=True):
    """A connector changed; `error` is `NoError` when all is well. Without `occurred_at`: now."""

    evse: int
    status: ConnectorStatus
    error: str = "NoError"
    occurred_at: datetime | None = None
    connector: int | None = None
    info: str | None = None
    vendor: str | None = None
    vendor_error: str | None = None


class CertificateStatus(StrEnum):
    """What became of the check of a contract certificate."""

    ACCEPTED = "Accepted"
    SIGNATURE_ERROR = "SignatureError"
    EXPIRED = "CertificateExpired"
    REVOKED = "CertificateRevoked"
    NOT_AVAILABLE = "NoCertificateAvailable"
    CHAIN_ERROR = "CertChainError"
    CONTRACT_CANCELLED = "ContractCancelled"


class CertificateHash(Struct, frozen=True):
    """Which certificate: hexadecimal hashes of its issuer's name and key, and its serial number (RFC 6960, 4.1.1)."""

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: str | None = None


class AuthorizeAnswer(Answer, frozen=True):
    """May this token charge? `certificate_status` is said when a contract certificate came with it."""

    token_info: TokenInfo
    certificate_status: CertificateStatus | None = None


class Authorize(Request[AuthorizeAnswer], frozen=True):
    """A driver showed a token; or a vehicle its contract: in PEM, or the hashes of its chain (since 2.0.1)."""

    token: IdToken
    certificate: str | None = None
    certificate_hashes: tuple[CertificateHash, ...] = ()


class TransactionStartedAnswer(Answer, frozen=True):
    """In 1.6 the management system gives the transaction its id, accepted or not."""

    transaction_id: str
    token_info: TokenInfo


class TransactionStarted(Request[TransactionStartedAnswer], frozen=True):
    """Charging began, perhaps long ago while the station was offline. `meter_mwh` is the register's import side."""

    evse: int
    token: IdToken
    meter_mwh: int
    started_at: datetime
    reservation_id: int | None = None
    connector: int | None = None


class StopReason(StrEnum):
    """Why a transaction ended."""

    DEAUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    HARD_RESET = "HardReset"
    LOCAL = "Local"
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SOFT_RESET = "SoftReset"
    UNLOCK_COMMAND = "UnlockCommand"
    # Since 2.0.1.
    ENERGY_LIMIT_REACHED = "EnergyLimitReached"
    GROUND_FAULT = "GroundFault"
    IMMEDIATE_RESET = "ImmediateReset"
    LOCAL_OUT_OF_CREDIT = "LocalOutOfCredit"
    MASTER_PASS = "MasterPass"
    OVERCURRENT_FAULT = "OvercurrentFault"
    POWER_QUALITY = "PowerQuality"
    SOC_LIMIT_REACHED = "SOCLimitReached"
    STOPPED_BY_EV = "StoppedByEV"
    TIME_LIMIT_REACHED = "TimeLimitReached"
    TIMEOUT = "Timeout"
    ENERGY_TRANSFER_REJECTED = "ReqEnergyTransferRejected"


class TransactionStoppedAnswer(Answer, frozen=True):
    """The verdict on the token that stopped it, if one did."""

    token_info: TokenInfo | None = None


class TransactionStopped(Request[TransactionStoppedAnswer], frozen=True):
    """Charging ended. `token` is the one that stopped it; `samples` is what the station kept of the transaction."""

    transaction_id: str
    meter_mwh: int
    stopped_at: datetime
    reason: StopReason = StopReason.LOCAL
    token: IdToken | None = None
    samples: tuple[Sample, ...] = ()


class MeterValuesAnswer(Answer, frozen=True):
    """Noted."""


class MeterValues(Request[MeterValuesAnswer], frozen=True):
    """Samples of one EVSE's meter, in a transaction or by the clock."""

    evse: int
    samples: tuple[Sample, ...]
    transaction_id: str | None = None


class Phase(StrEnum):
    """Where in a transaction an event stands."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


class TransactionEventAnswer(Answer, frozen=True, gc=False):
    """Noted.

    Attributes:
        total_cost: with tax, in the currency of the tariff: of an ended transaction final, of a running one so far.
        token_info: the verdict on the token of the event, if it bore one.
    """

    total_cost: Decimal | None = None
    token_info: TokenInfo | None = None


class TransactionEvent(Request[TransactionEventAnswer], frozen=True, gc=False):
    """Since 2.0.1: a transaction, which the station names itself, began, moved on or ended.

    Attributes:
        seq_no: counts the events of the transaction; one that is repeated bears the same.
        occurred_at: by the station's clock, perhaps long ago while it was offline.
        trigger: why it is told, as sent.
        evse, connector: None when not told; the first event that knows the place tells it.
        stop_reason: of an ended one.
        charging_state: as sent, when it changed.
        cost_details: what the station itself computed by the tariff it was given (2.1), as sent.
    """

    phase: Phase
    transaction_id: str
    seq_no: int
    occurred_at: datetime
    trigger: str
    samples: tuple[Sample, ...] = ()
    evse: int | None = None
    connector: int | None = None
    token: IdToken | None = None
    offline: bool = False
    stop_reason: StopReason | None = None
    charging_state: str | None = None
    reservation_id: int | None = None
    remote_start_id: int | None = None
    cost_details: Json = None


class ReportedVariable(Struct, frozen=True):
    """One attribute of one variable of a station's device model.

    Attributes:
        component_instance, variable_instance: empty where there is but one.
        evse, connector: 0 where the component belongs to none.
        attribute: Actual, Target, MinSet or MaxSet.
        value: None when the station does not tell it, as of a write-only one.
        characteristics: its type, unit and limits, as sent.
    """

    component: str
    variable: str
    attribute: str = "Actual"
    component_instance: str = ""
    variable_instance: str = ""
    evse: int = 0
    connector: int = 0
    value: str | None = None
    mutability: str | None = None
    persistent: bool = False
    constant: bool = False
    characteristics: Json = None


class VariablesAnswer(Answer, frozen=True):
    """Noted."""


class VariablesReported(Request[VariablesAnswer], frozen=True):
    """Part `seq_no` of the report that was asked for under `request_id`; `more` follows."""

    request_id: int
    seq_no: int
    generated_at: datetime
    variables: tuple[ReportedVariable, ...] = ()
    more: bool = False


class SignCertificateAnswer(Answer, frozen=True):
    """Whether the request will be signed; the certificate follows in a command of its own."""

    accepted: bool


class SignCertificate(Request[SignCertificateAnswer], frozen=True):
    """A station asks for a certificate; `csr` is PKCS #10 in PEM, `purpose` as sent since 2.0.1."""

    csr: str
    purpose: str = "ChargingStationCertificate"
    request_id: int | None = None


class ContractCertificateAnswer(Answer, frozen=True):
    """`exi_response` is for the vehicle, base64; `remaining` contracts could still be installed (2.1)."""

    accepted: bool
    exi_response: str = ""
    remaining: int | None = None


class ContractCertificate(Request[ContractCertificateAnswer], frozen=True):
    """A vehicle asks for its contract certificate, through its station; `exi_request` is ISO 15118's, base64."""

    iso15118_version: str
    action: str
    exi_request: str
    chains_max: int | None = None
    emaids: tuple[str, ...] = ()


class OcspAnswer(Answer, frozen=True):
    """`response` is DER of RFC 6960 in base64; None when it could not be had."""

    response: str | None = None


class OcspQuestion(Request[OcspAnswer], frozen=True):
    """Is this certificate of a vehicle's chain still good?"""

    certificate: CertificateHash


class ChainStatus(Struct, frozen=True):
    """`status` is Good, Revoked, Unknown or Failed; `source` is CRL or OCSP, as asked."""

    certificate: CertificateHash
    source: str
    status: str
    next_update: datetime


class ChainStatusAnswer(Answer, frozen=True):
    """One status a certificate asked about, in order."""

    statuses: tuple[ChainStatus, ...]


class ChainStatusQuestion(Request[ChainStatusAnswer], frozen=True):
    """Are these certificates still good, by CRL or OCSP (2.1)? One (certificate, source, addresses) each."""

    certificates: tuple[tuple[CertificateHash, str, tuple[str, ...]], ...]


class NeedsStatus(StrEnum):
    """What becomes of a vehicle's needs."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    PROCESSING = "Processing"
    NO_PROFILE = "NoChargingProfile"


class ChargingNeedsAnswer(Answer, frozen=True):
    """Accepted: a charging profile follows in a command of its own."""

    status: NeedsStatus


class ChargingNeeds(Request[ChargingNeedsAnswer], frozen=True):
    """What a vehicle told its station that it needs (ISO 15118).

    Attributes:
        transfer: AC_three_phase, DC, DC_BPT, …, as sent.
        energy_mwh: to be drawn; None when not told.
        power_max_w: the most it takes; None when not told.
        departs_at: when it wants to leave.
        said: everything, as sent.
    """

    evse: int
    transfer: str
    energy_mwh: int | None = None
    power_max_w: int | None = None
    departs_at: datetime | None = None
    said: Json = None


class VatNumberAnswer(Answer, frozen=True):
    """`company` as 2.1 writes it; None when the number could not be verified."""

    vat_number: str
    evse: int | None = None
    company: Json = None


class VatNumberQuestion(Request[VatNumberAnswer], frozen=True):
    """A driver typed a VAT number at a payment terminal (2.1): whose is it?"""

    vat_number: str
    evse: int | None = None


# Either way


class VerbatimAnswer(Answer, frozen=True):
    """A payload as the connection's version writes it."""

    payload: Json


class Verbatim(Request[VerbatimAnswer], frozen=True):
    """A message without a struct of its own: its payload is carried as the connection's version writes it."""

    action: str
    payload: Json


class DataTransferStatus(StrEnum):
    """What became of a vendor's message."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE = "UnknownMessageId"
    UNKNOWN_VENDOR = "UnknownVendorId"


class DataTransferAnswer(Answer, frozen=True):
    """A vendor's own answer; in 1.6 `data` is a text."""

    status: DataTransferStatus
    data: Json = None


class DataTransfer(Request[DataTransferAnswer], frozen=True):
    """A vendor's own message; in 1.6 `data` is a text."""

    vendor: str
    message_id: str | None = None
    data: Json = None


# Management system → station


class CommandStatus(StrEnum):
    """What a station makes of a command; each command allows some of them."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"
    REBOOT_REQUIRED = "RebootRequired"
    NOT_SUPPORTED = "NotSupported"
    UNLOCKED = "Unlocked"
    UNLOCK_FAILED = "UnlockFailed"
    # Since 2.0.1.
    ONGOING_TRANSACTION = "OngoingAuthorizedTransaction"
    UNKNOWN_CONNECTOR = "UnknownConnector"


class CommandAnswer(Answer, frozen=True):
    """Whether the station will do it, which is not yet that it did.

    `transaction_id` answers a remote start, when the transaction had begun before (since 2.0.1).
    """

    status: CommandStatus
    transaction_id: str | None = None


class RemoteStart(Request[CommandAnswer], frozen=True):
    """Start charging for this token; without `evse` the station chooses.

    Since 2.0.1 the transaction's first event tells `remote_start_id`.
    """

    token: IdToken
    evse: int | None = None
    remote_start_id: int = 0


class RemoteStop(Request[CommandAnswer], frozen=True):
    """End this transaction."""

    transaction_id: str


class ResetKind(StrEnum):
    """Soft ends transactions in order first; hard need not."""

    SOFT = "Soft"
    HARD = "Hard"


class Reset(Request[CommandAnswer], frozen=True):
    """Start anew."""

    kind: ResetKind


class ChangeAvailability(Request[CommandAnswer], frozen=True):
    """Open or close an EVSE, or with 0 the whole station."""

    evse: int
    operative: bool


class ConfigurationValue(Struct, frozen=True):
    """One setting of a station."""

    key: str
    read_only: bool
    value: str | None = None


class ConfigurationAnswer(Answer, frozen=True):
    """The settings asked for, and the keys the station does not have."""

    values: tuple[ConfigurationValue, ...] = ()
    unknown_keys: tuple[str, ...] = ()


class GetConfiguration(Request[ConfigurationAnswer], frozen=True):
    """Ask for settings; no keys: all."""

    keys: tuple[str, ...] = ()


class ChangeConfiguration(Request[CommandAnswer], frozen=True):
    """Set one setting."""

    key: str
    value: str


class ClearCache(Request[CommandAnswer], frozen=True):
    """Forget remembered tokens."""


class UnlockConnector(Request[CommandAnswer], frozen=True):
    """Let go of the cable."""

    evse: int
    connector: int | None = None
