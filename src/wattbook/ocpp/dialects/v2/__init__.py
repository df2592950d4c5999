"""OCPP 2.0.1 and 2.1: the neutral messages in the words of Part 2, chapters 1 to 3, of both; a module a block.

2.1 only adds to 2.0.1; what a message may hold in which of them is checked by the schemas, before reading and after
writing. So both share one table, and a row that 2.1 alone has stands in its own.
"""

from wattbook.ocpp.dialects import data_transfer
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.dialects.v2 import (
    authorization,
    availability,
    certificates,
    metering,
    payment,
    provisioning,
    remote_control,
    smart_charging,
    tariff_and_cost,
    transactions,
)
from wattbook.ocpp.dialects.v2.availability import USED
from wattbook.ocpp.dialects.v2.transactions import STOP_REASONS
from wattbook.ocpp.wire.versions import V21, V201

__all__ = ["DIALECT_21", "DIALECT_201", "EXCHANGES", "ONLY_IN_21", "ONLY_IN_201", "STOP_REASONS", "USED"]

EXCHANGES = (
    *provisioning.EXCHANGES,
    *authorization.EXCHANGES,
    *tariff_and_cost.EXCHANGES,
    *availability.EXCHANGES,
    *metering.EXCHANGES,
    *certificates.EXCHANGES,
    *data_transfer.EXCHANGES,
    *remote_control.EXCHANGES,
)
ONLY_IN_201 = (*smart_charging.ONLY_IN_201, *transactions.ONLY_IN_201)
ONLY_IN_21 = (
    *transactions.ONLY_IN_21,
    *smart_charging.ONLY_IN_21,
    *certificates.ONLY_IN_21,
    *payment.ONLY_IN_21,
)

DIALECT_201 = Dialect(V201, (*EXCHANGES, *ONLY_IN_201))
DIALECT_21 = Dialect(V21, (*EXCHANGES, *ONLY_IN_21))
