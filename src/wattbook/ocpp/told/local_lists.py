"""Block D: the lists of tokens that stations keep for the time without a connection, in step with the registry.

A station has a list when an operator enrols it. What belongs on it are the tokens whose issuer says ALWAYS or
ALLOWED_OFFLINE, as long as they are good. The list at a station has a version of ours and is known as far as the
station accepted it. What differs is told as a difference, at most `CHANGES_MAX` at once, until nothing differs. When it
is not known what a station has (at first, after a VersionMismatch or a failure, when it tells another version), it is
told the whole list anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.store import versions_spoken
from wattbook.ocpp.commands.submission import find_commands, submit
from wattbook.ocpp.dialects.v2 import parts as v2
from wattbook.ocpp.dialects.v16 import parts as v16
from wattbook.ocpp.kept.answered import Answered, json_text
from wattbook.ocpp.messages import Authorization, IdToken, TokenInfo
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.customers import Token, TokenType, folded_uid, tokens_for_lists

CHANGES_MAX: Final = 100
"""Entries of one message; what stations take at once is rarely less."""

LIST_LENGTH_MAX: Final = 5_000
LISTS_AT_ONCE: Final = 20
"""Read at once: each may be half a megabyte, and whoever reads them holds sockets too."""
ANSWERED_WITHIN: Final = timedelta(hours=1)
TRIED_AGAIN_AFTER: Final = timedelta(minutes=5)
REQUESTED_BY: Final = "local-list"
LOCK: Final = 0x4C495354
"""Of two rounds at once, the later one finds what the first has sent."""
KNOWN, SENT, UNKNOWN, NOT_SUPPORTED = "known", "sent", "unknown", "NotSupported"

KINDS: Final = {TokenType.RFID: "ISO14443", TokenType.EMAID: "eMAID", TokenType.APP_USER: "Central"}
"""Type of a token → IdTokenEnumType of 2.x; every other one is Central: an id that no reader reads."""

Entries = dict[str, str]
"""Folded uid → what a station was told of the token, as JSON in the words of its version."""


class LocalList(Struct, frozen=True):
    """A station's list. `version` 0: none that is known; `state` see the module's constants."""

    station_id: str
    version: int
    entries: Entries
    state: str
    sent_version: int | None
    sent_entries: Entries | None
    command_id: UUID | None
    changed_at: datetime


async def enrol(connection: AsyncConnection, stations: Sequence[str], now: datetime) -> None:
    """Let these stations have a list; one that has is told the whole of it anew."""
    await connection.execute(
        text("""
            INSERT INTO ocpp.local_lists (station_id, version, entries, state, changed_at)
            SELECT station, 0, '{}', 'unknown', :now FROM unnest(CAST(:stations AS text[])) AS station
            ON CONFLICT (station_id) DO UPDATE SET state = 'unknown', sent_version = NULL, changed_at = :now
        """),
        {"stations": sorted(set(stations)), "now": now},
    )


async def withdraw(connection: AsyncConnection, station_id: str) -> bool:
    """Keep its list in step no longer; what the station has of it stays there. False: it had none."""
    gone = await connection.execute(
        text("DELETE FROM ocpp.local_lists WHERE station_id = :station"), {"station": station_id}
    )
    return gone.rowcount > 0


async def keep_in_step(
    connection: AsyncConnection, now: datetime, stations: Sequence[str] | None = None
) -> list[Command]:
    """Tell enrolled stations what is new, these or all; the commands that do so. Run it every minute or so."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    sent: list[Command] = []
    wanted: dict[str, Entries] = {}
    after = ""
    while lists := await lists_of(connection, stations, after=after, limit=LISTS_AT_ONCE):
        sent += await _tell(connection, lists, wanted, now)
        after = lists[-1].station_id
    return sent


async def _tell(
    connection: AsyncConnection, lists: Sequence[LocalList], wanted: dict[str, Entries], now: datetime
) -> list[Command]:
    """Of these lists; what belongs on each is found out once for a version."""
    await _give_up(connection, [each for each in lists if each.state == SENT], now)
    versions = await versions_spoken(connection, [each.station_id for each in lists])
    due = [each for each in lists if each.station_id in versions and _is_due(each, now)]
    if not due:
        return []
    spoken = {versions[each.station_id] for each in due} - wanted.keys()
    if spoken:
        tokens = await tokens_for_lists(connection, now, limit=LIST_LENGTH_MAX)
        wanted.update({version: entries_of(version, tokens) for version in spoken})
    messages = {
        each.station_id: message
        for each in due
        if (message := _message(versions[each.station_id], each, wanted[versions[each.station_id]])) is not None
    }
    requests = [
        CommandRequest(station, "SendLocalList", payload, now + ANSWERED_WITHIN)
        for station, (payload, _, _) in messages.items()
    ]
    outcomes = await submit(connection, requests, requested_by=REQUESTED_BY, now=now) if requests else []
    sent = [outcome for outcome in outcomes if isinstance(outcome, Command)]
    for command in sent:
        _, version, entries = messages[command.station_id]
        await connection.execute(
            text("""
                UPDATE ocpp.local_lists SET state = 'sent', sent_version = :version, command_id = :command,
                    sent_entries = CAST(:entries AS jsonb), changed_at = :now
                WHERE station_id = :station
            """),
            {
                "station": command.station_id,
                "version": version,
                "command": command.id,
                "entries": json_text(entries),
                "now": now,
            },
        )
    return sent


