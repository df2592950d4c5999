"""What a station is told so that its security changes: a new password, a higher profile, a new root, a new certificate.

Each is a command like any other, in the words of the version that the station spoke last. A station that never
connected speaks none yet; whoever installs it gives it its password there.

A profile goes up only (OCPP 1.6 security extension, A05; 2.0.1 Part 2, A05): a station refuses to go down, and so does
the house, unless a person says that it was a mistake. The higher profile is asked of the station from the moment it has
come with it, not before: a station that cannot do it stays connected as it was.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, InvalidInput, Unavailable
from wattbook.ocpp.commands.records import CommandRequest
from wattbook.ocpp.commands.store import versions_spoken
from wattbook.ocpp.security import store
from wattbook.ocpp.security.guard import BASIC, MUTUAL_TLS, TLS_BASIC
from wattbook.ocpp.security.passwords import authorization_key, new_key, new_passphrase
from wattbook.ocpp.wire.frames import JsonObject

DELIVERED_WITHIN: Final = timedelta(days=7)
KEY_BYTES_MAX_16: Final = 20  # OCPP 1.6 security extension, 2.3


class NetworkChoice(Struct, frozen=True):
    """Where a station of 2.x is to connect with its new profile (NetworkConnectionProfileType).

    Attributes:
        csms_url: without the identity of the station.
        slot: of the station's list of network profiles.
        interface: OCPPInterfaceEnumType, e.g. `Wired0`.
    """

    csms_url: str
    slot: int = 1
    interface: str = "Wired0"
    message_timeout_s: int = 30


async def version_of(connection: AsyncConnection, station_id: str) -> str | None:
    """The version of OCPP that a station spoke last; None if it never connected."""
    return (await versions_spoken(connection, [station_id])).get(station_id)


def made_password(version: str | None) -> bytes:
    """A new password as a station of this version wants it."""
    return new_key() if version == "1.6" else new_passphrase()


def password_call(station_id: str, version: str, password: bytes, now: datetime) -> CommandRequest:
    """Give a station its new password.

    Raises:
        InvalidInput: the version has no such passwords.
    """
    if version == "1.6":
        if len(password) > KEY_BYTES_MAX_16:
            raise InvalidInput(f"a key of OCPP 1.6 has at most {KEY_BYTES_MAX_16} bytes")
        payload: JsonObject = {"key": "AuthorizationKey", "value": authorization_key(password)}
        return _call(station_id, "ChangeConfiguration", payload, now)
    try:
        text = password.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise InvalidInput(f"a password of OCPP {version} is printable text")
    return _call(station_id, "SetVariables", _variable("SecurityCtrlr", "BasicAuthPassword", text), now)


def profile_calls(
    station_id: str, version: str, profile: int, network: NetworkChoice | None, now: datetime
) -> list[CommandRequest]:
    """Let a station connect with this profile from its next start; in this order.

    Raises:
        InvalidInput: 2.x needs to be told where to connect, and by TLS from profile 2 on.
    """
    if version == "1.6":
        return [_call(station_id, "ChangeConfiguration", {"key": "SecurityProfile", "value": str(profile)}, now)]
    if network is None:
        raise InvalidInput(f"a station of OCPP {version} needs to be told where to connect: csms_url")
    scheme = "wss://" if profile >= TLS_BASIC else "ws://"
    if not network.csms_url.startswith(scheme):
        raise InvalidInput(f"with security profile {profile} a station connects to {scheme}…")
    data: JsonObject = {
        "ocppTransport": "JSON",
        "ocppCsmsUrl": network.csms_url,
        "messageTimeout": network.message_timeout_s,
        "securityProfile": profile,
        "ocppInterface": network.interface,
    }
    if version == "2.0.1":
        data["ocppVersion"] = "OCPP20"  # how its list of values names 2.0.1
    slot = str(network.slot)
    return [
        _call(station_id, "SetNetworkProfile", {"configurationSlot": network.slot, "connectionData": data}, now),
        _call(station_id, "SetVariables", _variable("OCPPCommCtrlr", "NetworkConfigurationPriority", slot), now),
        _call(station_id, "Reset", {"type": "OnIdle"}, now, repeatable=False),
    ]


def root_call(station_id: str, version: str, root: x509.Certificate, now: datetime) -> CommandRequest:
    """Let a station trust a root of ours, to check our TLS port by."""
    use = "CentralSystemRootCertificate" if version == "1.6" else "CSMSRootCertificate"
    pem = root.public_bytes(Encoding.PEM).decode()
    return _call(station_id, "InstallCertificate", {"certificateType": use, "certificate": pem}, now)


def renewal_call(station_id: str, version: str, now: datetime) -> CommandRequest:
    """Let a station ask for another certificate (1.6 security extension, A02; 2.0.1 Part 2, A02)."""
    if version == "1.6":
        wanted: JsonObject = {"requestedMessage": "SignChargePointCertificate"}
        return _call(station_id, "ExtendedTriggerMessage", wanted, now)
    return _call(station_id, "TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}, now)


async def plan_profile(connection: AsyncConnection, station_id: str, profile: int) -> None:
    """Ask this profile of a station as soon as it has come with it.

    Raises:
        InvalidInput: no profile that one can go up to.
        Conflict: it must come with as much already.
    """
    if not BASIC <= profile <= MUTUAL_TLS:
        raise InvalidInput("a station goes up to the security profiles 1 to 3")
    security = await store.lock_security(connection, station_id)
    if security.profile is not None and security.profile >= profile:
        raise Conflict(f"station {station_id} must come with security profile {security.profile} already")
    await store.save_security(connection, replace(security, next_profile=profile))


async def versions_of(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, str]:
    """The same for many; who never connected is left out."""
    return await versions_spoken(connection, stations)


def require_version(station_id: str, version: str | None) -> str:
    """Raises:
    Unavailable: the station never connected.
    """
    if version is None:
        raise Unavailable(f"station {station_id[:64]!r} never connected, so its version is not known")
    return version


def _variable(component: str, variable: str, value: str) -> JsonObject:
    setting: dict[str, Any] = {
        "attributeValue": value,
        "component": {"name": component},
        "variable": {"name": variable},
    }
    return {"setVariableData": [setting]}


def _call(
    station_id: str, action: str, payload: JsonObject, now: datetime, *, repeatable: bool = True
) -> CommandRequest:
    return CommandRequest(station_id, action, payload, now + DELIVERED_WITHIN, repeatable)
