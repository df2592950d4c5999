"""Where the program plugs roaming in: routes, jobs, the subscriber of charging's events."""

from collections.abc import Sequence

import structlog
from fastapi import APIRouter
from procrastinate import App
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.events import Event, SessionEnded, Subscriber
from wattbook.db.jobs import RETRY, enqueue
from wattbook.roaming import authorisation, cdrs, hub, sessions, settlement, store
from wattbook.roaming.delivery import DELIVER, RESEND, deliver, deliveries, resend_abandoned
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi import credentials
from wattbook.roaming.ocpi.server import Access, Handler, serve
from wattbook.roaming.ocpi.wire import VERSION

log = structlog.get_logger(__name__)

# An id may hold a slash, which stays one path segment only until it is decoded.
_BY_PARTIES = "{country}/{party}/{id:path}"

MODULES: dict[str, tuple[tuple[str, str, Handler], ...]] = {
    "CPO": (
        ("POST", "settlements", settlement.post_settlement),
        ("GET", f"settlements/{_BY_PARTIES}", settlement.get_settlement),
    ),
    "EMSP": (
        ("POST", "tokens/{uid:path}/authorize", authorisation.authorise),
        ("PUT", f"sessions/{_BY_PARTIES}", sessions.put_session),
        ("PATCH", f"sessions/{_BY_PARTIES}", sessions.patch_session),
        ("GET", f"sessions/{_BY_PARTIES}", sessions.get_session),
        ("POST", "cdrs", cdrs.post_cdr),
        ("GET", f"cdrs/{_BY_PARTIES}", cdrs.get_cdr),
    ),
    "HUB": (
        ("POST", "tokens/{uid:path}/authorize", hub.authorise),
        ("PUT", f"sessions/{_BY_PARTIES}", hub.put_session),
        ("PATCH", f"sessions/{_BY_PARTIES}", hub.patch_session),
        ("GET", f"sessions/{_BY_PARTIES}", sessions.get_session),
        ("POST", "cdrs", hub.post_cdr),
        ("GET", f"cdrs/{_BY_PARTIES}", cdrs.get_cdr),
        ("POST", "settlements", hub.post_settlement),
        ("GET", f"settlements/{_BY_PARTIES}", settlement.get_settlement),
    ),
}
"""What is served in each role: method, path below the version, handler."""


def router(roaming: Roaming) -> APIRouter:
    """The routes of one deployment, to be mounted at `deployment.PREFIX`."""
    routes = APIRouter()
    serve(routes, roaming, "GET", "/versions", credentials.get_versions, Access.VERSIONS)
    serve(routes, roaming, "GET", f"/{VERSION}", credentials.get_details, Access.VERSIONS)
    for method, handler in (
        ("GET", credentials.get_credentials),
        ("POST", credentials.post_credentials),
        ("PUT", credentials.put_credentials),
        ("DELETE", credentials.delete_credentials),
    ):
        serve(routes, roaming, method, f"/{VERSION}/credentials", handler, Access.CREDENTIALS)
    for verb, path, module in MODULES[roaming.settings.role]:
        serve(routes, roaming, verb, f"/{VERSION}/{path}", module)
    return routes


def tasks(jobs: App, roaming: Roaming) -> None:
    """Register the jobs by which messages are delivered."""

    @jobs.task(name=DELIVER, retry=RETRY)
    async def _deliver(message: int) -> None:
        await deliver(roaming, message)

    @jobs.periodic(cron="*/30 * * * *")
    @jobs.task(name=RESEND)
    async def _resend(timestamp: int) -> None:
        await resend_abandoned(roaming)


def subscriber(roaming: Roaming) -> Subscriber:
    """Tells partners of their drivers' sessions at stations of ours."""

    async def on_events(connection: AsyncConnection, events: Sequence[Event]) -> None:
        foreign = [event for event in events if event.session.token_party not in ("", roaming.party)]
        if foreign:
            await _tell(connection, roaming, foreign)

    return on_events


async def _tell(connection: AsyncConnection, roaming: Roaming, events: Sequence[Event]) -> None:
    """Inside the transaction of the session: its push and its record are told exactly when it is booked."""
    now = roaming.clock()
    records = await cdrs.describe(connection, _to_record(events), roaming.party)
    await store.add_cdrs(connection, [cdrs.row(record, "issued", None, now) for record in records])
    messages = [sessions.push(roaming, event.session) for event in events if event.session.currency]
    messages += [cdrs.message(roaming, record) for record in records]
    await enqueue(connection, deliveries(await store.keep_latest(connection, messages, now)))


def _to_record(events: Sequence[Event]) -> list[SessionEnded]:
    """Energy fed in has no place in a record yet; such a session stays between the two operators."""
    ended = [event for event in events if isinstance(event, SessionEnded)]
    for event in ended:
        if event.session.export_mwh:
            log.warning("roaming.feed_in_not_recorded", session=event.session.id, party=event.session.token_party)
    return [event for event in ended if not event.session.export_mwh]
