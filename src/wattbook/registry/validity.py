"""What holds at a time: assignments that run from a start up to, not including, an end, and answers that admit doubt.

Who supplies a vehicle, which network a meter hangs on and what it measures change over the years, and a session is
settled by what held at its time. A look-up finds exactly one thing, or nothing, or several that contradict each other:
the last two are values to be reported, because choosing one of several would bill somebody at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing is known; `reason` says of what, in words for the person who can register it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous(Generic[Found]):
    """Several different things are on record for the same time; `candidates` has them all."""

    reason: str
    candidates: tuple[Found, ...]


def only(candidates: Sequence[Found], *, missing: str, ambiguous: str) -> Found | Missing | Ambiguous[Found]:
    """The one candidate, or why there is no such one."""
    if not candidates:
        return Missing(missing)
    if len(candidates) > 1:
        return Ambiguous(ambiguous, tuple(candidates))
    return candidates[0]
