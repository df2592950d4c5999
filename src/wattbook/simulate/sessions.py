"""One session at one outlet, from the card to the stop, as a station plays it to its management system.

    Authorize → StartTransaction → MeterValues, one an interval → StopTransaction

Simulated time runs inside a session: an interval passes as soon as its sample is answered. So the session keeps its own
moment and pulls the station's clock along; two sessions at once each last as long as they should.

Every word goes through one `Caller`. A station that is offline keeps and repeats there what concerns a transaction.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.kernel.units import MWH_PER_WH, div_ceil, div_floor
from wattbook.ocpp.kept.charging_limits import PHASES, UNLIMITED, VOLTS, Limit
from wattbook.ocpp.messages import (
    Answer,
    Authorization,
    Authorize,
    ChargingNeeds,
    ConnectorStatus,
    IdToken,
    MeterValues,
    Request,
    StatusNotification,
    StopReason,
    TransactionStarted,
    TransactionStopped,
)
from wattbook.ocpp.wire.errors import ConnectionLost
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate.evses import Evse
from wattbook.simulate.vehicles import Flow, Vehicle, charge, feed_in

AnswerT = TypeVar("AnswerT", bound=Answer)

DC_VOLTS, AMPERES_MIN = 400, 6
"""Of a vehicle's battery; and below which no vehicle charges (IEC 61851-1)."""

BEGIN, PERIODIC, END = "Transaction.Begin", "Sample.Periodic", "Transaction.End"


