"""What a simulated station does when it is told to: the simplest honest answer to each command it knows.

`Accepted` means it will be done; what follows is done beside the answer, as a station must not keep its answer back
until a session has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Conflict, NotFound
from wattbook.ocpp.errors import ErrorCode, RpcError
from wattbook.ocpp.frames import JsonObject
from wattbook.ocpp.messages import (
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    CommandAnswer,
    CommandStatus,
    ConfigurationAnswer,
    ConfigurationValue,
    DataTransfer,
    DataTransferAnswer,
    DataTransferStatus,
    GetConfiguration,
    RemoteStart,
    RemoteStop,
    Reset,
    ResetKind,
    StopReason,
    UnlockConnector,
    Verbatim,
    VerbatimAnswer,
)
from wattbook.ocpp.station import Commands
from wattbook.simulate import smart_charging
from wattbook.simulate.charging_profiles import ChargingProfiles
from wattbook.simulate.evses import Evse
from wattbook.simulate.outbox import Retries
from wattbook.simulate.sessions import Pace, Session

VerbatimCommand = Callable[[JsonObject], Awaitable[JsonObject]]
"""From the payload of a command to that of its answer."""


class Obedient(Protocol):
    """What of a station is moved by commands."""

    heartbeat_s: int
    pace: Pace
    retries: Retries
    clock: ManualClock
    profiles: ChargingProfiles
    further_commands: dict[str, VerbatimCommand]

    @property
    def evses(self) -> dict[int, Evse]: ...

    def evse(self, number: int) -> Evse: ...

    def session(self, evse: int) -> Session | None: ...

    def start_remotely(self, evse: int, token: str) -> None: ...

    async def stop_session(self, evse: int, reason: StopReason) -> None: ...

    async def rest(self, number: int) -> None: ...

    async def restart(self, reason: StopReason) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, Any], /) -> object: ...


ACCEPTED = CommandAnswer(CommandStatus.ACCEPTED)
REJECTED = CommandAnswer(CommandStatus.REJECTED)

HEARTBEAT_KEY = "HeartbeatInterval"
ATTEMPTS_KEY, RETRY_KEY = "TransactionMessageAttempts", "TransactionMessageRetryInterval"
SETTING_MAX = 86_400

CONFIGURATION: dict[str, tuple[bool, Callable[[Obedient], str]]] = {
    "AuthorizeRemoteTxRequests": (True, lambda _: "false"),
    HEARTBEAT_KEY: (False, lambda station: str(station.heartbeat_s)),
    "MeterValueSampleInterval": (True, lambda station: str(int(station.pace.sample_every.total_seconds()))),
    "NumberOfConnectors": (True, lambda station: str(len(station.evses))),
    "StopTransactionOnInvalidId": (True, lambda _: "true"),
    "SupportedFeatureProfiles": (True, lambda _: "Core,SmartCharging"),
    ATTEMPTS_KEY: (False, lambda station: str(station.retries.attempts)),
    RETRY_KEY: (False, lambda station: str(int(station.retries.interval.total_seconds()))),
}
"""Key (1.6, chapter 9) → whether it is read-only, and its value."""


def commands_of(station: Obedient) -> Commands:
    """The commands this station obeys."""

    async def remote_start(start: RemoteStart) -> CommandAnswer:
        """Rejected unless a vehicle is plugged in where it shall start."""
        numbers = station.evses if start.evse is None else [start.evse]
        for number in numbers:
            try:
                station.start_remotely(number, start.token.value)
            except (Conflict, NotFound):
                continue
            return ACCEPTED
        return REJECTED

    async def remote_stop(stop: RemoteStop) -> CommandAnswer:
        for number in station.evses:
            session = station.session(number)
            if session is not None and session.transaction_id == stop.transaction_id:
                session.stop(StopReason.REMOTE)
                return ACCEPTED
        return REJECTED

    async def unlock(unlock: UnlockConnector) -> CommandAnswer:
        """Ends the session first (1.6, 5.18), then lets go of the cable; the vehicle stays."""
        if unlock.evse not in station.evses:
            return CommandAnswer(CommandStatus.NOT_SUPPORTED)
        await station.stop_session(unlock.evse, StopReason.UNLOCK_COMMAND)
        return CommandAnswer(CommandStatus.UNLOCKED)

    async def change_availability(change: ChangeAvailability) -> CommandAnswer:
        """Where a session runs it waits for the end (1.6, 5.2)."""
        numbers = list(station.evses) if change.evse == 0 else [change.evse]
        if change.evse and change.evse not in station.evses:
            return REJECTED
        for number in numbers:
            station.evse(number).operative = change.operative
        busy = [number for number in numbers if station.session(number) is not None]
        for number in set(numbers) - set(busy):
            station.spawn(station.rest(number))
        return CommandAnswer(CommandStatus.SCHEDULED) if busy and not change.operative else ACCEPTED

    async def reset(reset: Reset) -> CommandAnswer:
        soft = reset.kind is ResetKind.SOFT
        station.spawn(station.restart(StopReason.SOFT_RESET if soft else StopReason.HARD_RESET))
        return ACCEPTED

    async def get_configuration(request: GetConfiguration) -> ConfigurationAnswer:
        known = [key for key in request.keys or CONFIGURATION if key in CONFIGURATION]
        return ConfigurationAnswer(
            tuple(ConfigurationValue(key, CONFIGURATION[key][0], CONFIGURATION[key][1](station)) for key in known),
            tuple(key for key in request.keys if key not in CONFIGURATION),
        )

    async def change_configuration(change: ChangeConfiguration) -> CommandAnswer:
        """What can be set is a number; the interval of heartbeats counts from the next one."""
        if change.key not in CONFIGURATION:
            return CommandAnswer(CommandStatus.NOT_SUPPORTED)
        if CONFIGURATION[change.key][0] or not change.value.isdecimal() or not 0 < int(change.value) <= SETTING_MAX:
            return REJECTED
        _set(station, change.key, int(change.value))
        return ACCEPTED

    async def clear_cache(_: ClearCache) -> CommandAnswer:
        """Rejected: there is no cache (1.6, 5.4)."""
        return REJECTED

    async def data_transfer(_: DataTransfer) -> DataTransferAnswer:
        return DataTransferAnswer(DataTransferStatus.UNKNOWN_VENDOR)

    actions: dict[str, VerbatimCommand] = {
        "SetChargingProfile": partial(smart_charging.set_profile, station),
        "ClearChargingProfile": partial(smart_charging.clear_profile, station),
        "GetCompositeSchedule": partial(smart_charging.composite_schedule, station),
    }

    async def verbatim(command: Verbatim) -> VerbatimAnswer:
        action = station.further_commands.get(command.action) or actions.get(command.action)
        if action is None:
            raise RpcError(ErrorCode.NOT_SUPPORTED, f"this station does not know {command.action}")
        return VerbatimAnswer(await action(command.payload))

    commands: dict[Any, Any] = {
        RemoteStart: remote_start,
        RemoteStop: remote_stop,
        UnlockConnector: unlock,
        ChangeAvailability: change_availability,
        Reset: reset,
        GetConfiguration: get_configuration,
        ChangeConfiguration: change_configuration,
        ClearCache: clear_cache,
        DataTransfer: data_transfer,
        Verbatim: verbatim,
    }
    return commands


def _set(station: Obedient, key: str, number: int) -> None:
    if key == HEARTBEAT_KEY:
        station.heartbeat_s = number
    elif key == ATTEMPTS_KEY:
        station.retries = Retries(number, station.retries.interval)
    elif key == RETRY_KEY:
        station.retries = Retries(station.retries.attempts, timedelta(seconds=number))
