"""A session as others see it, and the lists that the console and the API take. Every read has a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging import store
from wattbook.charging.events import SessionChanged, SessionState, SessionView, Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.price import StoredPrice, price
from wattbook.charging.progress import UNDEFINED, lost_time_ms, progress
from wattbook.charging.readings import read_running_courses
from wattbook.charging.records import FoundSession
from wattbook.charging.store import OrphanRow, StoredRefusal
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput

LIMIT_MAX = 1_000

Refusal = StoredRefusal
Orphan = OrphanRow


@dataclass(frozen=True, slots=True)
class Cdr:
    """A charge detail record as issued; amounts in stored units, negative where the driver is paid."""

    id: str
    session_id: str
    issued_at: datetime
    currency: str | None
    before_tax: int
    after_tax: int
    document: dict[str, Any]


async def live_sessions(
    connection: AsyncConnection, *, limit: int = LIMIT_MAX, policy: Policy = POLICY
) -> list[SessionView]:
    """Running sessions, the newest first."""
    found = await store.live_sessions(connection, _limited(limit))
    await read_running_courses(connection, found)
    return [view(each, policy) for each in found]


async def sessions_between(
    connection: AsyncConnection, start: datetime, end: datetime, *, limit: int = LIMIT_MAX, policy: Policy = POLICY
) -> list[SessionView]:
    """Sessions begun in [start, end), the newest first."""
    found = await store.sessions_between(connection, utc(start), utc(end), _limited(limit))
    await read_running_courses(connection, found)
    return [view(each, policy) for each in found]


async def find_sessions(
    connection: AsyncConnection, ids: Sequence[str], *, policy: Policy = POLICY
) -> list[SessionView | None]:
    """The session of each id, in order."""
    keys = [_uuid(each) for each in ids]
    found = await store.find_sessions(connection, [key for key in keys if key])
    await read_running_courses(connection, found.values())
    return [view(found[key], policy) if key in found else None for key in keys]


async def find_cdrs(connection: AsyncConnection, ids: Sequence[str]) -> list[Cdr | None]:
    """The charge detail record of each id, in order."""
    keys = [_uuid(each) for each in ids]
    found = await store.find_cdrs(connection, [key for key in keys if key])
    return [_cdr(found[key]) if key in found else None for key in keys]


async def refusals(connection: AsyncConnection, since: datetime, *, limit: int = LIMIT_MAX) -> list[Refusal]:
    """Who was refused since then, the newest first."""
    return await store.refusals(connection, utc(since), _limited(limit))


async def orphans(connection: AsyncConnection, since: datetime, *, limit: int = LIMIT_MAX) -> list[Orphan]:
    """Stops of transactions that never began here, the newest first."""
    return await store.orphans(connection, utc(since), _limited(limit))


async def energy_between(connection: AsyncConnection, start: datetime, end: datetime) -> tuple[int, int]:
    """mWh drawn and fed in by sessions that ended in [start, end), and by those that still run, so far."""
    return await store.energy_between(connection, utc(start), utc(end))


def view(found: FoundSession, policy: Policy) -> SessionView:
    """The session with what it costs now, and how far a prepaid one has come."""
    row = found.session
    stored = stored_price(found)
    prepaid = None if row.prepaid is None or stored is None else stored.value(row.prepaid)
    going = UNDEFINED
    if row.state == "active" and row.prepaid and stored and row.sampled_at:
        going = progress(
            prepaid=row.prepaid,
            cost=stored.after_tax,
            charged_ms=(row.sampled_at - row.begun_at) // timedelta(milliseconds=1),
            lost_ms=lost_time_ms(row.shortfall_wms, row.rated_power_w),
            weight=policy.progress_weight,
        )
    return SessionView(
        id=row.id,
        state=cast(SessionState, row.state),
        token_uid=row.token_uid,
        token_type=row.token_type,
        token_party=row.token_party or "",
        contract_id=row.contract_id,
        authorization_reference=row.authorization_reference,
        station_id=row.station_id,
        evse_id=row.evse_id or "",
        connector_no=row.connector_no,
        site_id=row.site_id or "",
        meter_no=row.meter_no or "",
        currency=row.currency or "",
        started_at=row.started_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        import_mwh=row.import_mwh,
        export_mwh=row.export_mwh,
        cost_before_tax=stored.value(stored.before_tax) if stored else None,
        cost_after_tax=stored.value(stored.after_tax) if stored else None,
        power_w=row.power_w,
        prepaid=prepaid,
        progress_percent=going.percent,
        remaining_s=going.remaining_s,
    )


async def announce(
    connection: AsyncConnection, sessions: Sequence[str], subscribers: Sequence[Subscriber], policy: Policy
) -> None:
    """Tell subscribers how these sessions stand."""
    if not subscribers or not sessions:
        return
    found = await store.find_sessions(connection, sessions)
    await read_running_courses(connection, found.values())
    events = [SessionChanged(view(each, policy)) for each in found.values()]
    for subscriber in subscribers:
        await subscriber(connection, events)


def stored_price(found: FoundSession) -> StoredPrice | None:
    """Of an ended session as it was posted, of a running one as it is now; None for one that is not billed."""
    row = found.session
    if row.state == "invalid" or row.currency is None or found.tariff is None:
        return None
    if row.bought_before_tax is not None:
        assert row.bought_after_tax is not None
        assert row.fed_in_before_tax is not None
        assert row.fed_in_after_tax is not None
        return StoredPrice(
            row.currency, row.bought_before_tax, row.bought_after_tax, row.fed_in_before_tax, row.fed_in_after_tax
        )
    until = max(row.sampled_at or row.begun_at, row.begun_at)
    return price(found, until=until, import_mwh=row.import_mwh, export_mwh=row.export_mwh).stored


def _cdr(row: store.CdrRow) -> Cdr:
    return Cdr(row.id, row.session_id, row.issued_at, row.currency, row.before_tax, row.after_tax, row.document)


def _limited(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"a list has 1 to {LIMIT_MAX} lines, not {limit}")
    return limit


def _uuid(text: str) -> str | None:
    """In the spelling of the database; None for what cannot be an id."""
    try:
        return str(UUID(text))
    except ValueError:
        return None
