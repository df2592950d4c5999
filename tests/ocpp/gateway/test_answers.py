"""What answers to commands mean is kept, each station's for itself."""

from datetime import timedelta
from typing import Any

from tests.ocpp.deployment import NOW, deployed
from wattbook.db.engine import Database
from wattbook.ocpp.commands import store
from wattbook.ocpp.commands.records import Command, CommandRequest, CommandState, Outcome
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.gateway import answers
from wattbook.ocpp.wire.frames import JsonObject

LATER = NOW + timedelta(hours=1)


def reservation(number: int) -> JsonObject:
    return {"id": number, "expiryDateTime": LATER.isoformat(), "idToken": {"idToken": "T", "type": "Central"}}


async def test_an_answer_that_cannot_be_taken_takes_nothing_from_other_stations(database: Database) -> None:
    """Each is fit for its schema, but the number of the first is greater than any column's."""
    async with deployed(database) as place, database.transaction() as connection:
        stations = [place.estate.station(0), place.estate.station(1)]
        await store.arrive(connection, 1, [(station, "2.1", 1) for station in stations], NOW)
        asked: list[Any] = await submit(
            connection,
            [
                CommandRequest(station, "ReserveNow", reservation(number), LATER)
                for station, number in zip(stations, (10**12, 7), strict=True)
            ],
            requested_by="test",
            now=NOW,
        )
        assert all(isinstance(each, Command) for each in asked), asked
        ids = [each.id for each in asked]
        await store.claim(connection, 1, [(station, 1) for station in stations], NOW)
        said = [Outcome(each, CommandState.ANSWERED, '{"status": "Accepted"}') for each in ids]
        await store.conclude(connection, said, dict.fromkeys(ids, "2.1"), NOW)
        await answers.take(connection, ids, NOW)
        kept = await connection.exec_driver_sql("SELECT station_id, reservation_id FROM ocpp.reservations")
        assert [tuple(row) for row in kept] == [(stations[1], 7)]