class Caller(Protocol):
    """Says something to the management system and waits for the answer."""

    async def __call__(self, request: Request[AnswerT], /) -> AnswerT: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a session runs.

    Attributes:
        sample_every: simulated time between two meter samples.
        pause_s: real time to wait after each, so that a person can watch.
    """

    sample_every: timedelta = timedelta(minutes=1)
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        if self.sample_every <= timedelta(0):
            raise InvalidInput(f"samples need time between them, not {self.sample_every}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a driver wants; without a limit, until the battery is full, or empty when feeding in.

    Attributes:
        energy_mwh_max: the session ends when so much has flowed.
        lasting: it ends after this time, and lasts so long even when the battery is full before.
        power_w_max: a limit below the outlet's and the vehicle's own.
        turns_after: from then on energy flows the other way.
        tells_needs: the vehicle tells what it needs, as soon as the session has begun (since 2.0.1: K15).
        shows_token: ask whether the token is good before the start; a remote start has been asked for already.
    """

    token: str
    feeds_in: bool = False
    energy_mwh_max: int | None = None
    lasting: timedelta | None = None
    power_w_max: int | None = None
    turns_after: timedelta | None = None
    tells_needs: bool = False
    shows_token: bool = True

    def __post_init__(self) -> None:
        amounts = [limit for limit in (self.energy_mwh_max, self.power_w_max) if limit is not None]
        times = [time for time in (self.lasting, self.turns_after) if time is not None]
        if min(amounts, default=1) <= 0 or min(times, default=timedelta(1)) <= timedelta(0):
            raise InvalidInput(f"a limit above zero, or none: {self}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session went.

    Attributes:
        transaction_id: None when none was started.
        refusal: why it was refused: the status of the token, or what the management system said; None when it ran.
        import_mwh, export_mwh: between the registers as shown at the start and at the stop.
        stop_reason: None when no stop was answered: nothing had begun, or the connection ended.
        samples: MeterValues that were answered.
        faults: what went wrong on the way, in words.
        vehicle: as it drives away.
    """

    transaction_id: str | None
    refusal: str | None
    started_at: datetime
    ended_at: datetime
    import_mwh: int
    export_mwh: int
    stop_reason: StopReason | None
    samples: int
    faults: tuple[str, ...]
    vehicle: Vehicle


class Session:
    """Run it once; `stop` ends it from outside; its station sets `finished` when the outlet is free again.

    Attributes:
        started_at: simulated.
        transaction_id: None before it begins; begun unheard, a name of the station's own until it is named.

    `limits` says how much the outlet may offer at a moment, and until when it stays so.
    """

    def __init__(
        self,
        call: Caller,
        evse_no: int,
        evse: Evse,
        vehicle: Vehicle,
        wish: Wish,
        clock: ManualClock,
        pace: Pace,
        limits: "Limits",
    ) -> None:
        self._call = call
        self._evse_no = evse_no
        self._evse = evse
        self._vehicle = vehicle
        self._wish = wish
        self._clock = clock
        self._pace = pace
        self._limits = limits
        self._moment = self.started_at = clock()
        self._import_start_mwh = evse.meter.shown_import_mwh
        self._export_start_mwh = evse.meter.shown_export_mwh
        self._moved_mwh = 0
        self._samples = 0
        self._limit = UNLIMITED
        self._faults: list[str] = []
        self._stopping = asyncio.Event()
        self._stop_reason: StopReason | None = None
        self.transaction_id: str | None = None
        self.finished = asyncio.Event()

    def stop(self, reason: StopReason) -> None:
        """End it after the sample that is on its way; the first reason counts."""
        if not self._stopping.is_set():
            self._stop_reason = reason
            self._stopping.set()

    async def run(self) -> Outcome:
        """The whole session; what goes wrong is in the outcome."""
        await self._report(ConnectorStatus.PREPARING)
        refusal = await self._begin()
        if refusal is None:
            if self._wish.tells_needs:
                await self._tell(charging_needs(self._evse_no, self._evse, self._vehicle))
                await self._pause()
            await self._report(ConnectorStatus.CHARGING)
            await self._flow()
            await self._end()
            await self._report(ConnectorStatus.FINISHING)
        return self._outcome(refusal)

    # The steps

    async def _begin(self) -> str | None:
        """Why it does not begin."""
        token = IdToken(self._wish.token)
        try:
            if self._wish.shows_token:
                verdict = (await self._call(Authorize(token))).token_info.status
                if verdict is not Authorization.ACCEPTED:
                    return verdict.value
            started = await self._call(
                TransactionStarted(self._evse_no, token, self._import_start_mwh, self.started_at)
            )
        except WattbookError as error:
            return error.message
        self.transaction_id = started.transaction_id
        if started.token_info.status is not Authorization.ACCEPTED:
            # 1.6, 4.8: there is a transaction all the same, so it is stopped in order.
            self.stop(StopReason.DEAUTHORIZED)
            await self._end()
            return started.token_info.status.value
        return None

    async def _flow(self) -> None:
        """Energy flows and is reported until the wish is fulfilled or somebody stops it."""
        await self._sample(BEGIN, 0, feeds_in=self._feeds_in)
        idle = False
        while not self._stopping.is_set():
            flow = self._next_flow()
            if flow.lasted == timedelta(0):
                held_back = self._limit.power_w == 0
                if self._time_left() is None and not (held_back and self._limit.until):
                    break
                if not idle:
                    await self._report(ConnectorStatus.SUSPENDED_EVSE if held_back else ConnectorStatus.SUSPENDED_EV)
                flow = Flow(self._vehicle, 0, 0, self._stretch())
            elif idle:
                await self._report(ConnectorStatus.CHARGING)
            idle = flow.power_w == 0
            fed_in = self._feeds_in
            self._pass(flow)
            if self._is_fulfilled():
                break
            await self._sample(PERIODIC, flow.power_w, feeds_in=fed_in)
            await self._pause()

    async def _end(self) -> None:
        assert self.transaction_id is not None, "only what began can end"
        self.stop(StopReason.LOCAL)
        assert self._stop_reason is not None, "stop() gave one"
        last = self._evse.sample(self._moment, END, self._vehicle, 0, feeds_in=self._feeds_in)
        stop = TransactionStopped(
            self.transaction_id,
            self._evse.meter.shown_import_mwh,
            self._moment,
            self._stop_reason,
            IdToken(self._wish.token) if self._stop_reason is StopReason.LOCAL else None,
            (last,),
        )
        if not await self._tell(stop):
            self._stop_reason = None

    # Energy and time

    def _next_flow(self) -> Flow:
        wish, evse = self._wish, self._evse
        self._limit = self._limits(self, self._moment)
        left_mwh = self._vehicle.model.capacity_mwh
        if wish.energy_mwh_max is not None:
            left_mwh = wish.energy_mwh_max - self._moved_mwh
        if self._feeds_in:
            taken_w = _least((evse.feed_in_max_w, wish.power_w_max))
            return feed_in(self._vehicle, taken_w, self._stretch(), energy_mwh_max=left_mwh)
        offered_w = _least((evse.max_w, wish.power_w_max, self._limit.power_w))
        return charge(self._vehicle, offered_w, self._stretch(), dc=evse.dc, energy_mwh_max=left_mwh)

    def _pass(self, flow: Flow) -> None:
        self._vehicle = self._evse.vehicle = flow.vehicle
        self._moved_mwh += flow.energy_mwh
        count = self._evse.meter.count_export if self._feeds_in else self._evse.meter.count_import
        count(flow.energy_mwh)
        self._moment += flow.lasted
        self._clock.now = max(self._clock.now, self._moment)

    @property
    def _feeds_in(self) -> bool:
        turn = self._wish.turns_after
        has_turned = turn is not None and self._moment - self.started_at >= turn
        return self._wish.feeds_in is not has_turned

    def _stretch(self) -> timedelta:
        """Until the next sample, the end, the turn, or a change of the limit."""
        stretches = [self._pace.sample_every]
        if (left := self._time_left()) is not None:
            stretches.append(left)
        if self._wish.turns_after is not None and self._moment < (turn := self.started_at + self._wish.turns_after):
            stretches.append(turn - self._moment)
        if self._limit.until is not None:
            stretches.append(self._limit.until - self._moment)
        return min(stretches)

    def _time_left(self) -> timedelta | None:
        lasting = self._wish.lasting
        return None if lasting is None else lasting - (self._moment - self.started_at)

    def _is_fulfilled(self) -> bool:
        return self._moved_mwh == self._wish.energy_mwh_max or self._time_left() == timedelta(0)

    async def _pause(self) -> None:
        """Stopping ends the pause too."""
        if self._pace.pause_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pace.pause_s)

    # Words

    async def _sample(self, context: str, power_w: int, *, feeds_in: bool) -> None:
        sample = self._evse.sample(self._moment, context, self._vehicle, power_w, feeds_in=feeds_in)
        if await self._tell(MeterValues(self._evse_no, (sample,), self.transaction_id)):
            self._samples += 1

    async def _report(self, status: ConnectorStatus) -> None:
        self._evse.status = status
        await self._tell(StatusNotification(self._evse_no, status, occurred_at=self._moment))

    async def _tell(self, request: Request[Answer]) -> bool:
        """Whether it was answered. Without a connection there is nobody to go on for."""
        try:
            await self._call(request)
        except ConnectionLost as error:
            self._faults.append(error.message)
            self.stop(StopReason.OTHER)
        except WattbookError as error:
            self._faults.append(f"{type(request).__name__}: {error.message}")
        else:
            return True
        return False

    def _outcome(self, refusal: str | None) -> Outcome:
        meter = self._evse.meter
        return Outcome(
            self.transaction_id,
            refusal,
            self.started_at,
            self._moment,
            meter.shown_import_mwh - self._import_start_mwh,
            meter.shown_export_mwh - self._export_start_mwh,
            self._stop_reason,
            self._samples,
            tuple(self._faults),
            self._vehicle,
        )


Limits = Callable[[Session, datetime], Limit]
"""What an outlet may offer to a session at a moment."""


def charging_needs(evse_no: int, evse: Evse, vehicle: Vehicle) -> ChargingNeeds:
    """What a vehicle tells of itself by ISO 15118."""
    energy_wh = div_ceil(vehicle.room_mwh, MWH_PER_WH)
    if evse.dc:
        volts = DC_VOLTS
        told: JsonObject = {
            "requestedEnergyTransfer": "DC",
            "dcChargingParameters": {
                "evMaxCurrent": div_floor(vehicle.model.dc_max_w, volts),
                "evMaxVoltage": volts,
                "energyAmount": energy_wh,
                "evMaxPower": vehicle.model.dc_max_w,
            },
        }
    else:
        told = {
            "requestedEnergyTransfer": "AC_three_phase",
            "acChargingParameters": {
                "energyAmount": energy_wh,
                "evMinCurrent": AMPERES_MIN,
                "evMaxCurrent": div_floor(vehicle.model.ac_max_w, VOLTS * PHASES),
                "evMaxVoltage": VOLTS,
            },
        }
    return ChargingNeeds(evse_no, told["requestedEnergyTransfer"], said={"evseId": evse_no, "chargingNeeds": told})


def _least(limits_w: Iterable[int | None]) -> int:
    return min(limit for limit in limits_w if limit is not None)
