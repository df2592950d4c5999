"""Names that follow from what happened: the same fact, the same id, however often it is told."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from wattbook.kernel.clock import format_rfc3339

_NAMESPACE: Final = UUID("3b0c3c62-6c1c-5d0b-8a77-777474626b63")


def session_of_transaction(station_id: str, transaction_id: str) -> str:
    """For a station that names its transactions itself (OCPP 2.x)."""
    return _id("session", station_id, transaction_id)


def session_of_start(
    station_id: str, connector_no: int, token_uid: str, started_at: datetime, meter_start_mwh: int
) -> str:
    """For a station that is given a transaction id: what it repeats when it did not hear the answer (OCPP 1.6)."""
    return _id("start", station_id, str(connector_no), token_uid, format_rfc3339(started_at), str(meter_start_mwh))


def difference_of_session(session_id: str) -> str:
    """Of the session that makes an estimated end good."""
    return _id("difference", session_id)


def cdr_of_session(session_id: str) -> str:
    return _id("cdr", session_id)


def orphan_of_stop(station_id: str, transaction_id: str, stopped_at: datetime, meter_stop_mwh: int) -> str:
    return _id("orphan", station_id, transaction_id, format_rfc3339(stopped_at), str(meter_stop_mwh))


def key_of_tariff(text: str) -> str:
    return _id("tariff", text)


def _id(*words: str) -> str:
    return str(uuid5(_NAMESPACE, "\x1f".join(words)))
