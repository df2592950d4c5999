"""The settings of a simulated station: keys in 1.6 (chapter 9), variables of components since 2.0.1 (Part 2, appendix).

One table has both names, so a setting is read and written the same way in each version. What has no name in a version
is not told there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from wattbook.ocpp.messages import CommandStatus
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate.evses import Evse
from wattbook.simulate.outbox import Retries
from wattbook.simulate.sessions import Pace

NUMBER_MAX: Final = 86_400


class Settled(Protocol):
    """What of a station its settings are about."""

    heartbeat_s: int
    pace: Pace
    retries: Retries

    @property
    def evses(self) -> dict[int, Evse]: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """`change` takes a number from 1 to a day's seconds; None: it cannot be changed."""

    value: Callable[[Settled], str]
    key: str | None = None
    variable: tuple[str, str] | None = None
    change: Callable[[Settled, int], None] | None = None

    def set(self, station: Settled, text: str) -> CommandStatus:
        if self.change is None or not text.isdecimal() or not 0 < int(text) <= NUMBER_MAX:
            return CommandStatus.REJECTED
        self.change(station, int(text))
        return CommandStatus.ACCEPTED


def _set_heartbeat(station: Settled, seconds: int) -> None:
    """It counts from the next heartbeat."""
    station.heartbeat_s = seconds


def _set_attempts(station: Settled, attempts: int) -> None:
    station.retries = Retries(attempts, station.retries.interval)


def _set_interval(station: Settled, seconds: int) -> None:
    station.retries = Retries(station.retries.attempts, timedelta(seconds=seconds))


def _set_samples(station: Settled, seconds: int) -> None:
    """Of sessions that begin from now on."""
    station.pace = Pace(timedelta(seconds=seconds), station.pace.pause_s)


COMMUNICATION, SAMPLES = "OCPPCommCtrlr", "SampledDataCtrlr"

# fmt: off
SETTINGS: Final = (
    Setting(lambda _: "false", "AuthorizeRemoteTxRequests", ("AuthCtrlr", "AuthorizeRemoteStart")),
    Setting(lambda station: str(station.heartbeat_s),
            "HeartbeatInterval", (COMMUNICATION, "HeartbeatInterval"), _set_heartbeat),
    Setting(lambda station: _seconds(station.pace.sample_every),
            "MeterValueSampleInterval", (SAMPLES, "TxUpdatedInterval"), _set_samples),
    Setting(lambda station: str(len(station.evses)), "NumberOfConnectors"),
    Setting(lambda _: "true", "StopTransactionOnInvalidId", ("TxCtrlr", "StopTxOnInvalidId")),
    Setting(lambda _: "Core,SmartCharging", "SupportedFeatureProfiles"),
    Setting(lambda _: "true", None, ("SmartChargingCtrlr", "Available")),
    Setting(lambda station: str(station.retries.attempts),
            "TransactionMessageAttempts", (COMMUNICATION, "MessageAttempts"), _set_attempts),
    Setting(lambda station: _seconds(station.retries.interval),
            "TransactionMessageRetryInterval", (COMMUNICATION, "MessageAttemptInterval"), _set_interval),
)
# fmt: on

KEYS: Final[Mapping[str, Setting]] = {setting.key: setting for setting in SETTINGS if setting.key}
VARIABLES: Final[Mapping[tuple[str, str], Setting]] = {
    setting.variable: setting for setting in SETTINGS if setting.variable
}


async def get_variables(station: Settled, payload: JsonObject) -> JsonObject:
    """B06."""
    return {"getVariableResult": [_got(station, asked) for asked in payload["getVariableData"]]}


async def set_variables(station: Settled, payload: JsonObject) -> JsonObject:
    """B05."""
    return {"setVariableResult": [_written(station, asked) for asked in payload["setVariableData"]]}


def _got(station: Settled, asked: JsonObject) -> JsonObject:
    setting, status = _find(asked)
    value = {} if setting is None else {"attributeValue": setting.value(station)}
    return _named(asked) | {"attributeStatus": status} | value


def _written(station: Settled, asked: JsonObject) -> JsonObject:
    setting, status = _find(asked)
    if setting is not None:
        status = setting.set(station, asked["attributeValue"]).value
    return _named(asked) | {"attributeStatus": status}


def _find(asked: JsonObject) -> tuple[Setting | None, str]:
    """The setting that is meant, or why there is none."""
    component, variable = asked["component"]["name"], asked["variable"]["name"]
    if asked.get("attributeType", "Actual") != "Actual":
        return None, "NotSupportedAttributeType"
    if all(component != known for known, _ in VARIABLES):
        return None, "UnknownComponent"
    setting = VARIABLES.get((component, variable))
    return setting, "UnknownVariable" if setting is None else "Accepted"


def _named(asked: JsonObject) -> dict[str, Any]:
    return {name: asked[name] for name in ("component", "variable", "attributeType") if name in asked}


def _seconds(length: timedelta) -> str:
    return str(length // timedelta(seconds=1))
