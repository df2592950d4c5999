"""Security profiles 0 to 3 at real sockets: who is let in, who is not, and what is kept of it."""

import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ocpp.security.scene import KEY, Scene, csr
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput, LimitExceeded, NotFound, Refused, Unavailable
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.certificates import serial_of
from wattbook.ocpp.security.guard import GUESSES_MAX, EventKind
from wattbook.ocpp.security.passwords import LENGTH_MIN, accept_hex_passwords, set_password
from wattbook.ocpp.security.signing import (
    ISSUED_A_DAY_MAX,
    Purpose,
    RevokedBecause,
    due_for_renewal,
    issued_to,
    revoke,
    sign,
)
from wattbook.ocpp.security.store import latest_events

OTHER_KEY = KEY[::-1]


async def kinds(scene: Scene) -> list[tuple[str, int]]:
    """What is kept of the station, oldest first."""
    await scene.gateway.refresh_stations()
    async with scene.database.snapshot() as connection:
        return [(event.kind, event.times) for event in reversed(await latest_events(connection, scene.station_id))]


# Profile 0


async def test_a_station_of_which_nothing_is_said_needs_no_password(scene: Scene) -> None:
    await scene.is_let_in()


# Profile 1


async def test_a_station_with_a_password_comes_in_with_it_only(scene: Scene) -> None:
    """R8: raw bytes, which need not be text."""
    await scene.give_password(KEY)
    await scene.is_let_in(KEY)
    with pytest.raises(Unavailable, match="401"):
        await scene.knock()
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(OTHER_KEY)
    assert await kinds(scene) == [(EventKind.PASSWORD_MISSING, 1), (EventKind.PASSWORD_WRONG, 1)]


async def test_a_station_that_must_have_a_password_and_has_none_stays_out(scene: Scene) -> None:
    await scene.ask_profile(1)
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(KEY)


async def test_the_password_of_one_station_does_not_open_for_another(scene: Scene) -> None:
    await scene.give_password(KEY)
    async with scene.database.transaction() as connection:
        await set_password(connection, scene.estate.station(1), OTHER_KEY)
    await scene.gateway.refresh_stations()
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(KEY, station_id=scene.estate.station(1))


async def test_hexadecimal_text_is_a_password_of_its_own_unless_it_was_said_of_the_station(scene: Scene) -> None:
    await scene.give_password(KEY)
    as_text = KEY.hex().encode()
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(as_text)
    async with scene.database.transaction() as connection:
        await accept_hex_passwords(connection, scene.station_id, True)
    await scene.gateway.refresh_stations()
    await scene.is_let_in(as_text)
    await scene.is_let_in(as_text.upper())
    await scene.is_let_in(KEY)


async def test_old_and_new_password_are_valid_until_the_station_comes_with_the_new(scene: Scene) -> None:
    """R9."""
    await scene.give_password(KEY)
    await scene.is_let_in(KEY)
    await scene.give_password(OTHER_KEY)
    await scene.is_let_in(KEY)
    await scene.is_let_in(OTHER_KEY)
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(KEY)
    await scene.gateway.refresh_stations()
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(KEY)
    await scene.is_let_in(OTHER_KEY)


async def test_a_station_that_missed_two_rotations_is_not_locked_out(scene: Scene) -> None:
    for password in (KEY, *(bytes([number]) * 20 for number in range(4))):
        await scene.give_password(password)
    await scene.is_let_in(KEY)
    await scene.is_let_in(b"\3" * 20)


async def test_a_password_that_others_know_ends_at_once(scene: Scene) -> None:
    await scene.give_password(KEY)
    await scene.is_let_in(KEY)
    inside = await scene.knock(KEY)
    await scene.give_password(OTHER_KEY, at_once=True)
    await inside.wait_closed()
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(KEY)


async def test_guesses_are_limited_and_the_station_that_is_known_is_not_locked_out(scene: Scene) -> None:
    await scene.give_password(KEY)
    await scene.is_let_in(KEY)
    for number in range(GUESSES_MAX):
        with pytest.raises(Unavailable, match="401"):
            await scene.knock(bytes([number]) * 20)
    for number in range(GUESSES_MAX, GUESSES_MAX + 3):
        with pytest.raises(Unavailable, match="429"):
            await scene.knock(bytes([number]) * 20)
    await scene.is_let_in(KEY)
    assert await kinds(scene) == [(EventKind.PASSWORD_WRONG, GUESSES_MAX), (EventKind.TOO_MANY_GUESSES, 3)]


