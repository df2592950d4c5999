"""What stations do with tokens while they have no connection, as settings to be sent: one policy, each version's names.

The settings are those of block C and D: 1.6, chapter 9; 2.0.1 Part 2, referenced components and variables.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Unavailable, WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.store import versions_spoken
from wattbook.ocpp.commands.submission import submit


class OfflinePolicy(Struct, frozen=True):
    """None: it is left as it is.

    Attributes:
        takes_known: tokens that are on its list or in its memory may charge while it is offline.
        takes_unknown: so may any other.
        takes_known_at_once: also while it is online, before the answer to Authorize.
        ends_refused: what was begun so and is refused later is ended.
        remembers: tokens that were accepted; `remembers_for_s` in 2.x, without being told anew.
        keeps_list: a local list.
        master_pass_group: tokens of this group end any transaction (2.x).
    """

    takes_known: bool | None = None
    takes_unknown: bool | None = None
    takes_known_at_once: bool | None = None
    ends_refused: bool | None = None
    remembers: bool | None = None
    remembers_for_s: int | None = None
    keeps_list: bool | None = None
    master_pass_group: str | None = None


KEYS: Final[Mapping[str, str]] = {
    "takes_known": "LocalAuthorizeOffline",
    "takes_unknown": "AllowOfflineTxForUnknownId",
    "takes_known_at_once": "LocalPreAuthorize",
    "ends_refused": "StopTransactionOnInvalidId",
    "remembers": "AuthorizationCacheEnabled",
    "keeps_list": "LocalAuthListEnabled",
}
VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "takes_known": ("AuthCtrlr", "LocalAuthorizeOffline"),
    "takes_unknown": ("AuthCtrlr", "OfflineTxForUnknownIdEnabled"),
    "takes_known_at_once": ("AuthCtrlr", "LocalPreAuthorize"),
    "ends_refused": ("TxCtrlr", "StopTxOnInvalidId"),
    "remembers": ("AuthCacheCtrlr", "Enabled"),
    "remembers_for_s": ("AuthCacheCtrlr", "LifeTime"),
    "keeps_list": ("LocalAuthListCtrlr", "Enabled"),
    "master_pass_group": ("AuthCtrlr", "MasterPassGroupId"),
}


async def send_policy(
    connection: AsyncConnection,
    stations: Sequence[str],
    policy: OfflinePolicy,
    *,
    requested_by: str,
    now: datetime,
    expires_at: datetime,
) -> dict[str, list[Command | WattbookError]]:
    """By station, the commands that set it there: one a key in 1.6, one in all in 2.x; what they answer is kept.

    Unavailable stands for a station that never connected, so that its version is not known.
    """
    versions = await versions_spoken(connection, stations)
    requests = [
        request
        for station in stations
        if station in versions
        for request in _requests(station, versions[station], policy, expires_at)
    ]
    outcomes = await submit(connection, requests, requested_by=requested_by, now=now) if requests else []
    found: dict[str, list[Command | WattbookError]] = {
        station: []
        if station in versions
        else [Unavailable(f"station {station[:64]!r} never connected, so its version is not known")]
        for station in stations
    }
    for request, outcome in zip(requests, outcomes, strict=True):
        found[request.station_id].append(outcome)
    return found


def _requests(station: str, version: str, policy: OfflinePolicy, expires_at: datetime) -> list[CommandRequest]:
    chosen = {
        name: _written(value)
        for name in OfflinePolicy.__struct_fields__
        if (value := getattr(policy, name)) is not None
    }
    if version == "1.6":
        return [
            CommandRequest(
                station, "ChangeConfiguration", {"key": KEYS[name], "value": value}, expires_at, repeatable=True
            )
            for name, value in chosen.items()
            if name in KEYS
        ]
    data = [
        {
            "attributeValue": value,
            "component": {"name": VARIABLES[name][0]},
            "variable": {"name": VARIABLES[name][1]},
        }
        for name, value in chosen.items()
    ]
    payload = {"setVariableData": data}
    return [CommandRequest(station, "SetVariables", payload, expires_at, repeatable=True)] if data else []


def _written(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
