"""The bench a check works at: the management system under test, and what is known of it."""

import random
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wattbook.conformance.outcome import Failed, NotApplicable
from wattbook.conformance.raw_station import (
    Answer,
    Elements,
    HandshakeRefused,
    RawStation,
    encode,
    form_faults,
    raw_station,
    station_url,
)
from wattbook.conformance.versions import CALL, CALL_ERROR, VERSIONS, JsonObject, Version
from wattbook.conformance.words import Words

ANSWER_WITHIN_S: Final = 10.0

Trigger = Callable[[str, str, JsonObject], Awaitable[None]]
"""Makes the system send its station a CALL of this action and payload, and does not wait for the answer."""


@dataclass(frozen=True)
class Target:
    """The management system under test.

    Attributes:
        url: what comes before the station's identity.
        station: the identity of a station that it knows and accepts; the checks use it one after the other.
        now, new_id: the time of day; ids that were never used before, at most 36 characters.
        token, token_type: a token that may charge; its type is asked for by 2.x only.
        password: of the station, if it authenticates.
        pending_station: a station that it knows and has not accepted.
        trigger: makes it send a CALL.
        tls: for wss.
        within_s: how long any answer may take.
        seed: of the generated messages.
        thorough: every generated message instead of a sample.
    """

    url: str
    station: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    token: str | None = None
    token_type: str = "ISO14443"
    password: bytes | None = None
    pending_station: str | None = None
    trigger: Trigger | None = None
    tls: ssl.SSLContext | None = None
    within_s: float = ANSWER_WITHIN_S
    seed: int = 0
    thorough: bool = False


class Bench:
    """What a check may use; `version` is the one it is made in."""

    def __init__(self, target: Target, version: Version) -> None:
        self.target = target
        self.version = version
        self.words = Words(version, target.token_type)
        self.random = random.Random(f"{target.seed}/{version.name}")

    # Connections

    def connect(
        self,
        identity: str | None = None,
        subprotocols: Sequence[str] | None = None,
        *,
        compression: str | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> AbstractAsyncContextManager[RawStation]:
        """A socket of the station, or of another identity; by default it offers this version only and authenticates."""
        identity = self.target.station if identity is None else identity
        return raw_station(
            station_url(self.target.url, identity) if url is None else url,
            (self.version.subprotocol,) if subprotocols is None else subprotocols,
            within_s=self.target.within_s,
            headers=self.credentials(identity) if headers is None else headers,
            compression=compression,
            tls=self.target.tls,
        )

    def credentials(self, user: str, password: bytes | None = None) -> dict[str, str]:
        """The header of basic authentication; empty without a password."""
        secret = self.target.password if password is None else password
        if secret is None:
            return {}
        return {"Authorization": "Basic " + b64encode(user.encode() + b":" + secret).decode()}

    @asynccontextmanager
    async def booted(self) -> AsyncIterator[RawStation]:
        """A socket whose station has said its BootNotification and was accepted."""
        async with self.connect() as station:
            await self.boot(station)
            yield station

    async def boot(self, station: RawStation) -> None:
        answer = await self.ask(station, *self.words.boot())
        status = answer.payload.get("status")
        if status != "Accepted":
            raise Failed(f"BootNotification was answered {status}: the checks need a station that is accepted")

    async def other_versions(self) -> list[Version]:
        """The versions this system speaks besides this one."""
        others = [version for version in VERSIONS.values() if version is not self.version]
        return [version for version in others if await self.speaks(version)]

    async def speaks(self, version: Version) -> bool:
        try:
            async with self.connect(subprotocols=(version.subprotocol,)) as station:
                return station.subprotocol == version.subprotocol
        except HandshakeRefused:
            return False

    # CALLs

    def new_id(self) -> str:
        return self.target.new_id()

    async def ask(self, station: RawStation, action: str, payload: Any) -> Answer:
        """Send a CALL with a new id; its answer has the right form.

        Raises:
            Failed: no answer, or one that is no frame of this version.
        """
        return self.well_formed(await station.ask(self.new_id(), action, payload))

    def well_formed(self, answer: Answer) -> Answer:
        faults = form_faults(answer.elements, self.version.error_codes)
        if faults:
            raise Failed("; ".join(faults))
        return answer

    async def refused(self, station: RawStation, action: str, payload: Any, codes: Sequence[str]) -> str:
        """Send a CALL that must be answered with one of these error codes."""
        return self.is_refusal(await self.ask(station, action, payload), codes)

    def is_refusal(self, answer: Answer, codes: Sequence[str]) -> str:
        self.well_formed(answer)
        if answer.error_code not in codes:
            raise Failed(f"{answer}; expected {' or '.join(codes)}")
        return f"{answer.error_code}"

    async def reactions(self, station: RawStation, *frames: Elements | str | bytes) -> list[Elements]:
        """All that came back for these frames before two heartbeats sent after them were answered.

        Raises:
            Failed: the heartbeats were not answered: the frames did harm.
        """
        already = len(station.heard)
        for frame in frames:
            await station.send(frame)
        beats = [await self._heartbeat(station) for _ in range(2)]
        return [each for each in station.heard[already:] if each[1] not in beats and each[0] != CALL]

    async def unmoved(self, station: RawStation, *frames: Elements | str | bytes) -> str:
        """Send frames that must get no reply and do no harm."""
        replies = await self.reactions(station, *frames)
        if replies:
            raise Failed(f"replied {encode(replies[0])[:200]}")
        return "no reply, and the next CALL was answered"

    async def unharmed(self, station: RawStation, *frames: Elements | str | bytes) -> str:
        """Send frames that may be passed over or answered with an error, and do no harm."""
        replies = await self.reactions(station, *frames)
        for reply in replies:
            if reply[0] != CALL_ERROR:
                raise Failed(f"replied {encode(reply)[:200]}")
            self.well_formed(Answer(reply))
        return "; ".join(str(Answer(reply)) for reply in replies) or "passed over"

    async def alive(self, station: RawStation) -> None:
        """The connection still works."""
        await self._heartbeat(station)

    async def _heartbeat(self, station: RawStation) -> str:
        unique_id = self.new_id()
        answer = self.well_formed(await station.ask(unique_id, *self.words.heartbeat()))
        if not answer.is_result:
            raise Failed(f"the heartbeat after it was answered {answer}")
        return unique_id

    # What is needed

    def token(self) -> str:
        if self.target.token is None:
            raise NotApplicable("needs a token that may charge")
        return self.target.token

    async def trigger(self, action: str, payload: JsonObject) -> None:
        """Make the system send this CALL."""
        if self.target.trigger is None:
            raise NotApplicable("needs a way to make the system send a CALL")
        await self.target.trigger(self.target.station, action, payload)
