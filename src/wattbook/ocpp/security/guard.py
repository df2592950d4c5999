"""The guard at the door: from what a station presents to yes or no, out of memory, at once.

Three bounds keep an attack from costing more than itself. A password that was right or wrong once is recognised without
hashing. From one address a station may guess five wrong passwords in a row and then one in ten seconds; who guesses
elsewhere does not lock it out, and its right password, once seen, is let in all the while. And all stations together
may have so many passwords hashed a second that a storm of unknown ones leaves the event loop free for those inside.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.ocpp.security import passwords, store
from wattbook.ocpp.security.certificates import judge
from wattbook.ocpp.security.store import SecurityEvent, StationSecurity
from wattbook.ocpp.wire.server import Rejection, UpgradeRequest

NO_PROFILE, BASIC, TLS_BASIC, MUTUAL_TLS = range(4)

GUESSES_MAX: Final = 5
GUESS_EVERY_S: Final = 10.0
HASHINGS_MAX: Final = 200
HASHINGS_PER_S: Final = 200.0
"""At about a millisecond each: a fifth of one core."""

WRONG_KEPT_MAX: Final = 4
ADDRESSES_MAX: Final = 16
"""Told apart where one station's passwords are guessed; all others share one allowance."""
EVENTS_MAX: Final = 1000
"""Different events that wait to be written down; more of a kind are only counted."""

log = structlog.get_logger(__name__)


class EventKind(StrEnum):
    """What is kept of the door."""

    TLS_REQUIRED = "tls-required"
    PASSWORD_MISSING = "password-missing"
    PASSWORD_WRONG = "password-wrong"
    TOO_MANY_GUESSES = "too-many-guesses"
    CERTIFICATE_MISSING = "certificate-missing"
    CERTIFICATE_REFUSED = "certificate-refused"


@dataclass(slots=True)
class Allowance:
    """So many at once, and one more each time its pause has gone by."""

    most: float
    per_s: float
    left: float
    at: float

    def take(self, now_s: float) -> bool:
        self.left = min(self.most, self.left + (now_s - self.at) * self.per_s)
        self.at = now_s
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class _Known:
    """A station and what it presented. Digests, keyed with a key of this process; never a password."""

    security: StationSecurity
    right: tuple[bytes, bytes] | None = None  # (digest of the password, the hash it matched)
    wrong: list[bytes] = field(default_factory=list)  # digests, newest last
    guesses: dict[str, Allowance] = field(default_factory=dict)  # after a wrong one, by address


