"""What an operator sets of stations' limits holds at the ports of a deployment."""

from pathlib import Path

import pytest

from wattbook.app.serving import serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.wire.errors import ConnectionLost
from wattbook.simulate.estate import Estate, furnish


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 2)


async def test_a_message_may_be_as_long_as_is_set_and_only_so_many_stations_may_come(
    database_url: str, estate: Estate, tmp_path: Path
) -> None:
    settings = Settings(
        data=tmp_path,
        ocpp_host="127.0.0.1",
        ocpp_port=0,
        web_port=0,
        ocpp_frame_bytes_max=1 << 16,
        ocpp_connections_max=1,
        ocpp_retry_after_s=77,
    )
    async with serving(settings, database_url) as running:
        url = f"ws://127.0.0.1:{running.ocpp_port}/ocpp"
        station = await Station.connect(url, estate.station(0))
        await station.boot("maker", "model")
        with pytest.raises(Unavailable, match="503"):
            await Station.connect(url, estate.station(1))
        with pytest.raises(ConnectionLost):
            await station.connection.rpc.call("DataTransfer", {"vendorId": "v", "data": "x" * (1 << 16)}, 10.0)
        await station.wait_closed()
        assert "exceeding max allowed size" in (station.closed_because or "")


async def test_only_so_many_frames_a_second_may_come(database_url: str, estate: Estate, tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path,
        ocpp_host="127.0.0.1",
        ocpp_port=0,
        web_port=0,
        ocpp_frames_per_s_max=1,
        ocpp_frames_burst_max=5,
    )
    async with serving(settings, database_url) as running:
        station = await Station.connect(f"ws://127.0.0.1:{running.ocpp_port}/ocpp", estate.station(0))

        async def talk() -> None:
            for _ in range(20):
                await station.heartbeat()

        with pytest.raises(ConnectionLost):
            await talk()
        await station.wait_closed()
