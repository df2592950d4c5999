"""Who may end whose session: the token that began it, a token of its group, a master pass (OCPP 2.0.1, C01, C09, C16).

A station decides by itself, from the groups it was told; the energy is settled whoever ended it. What is judged here is
what the station is answered, and a session that a stranger ended is flagged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import refusal
from wattbook.charging.concurrency import folded
from wattbook.charging.policy import POLICY, Policy
from wattbook.kernel.errors import InvalidInput, Refused
from wattbook.registry.customers import Holder, Token, find_tokens, folded_uid

STOPPED_BY_STRANGER: Final = "stopped-by-stranger"


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Somebody ends a transaction, with a token or without."""

    station_id: str
    transaction_id: str
    token_uid: str | None


@dataclass(frozen=True, slots=True)
class MayStop:
    """Until when the token is good, as far as known, and its group."""

    valid_until: datetime | None = None
    group_uid: str | None = None


StopVerdict = MayStop | Refused


async def judge_stops(
    connection: AsyncConnection, requests: Sequence[StopRequest], *, now: datetime, policy: Policy = POLICY
) -> list[StopVerdict | None]:
    """For each: may it? None without a token, or when the transaction is not known."""
    asked = [request for request in requests if request.token_uid is not None]
    if not asked:
        return [None] * len(requests)
    owners = await _owners(connection, asked)
    uids = sorted({*owners.values(), *(request.token_uid or "" for request in asked)})
    tokens = await _tokens(connection, uids)
    return [_verdict(request, owners, tokens, now, policy) for request in requests]


def _verdict(
    request: StopRequest, owners: dict[tuple[str, str], str], tokens: dict[str, Token], now: datetime, policy: Policy
) -> StopVerdict | None:
    owner = owners.get((request.station_id, request.transaction_id))
    if request.token_uid is None or owner is None:
        return None
    shown, began = tokens.get(folded(request.token_uid)), tokens.get(folded(owner))
    if folded(request.token_uid) == folded(owner):
        # Who began may end, whatever has become of the token since.
        return MayStop(shown.valid_until, shown.group_uid) if shown is not None else MayStop()
    if shown is None:
        return refusal("token-unknown", f"token {request.token_uid} is not known here")
    if not shown.valid:
        return refusal("token-blocked", f"token {shown.uid} is blocked by {shown.party}")
    if shown.valid_until is not None and shown.valid_until <= now:
        return refusal("token-expired", f"token {shown.uid} has expired")
    group = shown.group_uid
    if group is not None and (group == policy.master_pass_group or (began is not None and group == began.group_uid)):
        return MayStop(shown.valid_until, group)
    return refusal("stop-not-allowed", f"token {shown.uid} is of another group than what began the session")


async def _owners(connection: AsyncConnection, requests: Sequence[StopRequest]) -> dict[tuple[str, str], str]:
    found = await connection.execute(
        text("""
            SELECT station_id, transaction_id, token_uid
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS asked(station, transaction)
            JOIN charging.sessions ON (station_id, transaction_id) = (asked.station, asked.transaction)
        """),
        {
            "stations": [request.station_id for request in requests],
            "transactions": [request.transaction_id for request in requests],
        },
    )
    return {(row[0], row[1]): row[2] for row in found}


async def _tokens(connection: AsyncConnection, uids: Sequence[str]) -> dict[str, Token]:
    """By folded uid, those of which there is exactly one."""
    possible = [uid for uid in uids if _is_possible(uid)]
    holders = await find_tokens(connection, possible) if possible else []
    return {
        folded(uid): holder.token for uid, holder in zip(possible, holders, strict=True) if isinstance(holder, Holder)
    }


def _is_possible(uid: str) -> bool:
    try:
        folded_uid(uid)
    except InvalidInput:
        return False
    return True
