"""A session whose end was estimated, and what its true end adds to it.

A transaction whose station fell silent is ended by what is known of it: its last good reading. What was billed then
stays as it is, documents and postings never change. When the station's own stop comes after all, the difference is
settled as a session of its own that names the first: it begins where the estimate ended, at its register, and costs
what the whole session costs less what was billed. So both together are the session as it was, and nothing is billed
twice: neither a flat fee, nor a started step, nor the register before the session.

A stop below the estimate takes nothing back: the readings that the estimate was made of had been measured.
"""

from datetime import datetime
from typing import Final

from wattbook.charging.identity import difference_of_session
from wattbook.charging.price import Priced, StoredPrice, price
from wattbook.charging.records import FoundSession, SessionRow

ESTIMATED_STOP: Final = "estimated-stop"
DIFFERENCE: Final = "difference"
PRICE_NOT_LOWERED: Final = "price-not-lowered"


def is_estimated(session: SessionRow) -> bool:
    """Whether a true stop may still make it good."""
    return session.ended_at is not None and ESTIMATED_STOP in session.flags


def difference_row(whole: SessionRow, now: datetime) -> SessionRow:
    """The session that follows on an estimated end, before it is measured."""
    assert whole.ended_at is not None, "only what ended was estimated"
    register_mwh = whole.meter_start_mwh + whole.import_mwh
    return SessionRow(
        id=difference_of_session(whole.id),
        state="invalid" if whole.state == "invalid" else "active",
        station_id=whole.station_id,
        connector_no=whole.connector_no,
        # Beside the station's own names, none of which has a space and a bracket.
        transaction_id=f"{whole.transaction_id} (difference)",
        token_uid=whole.token_uid,
        token_type=whole.token_type,
        token_party=whole.token_party,
        contract_id=whole.contract_id,
        customer_id=whole.customer_id,
        payer_id=whole.payer_id,
        authorization_reference=whole.authorization_reference,
        payment=whole.payment,
        refusal=whole.refusal,
        operator=whole.operator,
        site_id=whole.site_id,
        time_zone=whole.time_zone,
        evse_id=whole.evse_id,
        meter_no=whole.meter_no,
        network_operator=whole.network_operator,
        supplier_id=whole.supplier_id,
        balance_group=whole.balance_group,
        rated_power_w=whole.rated_power_w,
        currency=whole.currency,
        tariff_key=whole.tariff_key,
        started_at=whole.ended_at,
        received_at=now,
        meter_start_mwh=register_mwh,
        export_start_mwh=whole.export_register_mwh,
        updated_at=now,
        announced_at=now,
        flags=[DIFFERENCE],
        corrects=whole.id,
        command_id=whole.command_id,
    )


def adds_nothing(whole: SessionRow, row: SessionRow) -> bool:
    """Whether the true stop says no more than the estimate."""
    return not row.import_mwh and not row.export_mwh and row.ended_at == whole.ended_at


def price_of_difference(found: FoundSession, row: SessionRow) -> Priced:
    """What both cost as one session, less what was billed; the exact price is that of both."""
    assert row.ended_at is not None, "measured before it is priced"
    whole = found.session
    both, exact, periods = price(
        found,
        until=row.ended_at,
        import_mwh=whole.import_mwh + row.import_mwh,
        export_mwh=whole.export_mwh + row.export_mwh,
    )
    more = [
        both.bought_before_tax - (whole.bought_before_tax or 0),
        both.bought_after_tax - (whole.bought_after_tax or 0),
        both.fed_in_before_tax - (whole.fed_in_before_tax or 0),
        both.fed_in_after_tax - (whole.fed_in_after_tax or 0),
    ]
    if min(more) < 0:
        # Only a tariff that pays for drawing on gets here; what was billed is not taken back without a person.
        row.flags = [*row.flags, PRICE_NOT_LOWERED]
        more = [max(amount, 0) for amount in more]
    return Priced(StoredPrice(both.currency, *more), exact, periods)
