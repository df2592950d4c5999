"""The bounds of the guard, with a clock that stands: what is recognised without hashing, and who locks out whom."""

import base64

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.ocpp.loopback import NOW
from tests.ocpp.security.scene import KEY
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.ocpp.security.guard import ADDRESSES_MAX, GUESS_EVERY_S, GUESSES_MAX, HASHINGS_MAX, EventKind, Guard
from wattbook.ocpp.security.passwords import presented_password, readings, set_password
from wattbook.ocpp.security.store import latest_events
from wattbook.ocpp.wire.server import UpgradeRequest
from wattbook.simulate.estate import Estate, furnish

STATIONS = 50


class Seconds:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        estate = await furnish(connection, STATIONS)
        for number in range(STATIONS):
            await set_password(connection, estate.station(number), KEY)
    return estate


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def guard(database: Database, estate: Estate, seconds: Seconds) -> Guard:
    guard = Guard(ManualClock(NOW), seconds)
    async with database.snapshot() as connection:
        await guard.refresh(connection)
    return guard


def knock(station_id: str, password: bytes, address: str = "203.0.113.1") -> UpgradeRequest:
    encoded = base64.b64encode(station_id.encode() + b":" + password).decode()
    return UpgradeRequest(station_id, ("ocpp1.6",), {"Authorization": f"Basic {encoded}"}, None, address)


def status(guard: Guard, request: UpgradeRequest) -> int:
    rejection = guard.judge(request)
    return 101 if rejection is None else rejection.status


async def test_a_storm_of_known_stations_is_let_in_whatever_may_be_hashed(guard: Guard, estate: Estate) -> None:
    """R6: every station comes back ten times, which is more than may be hashed at once."""
    assert STATIONS * 10 > HASHINGS_MAX
    for _ in range(10):
        for number in range(STATIONS):
            assert status(guard, knock(estate.station(number), KEY)) == 101


async def test_a_storm_of_wrong_passwords_is_put_off_and_shuts_nobody_out_who_is_known(
    guard: Guard, estate: Estate, seconds: Seconds
) -> None:
    assert status(guard, knock(estate.station(0), KEY)) == 101
    answers = [
        status(guard, knock(estate.station(number), bytes([guess]) * 20, f"203.0.113.{guess}"))
        for guess in range(10)
        for number in range(1, STATIONS)
    ]
    assert set(answers) == {401, 503}
    assert answers.count(401) == HASHINGS_MAX - 1
    assert status(guard, knock(estate.station(0), KEY)) == 101
    seconds.now_s += 1
    assert status(guard, knock(estate.station(1), KEY, "198.51.100.1")) == 101


async def test_who_guesses_elsewhere_does_not_lock_a_station_out_that_was_never_seen(
    guard: Guard, estate: Estate, seconds: Seconds
) -> None:
    station_id = estate.station(0)
    guesses = [status(guard, knock(station_id, bytes([guess]) * 20)) for guess in range(GUESSES_MAX + 2)]
    assert guesses == [401] * GUESSES_MAX + [429] * 2
    seconds.now_s += GUESS_EVERY_S
    assert status(guard, knock(station_id, b"\xfe" * 20)) == 401
    assert status(guard, knock(station_id, b"\xff" * 20)) == 429
    assert status(guard, knock(station_id, KEY, "198.51.100.1")) == 101


async def test_addresses_that_are_too_many_to_tell_apart_share_their_guesses(guard: Guard, estate: Estate) -> None:
    guesses = [
        status(guard, knock(estate.station(0), bytes([guess]) * 20, f"203.0.113.{guess}"))
        for guess in range(ADDRESSES_MAX + 2 * GUESSES_MAX)
    ]
    assert guesses == [401] * (ADDRESSES_MAX + GUESSES_MAX) + [429] * GUESSES_MAX


async def test_the_same_wrong_password_again_is_no_new_guess(guard: Guard, estate: Estate) -> None:
    """A station with an old password that tries for ever is told so for ever."""
    for _ in range(10 * GUESSES_MAX):
        assert status(guard, knock(estate.station(0), b"old" * 6)) == 401


async def test_what_the_database_did_not_take_is_written_down_when_it_is_there(
    guard: Guard, estate: Estate, database: Database
) -> None:
    """Else a password that was replaced would open the door again after the next start."""
    station_id, newer = estate.station(0), KEY[::-1]
    async with database.transaction() as connection:
        await set_password(connection, station_id, newer)
    async with database.snapshot() as connection:
        await guard.refresh(connection)
    assert [status(guard, knock(station_id, password)) for password in (b"wrong", newer)] == [401, 101]
    away = Database("postgresql://127.0.0.1:1/nowhere")
    for password in (b"wrong again", b"and again"):
        with pytest.raises(DBAPIError):
            await guard.write_down(away)
        assert status(guard, knock(station_id, password)) == 401
    await away.close()
    await guard.write_down(database)
    async with database.snapshot() as connection:
        assert await password_statuses(connection, station_id, KEY, newer) == [401, 101]
        (event,) = await latest_events(connection, station_id)
    assert (event.kind, event.times) == (EventKind.PASSWORD_WRONG, 3)


async def password_statuses(connection: AsyncConnection, station_id: str, *passwords: bytes) -> list[int]:
    """At the door of a process that has just begun."""
    fresh = Guard(ManualClock(NOW), Seconds())
    await fresh.refresh(connection)
    return [status(fresh, knock(station_id, password)) for password in passwords]


@pytest.mark.parametrize(
    ("header", "password"),
    [
        ("Basic " + base64.b64encode(b"CP:1:" + KEY).decode(), KEY),
        ("basic   " + base64.b64encode(b"CP:1:" + KEY).decode(), KEY),
        ("Basic " + base64.b64encode(b"CP:1:").decode(), b""),
        ("Basic " + base64.b64encode(b"CP:2:" + KEY).decode(), None),
        ("Basic " + base64.b64encode(b"CP:1").decode(), None),
        ("Basic not-base64!", None),
        ("Bearer " + base64.b64encode(b"CP:1:" + KEY).decode(), None),
        ("Basic", None),
        ("", None),
        (None, None),
    ],
)
def test_a_password_is_read_as_bytes_behind_the_stations_own_name(header: str | None, password: bytes | None) -> None:
    assert presented_password(header, "CP:1") == password


def test_hexadecimal_is_read_only_where_it_is_allowed() -> None:
    assert list(readings(b"00ff", hex_allowed=False)) == [b"00ff"]
    assert list(readings(b"00ff", hex_allowed=True)) == [b"00ff", b"\x00\xff"]
    assert list(readings(b"\xff\xfe", hex_allowed=True)) == [b"\xff\xfe"]
