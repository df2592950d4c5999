"""The transactions of the balance at Stripe, as rows of a report: from its interface, or from a file that was saved."""

import json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from wattbook.kernel.errors import InvalidInput
from wattbook.payments.provider import Report, ReportRow, UnreadRow
from wattbook.payments.providers.stripe_amounts import from_stripe

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
TEXT_LENGTH_MAX: Final = 255

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


def report_rows(transactions: Sequence[Any], day: date) -> Report:
    """Transactions of the balance, with their sources, as rows; those of which no row can be made are named.

    A capture of less than was authorised is told by old versions of the interface as a whole charge and a refund of
    the rest that belongs to no payment intent: such a refund lessens its charge.
    """
    told, unread = [], []
    for nth, each in enumerate(transactions, 1):
        try:
            told.append(_checked(each))
        except InvalidInput as fault:
            unread.append(_unread(f"transaction {nth}", json.dumps(each).encode(), fault))
    released = _released(told)
    rows = []
    for each in told:
        if _released_charge(each) in released:
            continue
        try:
            rows.append(_row(each, released, day))
        except InvalidInput as fault:
            unread.append(_unread(each["id"], json.dumps(each).encode(), fault))
    return Report(rows, unread)


def _checked(transaction: Any) -> dict[str, Any]:
    """Raises: InvalidInput: not a balance transaction."""
    if not isinstance(transaction, dict):
        raise InvalidInput("not a balance transaction")
    for name in ("id", "type", "currency"):
        named_text(transaction.get(name), name)
    for name in ("amount", "fee", "created"):
        whole_number(transaction.get(name), name)
    return transaction


def _unread(reference: str, content: bytes, fault: InvalidInput) -> UnreadRow:
    return UnreadRow(reference=reference, content=content, reason=fault.message)


def _released(transactions: Sequence[dict[str, Any]]) -> dict[str, int]:
    """By the charges of the report: what was released of them, below zero."""
    sources = [each["source"] for each in transactions if isinstance(each.get("source"), dict)]
    charges = {str(source.get("id")) for source in sources if source.get("object") == "charge"}
    released: dict[str, int] = {}
    for each in transactions:
        charge = _released_charge(each)
        if charge in charges:
            released[charge] = released.get(charge, 0) + each["amount"]
    return released


def _released_charge(transaction: dict[str, Any]) -> str:
    """The charge of which a transaction releases a part; empty for one that releases nothing."""
    source = transaction.get("source")
    if isinstance(source, dict) and source.get("object") == "refund" and source.get("payment_intent") is None:
        return str(source.get("charge") or "")
    return ""


def _row(transaction: dict[str, Any], released: Mapping[str, int], day: date) -> ReportRow:
    source = transaction.get("source")
    source_id = id_of(source) or transaction["id"]
    kind = _ROW_KINDS.get(transaction["type"], "other")
    reference = source_id
    if isinstance(source, dict) and kind == "payment":
        reference = id_of(source.get("payment_intent")) or source_id
    code = transaction["currency"].upper()
    amount = transaction["amount"] + released.get(source_id, 0)
    fee = from_stripe(transaction["fee"], code).amount
    gross = from_stripe(amount, code).amount
    if kind == "fee":
        fee, gross = fee - gross, 0
    return ReportRow(
        id=transaction["id"],
        kind=kind,  # type: ignore[arg-type]
        reference=reference,
        currency=code,
        gross=gross,
        fee=fee,
        day=day,
    )


def report_of_file(content: bytes, day: date) -> Report:
    """A report that was saved: balance transactions as JSON lines, each as the interface gives it; those of a day.

    A line that is none, or says no time, belongs to no other day, so it is named for this one.

    Raises:
        InvalidInput: larger than a report can be.
    """
    if len(content) > FILE_BYTES_MAX:
        raise InvalidInput(f"a report has at most {FILE_BYTES_MAX} bytes")
    told, unread = [], []
    for number, line in enumerate(content.removeprefix(BOM_UTF8).splitlines(), 1):
        if not line.strip():
            continue
        try:
            each = _checked(json.loads(line))
            if _day(each) == day:
                told.append(each)
        except InvalidInput as fault:
            unread.append(_unread(f"line {number}", line, fault))
        except (ValueError, RecursionError) as fault:
            unread.append(_unread(f"line {number}", line, InvalidInput(f"not JSON: {fault}"[:300])))
    report = report_rows(told, day)
    return Report(report.rows, [*unread, *report.unread])


def _day(transaction: dict[str, Any]) -> date:
    try:
        return datetime.fromtimestamp(transaction["created"], UTC).date()
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(f"created is beyond the calendar: {transaction['created']}"[:300]) from None


def named_text(told: Any, name: str) -> str:
    """Raises: InvalidInput: not 1 to 255 printable characters."""
    if not isinstance(told, str) or not 0 < len(told) <= TEXT_LENGTH_MAX or not told.isprintable():
        raise InvalidInput(f"{name} is 1 to {TEXT_LENGTH_MAX} printable characters, not {told!r}"[:300])
    return told


def whole_number(told: Any, name: str) -> int:
    """Raises: InvalidInput: not a whole number, or one in quotes."""
    if type(told) is not int:
        raise InvalidInput(f"{name} is a whole number, not {told!r}"[:300])
    return told


def id_of(named: Any) -> str | None:
    """Of an object that is named by itself or by its id. Raises: InvalidInput: that is none."""
    if named is None:
        return None
    return named_text(named.get("id") if isinstance(named, dict) else named, "id")
