"""Load: many stations that send one message after the other as fast as they are answered, one CALL outstanding each.

This end does as little as it can, so that a measurement is about the other end: the frames are built beforehand and
shared by all stations, an answer is compared with the bytes it should begin with, and only another one is parsed.

What was acknowledged is written to a file at the end, also when the other end was killed on the way: whoever reads the
database afterwards can say of each acknowledged sample whether it is there. A sample is known by its station and its
number: number 0 was taken at `first_sampled_at`, each later one a second and a watt-hour after the one before.

    python -m wattbook.simulate.load --url ws://127.0.0.1:9000/ocpp --stations 500 --messages 100000 --out load.json
"""

import argparse
import asyncio
import base64
import os
import sys
import time
from array import array
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec
import picows
import uvloop
from msgspec import Struct
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from wattbook.kernel.clock import format_rfc3339, parse_rfc3339, system_clock, utc
from wattbook.kernel.errors import InvalidInput, Refused, Unavailable, WattbookError
from wattbook.kernel.telemetry import tune_garbage_collection
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.messages import Answer, BootNotification, Request
from wattbook.ocpp.wire.frames import CALL, CALL_ERROR, CALL_RESULT, encode_call
from wattbook.ocpp.wire.transport import SUBPROTOCOL_HEADER
from wattbook.ocpp.wire.versions import V16, VERSIONS
from wattbook.simulate.latencies import percentile
from wattbook.simulate.load_messages import (
    MESSAGES,
    METER_VALUES,
    METERS_BEGAN,
    SAMPLE_STEP,
    TRANSACTION_EVENT,
    LoadWords,
    TransactionId,
    register_mwh,
    words_of,
)

TEXT = WSMsgType.TEXT

FRAMES_AT_ONCE = 1024
HANDSHAKES_AT_ONCE = 64
PATIENCE_S = 30.0
"""For a handshake, for an answer before and after the load, and for the last answers of it."""

PROGRESS_EVERY_S = 0.1

AnswerT = TypeVar("AnswerT", bound=Answer)


class LoadPlan(Struct, frozen=True, kw_only=True):
    """What to send.

    Attributes:
        url: the stations' common part, such as `ws://127.0.0.1:9000/ocpp`.
        stations: how many; named `<prefix>00001` and so on.
        messages: of all stations together; None: no end but the deadline.
        seconds: of real time; None: no end but the count.
        token: with one, each station charges: the samples belong to a transaction, stopped at the end.
        first_sampled_at: in whole seconds; the time of every station's sample number 0.
        password: of every station (HTTP Basic).
        version: of OCPP.
        message: what is sent: `MeterValues`, or since 2.0.1 `TransactionEvent`, which needs a token.
    """

    url: str
    stations: int
    first_sampled_at: datetime
    messages: int | None = None
    seconds: float | None = None
    prefix: str = "LOAD-"
    token: str | None = None
    password: str | None = None
    version: str = V16.name
    message: str = METER_VALUES

    def __post_init__(self) -> None:
        if self.stations < 1 or (self.messages is None and self.seconds is None):
            raise InvalidInput("a load needs stations, and a count of messages or a deadline")
        if utc(self.first_sampled_at).microsecond or self.first_sampled_at < METERS_BEGAN:
            raise InvalidInput(f"samples begin at a whole second after {format_rfc3339(METERS_BEGAN)}")
        if words_of(self.version, self.message).action == TRANSACTION_EVENT and self.token is None:
            raise InvalidInput("events are of a transaction, and a transaction begins with a token")

    @property
    def station_ids(self) -> list[str]:
        return [f"{self.prefix}{number:05}" for number in range(1, self.stations + 1)]


class StationLog(Struct, frozen=True):
    """What one station sent and heard.

    Attributes:
        sent: samples 0 to `sent` - 1.
        refused: numbers of those that were answered with an error.
        unanswered: the number of the one that got no answer: it may be in the database or not.
        lost: why the connection ended before its time.
    """

    station_id: str
    transaction_id: TransactionId | None
    sent: int
    refused: list[int]
    unanswered: int | None
    lost: str | None

    @property
    def acknowledged(self) -> list[int]:
        """Numbers of the samples that were answered without error."""
        missing = {*self.refused, self.unanswered}
        return [number for number in range(self.sent) if number not in missing]


