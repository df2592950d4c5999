"""The controllers: what a management system does with the messages of its stations, a batch at a time.

One module a functional block, all with the same face: a controller takes the messages of one kind that a group commit
gathered, from as many stations, uses a fixed number of statements, and gives one outcome a message, in order. `ROUTES`
is the whole table: which struct goes to which controller. Adding a message is adding a struct, a row of a dialect, and
a row here.
"""

from collections.abc import Mapping
from typing import Any

from wattbook.ocpp.controllers import authorization, availability, data_transfer, metering, provisioning, transactions
from wattbook.ocpp.controllers.controller import Controller
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
    BootNotification: provisioning.boot,
    Heartbeat: provisioning.heartbeat,
    StatusNotification: availability.status,
    Authorize: authorization.authorize,
    TransactionStarted: transactions.start,
    MeterValues: metering.meter_values,
    TransactionStopped: transactions.stop,
    DataTransfer: data_transfer.data_transfer,
}
"""In the order in which a batch handles them. A batch holds one message of a station, so the order between kinds binds
nobody; it only keeps the locks of two batches in the same order."""
