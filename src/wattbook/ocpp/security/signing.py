"""What the local authority issues: signed on request, renewed, revoked, all on record.

A station asks with SignCertificate and gets the chain with CertificateSigned. A renewal is the same once more; the
certificate before stays valid until it expires or is revoked, for a station may fail to install the new one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput, LimitExceeded, Refused
from wattbook.ocpp.security import store
from wattbook.ocpp.security.authority import STATION_VALID_FOR, Authority, NewSerial
from wattbook.ocpp.security.certificates import read_request, serial_of
from wattbook.ocpp.security.store import Expiring, Issued

ISSUED_A_DAY_MAX: Final = 10
"""To one station: a station that asks in a loop fills no table."""

DUE_MAX: Final = 10_000


class Purpose(StrEnum):
    """What a certificate is for (CertificateSigningUseEnumType of OCPP 2.1); 1.6 knows the first only."""

    CHARGING_STATION = "ChargingStationCertificate"
    V2G = "V2GCertificate"
    V2G_20 = "V2G20Certificate"


class RevokedBecause(StrEnum):
    """Why a certificate ended before its time (RFC 5280, 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"


async def sign(
    connection: AsyncConnection,
    authority: Authority,
    station_id: str,
    csr_pem: str,
    purpose: Purpose = Purpose.CHARGING_STATION,
    *,
    now: datetime,
    valid_for: timedelta = STATION_VALID_FOR,
    new_serial: NewSerial = x509.random_serial_number,
) -> str:
    """The certificate chain in PEM for a station that asked for it over its authenticated connection.

    The leaf alone: its issuer is a root, which whoever checks the chain has.

    Raises:
        InvalidInput: no signing request, or a key that is too weak.
        Refused: for ISO 15118 a root of that world must sign, and there is none here.
        LimitExceeded: the station asked too often.
    """
    if purpose is not Purpose.CHARGING_STATION:
        raise Refused("certificates for ISO 15118 are not signed here", reason="no-v2g-authority")
    request, key = read_request(csr_pem)
    if await store.issued_since(connection, station_id, now - timedelta(days=1)) >= ISSUED_A_DAY_MAX:
        raise LimitExceeded(f"a station gets at most {ISSUED_A_DAY_MAX} certificates a day")
    certificate = authority.issue_station(
        station_id, key, now, device_name=_common_name(request), valid_for=valid_for, new_serial=new_serial
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    serial, expires_at = serial_of(certificate.serial_number), certificate.not_valid_after_utc
    await store.keep_issued(connection, Issued(serial, authority.newest.number, station_id, pem, now, expires_at))
    return pem


async def revoke(
    connection: AsyncConnection,
    serial_numbers: Sequence[str],
    because: RevokedBecause = RevokedBecause.UNSPECIFIED,
    *,
    now: datetime,
) -> int:
    """Revoke certificates for good; how many were not revoked before. The door hears of it within seconds."""
    return await store.set_revoked(connection, [_serial(each) for each in serial_numbers], because.value, now)


async def issued_to(connection: AsyncConnection, station_id: str) -> list[Issued]:
    """All certificates of a station, newest first."""
    return await store.issued_to(connection, station_id)


async def due_for_renewal(connection: AsyncConnection, *, now: datetime, within: timedelta) -> list[str]:
    """Stations whose last certificate expires this soon; `renewal` tells them to ask for another."""
    return [each.station_id for each in await store.expiring(connection, now + within, now, limit=DUE_MAX)]


async def renewal_states(
    connection: AsyncConnection, *, now: datetime, within: timedelta, limit: int
) -> list[Expiring]:
    """Stations whose last certificate ends this soon, the first to end first."""
    return await store.expiring(connection, now + within, now, limit=limit)


async def find_certificate(connection: AsyncConnection, serial_number: str) -> Issued | None:
    """What was issued under this number, in hexadecimal of any writing."""
    number = _serial(serial_number)
    return (await store.find_issued(connection, [number])).get(number)


def _common_name(request: x509.CertificateSigningRequest) -> str | None:
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


def _serial(text: str) -> str:
    try:
        return serial_of(int(text, 16))
    except ValueError:
        raise InvalidInput("a serial number is hexadecimal") from None