class LoadLog(Struct, frozen=True):
    """The whole run. `seconds` is from the first sample sent to the last answer; `client_cpu_s` what this end used."""

    url: str
    first_sampled_at: datetime
    sent: int
    acknowledged: int
    refused: int
    seconds: float
    messages_per_s: float
    client_cpu_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    stations: list[StationLog]

    @property
    def summary(self) -> dict[str, Any]:
        """Everything but the stations."""
        return {
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "lost": sum(station.lost is not None for station in self.stations),
            "seconds": round(self.seconds, 3),
            "messages_per_s": round(self.messages_per_s),
            "client_cpu_s": round(self.client_cpu_s, 3),
            "p50_ms": round(self.p50_ms, 3),
            "p99_ms": round(self.p99_ms, 3),
            "max_ms": round(self.max_ms, 3),
        }

    def acknowledged_samples(self) -> Iterator[tuple[str, datetime, int]]:
        """Station, time and import register in mWh of every sample that must be in the database."""
        for station in self.stations:
            for number in station.acknowledged:
                taken_at = self.first_sampled_at + number * SAMPLE_STEP
                yield station.station_id, taken_at, register_mwh(taken_at)


def read_log(path: Path) -> LoadLog:
    return msgspec.json.decode(path.read_bytes(), type=LoadLog)


