"""Which struct goes to which controller."""

from collections.abc import Mapping
from typing import Any

from wattbook.ocpp.controllers.authorization import authorize
from wattbook.ocpp.controllers.availability import status
from wattbook.ocpp.controllers.certificates import chain, contract, ocsp, sign
from wattbook.ocpp.controllers.controller import Controller
from wattbook.ocpp.controllers.data_transfer import data_transfer
from wattbook.ocpp.controllers.metering import meter_values
from wattbook.ocpp.controllers.notices import notices
from wattbook.ocpp.controllers.payment import vat_number
from wattbook.ocpp.controllers.provisioning import boot, heartbeat, report
from wattbook.ocpp.controllers.smart_charging import charging_needs
from wattbook.ocpp.controllers.transaction_events import transaction_events
from wattbook.ocpp.controllers.transactions import start, stop
from wattbook.ocpp.messages import (
    Authorize,
    BootNotification,
    ChainStatusQuestion,
    ChargingNeeds,
    ContractCertificate,
    DataTransfer,
    Heartbeat,
    MeterValues,
    OcspQuestion,
    Request,
    SignCertificate,
    StatusNotification,
    TransactionEvent,
    TransactionStarted,
    TransactionStopped,
    VariablesReported,
    VatNumberQuestion,
    Verbatim,
)

ROUTES: Mapping[type[Request[Any]], Controller] = {
    BootNotification: boot,
    Heartbeat: heartbeat,
    StatusNotification: status,
    Authorize: authorize,
    TransactionEvent: transaction_events,
    TransactionStarted: start,
    MeterValues: meter_values,
    TransactionStopped: stop,
    DataTransfer: data_transfer,
    VariablesReported: report,
    SignCertificate: sign,
    ContractCertificate: contract,
    OcspQuestion: ocsp,
    ChainStatusQuestion: chain,
    ChargingNeeds: charging_needs,
    VatNumberQuestion: vat_number,
    Verbatim: notices,
}
"""In the order in which a batch handles them. A batch holds one message of a station, so the order between kinds binds
nobody; it only keeps the locks of two batches in the same order."""
