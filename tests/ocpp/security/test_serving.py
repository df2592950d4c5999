"""A deployment with a TLS port: it makes its own authority, and a station that trusts it connects."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from wattbook.app.serving import serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.security.tls import read_roots, station_tls
from wattbook.simulate.estate import furnish


async def test_a_deployment_serves_wss_with_a_certificate_of_its_own_authority(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with database.transaction() as connection:
        estate = await furnish(connection, 1)
    settings = Settings(data=tmp_path, ocpp_host="127.0.0.1", ocpp_port=0, ocpp_tls_port=0, web_port=0)
    async with serving(settings, database_url) as running:
        trusting = station_tls(read_roots(tmp_path / "authority" / "root-1.pem"))
        url = f"wss://localhost:{running.ocpp_tls_port}/ocpp"
        station = await Station.connect(url, estate.station(0), tls=trusting)
        await station.heartbeat()
        await station.close()


@pytest.mark.parametrize(
    "unfit", [{"ocpp_security_profile": 2}, {"ocpp_tls_port": 0, "ocpp_tls_certificate": Path("chain.pem")}]
)
def test_settings_that_cannot_work_are_refused_at_the_start(unfit: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(unfit)
