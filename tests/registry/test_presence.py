"""What a station says of itself is kept, and an older word never replaces a newer one."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.registry.conftest import CAR_PARK, NOW, STATION, YEAR
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.registry.presence import (
    Boot,
    Presence,
    Status,
    counts,
    list_stations,
    record_boots,
    record_statuses,
    touch,
)
from wattbook.registry.protection import Placement
from wattbook.registry.stations import Acceptance, Station, add_stations, find_stations, set_acceptance

MINUTE = timedelta(minutes=1)
ID = STATION.id


def boot(station: str = ID, firmware: str = "1.0", minutes: int = 0) -> Boot:
    return Boot(station, "Maker", "M1", "S-1", firmware, NOW + minutes * MINUTE)


def status(word: str, minutes: int = 0, *, evse_no: int = 1, station: str = ID) -> Status:
    return Status(station, evse_no, 0, word, None, NOW + minutes * MINUTE)


async def presence(connection: AsyncConnection) -> Presence | None:
    return (await list_stations(connection))[0].presence


async def statuses(connection: AsyncConnection) -> tuple[Status, ...]:
    return (await list_stations(connection))[0].statuses


async def test_a_boot_is_answered_with_the_operators_decision(connection: AsyncConnection) -> None:
    await add_stations(connection, [Station("new", "park-1", Placement.INDOOR, "IP54", acceptance=Acceptance.PENDING)])
    await add_stations(connection, [Station("bad", "park-1", Placement.INDOOR, "IP54")])
    await set_acceptance(connection, [("bad", Acceptance.BLOCKED)])
    answers = await record_boots(connection, [boot(), boot("new"), boot("bad"), boot("stranger")])
    assert answers == [Acceptance.ACCEPTED, Acceptance.PENDING, Acceptance.BLOCKED, None]


async def test_deciding_on_a_stranger_is_an_error(connection: AsyncConnection) -> None:
    with pytest.raises(NotFound, match="station 'stranger' is not registered"):
        await set_acceptance(connection, [("stranger", Acceptance.ACCEPTED)])


async def test_the_newest_boot_stays(connection: AsyncConnection) -> None:
    await record_boots(connection, [boot(firmware="2.0", minutes=2), boot(firmware="1.0")])
    await record_boots(connection, [boot(firmware="1.5", minutes=1)])
    at = NOW + 2 * MINUTE
    assert await presence(connection) == Presence(ID, "Maker", "M1", "S-1", "2.0", at, at)


async def test_being_heard_of_moves_only_forward(connection: AsyncConnection) -> None:
    await touch(connection, [(ID, NOW), ("stranger", NOW), (ID, NOW + MINUTE)])
    await touch(connection, [(ID, NOW)])
    assert await presence(connection) == Presence(ID, None, None, None, None, None, NOW + MINUTE)
    await record_boots(connection, [boot()])
    assert await presence(connection) == Presence(ID, "Maker", "M1", "S-1", "1.0", NOW, NOW + MINUTE)


async def test_an_older_status_never_replaces_a_newer_one(connection: AsyncConnection) -> None:
    assert await record_statuses(connection, [status("Charging", 2)]) == [True]
    assert await record_statuses(connection, [status("Preparing", 1)]) == [False]
    assert await statuses(connection) == (status("Charging", 2),)


async def test_of_two_statuses_of_one_moment_the_later_arrival_stays(connection: AsyncConnection) -> None:
    batch = [status("Preparing"), status("Charging"), status("Available", -1), status("Faulted", evse_no=0)]
    assert await record_statuses(connection, batch) == [False, True, False, True]
    assert await record_statuses(connection, [status("Finishing")]) == [True]
    station, evse = await statuses(connection)
    assert (station.status, station.out_of_service) == ("Faulted", True)
    assert (evse.status, evse.out_of_service) == ("Finishing", False)


async def test_a_status_of_a_stranger_is_not_kept(connection: AsyncConnection) -> None:
    assert await record_statuses(connection, [status("Available", station="stranger")]) == [False]


async def test_empty_batches_do_nothing(connection: AsyncConnection) -> None:
    await touch(connection, [])
    assert (await record_boots(connection, []), await record_statuses(connection, [])) == ([], [])


async def test_replacing_master_data_keeps_what_the_station_said(connection: AsyncConnection) -> None:
    await record_boots(connection, [boot()])
    await add_stations(connection, [Station(ID, "park-1", Placement.INDOOR, "IP32", vendor="Maker")])
    assert (await presence(connection)) is not None


async def test_the_list_of_stations_comes_in_pages(connection: AsyncConnection) -> None:
    more = [Station(f"S-{n}", "park-1", Placement.OUTDOOR, "IP65") for n in range(3)]
    await add_stations(connection, more)
    first = await list_stations(connection, limit=2)
    assert [each.station for each in first] == more[:2]
    rest = await list_stations(connection, after=first[-1].station.id)
    assert [each.station for each in rest] == [more[2], STATION]
    assert (rest[-1].site, rest[-1].presence, rest[-1].statuses) == (CAR_PARK, None, ())
    with pytest.raises(InvalidInput, match="stations on a page is 0"):
        await list_stations(connection, limit=0)


async def test_counts_say_how_many_there_are_of_each(connection: AsyncConnection) -> None:
    found = await counts(connection)
    assert found["parties"] == 2
    assert (found["stations"], found["evses"], found["meters"], found["households"]) == (1, 1, 2, 1)


async def test_a_boot_of_long_ago_is_still_told_apart_from_none(connection: AsyncConnection) -> None:
    await touch(connection, [(ID, NOW)])
    await record_boots(connection, [Boot(ID, "Maker", "M1", None, None, YEAR)])
    assert await presence(connection) == Presence(ID, "Maker", "M1", None, None, YEAR, NOW)
    assert await find_stations(connection, [ID]) == [STATION]


async def test_a_stray_character_or_number_stops_no_station(connection: AsyncConnection) -> None:
    odd = Boot(ID, "Ma\x00ker", "M1\ud800", "S" * 300, "", NOW)
    impostor = Boot(ID + "\x00", "Thief", "M1", None, None, NOW + MINUTE)
    assert await record_boots(connection, [odd, impostor]) == [Acceptance.ACCEPTED, None]
    assert await presence(connection) == Presence(ID, "Maker", "M1", "S" * 255, "", NOW, NOW)
    batch = [status("Available", evse_no=10**12), status("Avail\nable"), status("Available", station="\x00")]
    assert await record_statuses(connection, batch) == [False, True, False]
    assert await statuses(connection) == (status("Available"),)
    assert await record_statuses(connection, batch[:1]) == [False]
    await touch(connection, [("\x00", NOW)])
    assert await find_stations(connection, ["\x00", "\ud800", ID]) == [None, None, STATION]
