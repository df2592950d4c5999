"""Payments (2.1): at terminals, what the provider settled (C20 to C24); on the web, which EVSE waits for one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.fields import whole
from wattbook.ocpp.kept.answered import Answered, evse_no, json_text
from wattbook.ocpp.wire.frames import JsonObject

WAITS_MAX: Final = timedelta(days=1)
"""What a driver began to pay longer ago is not waited for, whatever the station was told."""


class TerminalPayment(Struct, frozen=True):
    """`amount` in the currency of the terminal; `status` as told: Settled, Canceled, Rejected or Failed."""

    station_id: str
    psp_ref: str
    transaction_id: str | None
    status: str
    amount: Decimal
    settled_at: datetime
    receipt_id: str | None
    received_at: datetime


async def settled(connection: AsyncConnection, station_id: str, said: JsonObject, at: datetime) -> None:
    """NotifySettlement; told again, it changes nothing."""
    await connection.execute(
        text("""
            INSERT INTO ocpp.settlements
                (station_id, psp_ref, transaction_id, status, amount, settled_at, receipt_id, details, received_at)
            VALUES (:station, :reference, :transaction, :status, :amount, :settled, :receipt,
                    CAST(:details AS jsonb), :received)
            ON CONFLICT (station_id, psp_ref, status) DO NOTHING
        """),
        {
            "station": station_id,
            "reference": said["pspRef"],
            "transaction": said.get("transactionId"),
            "status": said["status"],
            "amount": said["settlementAmount"],
            "settled": parse_rfc3339(said["settlementTime"]),
            "receipt": said.get("receiptId"),
            "details": json_text(said),
            "received": at,
        },
    )


async def payments_of(connection: AsyncConnection, station_id: str, *, limit: int = 100) -> list[TerminalPayment]:
    """The newest first."""
    found = await connection.execute(
        text("""
            SELECT station_id, psp_ref, transaction_id, status, amount, settled_at, receipt_id, received_at
            FROM ocpp.settlements WHERE station_id = :station ORDER BY id DESC LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [TerminalPayment(*row) for row in found]


class WebPayment(Struct, frozen=True):
    """A driver read the code of an EVSE and pays on the web; its station was told, and waits until `expires_at`."""

    station_id: str
    evse_no: int
    started_at: datetime
    expires_at: datetime


async def web_payments_started(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """NotifyWebPaymentStarted: of an EVSE the latest counts; a time of 0 ends the waiting."""
    for each in answers:
        waits = min(timedelta(seconds=max(whole(each.payload, "timeout"), 0)), WAITS_MAX)
        await connection.execute(
            text("""
                INSERT INTO ocpp.web_payments AS known (station_id, evse_no, started_at, expires_at)
                VALUES (:station, :evse, :at, :expires)
                ON CONFLICT (station_id, evse_no) DO UPDATE
                SET started_at = excluded.started_at, expires_at = excluded.expires_at
            """),
            {"station": each.station_id, "evse": evse_no(each.payload), "at": each.at, "expires": each.at + waits},
        )


async def web_payments_of(connection: AsyncConnection, station_id: str, now: datetime) -> list[WebPayment]:
    """EVSEs that wait for a payment now."""
    found = await connection.execute(
        text("""
            SELECT station_id, evse_no, started_at, expires_at FROM ocpp.web_payments
            WHERE station_id = :station AND expires_at > :now ORDER BY evse_no
        """),
        {"station": station_id, "now": now},
    )
    return [WebPayment(*row) for row in found]
