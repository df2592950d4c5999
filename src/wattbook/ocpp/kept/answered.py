"""A command that a station answered, as those who keep what it means are given it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.dialects.fields import place
from wattbook.ocpp.wire.frames import JsonObject

ACCEPTED: Final = "Accepted"


class Answered(Struct, frozen=True):
    """`payload` is of the CALL, `answer` of its CALLRESULT; both in the words of `version`, and fit for it."""

    id: UUID
    station_id: str
    version: str
    action: str
    payload: JsonObject
    answer: JsonObject
    at: datetime

    @property
    def is_1_6(self) -> bool:
        return self.version == "1.6"

    @property
    def accepted(self) -> bool:
        return self.answer.get("status") == ACCEPTED


Taker = Callable[[AsyncConnection, Sequence[Answered]], Awaitable[None]]
"""Keeps what answers to commands of one action mean; the oldest first."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_text(value: Any) -> str:
    """With exact numbers."""
    return _encode(value).decode()


def evse_no(payload: JsonObject) -> int:
    """The place that a command is about, in any version; 0: the station.

    Raises:
        InvalidInput: no such number is possible.
    """
    for name in ("connectorId", "evseId"):
        if name in payload:
            return place(payload, name)
    return place(payload["evse"], "id") if "evse" in payload else 0
