"""As a hub: find who a message is for, keep what passes through, and bring it on.

What can wait (sessions, records, settlements) is stored first. Then the receiver is tried at once, and its answer goes
back to the sender; if it does not answer, the sender is told that the hub has the message, and the hub goes on trying.
What cannot wait (the question whether a driver may charge) is asked while the sender waits.

OCPI leaves open how a hub finds the issuer of a token: the party in the headers; else who answered for this token
before; else all connected providers are asked at once, and who knows it answers.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from msgspec import Raw
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, InvalidInput
from wattbook.roaming import cdrs, partner_rows, sessions, settlement, store, tables
from wattbook.roaming.delivery import deliver, take_over
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.client import Answer, NoAnswer, TimedOut
from wattbook.roaming.ocpi.server import Call, Reply
from wattbook.roaming.ocpi.wire import (
    AuthorizationInfo,
    LocationReferences,
    OcpiError,
    Status,
    decode,
)
from wattbook.roaming.partners import partner_for
from wattbook.roaming.records import Authorisation, Message, Partner

ASK_TIMEOUT_S: Final = 5.0


# ------------------------------------------------------------------------------------------- what cannot wait: tokens


async def authorise(roaming: Roaming, call: Call) -> Reply:
    """POST tokens/{uid}/authorize?type=…, to a party or by open routing."""
    if call.body:
        decode(call.body, LocationReferences)
    uid, token_type = call.path["uid"], call.query.get("type", "RFID").upper()
    receiver = call.routing.receiver
    if receiver is not None and receiver != roaming.party:
        party, answer = receiver, await _ask_one(roaming, call, receiver, uid, token_type)
    else:
        party, answer = await _ask_around(roaming, call, uid, token_type)
    if answer.accepted:
        await _keep(roaming, call, party, uid, token_type, answer)
    return Reply(raw=answer.body, http=answer.http, sender=party)


async def _ask_around(roaming: Roaming, call: Call, uid: str, token_type: str) -> tuple[str, Answer]:
    async with roaming.database.transaction() as connection:
        remembered = await store.issuer_of_token(connection, uid.lower(), token_type)
        providers = await partner_rows.partners_with_role(connection, "EMSP")
    parties = [role.party for provider in providers for role in provider.roles if role.role == "EMSP"]
    if remembered in parties:
        answer = await _ask_one(roaming, call, remembered, uid, token_type)
        if not _is_unknown(answer):
            return remembered, answer
        parties.remove(remembered)
    return await _first_who_knows(roaming, call, parties, uid, token_type)


async def _first_who_knows(
    roaming: Roaming, call: Call, parties: Sequence[str], uid: str, token_type: str
) -> tuple[str, Answer]:
    """All at once; of several that know it, the first by name, so that the same question gets the same answer."""
    outcomes = await asyncio.gather(
        *(_ask_one(roaming, call, party, uid, token_type) for party in parties), return_exceptions=True
    )
    silent = 0
    for party, outcome in sorted(zip(parties, outcomes, strict=True), key=lambda asked: asked[0]):
        if isinstance(outcome, OcpiError):
            silent += 1
        elif isinstance(outcome, BaseException):
            raise outcome
        elif not _is_unknown(outcome):
            return party, outcome
    if silent:
        raise OcpiError(Status.RECEIVER_TIMEOUT, f"nobody knows the token, but {silent} of {len(parties)} are silent")
    raise OcpiError(Status.UNKNOWN_TOKEN, f"no provider knows the token {uid!r}", http=404)


async def _ask_one(roaming: Roaming, call: Call, party: str, uid: str, token_type: str) -> Answer:
    """Raises:
    OcpiError: the party is unknown, not connected, or silent (4001, 4003, 4002).
    """
    async with roaming.database.transaction() as connection:
        partner = await partner_for(connection, party)
    if partner is None:
        raise OcpiError(Status.UNKNOWN_RECEIVER, f"{party} is not connected to this hub")
    endpoint = partner.endpoint("tokens", "SENDER")
    if endpoint is None or partner.their_token is None:
        raise OcpiError(Status.RECEIVER_NOT_CONNECTED, f"{party} has no endpoint for tokens")
    try:
        return await roaming.client.call(
            "POST",
            f"{endpoint.rstrip('/')}/{quote(uid, safe='')}/authorize?type={quote(token_type)}",
            partner.their_token,
            roaming.routing(party, sender=call.sender, correlation_id=call.routing.correlation_id),
            body=call.body or None,
            timeout_s=ASK_TIMEOUT_S,
        )
    except TimedOut:
        raise OcpiError(Status.RECEIVER_TIMEOUT, f"{party} did not answer in time") from None
    except NoAnswer:
        raise OcpiError(Status.RECEIVER_NOT_CONNECTED, f"{party} does not answer") from None


def _is_unknown(answer: Answer) -> bool:
    return answer.http == 404 or answer.envelope.status_code == Status.UNKNOWN_TOKEN


async def _keep(roaming: Roaming, call: Call, party: str, uid: str, token_type: str, answer: Answer) -> None:
    try:
        info = decode(bytes(answer.envelope.data), AuthorizationInfo)
    except InvalidInput:
        return  # the sender judges what it gets; there is nothing in it to remember
    authorisation = Authorisation(
        reference=info.authorization_reference,
        correlation_id=call.routing.correlation_id,
        token_uid=uid.lower(),
        token_type=token_type,
        asked_by=call.sender,
        answered_by=party,
        answer=info.allowed,
        at=roaming.clock(),
    )
    async with roaming.database.transaction() as connection:
        await store.add_authorisation(connection, authorisation)


# ------------------------------------------------------------------------------- what can wait: stored, then forwarded


async def put_session(roaming: Roaming, call: Call) -> Reply:
    """PUT sessions/{country}/{party}/{id}."""
    return await _pass_session(roaming, call, sessions.stated(call))


async def patch_session(roaming: Roaming, call: Call) -> Reply:
    """PATCH sessions/{country}/{party}/{id}: what changed is put together here and goes on as a whole session."""
    async with roaming.database.transaction() as connection:
        statement = await sessions.patched(connection, call)
    return await _pass_session(roaming, call, statement)


async def _pass_session(roaming: Roaming, call: Call, statement: sessions.Statement) -> Reply:
    session = statement.session
    receiver = _receiver(roaming, call, session.cdr_token.party)
    message = _message(call, receiver, "sessions", session.id, "PUT", statement.body)
    async with roaming.database.transaction() as connection:
        partner = await _require_partner(connection, receiver)
        if not await store.put_session(connection, sessions.row(statement, None)):
            return Reply()  # older than what is on record, or after the end
        fresh = await store.keep_latest(connection, [message], roaming.clock())
        await take_over(connection, fresh)
    # A session that is waiting already waits for a job; one that is not is new to a receiver that may be there.
    return await _bring(roaming, partner, fresh[0] if fresh else None, None)


async def post_cdr(roaming: Roaming, call: Call) -> Reply:
    """POST cdrs."""
    statement = cdrs.stated(call)
    cdr = statement.cdr
    receiver = _receiver(roaming, call, cdr.cdr_token.party)
    message = _message(call, receiver, "cdrs", cdr.id, "POST", statement.body)
    location = cdrs.location(roaming, cdr.party, cdr.id)
    async with roaming.database.transaction() as connection:
        partner = await _require_partner(connection, receiver)
        kept = await _keep_once(connection, roaming, message)
        if kept.answered_at is None:
            row = cdrs.row(statement, "passed", None, roaming.clock())
            if await store.add_once(connection, tables.cdrs, row) is None:
                raise Conflict(f"the session of CDR {cdr.id} has another record already")
    return await _bring(roaming, partner, kept.id, location, kept)


async def post_settlement(roaming: Roaming, call: Call) -> Reply:
    """POST settlements: the hub knows every record that it brought across, so it checks the sums first."""
    statement = settlement.stated(call)
    stated = statement.settlement
    receiver = _receiver(roaming, call, stated.payee)
    if receiver != stated.payee:
        raise InvalidInput(f"the settlement is for {stated.payee}, the message for {receiver}")
    message = _message(call, receiver, "settlements", stated.id, "POST", statement.body)
    location = settlement.location(roaming, stated.party, stated.id)
    async with roaming.database.transaction() as connection:
        partner = await _require_partner(connection, receiver)
        kept = await _keep_once(connection, roaming, message)
        if kept.answered_at is None:
            await settlement.record(connection, statement, "passed", roaming.clock())
    return await _bring(roaming, partner, kept.id, location, kept)


async def _keep_once(connection: AsyncConnection, roaming: Roaming, message: Message) -> Message:
    kept, same = await store.keep_once(connection, message, roaming.clock())
    if not same:
        raise Conflict(f"{message.object_id} of {message.sender} came before with another content")
    if kept.answered_at is None:
        await take_over(connection, [kept.id])
    return kept


async def _bring(
    roaming: Roaming, partner: Partner, message_id: int | None, location: str | None, kept: Message | None = None
) -> Reply:
    """The receiver's answer, or that the hub has it. `Location` is always the hub's: it serves what it stored."""
    stored = Reply(message="stored, to be delivered", http=201 if location else 200, location=location)
    if kept is not None and kept.answered_at is not None:
        return _answer_again(kept, location)
    if message_id is None or not partner.reachable:
        return stored
    try:
        answer = await deliver(roaming, message_id)
    except NoAnswer:
        return stored
    if answer is None:
        return stored
    return Reply(raw=answer.body, http=answer.http, location=location if answer.accepted else None)


def _answer_again(kept: Message, location: str | None) -> Reply:
    accepted = kept.answer_status is not None and kept.answer_status < Status.CLIENT_ERROR
    return Reply(
        status=kept.answer_status or Status.HUB_ERROR,
        message=kept.answer_message,
        location=location if accepted else None,
    )


def _receiver(roaming: Roaming, call: Call, owner: str) -> str:
    """The party in the headers; by open routing, the one the object belongs to."""
    receiver = call.routing.receiver
    return owner if receiver is None or receiver == roaming.party else receiver


async def _require_partner(connection: AsyncConnection, receiver: str) -> Partner:
    """Raises:
    OcpiError: nobody connected reaches the receiver (4001).
    """
    partner = await partner_for(connection, receiver)
    if partner is None:
        raise OcpiError(Status.UNKNOWN_RECEIVER, f"{receiver} is not connected to this hub")
    return partner


def _message(call: Call, receiver: str, module: str, object_id: str, method: str, body: bytes) -> Message:
    path = ""
    if method == "PUT":
        country_code, _, party_id = call.sender.partition("*")
        path = f"/{country_code}/{party_id}/{quote(object_id, safe='')}"
    return Message(
        sender=call.sender,
        receiver=receiver,
        module=module,
        object_id=object_id,
        method=method,
        path=path,
        correlation_id=call.routing.correlation_id,
        body=Raw(body),
    )
