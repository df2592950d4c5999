"""The transactions of the balance at Stripe, as rows of a report: from its interface, or from a file that was saved."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from wattbook.kernel.errors import InvalidInput
from wattbook.payments.provider import ReportRow
from wattbook.payments.providers.stripe_amounts import from_stripe

_ROW_KINDS: Final = {
    "charge": "payment",
    "payment": "payment",
    "refund": "refund",
    "payment_refund": "refund",
    "payment_failure_refund": "refund",
    "refund_failure": "refund",
    "adjustment": "dispute",
    "payout": "payout",
    "payout_failure": "payout",
    "payout_cancel": "payout",
    "stripe_fee": "fee",
    "network_cost": "fee",
}


def report_rows(transactions: list[dict[str, Any]], day: date) -> list[ReportRow]:
    """Transactions of the balance, with their sources, as rows.

    A capture of less than was authorised is told by old versions of the interface as a whole charge and a refund of
    the rest that belongs to no payment intent: such a refund lessens its charge.
    """
    released: dict[str, int] = {}
    for each in transactions:
        if _is_release(each):
            charge = str(each["source"]["charge"])
            released[charge] = released.get(charge, 0) + each["amount"]
    return [_row(each, released, day) for each in transactions if not _is_release(each)]


def _is_release(transaction: dict[str, Any]) -> bool:
    source = transaction.get("source")
    return (
        isinstance(source, dict)
        and source.get("object") == "refund"
        and source.get("payment_intent") is None
        and source.get("charge") is not None
    )


def _row(transaction: dict[str, Any], released: Mapping[str, int], day: date) -> ReportRow:
    source = transaction.get("source")
    source_id = str(source.get("id") if isinstance(source, dict) else source or transaction["id"])
    kind = _ROW_KINDS.get(transaction["type"], "other")
    reference = source_id
    if isinstance(source, dict) and kind == "payment":
        reference = id_of(source.get("payment_intent")) or source_id
    code = str(transaction["currency"]).upper()
    amount = transaction["amount"] + released.get(source_id, 0)
    fee = from_stripe(transaction["fee"], code).amount
    gross = from_stripe(amount, code).amount
    if kind == "fee":
        fee, gross = fee - gross, 0
    return ReportRow(
        id=str(transaction["id"]),
        kind=kind,  # type: ignore[arg-type]
        reference=reference,
        currency=code,
        gross=gross,
        fee=fee,
        day=day,
    )


def report_of_file(content: bytes, day: date) -> list[ReportRow]:
    """A report that was saved: balance transactions as JSON lines, each as the interface gives it; those of a day.

    Raises:
        InvalidInput: a line is none, and which.
    """
    return report_rows(
        [each for each in _transactions(content) if datetime.fromtimestamp(int(each["created"]), UTC).date() == day],
        day,
    )


def _transactions(content: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            if not isinstance(told, dict) or not {"id", "type", "amount", "fee", "currency", "created"} <= told.keys():
                raise ValueError("not a balance transaction")
            yield told
        except ValueError as fault:
            raise InvalidInput(f"line {number}: {fault}") from None


def id_of(named: Any) -> str | None:
    """Of an object that is named by itself or by its id."""
    if isinstance(named, dict):
        return str(named["id"])
    return None if named is None else str(named)
