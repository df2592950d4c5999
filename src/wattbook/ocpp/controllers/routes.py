"""Which struct goes to which controller."""

from collections.abc import Mapping
from typing import Any

from wattbook.ocpp.controllers.authorization import authorize
from wattbook.ocpp.controllers.availability import status
from wattbook.ocpp.controllers.controller import Controller
from wattbook.ocpp.controllers.data_transfer import data_transfer
from wattbook.ocpp.controllers.metering import meter_values
from wattbook.ocpp.controllers.provisioning import boot, heartbeat
from wattbook.ocpp.controllers.transactions import start, stop
from wattbook.ocpp.messages import (
    Authorize,
    BootNotification,
    DataTransfer,
    Heartbeat,
    MeterValues,
    Request,
    StatusNotification,
    TransactionStarted,
    TransactionStopped,
)

ROUTES: Mapping[type[Request[Any]], Controller] = {
    BootNotification: boot,
    Heartbeat: heartbeat,
    StatusNotification: status,
    Authorize: authorize,
    TransactionStarted: start,
    MeterValues: meter_values,
    TransactionStopped: stop,
    DataTransfer: data_transfer,
}
"""In the order in which a batch handles them. A batch holds one message of a station, so the order between kinds binds
nobody; it only keeps the locks of two batches in the same order."""
