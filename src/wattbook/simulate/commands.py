"""What a simulated station does when it is told to: the simplest honest answer to each command it knows.

`Accepted` means it will be done; what follows is done beside the answer, as a station must not keep its answer back
until a session has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Conflict, NotFound
from wattbook.ocpp.connections.station import Commands
from wattbook.ocpp.kept.charging_limits import ChargingProfiles
from wattbook.ocpp.messages import (
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    CommandAnswer,
    CommandStatus,
    ConfigurationAnswer,
    ConfigurationValue,
    CostUpdated,
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
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate import settings, smart_charging, tariffs
from wattbook.simulate.evses import Evse
from wattbook.simulate.outbox import Retries
from wattbook.simulate.sessions import Pace, Session
from wattbook.simulate.settings import KEYS
from wattbook.simulate.tariffs import Tariffs

VerbatimCommand = Callable[[JsonObject], Awaitable[JsonObject]]
"""From the payload of a command to that of its answer."""


class Obedient(Protocol):
    """What of a station is moved by commands."""

    heartbeat_s: int
    pace: Pace
    retries: Retries
    clock: ManualClock
    profiles: ChargingProfiles
    tariffs: Tariffs
    further_commands: dict[str, VerbatimCommand]

    @property
    def evses(self) -> dict[int, Evse]: ...

    @property
    def waits(self) -> bool: ...

    def evse(self, number: int) -> Evse: ...

    def session(self, evse: int) -> Session | None: ...

    def start_remotely(self, evse: int, token: str) -> None: ...

    async def stop_session(self, evse: int, reason: StopReason) -> None: ...

    async def rest(self, number: int) -> None: ...

    async def report(self, number: int) -> None: ...

    async def introduce(self) -> None: ...

    async def heartbeat(self) -> None: ...

    async def restart(self, reason: StopReason) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, Any], /) -> object: ...


ACCEPTED = CommandAnswer(CommandStatus.ACCEPTED)
REJECTED = CommandAnswer(CommandStatus.REJECTED)


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
        known = {key: KEYS[key] for key in request.keys or KEYS if key in KEYS}
        return ConfigurationAnswer(
            tuple(ConfigurationValue(key, each.change is None, each.value(station)) for key, each in known.items()),
            tuple(key for key in request.keys if key not in KEYS),
        )

    async def change_configuration(change: ChangeConfiguration) -> CommandAnswer:
        if change.key not in KEYS:
            return CommandAnswer(CommandStatus.NOT_SUPPORTED)
        return CommandAnswer(KEYS[change.key].set(station, change.value))

    async def clear_cache(_: ClearCache) -> CommandAnswer:
        """Rejected: there is no cache (1.6, 5.4)."""
        return REJECTED

    async def data_transfer(_: DataTransfer) -> DataTransferAnswer:
        return DataTransferAnswer(DataTransferStatus.UNKNOWN_VENDOR)

    actions: dict[str, VerbatimCommand] = {
        "SetChargingProfile": partial(smart_charging.set_profile, station),
        "ClearChargingProfile": partial(smart_charging.clear_profile, station),
        "GetCompositeSchedule": partial(smart_charging.composite_schedule, station),
        "GetVariables": partial(settings.get_variables, station),
        "SetVariables": partial(settings.set_variables, station),
        "GetTransactionStatus": partial(_transaction_status, station),
        "SetDefaultTariff": partial(tariffs.set_default, station),
        "GetTariffs": partial(tariffs.get, station),
        "ClearTariffs": partial(tariffs.clear, station),
        "ChangeTransactionTariff": partial(tariffs.change_of_transaction, station),
        "NotifyWebPaymentStarted": partial(tariffs.web_payment_started, station),
        "TriggerMessage": partial(_trigger, station),
        "ExtendedTriggerMessage": partial(_trigger, station),
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
        CostUpdated: partial(tariffs.cost_updated, station),
        Verbatim: verbatim,
    }
    return commands


async def _transaction_status(station: Obedient, payload: JsonObject) -> JsonObject:
    """E14: whether it goes on, and whether something waits to be said, of it or of any."""
    asked = payload.get("transactionId")
    waiting = {"messagesInQueue": station.waits}
    if asked is None:
        return waiting
    sessions = (station.session(number) for number in station.evses)
    return waiting | {"ongoingIndicator": any(each is not None and each.transaction_id == asked for each in sessions)}


async def _trigger(station: Obedient, payload: JsonObject) -> JsonObject:
    """Say what is asked for, after the answer (1.6, 5.17; 2.0.1 Part 2, F06)."""
    asked, evse = payload["requestedMessage"], payload.get("connectorId", payload.get("evse", {}).get("id"))
    if evse and evse not in station.evses:
        return {"status": "Rejected"}
    if asked == "StatusNotification":
        for number in [evse] if evse else station.evses:
            station.spawn(station.report(number))
    elif asked in TRIGGERED:
        station.spawn(TRIGGERED[asked](station))
    else:
        return {"status": "NotImplemented"}
    return {"status": "Accepted"}


TRIGGERED: dict[str, Callable[[Obedient], Coroutine[Any, Any, Any]]] = {
    "BootNotification": lambda station: station.introduce(),
    "Heartbeat": lambda station: station.heartbeat(),
}