async def test_no_password_is_kept(scene: Scene, database: Database) -> None:
    await scene.give_password(KEY)
    await scene.give_password(KEY)
    async with database.snapshot() as connection:
        found = await connection.exec_driver_sql("SELECT password_hashes FROM ocpp.station_security")
        (first, second) = found.scalar_one()
    assert KEY not in bytes(first)
    assert bytes(first) != bytes(second), "a salt each"


async def test_a_password_has_sixteen_to_forty_bytes_and_a_station(scene: Scene) -> None:
    async with scene.database.transaction() as connection:
        with pytest.raises(InvalidInput):
            await set_password(connection, scene.station_id, b"x" * (LENGTH_MIN - 1))
        with pytest.raises(NotFound):
            await set_password(connection, "NOBODY", KEY)


# Profile 2


async def test_a_station_of_profile_2_needs_tls_and_its_password(scene: Scene) -> None:
    await scene.give_password(KEY)
    await scene.ask_profile(2)
    await scene.is_let_in(KEY, tls=scene.trusting())
    with pytest.raises(Unavailable, match="403"):
        await scene.knock(KEY)
    with pytest.raises(Unavailable, match="401"):
        await scene.knock(OTHER_KEY, tls=scene.trusting())
    assert await kinds(scene) == [(EventKind.TLS_REQUIRED, 1), (EventKind.PASSWORD_WRONG, 1)]


async def test_a_station_does_not_speak_to_a_server_it_does_not_trust(scene: Scene) -> None:
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await scene.knock(tls=ssl.create_default_context())


async def test_old_tls_is_not_spoken(scene: Scene) -> None:
    context = scene.trusting()
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(Unavailable):
        await scene.knock(tls=context)


# Profile 3


async def test_a_station_connects_with_the_certificate_it_asked_for(scene: Scene) -> None:
    await scene.ask_profile(3)
    tls, _ = await scene.certified(scene.station_id)
    await scene.is_let_in(tls=tls)


async def test_a_station_of_profile_3_stays_out_without_a_certificate(scene: Scene) -> None:
    await scene.give_password(KEY)
    await scene.ask_profile(3)
    with pytest.raises(Unavailable, match="403"):
        await scene.knock(KEY, tls=scene.trusting())
    assert await kinds(scene) == [(EventKind.CERTIFICATE_MISSING, 1)]


async def test_the_certificate_of_another_station_does_not_open(scene: Scene) -> None:
    await scene.ask_profile(3)
    tls, _ = await scene.certified(scene.estate.station(1))
    with pytest.raises(Unavailable, match="403"):
        await scene.knock(tls=tls)
    await scene.is_let_in(tls=tls, station_id=scene.estate.station(1))
    assert await kinds(scene) == [(EventKind.CERTIFICATE_REFUSED, 1)]


async def test_a_wrong_certificate_is_not_mended_by_a_right_password(scene: Scene) -> None:
    await scene.give_password(KEY)
    tls, _ = await scene.certified(scene.estate.station(1))
    with pytest.raises(Unavailable, match="403"):
        await scene.knock(KEY, tls=tls)


async def test_what_a_station_calls_itself_in_its_request_does_not_make_it_another(scene: Scene) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async with scene.database.transaction() as connection:
        request = csr(scene.station_id, key)
        chain = await sign(connection, scene.authority, scene.estate.station(1), request, now=system_clock())
    with pytest.raises(Unavailable, match="403"):
        await scene.knock(tls=scene.holding(key, chain))