class Guard:
    """Judges who knocks; `refresh` reads what changed and writes down what happened."""

    def __init__(self, clock: Clock, monotonic_s: Callable[[], float], *, default_profile: int = NO_PROFILE) -> None:
        assert NO_PROFILE <= default_profile <= MUTUAL_TLS, "OCPP has the security profiles 0 to 3"
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._default_profile = default_profile
        self._stations: dict[str, _Known] = {}
        self._revoked: frozenset[int] = frozenset()
        self._shown: dict[str, int] = {}  # serial number of the certificate by which a station came in last
        self._read_at: datetime | None = None
        self._digest_key = secrets.token_bytes(32)
        self._hashings = Allowance(HASHINGS_MAX, HASHINGS_PER_S, HASHINGS_MAX, monotonic_s())
        self._events: dict[tuple[str, EventKind, str], SecurityEvent] = {}
        self._retire: dict[str, bytes] = {}
        self._risen: dict[str, int] = {}  # profile with which a station came that it was to reach

    # Between requests

    async def refresh(self, connection: AsyncConnection) -> list[str]:
        """Read what changed since the last time; the stations that came in by what is not valid any more."""
        self._read_at, rows = await store.changed(connection, self._read_at)
        outdated = []
        for row in rows:
            known = self._stations.get(row.station_id)
            if known is None:
                self._stations[row.station_id] = _Known(row)
            elif known.security != row:
                right = known.right if known.right is not None and known.right[1] in row.password_hashes else None
                if known.right is not None and right is None:
                    outdated.append(row.station_id)
                self._stations[row.station_id] = _Known(row, right, guesses=known.guesses)
        before, self._revoked = self._revoked, await store.revoked(connection, self._clock())
        news = self._revoked - before
        if news:
            outdated += [station_id for station_id, serial in self._shown.items() if serial in news]
        return outdated

    async def write_down(self, database: Database) -> None:
        """Keep the events, end the passwords that were replaced, ask the profiles that were reached.

        What the database does not take is still to be written: it was decided at the door already.
        """
        events, self._events = self._events, {}
        retire, self._retire = self._retire, {}
        risen, self._risen = self._risen, {}
        try:
            async with database.transaction() as connection:
                await store.keep_events(connection, list(events.values()))
                if retire:
                    await store.retire_passwords(connection, list(retire.items()))
                if risen:
                    await store.raise_profiles(connection, list(risen.items()))
        except BaseException:
            self._retire, self._risen = retire | self._retire, risen | self._risen
            keys = [*(events | self._events)][:EVENTS_MAX]
            self._events = {key: _joined(events.get(key), self._events.get(key)) for key in keys}
            raise

    @property
    def has_to_write(self) -> bool:
        return bool(self._events or self._retire or self._risen)

    # At the door

    def judge(self, request: UpgradeRequest) -> Rejection | None:
        """Why a station that is known stays out; None: let it in."""
        known = self._stations.get(request.identity)
        if known is None:
            known = self._stations[request.identity] = _Known(StationSecurity(request.identity))
        profile = self._required(known.security)
        if profile >= TLS_BASIC and request.tls is None:
            return self._refuse(request, 403, EventKind.TLS_REQUIRED, f"security profile {profile} needs TLS")
        certificate = None if request.tls is None else request.tls.certificate
        if certificate is not None:
            rejection, came_with = self._judge_certificate(request, certificate), MUTUAL_TLS
        elif profile == MUTUAL_TLS:
            return self._refuse(request, 403, EventKind.CERTIFICATE_MISSING, "security profile 3 needs a certificate")
        else:
            self._shown.pop(request.identity, None)
            rejection, came_with = self._judge_basic(request, known, profile)
        if rejection is None:
            self._note_rise(known, came_with)
        return rejection

    def _judge_basic(self, request: UpgradeRequest, known: _Known, profile: int) -> tuple[Rejection | None, int]:
        """A password must be right where one is asked for; where none is, it counts if the station is to go up."""
        shows_more = known.security.next_profile is not None and "Authorization" in request.headers
        if profile == NO_PROFILE and not shows_more:
            return None, NO_PROFILE
        rejection = self._judge_password(request, known)
        if rejection is not None and profile == NO_PROFILE:
            return None, NO_PROFILE
        return rejection, BASIC if request.tls is None else TLS_BASIC

    def _note_rise(self, known: _Known, came_with: int) -> None:
        """A station that was told to go up has come with as much: from now on it must."""
        planned = known.security.next_profile
        if planned is not None and came_with >= planned:
            known.security = replace(known.security, profile=planned, next_profile=None)
            self._risen[known.security.station_id] = planned

    def _judge_certificate(self, request: UpgradeRequest, certificate: bytes) -> Rejection | None:
        verdict = judge(certificate, request.identity, self._revoked, self._clock())
        if isinstance(verdict, str):
            return self._refuse(request, 403, EventKind.CERTIFICATE_REFUSED, verdict)
        self._shown[request.identity] = verdict
        return None

    def _required(self, security: StationSecurity) -> int:
        if security.profile is not None:
            return security.profile
        return max(self._default_profile, BASIC if security.password_hashes else NO_PROFILE)

    def _judge_password(self, request: UpgradeRequest, known: _Known) -> Rejection | None:
        presented = passwords.presented_password(request.headers.get("Authorization"), request.identity)
        if presented is None or len(presented) > passwords.PRESENTED_BYTES_MAX:
            return self._challenge(request, EventKind.PASSWORD_MISSING, "no password of this station was presented")
        digest = hmac.digest(self._digest_key, presented, "sha256")
        hashes = known.security.password_hashes
        if known.right is not None and hmac.compare_digest(known.right[0], digest) and known.right[1] in hashes:
            return None
        if any(hmac.compare_digest(each, digest) for each in known.wrong):
            return self._challenge(request, EventKind.PASSWORD_WRONG, "the password is wrong")
        return self._judge_new(request, known, presented, digest)

    def _judge_new(self, request: UpgradeRequest, known: _Known, presented: bytes, digest: bytes) -> Rejection | None:
        """Judge a password that was not seen before: this is what costs."""
        now_s = self._monotonic_s()
        guessed_at = known.guesses.keys()
        address = request.address if request.address in guessed_at or len(guessed_at) < ADDRESSES_MAX else ""
        allowance = known.guesses.get(address)
        if allowance is not None and not allowance.take(now_s):
            retry = {"Retry-After": str(round(GUESS_EVERY_S))}
            return self._refuse(request, 429, EventKind.TOO_MANY_GUESSES, "too many wrong passwords", retry)
        if not self._hashings.take(now_s):
            return Rejection(503, "many stations come at once; try again", {"Retry-After": "5"})
        security = known.security
        for password in passwords.readings(presented, hex_allowed=security.hex_passwords):
            for hashed in reversed(security.password_hashes):
                if passwords.is_password(password, hashed):
                    self._recognise(known, digest, hashed)
                    return None
        known.wrong = [*known.wrong, digest][-WRONG_KEPT_MAX:]
        if allowance is None:
            known.guesses[address] = Allowance(GUESSES_MAX, 1 / GUESS_EVERY_S, GUESSES_MAX - 1, now_s)
        return self._challenge(request, EventKind.PASSWORD_WRONG, "the password is wrong")

    def _recognise(self, known: _Known, digest: bytes, hashed: bytes) -> None:
        """The station came with a right password; with the newest one, the ones before have ended."""
        security = known.security
        if len(security.password_hashes) > 1 and hashed == security.password_hashes[-1]:
            self._retire[security.station_id] = hashed
            known.security = replace(security, password_hashes=(hashed,))
        known.right, known.wrong, known.guesses = (digest, hashed), [], {}

    def _challenge(self, request: UpgradeRequest, kind: EventKind, reason: str) -> Rejection:
        return self._refuse(request, 401, kind, reason, {"WWW-Authenticate": 'Basic realm="ocpp"'})

    def _refuse(
        self,
        request: UpgradeRequest,
        status: int,
        kind: EventKind,
        reason: str,
        headers: dict[str, str] | None = None,
    ) -> Rejection:
        key, now = (request.identity, kind, reason), self._clock()
        event = self._events.get(key)
        if event is not None:
            self._events[key] = SecurityEvent(*key, event.times + 1, event.first_at, now)
        elif len(self._events) < EVENTS_MAX:
            self._events[key] = SecurityEvent(*key, 1, now, now)
        else:
            log.error("security-event-not-kept", station_id=request.identity, kind=kind, reason=reason)
        return Rejection(status, reason, headers or {})


def _joined(before: SecurityEvent | None, since: SecurityEvent | None) -> SecurityEvent:
    """Of the same kind, in two rounds."""
    if before is None or since is None:
        known = before or since
        assert known is not None, "one of the rounds had it"
        return known
    return replace(since, times=before.times + since.times, first_at=before.first_at)


async def door_events(
    connection: AsyncConnection, station_id: str | None, *, kind: str | None, before: int | None, limit: int
) -> list[tuple[int, SecurityEvent]]:
    """What happened at the door, newest first, with its number; see `store.events_page`."""
    return await store.events_page(connection, station_id, kind=kind, before=before, limit=limit)
