"""The charge detail record: everything about a session that ended, in one document that never changes."""

from datetime import datetime
from typing import Any

from wattbook.charging.price import StoredPrice, amount_text, line_documents, tariff_document
from wattbook.charging.records import SessionRow
from wattbook.charging.store import CdrRow
from wattbook.tariffs.session_price import Price


def cdr_row(
    cdr_id: str,
    session: SessionRow,
    stored: StoredPrice | None,
    exact: Price | None,
    tariff: str | None,
    *,
    stop_token_uid: str | None,
    now: datetime,
) -> CdrRow:
    """The record of an ended session; without a price it says why nobody is billed."""
    return CdrRow(
        id=cdr_id,
        session_id=session.id,
        issued_at=now,
        currency=stored.currency if stored else None,
        before_tax=stored.before_tax if stored else 0,
        after_tax=stored.after_tax if stored else 0,
        document={
            "id": cdr_id,
            "session": _session(session, stop_token_uid),
            "driver": _driver(session),
            "place": _place(session),
            "energy": _energy(session),
            "price": _price(stored, exact) if stored and exact else None,
            "tariff": tariff_document(tariff) if tariff else None,
        },
    )


def _session(session: SessionRow, stop_token_uid: str | None) -> dict[str, Any]:
    return {
        "id": session.id,
        "state": session.state,
        "not_billed_because": session.refusal,
        "transaction_id": session.transaction_id,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "stop_reason": session.stop_reason,
        "stopped_by": stop_token_uid,
        "flags": session.flags,
        "corrects": session.corrects,
    }


def _driver(session: SessionRow) -> dict[str, Any]:
    return {
        "token_uid": session.token_uid,
        "token_type": session.token_type,
        "token_party": session.token_party,
        "contract_id": session.contract_id,
        "customer_id": session.customer_id,
        "authorization_reference": session.authorization_reference,
        "payment": session.payment,
    }


def _place(session: SessionRow) -> dict[str, Any]:
    return {
        "operator": session.operator,
        "site_id": session.site_id,
        "station_id": session.station_id,
        "connector_no": session.connector_no,
        "evse_id": session.evse_id,
    }


def _energy(session: SessionRow) -> dict[str, Any]:
    return {
        "meter_no": session.meter_no,
        "network_operator": session.network_operator,
        "supplier_id": session.supplier_id,
        "balance_group": session.balance_group,
        "meter_start_mwh": session.meter_start_mwh,
        "meter_stop_mwh": session.meter_stop_mwh,
        "export_start_mwh": session.export_start_mwh,
        "export_stop_mwh": session.export_register_mwh,
        "import_mwh": session.import_mwh,
        "export_mwh": session.export_mwh,
        "span": [session.span_start, session.span_end] if session.span_start else None,
    }


def _price(stored: StoredPrice, exact: Price) -> dict[str, Any]:
    return {
        "currency": stored.currency,
        "before_tax": amount_text(stored.before_tax, stored.currency),
        "after_tax": amount_text(stored.after_tax, stored.currency),
        "bought_before_tax": stored.bought_before_tax,
        "bought_after_tax": stored.bought_after_tax,
        "fed_in_before_tax": stored.fed_in_before_tax,
        "fed_in_after_tax": stored.fed_in_after_tax,
        "tax_stated": exact.tax_stated,
        "lines": line_documents(exact),
    }