async def test_a_revoked_certificate_does_not_open(scene: Scene) -> None:
    await scene.ask_profile(3)
    tls, chain = await scene.certified(scene.station_id)
    inside = await scene.knock(tls=tls)
    serial = serial_of(x509.load_pem_x509_certificate(chain.encode()).serial_number)
    async with scene.database.transaction() as connection:
        assert await revoke(connection, [serial], RevokedBecause.KEY_COMPROMISE, now=system_clock()) == 1
        assert await revoke(connection, [serial], now=system_clock()) == 0, "once is for good"
    await scene.gateway.refresh_stations()
    await inside.wait_closed()
    with pytest.raises(Unavailable, match="403"):
        await scene.knock(tls=tls)
    renewed, _ = await scene.certified(scene.station_id)
    await scene.is_let_in(tls=renewed)


async def test_an_expired_certificate_does_not_open(scene: Scene) -> None:
    await scene.ask_profile(3)
    key = ec.generate_private_key(ec.SECP256R1())
    async with scene.database.transaction() as connection:
        chain = await sign(
            connection,
            scene.authority,
            scene.station_id,
            csr(scene.station_id, key),
            now=system_clock() - timedelta(days=10),
            valid_for=timedelta(days=9),
        )
    with pytest.raises(Unavailable):
        await scene.knock(tls=scene.holding(key, chain))


async def test_a_certificate_of_a_stranger_does_not_open(scene: Scene) -> None:
    stranger = Authority.open(scene.folder / "stranger", "Stranger", system_clock())
    key = ec.generate_private_key(ec.SECP256R1())
    forged = stranger.issue_station(scene.station_id, key.public_key(), system_clock())
    with pytest.raises(Unavailable):
        await scene.knock(tls=scene.holding(key, pem(forged)))


# The authority


async def test_renewal_is_due_before_the_last_certificate_ends(scene: Scene) -> None:
    now = system_clock()
    await scene.certified(scene.station_id, now=now - timedelta(days=700))
    async with scene.database.snapshot() as connection:
        assert await due_for_renewal(connection, now=now, within=timedelta(days=60)) == [scene.station_id]
    await scene.certified(scene.station_id)
    async with scene.database.snapshot() as connection:
        assert await due_for_renewal(connection, now=now, within=timedelta(days=60)) == []
        assert len(await issued_to(connection, scene.station_id)) == 2


async def test_a_station_that_asks_in_a_loop_is_refused(scene: Scene) -> None:
    for _ in range(ISSUED_A_DAY_MAX):
        await scene.certified(scene.station_id)
    with pytest.raises(LimitExceeded):
        await scene.certified(scene.station_id)


@pytest.mark.parametrize("request_pem", ["", "no request", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "x" * 6000])
async def test_what_is_no_signing_request_is_refused(scene: Scene, request_pem: str) -> None:
    async with scene.database.transaction() as connection:
        with pytest.raises(InvalidInput):
            await sign(connection, scene.authority, scene.station_id, request_pem, now=system_clock())


async def test_weak_keys_and_foreign_purposes_are_refused(scene: Scene) -> None:
    weak = csr(scene.station_id, ec.generate_private_key(ec.SECP192R1()))
    strong = csr(scene.station_id, ec.generate_private_key(ec.SECP384R1()))
    async with scene.database.transaction() as connection:
        with pytest.raises(InvalidInput):
            await sign(connection, scene.authority, scene.station_id, weak, now=system_clock())
        with pytest.raises(Refused):
            await sign(connection, scene.authority, scene.station_id, strong, Purpose.V2G, now=system_clock())


def test_the_authoritys_keys_are_its_owners_alone_and_last(authority: Authority, scene: Scene) -> None:
    folder = scene.folder / "authority"
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.glob("*.key")} == {
        "root-1.key": 0,
        "server.key": 0,
    }
    again = Authority.open(folder, "Test Operator", system_clock())
    assert again.newest.certificate == authority.newest.certificate


async def test_a_new_root_signs_and_the_old_one_stays_trusted(authority: Authority, scene: Scene) -> None:
    before = authority.newest.certificate
    after = authority.rotate(system_clock()).certificate
    assert authority.trusted(system_clock()) == [before, after]
    link = x509.load_pem_x509_certificate((scene.folder / "authority" / "link-2.pem").read_bytes())
    link.verify_directly_issued_by(before)
    assert (link.subject, link.public_key()) == (after.subject, after.public_key())
    key = ec.generate_private_key(ec.SECP256R1())
    authority.issue_station("X", key.public_key(), system_clock()).verify_directly_issued_by(after)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