def write_log(log: LoadLog, path: Path) -> None:
    """Whole or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(msgspec.json.encode(log))
    os.replace(draft, path)


class Frames:
    """The CALLs of the load, all but their end, and how their answers begin; by number."""

    def __init__(self, words: LoadWords, first_sampled_at: datetime) -> None:
        self._words = words
        self._first_sampled_at = first_sampled_at
        self.calls: list[bytes] = []
        self.answers: list[bytes] = []

    def extend(self) -> None:
        for number in range(len(self.calls), len(self.calls) + FRAMES_AT_ONCE):
            self.calls.append(self._words.call(number, self._first_sampled_at + number * SAMPLE_STEP))
            self.answers.append(b'[%d,"%d"' % (CALL_RESULT, number))


class Run:
    """What all stations share while they send."""

    def __init__(self, plan: LoadPlan) -> None:
        self.words = words_of(plan.version, plan.message)
        self.frames = Frames(self.words, plan.first_sampled_at)
        self.frames.extend()
        self.remaining = sys.maxsize if plan.messages is None else plan.messages
        self.latencies_ns = array("q")
        self.sending = plan.stations
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        """Send nothing more; what is outstanding may still be answered."""
        self.remaining = 0

    def station_ended(self) -> None:
        self.sending -= 1
        if self.sending == 0 and not self.ended.done():
            self.ended.set_result(None)


class LoadStation(WSListener):
    """One station on a bare socket: `ask` before and after the load, `begin` for the load itself."""

    def __init__(self, station_id: str, run: Run) -> None:
        super().__init__()
        self.station_id = station_id
        self._run = run
        self._words = run.words
        self._calls = run.frames.calls
        self._answers = run.frames.answers
        self._latencies_ns = run.latencies_ns
        self._transport: WSTransport | None = None
        self._tail = b"}]"
        self._expected = b"\0"  # begins no answer
        self._sent_at_ns = 0
        self._sent = 0
        self._loading = False
        self._outstanding = False
        self._refused: list[int] = []
        self._asked: tuple[str, asyncio.Future[Any]] | None = None
        self.transaction_id: TransactionId | None = None
        self.lost: str | None = None

    # Before and after the load

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        """
        Raises:
            Unavailable: no answer in time, or an error, or no connection.
        """
        if self._transport is None or self.lost is not None:
            raise Unavailable(f"{self.station_id}: {self.lost or 'not connected'}")
        exchange = DIALECTS[self._words.version.subprotocol].of(request).exchange
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked = (exchange.action, answer)
        # No number: the frames of the load have those.
        frame = encode_call(exchange.action, exchange.action, exchange.write_request(request))
        self._transport.send(TEXT, frame)
        try:
            return cast(AnswerT, exchange.read_answer(await asyncio.wait_for(answer, PATIENCE_S)))
        except TimeoutError:
            raise Unavailable(f"{self.station_id}: no answer to {exchange.action}") from None

    async def open(self, token: str | None, started_at: datetime) -> None:
        """
        Raises:
            Refused: the station or its token is not accepted; the connection is closed.
        """
        try:
            await self._introduce(token, started_at)
        except WattbookError:
            self._hang_up()
            raise

    async def _introduce(self, token: str | None, started_at: datetime) -> None:
        boot = await self.ask(BootNotification("wattbook", "load"))
        _accept(self.station_id, "its registration", boot.status.value)
        if token is not None:
            words = self._words
            begin = words.begin(self.station_id, token, started_at)
            begun = words.begun(begin, await self.ask(begin))
            _accept(self.station_id, f"token {token}", begun.status)
            self.transaction_id = begun.transaction_id
            self._tail = words.tail(begun.transaction_id)

    async def close(self, first_sampled_at: datetime) -> None:
        """Stop the transaction, if there is one, and say goodbye."""
        if self.transaction_id is not None and self.lost is None and not self._outstanding:
            stopped_at = first_sampled_at + self._sent * SAMPLE_STEP
            await self.ask(self._words.end(self.transaction_id, stopped_at, self._sent))
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    # The load

    def begin(self) -> None:
        if self.lost is not None:
            self._run.station_ended()
            return
        self._loading = True
        self._send(time.perf_counter_ns())

    def _send(self, now_ns: int) -> None:
        run, number = self._run, self._sent
        if run.remaining <= 0:
            self._end()
            return
        run.remaining -= 1
        if number == len(self._calls):
            run.frames.extend()
        self._expected = self._answers[number]
        self._sent = number + 1
        self._outstanding = True
        self._sent_at_ns = now_ns
        self._transport.send(TEXT, self._calls[number] + self._tail)  # type: ignore[union-attr]

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                self._hang_up()
            return
        payload = frame.get_payload_as_bytes()
        if payload.startswith(self._expected):
            now_ns = time.perf_counter_ns()
            self._latencies_ns.append(now_ns - self._sent_at_ns)
            self._outstanding = False
            self._send(now_ns)
        else:
            self._read(payload)

    def _read(self, payload: bytes) -> None:
        """Anything but the answer as expected: one written another way, an error, a CALL, one of `ask`."""
        message_type, unique_id, *rest = msgspec.json.decode(payload)
        if message_type == CALL:
            refusal = msgspec.json.encode([CALL_ERROR, unique_id, "NotSupported", "", {}])
            self._transport.send(TEXT, refusal)  # type: ignore[union-attr]
        elif self._asked is not None and unique_id == self._asked[0]:
            self._told(message_type, rest)
        elif self._outstanding and unique_id == str(self._sent - 1):
            now_ns = time.perf_counter_ns()
            self._outstanding = False
            if message_type == CALL_RESULT:
                self._latencies_ns.append(now_ns - self._sent_at_ns)
            else:
                self._refused.append(self._sent - 1)
            self._send(now_ns)

    def _told(self, message_type: int, rest: list[Any]) -> None:
        assert self._asked is not None, "checked by the caller"
        action, answer = self._asked
        self._asked = None
        if answer.done():
            return
        if message_type == CALL_RESULT:
            answer.set_result(rest[0])
        else:
            answer.set_exception(Unavailable(f"{self.station_id}: {action} was answered {rest}"))

    def _end(self) -> None:
        if self._loading:
            self._loading = False
            self._expected = b"\0"
            self._run.station_ended()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._loading:
            self.lost = "the connection ended during the load"
            self._end()
        else:
            self.lost = self.lost or "the connection has ended"
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_exception(Unavailable(f"{self.station_id}: the connection ended"))

    @property
    def log(self) -> StationLog:
        unanswered = self._sent - 1 if self._outstanding else None
        return StationLog(self.station_id, self.transaction_id, self._sent, self._refused, unanswered, self.lost)


async def run_load(plan: LoadPlan, *, progress: bool = False) -> LoadLog:
    """Connect every station, let them all begin at once, and log what came of it.

    With `progress`, a line `acknowledged <count>` on stdout ten times a second, for a test that waits for some load.

    Raises:
        Unavailable, Refused: a station could not begin.
    """
    run = Run(plan)
    stations = await _open_all(plan, run)
    printing = asyncio.create_task(_print_progress(run)) if progress else None
    if plan.seconds is not None:
        asyncio.get_running_loop().call_later(plan.seconds, run.stop)
    began, cpu_began = time.perf_counter(), time.process_time()
    for station in stations:
        station.begin()
    await _last_answers(run)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    if printing is not None:
        printing.cancel()
    logs = [station.log for station in stations]
    await asyncio.gather(*(station.close(plan.first_sampled_at) for station in stations), return_exceptions=True)
    return _log(plan, run, logs, seconds, cpu_s)


async def _open_all(plan: LoadPlan, run: Run) -> list[LoadStation]:
    few = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def open_one(station_id: str) -> LoadStation:
        async with few:
            station = await _connect(plan, station_id, run)
            await station.open(plan.token, plan.first_sampled_at)
            return station

    opened = await asyncio.gather(*(open_one(station_id) for station_id in plan.station_ids), return_exceptions=True)
    stations = [station for station in opened if isinstance(station, LoadStation)]
    failures = [failure for failure in opened if isinstance(failure, BaseException)]
    if failures:
        await asyncio.gather(*(station.close(plan.first_sampled_at) for station in stations), return_exceptions=True)
        raise failures[0]
    return stations


async def _connect(plan: LoadPlan, station_id: str, run: Run) -> LoadStation:
    headers = {SUBPROTOCOL_HEADER: run.words.version.subprotocol}
    if plan.password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{station_id}:{plan.password}".encode()).decode()
    url = f"{plan.url.rstrip('/')}/{quote(station_id, safe='')}"
    station = LoadStation(station_id, run)
    try:
        await picows.ws_connect(
            lambda: station, url, extra_headers=headers, websocket_handshake_timeout=PATIENCE_S, logger_name="load"
        )
    except (picows.WSHandshakeError, OSError) as error:
        raise Unavailable(f"{station_id} could not connect: {error}") from error
    return station


async def _last_answers(run: Run) -> None:
    """Until every station has its last answer; without an end in sight, as long as answers come."""
    answered = -1
    while answered != len(run.latencies_ns):
        answered = len(run.latencies_ns)
        done, _ = await asyncio.wait([run.ended], timeout=PATIENCE_S)
        if done:
            return
    run.stop()


async def _print_progress(run: Run) -> None:
    while True:
        print("acknowledged", len(run.latencies_ns), flush=True)
        await asyncio.sleep(PROGRESS_EVERY_S)


def _accept(station_id: str, what: str, status: object) -> None:
    if status != "Accepted":
        raise Refused(f"{station_id}: {what} is {status}", reason=str(status))


def _log(plan: LoadPlan, run: Run, stations: list[StationLog], seconds: float, cpu_s: float) -> LoadLog:
    ordered = sorted(run.latencies_ns)
    acknowledged = len(run.latencies_ns)
    return LoadLog(
        url=plan.url,
        first_sampled_at=plan.first_sampled_at,
        sent=sum(station.sent for station in stations),
        acknowledged=acknowledged,
        refused=sum(len(station.refused) for station in stations),
        seconds=seconds,
        messages_per_s=acknowledged / seconds if seconds else 0.0,
        client_cpu_s=cpu_s,
        p50_ms=percentile(ordered, 50) / 1e6,
        p99_ms=percentile(ordered, 99) / 1e6,
        max_ms=percentile(ordered, 100) / 1e6,
        stations=stations,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m wattbook.simulate.load", description="Load from many stations.")
    parser.add_argument("--url", required=True, help="such as ws://127.0.0.1:9000/ocpp")
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--messages", type=int, help="of all stations together")
    parser.add_argument("--seconds", type=float, help="stop sending after this time")
    parser.add_argument("--out", type=Path, help="write the log of what was acknowledged here")
    parser.add_argument("--prefix", default="LOAD-", help="stations are named <prefix>00001 and so on")
    parser.add_argument("--token", help="charge with this token: samples in a transaction")
    parser.add_argument("--password", help="of every station")
    parser.add_argument("--from", dest="first", help="time of the first sample; default: a day ago")
    parser.add_argument("--version", default=V16.name, choices=[version.name for version in VERSIONS])
    parser.add_argument("--message", default=METER_VALUES, choices=MESSAGES, help="TransactionEvent: since 2.0.1")
    parser.add_argument("--progress", action="store_true", help="print a running count")
    options = parser.parse_args()
    tune_garbage_collection()
    try:
        first = parse_rfc3339(options.first) if options.first else _a_day_ago()
        plan = LoadPlan(
            url=options.url,
            stations=options.stations,
            first_sampled_at=first,
            messages=options.messages,
            seconds=options.seconds,
            prefix=options.prefix,
            token=options.token,
            password=options.password,
            version=options.version,
            message=options.message,
        )
        log = uvloop.run(run_load(plan, progress=options.progress))
    except WattbookError as error:
        print(f"load: {error.message}", file=sys.stderr)
        return 2
    if options.out is not None:
        write_log(log, options.out)
    print(msgspec.json.encode(log.summary).decode())
    return 0


def _a_day_ago() -> datetime:
    return system_clock().replace(microsecond=0) - timedelta(days=1)


if __name__ == "__main__":
    sys.exit(main())
