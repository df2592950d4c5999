"""Transactions of 2.x that were told of and never became a session.

The first event that was heard may be a later one, and the begin never comes; or the begin came, and no event ever said
who charges or where. Their readings are kept, and for a while nothing more is right, for what is missing may be on its
way. When nothing more is to come, such a transaction is begun and ended by what is known of it, and flagged: from the
first that was heard of it, at the least register that was told, to the last and the greatest. Who showed a token pays
as ever; where none was shown, or where a partner would have to consent, the energy is measured and billed to nobody.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from msgspec import structs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner
from wattbook.charging.consents import record_consents
from wattbook.charging.events import Subscriber
from wattbook.charging.identity import session_of_transaction
from wattbook.charging.open_sessions import REASON, OpenSession
from wattbook.charging.policy import Policy
from wattbook.charging.ports import ConsentAnswer
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop
from wattbook.kernel.errors import Refused, WattbookError
from wattbook.ocpp.transactions import event_log
from wattbook.ocpp.transactions.event_log import Facts

BEGIN_ESTIMATED: Final = "estimated-start"
NOBODY: Final = ""
UNNAMED_EVSE: Final = 0


class Unbegun(Facts, frozen=True, kw_only=True):
    """What is known of such a transaction.

    Attributes:
        heard_at: of it first, by our clock.
        oldest_at, newest_at: of its events, by the station's clock; the oldest may not have been kept.
    """

    station_id: str
    transaction_id: str
    heard_at: datetime
    oldest_at: datetime | None
    newest_at: datetime

    @property
    def session_id(self) -> str:
        return session_of_transaction(self.station_id, self.transaction_id)

    @property
    def began_at(self) -> datetime:
        return self.started_at or self.oldest_at or min(self.heard_at, self.newest_at)

    def session(self) -> OpenSession:
        """The session that it would be, for whoever judges whether it goes on."""
        return OpenSession(
            id=self.session_id,
            station_id=self.station_id,
            connector_no=self.evse_no or UNNAMED_EVSE,
            transaction_id=self.transaction_id,
            token_uid=self.token_uid or NOBODY,
            started_at=self.began_at,
            updated_at=self.heard_at,
            meter_start_mwh=self.register_start_mwh or 0,
            sampled_at=self.newest_at,
            import_register_mwh=self.register_max_mwh,
            export_register_mwh=self.export_stop_mwh,
            superseded=False,
        )

    def beginning(self) -> SessionStart:
        return SessionStart(
            station_id=self.station_id,
            connector_no=self.evse_no or UNNAMED_EVSE,
            token_uid=self.token_uid or self.stop_token_uid or NOBODY,
            meter_start_mwh=self.register_start_mwh or 0,
            started_at=self.began_at,
            transaction_id=self.transaction_id,
            export_start_mwh=self.export_start_mwh,
        )

    def ending(self) -> SessionStop:
        """As it was told; where it was not, by estimate."""
        return SessionStop(
            station_id=self.station_id,
            transaction_id=self.transaction_id,
            meter_stop_mwh=self.register_stop_mwh or self.register_start_mwh or 0,
            stopped_at=self.ended_at or max(self.newest_at, self.began_at),
            reason=self.stop_reason or REASON,
            export_stop_mwh=self.export_stop_mwh,
            token_uid=self.stop_token_uid,
            estimated=self.ended_at is None,
            flags=(BEGIN_ESTIMATED,) if self.started_at is None else (),
        )


async def silent(
    connection: AsyncConnection, since: datetime, now: datetime, *, after: Unbegun | None = None, limit: int
) -> list[Unbegun]:
    """Those heard of before then, the oldest first; with `after`, those that come after that one.

    What a clock tells that runs ahead says nothing.
    """
    later, place = "", {}
    if after is not None:
        later = "AND (heard_at, station_id, transaction_id) > (:heard_at, :station, :transaction)"
        place = {"heard_at": after.heard_at, "station": after.station_id, "transaction": after.transaction_id}
    found = await connection.execute(
        text(f"""
            SELECT {", ".join(Unbegun.__struct_fields__)} FROM ocpp.transactions
            WHERE NOT begun AND NOT settled AND heard_at <= :since AND NOT newest_at BETWEEN :since AND :now {later}
            ORDER BY heard_at, station_id, transaction_id LIMIT :limit
        """),
        {"since": since, "now": now, "limit": limit} | place,
    )
    return [Unbegun(**row._mapping) for row in found]


async def begin(
    connection: AsyncConnection,
    transactions: Sequence[Unbegun],
    *,
    now: datetime,
    policy: Policy,
    subscribers: Sequence[Subscriber] = (),
) -> dict[str, str | None]:
    """Begin each; by session, why there is none: the transaction is left as it is then. None: there is one now."""
    starts = [each.beginning() for each in transactions]
    outcomes = await start(connection, starts, now=now, policy=policy, subscribers=subscribers)
    # Nobody can be asked whether he consents to what is long over.
    asking = [
        (structs.replace(each, token_uid=NOBODY), outcome.request)
        for each, outcome in zip(starts, outcomes, strict=True)
        if isinstance(outcome, AskPartner)
    ]
    silence = [(replace(request, token_uid=NOBODY), ConsentAnswer("unknown")) for _, request in asking]
    await record_consents(connection, silence, now=now, policy=policy)
    unasked = [each for each, _ in asking]
    outcomes += await start(connection, unasked, now=now, policy=policy, subscribers=subscribers)
    refused = {each.session_id: _why_not(outcome) for each, outcome in zip([*starts, *unasked], outcomes, strict=True)}
    keys = [(each.station_id, each.transaction_id) for each in transactions if refused[each.session_id] is None]
    await event_log.mark_begun(connection, keys)
    return refused


def _why_not(outcome: Started | AskPartner | WattbookError) -> str | None:
    if isinstance(outcome, Started | Refused):  # a refused one is an invalid session
        return None
    return outcome.message if isinstance(outcome, WattbookError) else "a partner would have to be asked"


async def note_settled(connection: AsyncConnection, transactions: Sequence[Unbegun]) -> None:
    """Their sessions have ended. One whose end was not told may still be made good by it."""
    told = [(each.station_id, each.transaction_id) for each in transactions if each.ended_at is not None]
    await event_log.mark_settled(connection, told)
