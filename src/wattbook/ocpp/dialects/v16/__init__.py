"""OCPP 1.6: the neutral messages in the words of "Open Charge Point Protocol 1.6 edition 2", chapter 6.

A module a block. The blocks are those of 2.x; the messages of 1.6 stand where 2.x has theirs.
"""

from wattbook.ocpp.dialects import data_transfer
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.dialects.v16 import (
    authorization,
    availability,
    certificates,
    metering,
    provisioning,
    remote_control,
    transactions,
)
from wattbook.ocpp.dialects.v16.parts import AUTHORIZATIONS
from wattbook.ocpp.wire.versions import V16

__all__ = ["AUTHORIZATIONS", "DIALECT", "EXCHANGES"]

EXCHANGES = (
    *provisioning.EXCHANGES,
    *authorization.EXCHANGES,
    *transactions.EXCHANGES,
    *availability.EXCHANGES,
    *metering.EXCHANGES,
    *certificates.EXCHANGES,
    *data_transfer.EXCHANGES,
    *remote_control.EXCHANGES,
)

DIALECT = Dialect(V16, EXCHANGES)
