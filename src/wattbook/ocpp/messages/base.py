"""What every message is: a request, and the answer it names."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

Json: TypeAlias = Any
"""A value of JSON whose shape only its sender and its receiver know."""


class End(Enum):
    """The two ends of a connection."""

    STATION = "station"
    MANAGEMENT = "management"


class Answer(Struct, frozen=True, gc=False):
    """Base of every answer."""


AnswerT_co = TypeVar("AnswerT_co", bound=Answer, covariant=True)


class Request(Struct, Generic[AnswerT_co], frozen=True, gc=False):
    """Base of every request; its parameter is the struct it is answered with."""
