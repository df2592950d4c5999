"""What a station says in the course of a charging session, in the words of each version."""

from datetime import datetime
from typing import Any

from wattbook.conformance.versions import JsonObject, Version

Said = tuple[str, JsonObject]
"""Action and payload."""

VENDOR, MODEL = "wattbook", "conformance"


class Words:
    """A version's words. Energy is a register's reading in whole Wh; `transaction` is the id the station gave (2.x) or
    was given (1.6)."""

    def __init__(self, version: Version, token_type: str) -> None:
        self._is_16 = version.is_16
        self._token_type = token_type

    def boot(self) -> Said:
        if self._is_16:
            return "BootNotification", {"chargePointVendor": VENDOR, "chargePointModel": MODEL}
        station = {"vendorName": VENDOR, "model": MODEL}
        return "BootNotification", {"reason": "PowerUp", "chargingStation": station}

    def heartbeat(self) -> Said:
        return "Heartbeat", {}

    def status(self, at: datetime, status: str, connector: int = 1) -> Said:
        """`Available` and `Faulted` are words of every version."""
        if self._is_16:
            fault = "OtherError" if status == "Faulted" else "NoError"
            return "StatusNotification", {
                "connectorId": connector, "status": status, "errorCode": fault, "timestamp": _time(at)
            }  # fmt: skip
        return "StatusNotification", {
            "evseId": connector, "connectorId": 1, "connectorStatus": status, "timestamp": _time(at)
        }  # fmt: skip

    def authorize(self, token: str) -> Said:
        return "Authorize", {"idTag": token} if self._is_16 else {"idToken": self._token(token)}

    def verdict(self, answer: JsonObject) -> str | None:
        """How a token was judged, in the answer to an authorisation, a start or a stop; None: not said."""
        info: JsonObject = answer.get("idTagInfo" if self._is_16 else "idTokenInfo", {})
        return info.get("status")

    def start(self, token: str, transaction: str, wh: int, at: datetime) -> Said:
        if self._is_16:
            return "StartTransaction", {"connectorId": 1, "idTag": token, "meterStart": wh, "timestamp": _time(at)}
        extra = {"idToken": self._token(token), "evse": {"id": 1, "connectorId": 1}}
        info = {"chargingState": "Charging"}
        return self._event("Started", "Authorized", transaction, 0, wh, at, info, extra)

    def transaction(self, answer: JsonObject, proposed: str) -> str:
        """The id the transaction goes by after its start was answered."""
        return str(answer["transactionId"]) if self._is_16 else proposed

    def meter(self, transaction: str, sequence: int, wh: int, at: datetime) -> Said:
        if self._is_16:
            value = {"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
            return "MeterValues", {
                "connectorId": 1,
                "transactionId": int(transaction),
                "meterValue": [{"timestamp": _time(at), "sampledValue": [value]}],
            }
        return self._event("Updated", "MeterValuePeriodic", transaction, sequence, wh, at, {}, {})

    def stop(self, token: str, transaction: str, sequence: int, wh: int, at: datetime) -> Said:
        if self._is_16:
            return "StopTransaction", {
                "transactionId": int(transaction), "idTag": token, "meterStop": wh, "timestamp": _time(at),
                "reason": "Local",
            }  # fmt: skip
        info = {"stoppedReason": "Local"}
        extra = {"idToken": self._token(token)}
        return self._event("Ended", "StopAuthorized", transaction, sequence, wh, at, info, extra)

    def vendor_message(self, data: str) -> Said:
        return "DataTransfer", {"vendorId": "org.example.nobody", "messageId": "size", "data": data}

    def _token(self, token: str) -> JsonObject:
        return {"idToken": token, "type": self._token_type}

    def _event(
        self, kind: str, why: str, transaction: str, sequence: int, wh: int, at: datetime, info: Any, extra: Any
    ) -> Said:
        context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind, "Sample.Periodic")
        value = {"value": wh, "measurand": "Energy.Active.Import.Register", "context": context}
        return "TransactionEvent", {
            "eventType": kind,
            "timestamp": _time(at),
            "triggerReason": why,
            "seqNo": sequence,
            "transactionInfo": {"transactionId": transaction, **info},
            "meterValue": [{"timestamp": _time(at), "sampledValue": [value]}],
            **extra,
        }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
