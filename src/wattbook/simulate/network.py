"""The network between a station and its management system: when it is away, and how a station comes back.

Outages stand in simulated time, so a session meets them at the same moment however fast it is played. How long a
station waits between two tries is the back-off of OCPP 2.0.1 (Part 4, 5.3); the errata of 1.6 (3.3) ask for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from wattbook.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next try to connect.

    Attributes:
        wait_min: before the first try (RetryBackOffWaitMinimum).
        spread: up to this much more, at random (RetryBackOffRandomRange), so that not everybody comes at once.
        doublings: how often the wait doubles (RetryBackOffRepeatTimes).
        tries_max: after so many in a row nobody is there.
        real_s_per_s: real seconds to wait for each simulated one, after somebody really did not answer.
    """

    wait_min: timedelta = timedelta(seconds=10)
    spread: timedelta = timedelta(seconds=10)
    doublings: int = 3
    tries_max: int = 100
    real_s_per_s: float = 0.01

    def wait(self, tries: int, random: Random) -> timedelta:
        """After so many tries in vain."""
        return self.wait_min * (1 << min(tries, self.doublings)) + self.spread * random.random()


@dataclass(frozen=True, slots=True)
class Outage:
    """From `since` up to, not including, `until` nothing gets through."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise InvalidInput(f"an outage ends after it began: {self.since} to {self.until}")


class Network:
    """One station's: give it to a station that shall keep what it cannot say and come back by itself.

    `random` spreads the tries.
    """

    def __init__(self, random: Random, outages: Sequence[Outage] = (), back_off: BackOff | None = None) -> None:
        self._random = random
        self._outages = tuple(outages)
        self._tries = 0
        self._next_try_at: datetime | None = None
        self.back_off = back_off or BackOff()

    def is_up(self, now: datetime) -> bool:
        return not any(outage.since <= now < outage.until for outage in self._outages)

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for another try; the first question after a loss sets the time of the first one."""
        if self._next_try_at is None:
            self._next_try_at = now + self.back_off.wait(0, self._random)
        return now >= self._next_try_at

    def next_try_at(self, now: datetime) -> datetime:
        return now if self.is_due(now) or self._next_try_at is None else self._next_try_at

    def failed(self, now: datetime) -> timedelta:
        """A try was in vain: the wait before the next one."""
        self._tries += 1
        wait = self.back_off.wait(self._tries, self._random)
        self._next_try_at = now + wait
        return wait

    def connected(self) -> None:
        self._tries, self._next_try_at = 0, None