def _is_due(known: LocalList, now: datetime) -> bool:
    if known.state == UNKNOWN:
        return known.sent_version is None or now - known.changed_at >= TRIED_AGAIN_AFTER
    return known.state == KNOWN


async def _give_up(connection: AsyncConnection, waiting: Sequence[LocalList], now: datetime) -> None:
    """What was sent and ended without an answer: nobody knows what the station has."""
    commands = await find_commands(connection, [each.command_id for each in waiting if each.command_id is not None])
    over = [command.id for command in commands if command is not None and not command.state.is_open]
    if over:
        await connection.execute(
            text("""
                UPDATE ocpp.local_lists SET state = 'unknown', changed_at = :now
                WHERE state = 'sent' AND command_id = ANY(CAST(:commands AS uuid[]))
            """),
            {"now": now, "commands": over},
        )


# What is told


def entries_of(version: str, tokens: Sequence[Token]) -> Entries:
    """By folded uid, in their order; a token that the version has no room for is left out."""
    told = TokenInfo(Authorization.ACCEPTED)
    entries = {}
    for token in tokens:
        group = None if token.group_uid is None else IdToken(token.group_uid)
        info = TokenInfo(told.status, token.valid_until, group)
        if version == "1.6":
            if len(token.uid) > v16.ID_TAG_LENGTH_MAX:
                continue
            entry: JsonObject = {"idTag": token.uid, "idTagInfo": v16.write_token_info(info)}
        else:
            entry = {"idToken": _id_token(token.uid, token.type), "idTokenInfo": v2.write_token_info(info)}
        entries[folded_uid(token.uid)] = json_text(entry)
    return entries


def _message(version: str, known: LocalList, wanted: Entries) -> tuple[JsonObject, int, Entries] | None:
    """The payload, its version, and the list that the station has then; None when nothing is to be told."""
    if known.state == UNKNOWN:
        chosen = dict(list(wanted.items())[:CHANGES_MAX])
        told = [msgspec.json.decode(entry) for entry in chosen.values()]
        return _payload(version, "Full", known.version + 1, told), known.version + 1, chosen
    changes = [uid for uid, entry in wanted.items() if known.entries.get(uid) != entry]
    removed = [uid for uid in known.entries if uid not in wanted]
    chosen_uids = [*removed, *changes][:CHANGES_MAX]
    if not chosen_uids:
        return None
    after, told = dict(known.entries), []
    for uid in chosen_uids:
        if uid in wanted:
            after[uid] = wanted[uid]
            told.append(msgspec.json.decode(wanted[uid]))
        else:
            told.append(_removal(msgspec.json.decode(after.pop(uid))))
    return _payload(version, "Differential", known.version + 1, told), known.version + 1, after


def _removal(entry: Mapping[str, Any]) -> JsonObject:
    """A token without what is said of it is taken off the list (1.6, 5.15; D01)."""
    return {name: value for name, value in entry.items() if name in ("idTag", "idToken")}


def _payload(version: str, kind: str, number: int, entries: Sequence[JsonObject]) -> JsonObject:
    payload: JsonObject = {"listVersion" if version == "1.6" else "versionNumber": number, "updateType": kind}
    return payload | ({"localAuthorizationList": list(entries)} if entries else {})


def _id_token(uid: str, kind: TokenType) -> JsonObject:
    return v2.write_token(IdToken(uid, KINDS.get(kind, "Central")))


# What is answered


async def answered(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """SendLocalList."""
    for each in answers:
        status = each.answer["status"]
        state = KNOWN if each.accepted else NOT_SUPPORTED if status == NOT_SUPPORTED else UNKNOWN
        await connection.execute(
            text("""
                UPDATE ocpp.local_lists SET state = :state, changed_at = :at,
                    version = CASE WHEN :accepted THEN sent_version ELSE version END,
                    entries = CASE WHEN :accepted THEN sent_entries ELSE entries END
                WHERE station_id = :station AND command_id = :command AND state = 'sent'
            """),
            {
                "station": each.station_id,
                "command": each.id,
                "state": state,
                "accepted": each.accepted,
                "at": each.at,
            },
        )


async def told_version(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """GetLocalListVersion: one that is not ours means that the list is not either; -1 in 1.6: it has none at all."""
    for each in answers:
        number = int(each.answer["listVersion" if each.is_1_6 else "versionNumber"])
        await connection.execute(
            text("""
                UPDATE ocpp.local_lists SET changed_at = :at, sent_version = NULL,
                    version = greatest(version, CAST(:number AS int)),
                    state = CASE WHEN :number < 0 THEN 'NotSupported' ELSE 'unknown' END
                WHERE station_id = :station AND version <> :number AND state <> 'sent'
            """),
            {"station": each.station_id, "number": number, "at": each.at},
        )


async def lists_of(
    connection: AsyncConnection, stations: Sequence[str] | None = None, *, after: str = "", limit: int = 1_000
) -> list[LocalList]:
    """Of these stations, or of all that are enrolled and can have one; by station, those after one."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(kept)::text FROM ocpp.local_lists AS kept
            WHERE station_id > :after
              AND CASE WHEN CAST(:stations AS text[]) IS NULL THEN state <> 'NotSupported'
                  ELSE station_id = ANY(CAST(:stations AS text[])) END
            ORDER BY station_id LIMIT :limit
        """),
        {"stations": None if stations is None else list(stations), "after": after, "limit": limit},
    )
    return [msgspec.json.decode(row, type=LocalList) for row in found.scalars()]
