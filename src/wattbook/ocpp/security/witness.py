"""The witness of signatures: what was signed, whether it was right, and by which key; kept with the session.

A signed message is judged before it is handled, and refused when it is wrong. A signed meter value changes nothing that
is billed: it is the evidence that somebody may ask for later, so it is kept as it came, right or not.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from msgspec import Struct, structs
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.group_commit import GroupCommit
from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.messages import Sample
from wattbook.ocpp.security.signed_values import Judged, Verdict, judge_value
from wattbook.ocpp.security.signing_keys import KeyPurpose, SigningKeys, fingerprint_of
from wattbook.ocpp.security.tables import signatures
from wattbook.ocpp.wire.signed import PublicKey

VALUES_MAX: Final = 32
"""Signed values of one message that are judged; checking a signature costs a tenth of a millisecond."""

SIGNED_LENGTH_MAX: Final = 32_000
PAGE_SIZE_MAX: Final = 1_000

log = structlog.get_logger(__name__)


class Seen(Struct, frozen=True):
    """A signature. `transaction_id` is in the station's words; `signed` is a signed meter value as it came."""

    station_id: str
    purpose: KeyPurpose
    action: str
    message_id: str
    transaction_id: str | None
    verdict: Verdict
    detail: str
    fingerprint: str | None
    signed: str | None
    received_at: datetime


class KeptSignature(Seen, frozen=True):
    """The same as it is kept; later ones have greater ids."""

    id: int


class Witness:
    """Give it to a `Tolerance`. `start` it before the port; never raises, never waits."""

    def __init__(self, database: Database, keys: SigningKeys) -> None:
        self._keys = keys
        self._kept = GroupCommit[Seen, None](database, _keep, lanes=1)  # kept in the order in which they were seen

    def start(self) -> None:
        self._kept.start()

    async def stop(self) -> None:
        await self._kept.stop()

    def message(
        self,
        station_id: str,
        action: str,
        message_id: str,
        payload: Mapping[str, Any],
        key: PublicKey | None,
        refusal: str | None,
        received_at: datetime,
    ) -> None:
        """A signed message was judged: right by this key, refused, or nobody knows its key."""
        if refusal is not None:
            judged = Judged(Verdict.WRONG, refusal[:200])
        elif key is not None:
            judged = Judged(Verdict.VERIFIED, "", fingerprint_of(key))
        else:
            judged = Judged(Verdict.NO_KEY, "no key of this station is registered")
        told = payload.get("transactionInfo")
        transaction = told.get("transactionId") if isinstance(told, Mapping) else None
        self._keep(
            station_id,
            KeyPurpose.MESSAGES,
            action,
            message_id,
            transaction if isinstance(transaction, str) else None,
            judged,
            None,
            received_at,
        )

    def values(self, inbound: InboundMessage, action: str) -> None:
        """A message came in that may hold signed meter values."""
        samples: Sequence[Sample] = getattr(inbound.message, "samples", ())
        texts = [
            reading.text
            for sample in samples
            for reading in sample.readings
            if reading.signed and reading.text is not None
        ]
        if not texts:
            return
        keys = self._keys.of(inbound.station_id, KeyPurpose.METER_VALUES)
        transaction: str | None = getattr(inbound.message, "transaction_id", None)
        for place, text in enumerate(texts):
            if place < VALUES_MAX and len(text) <= SIGNED_LENGTH_MAX:
                judged = judge_value(text, keys)
            else:
                judged = Judged(Verdict.UNREADABLE, "too long, or too many in one message")
            where = inbound.station_id, KeyPurpose.METER_VALUES, action, inbound.unique_id, transaction
            self._keep(*where, judged, text[:SIGNED_LENGTH_MAX], inbound.received_at)

    def _keep(
        self,
        station_id: str,
        purpose: KeyPurpose,
        action: str,
        message_id: str,
        transaction_id: str | None,
        judged: Judged,
        signed: str | None,
        received_at: datetime,
    ) -> None:
        if judged.verdict is Verdict.WRONG:
            log.warning("signature-wrong", station_id=station_id, action=action, purpose=purpose.value)
        seen = Seen(
            station_id,
            purpose,
            action,
            _legible(message_id),
            None if transaction_id is None else _legible(transaction_id),
            judged.verdict,
            _legible(judged.detail),
            judged.fingerprint,
            None if signed is None else _legible(signed),
            received_at,
        )
        try:
            self._kept.enqueue(seen)
        except WattbookError as error:
            log.error("signature-not-kept", station_id=station_id, because=error.message)


async def signatures_of(
    connection: AsyncConnection,
    station_id: str,
    *,
    transaction_id: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[KeptSignature]:
    """Of one station, or one of its transactions, the newest first."""
    columns = signatures.c
    fields = [columns[name] for name in KeptSignature.__struct_fields__]
    chosen = select(*fields).where(columns.station_id == station_id).order_by(columns.id.desc())
    if transaction_id is not None:
        chosen = chosen.where(columns.transaction_id == transaction_id)
    if before is not None:
        chosen = chosen.where(columns.id < before)
    rows = await connection.execute(chosen.limit(min(limit, PAGE_SIZE_MAX)))
    return [KeptSignature(**row._mapping) for row in rows]


async def _keep(connection: AsyncConnection, seen: Sequence[Seen]) -> Sequence[None]:
    await connection.execute(insert(signatures), [structs.asdict(each) for each in seen])
    return [None] * len(seen)


def _legible(text: str) -> str:
    """PostgreSQL keeps no NUL and no half of a surrogate pair."""
    return text.replace("\0", "�").encode(errors="replace").decode()
