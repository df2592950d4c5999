"""Stations that are not accepted yet, and what they may say nevertheless (OCPP 1.6, 4.2; 2.0.1, B02).

A Pending station says nothing of its own accord but BootNotification. It may be asked, though: to report what it is, to
say something once (TriggerMessage), to bring a log or to take firmware. What it then says is heard; everything else is
refused as a SecurityError (1.6 errata 3.8; 2.0.1, B02). A rejected station is neither asked nor heard.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wattbook.kernel.clock import Clock
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.messages import Request, Verbatim
from wattbook.ocpp.wire.frames import JsonObject

HEARD_FOR: Final = timedelta(minutes=10)
"""A report may have hundreds of parts."""

WITHHELD: Final = (
    "RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction",
)  # fmt: skip
"""What a Pending station is not told; it waits until the station is accepted."""

FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "GetBaseReport": ("NotifyReport",),
    "GetReport": ("NotifyReport",),
    "GetMonitoringReport": ("NotifyMonitoringReport",),
    "CustomerInformation": ("NotifyCustomerInformation",),
    "GetDiagnostics": ("DiagnosticsStatusNotification",),
    "GetLog": ("LogStatusNotification",),
    "UpdateFirmware": ("FirmwareStatusNotification",),
    "SignedUpdateFirmware": ("SignedFirmwareStatusNotification",),
    "PublishFirmware": ("PublishFirmwareStatusNotification",),
}
"""Command → what a station says because of it."""

TRIGGERS: Final = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})
TRIGGERED: Final[Mapping[str, str]] = {
    "SignChargePointCertificate": "SignCertificate",
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignV2G20Certificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
}
"""What is asked for by another name than that of its message."""

NEVER: Final = frozenset({"TransactionEvent", "StartTransaction", "StopTransaction", "Authorize"})
"""A station that is not accepted charges nobody, whatever it is asked."""

ACTION_OF: Final[Mapping[type[Request[Any]], str]] = {
    exchange.request: exchange.action for dialect in DIALECTS.values() for exchange in dialect.exchanges
}


class Candidates:
    """What was asked of each Pending station whose socket this process holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, dict[str, datetime]] = {}

    def asked(self, station_id: str, action: str, payload: JsonObject) -> None:
        """A Pending station was told this."""
        follows = FOLLOWS.get(action, ())
        if action in TRIGGERS:
            wanted = payload["requestedMessage"]
            follows = (TRIGGERED.get(wanted, wanted),)
        until = self._clock() + HEARD_FOR
        for each in follows:
            if each not in NEVER:
                self._asked.setdefault(station_id, {})[each] = until

    def may_say(self, station_id: str, message: Request[Any]) -> bool:
        action = message.action if isinstance(message, Verbatim) else ACTION_OF[type(message)]
        until = self._asked.get(station_id, {}).get(action)
        return until is not None and self._clock() < until

    def forget(self, station_id: str) -> None:
        """It was accepted or rejected, or is gone."""
        self._asked.pop(station_id, None)
