"""Dialects: how each version writes the neutral messages. Adding a message is adding one row to a version's table."""

from wattbook.ocpp.dialects import v2, v16
from wattbook.ocpp.dialects.exchange import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.version.subprotocol: dialect for dialect in (v16.DIALECT, v2.DIALECT_201, v2.DIALECT_21)
}
"""WebSocket sub-protocol → dialect, for every version that is spoken here."""
