"""Payments at terminals (2.1, C20 to C24): what the payment provider settled, as stations told it."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.frames import JsonObject
from wattbook.ocpp.kept.answered import json_text


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
