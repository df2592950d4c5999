"""What the answers of stations to commands mean, and who keeps it: a table of actions.

An answer is kept with its command whatever it says (`commands`). That of an action in the table is also handed to who
keeps what it is about, in the same transaction. Its own trouble with an answer does not touch the command.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.commands import remote_starts
from wattbook.ocpp.commands.submission import decode_payload
from wattbook.ocpp.kept import availability, generation, payments, profiles, reservations, settings, tariffs
from wattbook.ocpp.kept.answered import Answered, Taker
from wattbook.ocpp.told import local_lists, schedules

TAKERS: Final[Mapping[str, Taker]] = {
    "GetConfiguration": settings.got_configuration,
    "ChangeConfiguration": settings.changed_configuration,
    "GetVariables": settings.got_variables,
    "SetVariables": settings.set_variables,
    "RemoteStartTransaction": remote_starts.answered,
    "RequestStartTransaction": remote_starts.answered,
    "ChangeAvailability": availability.changed,
    "ReserveNow": reservations.reserved,
    "CancelReservation": reservations.cancelled,
    "SetChargingProfile": schedules.set_profiles,
    "ClearChargingProfile": schedules.cleared_profiles,
    "GetCompositeSchedule": profiles.told_schedules,
    "SendLocalList": local_lists.answered,
    "GetLocalListVersion": local_lists.told_version,
    "SetDefaultTariff": tariffs.set_default,
    "GetTariffs": tariffs.told,
    "ClearTariffs": tariffs.cleared,
    "NotifyWebPaymentStarted": payments.web_payments_started,
    "SetDERControl": generation.set_controls,
    "ClearDERControl": generation.cleared,
}

log = structlog.get_logger(__name__)


async def take(connection: AsyncConnection, commands: Sequence[UUID], now: datetime) -> None:
    """Keep what the answers to these commands mean, as far as they are answered as their schema wants it."""
    if not commands:
        return
    found = await connection.execute(
        text("""
            SELECT id, station_id, version, action, payload::text AS asked, answer::text AS said
            FROM ocpp.commands
            WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'answered' AND answer IS NOT NULL
              AND version IS NOT NULL AND error_code IS NULL AND action = ANY(CAST(:actions AS text[]))
            ORDER BY action, place
        """),
        {"ids": list(commands), "actions": list(TAKERS)},
    )
    answered = [
        Answered(
            row.id, row.station_id, row.version, row.action, decode_payload(row.asked), decode_payload(row.said), now
        )
        for row in found
    ]
    for action, group in groupby(answered, key=lambda each: each.action):
        together = list(group)
        if await _is_taken(connection, action, together) or len(together) == 1:
            continue
        for each in together:  # what one station says takes nothing from the others
            await _is_taken(connection, action, [each])


async def _is_taken(connection: AsyncConnection, action: str, answered: Sequence[Answered]) -> bool:
    try:
        async with connection.begin_nested():
            await TAKERS[action](connection, answered)
    except Exception as error:
        log.error("answers-not-taken", action=action, stations=[each.station_id for each in answered], exc_info=error)
        return False
    return True
