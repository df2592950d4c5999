"""A deployment with a TLS port: it makes its own authority, and a station that trusts it connects."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from wattbook.app.serving import serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.security.authority import Authority
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


async def test_a_renewed_certificate_is_shown_without_a_new_start(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when its files are replaced one after the other: a pair that does not belong together is not shown."""
    monkeypatch.setattr("wattbook.app.gateways.FILES_EVERY", timedelta(seconds=0.05))
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    before, after = (Authority.open(tmp_path / name, name, system_clock()) for name in ("before", "after"))
    replace(before, certificate, key)
    settings = Settings(
        data=tmp_path, ocpp_host="127.0.0.1", ocpp_port=0, ocpp_tls_port=0, web_port=0,
        ocpp_tls_certificate=certificate, ocpp_tls_key=key,
    )  # fmt: skip
    async with serving(settings, database_url) as running:
        assert running.ocpp_tls_port is not None
        assert await shown(running.ocpp_tls_port, before) is True
        with capture_logs() as said:
            replace(after, certificate)
            await until(lambda: any(each["event"] == "periodic-work-failed" for each in said))
            assert await shown(running.ocpp_tls_port, before) is True
            replace(after, certificate, key)
            await until(lambda: any(each["event"] == "certificate-renewed" for each in said))
        assert await shown(running.ocpp_tls_port, before) is False
        assert await shown(running.ocpp_tls_port, after) is True


def replace(authority: Authority, certificate: Path, key: Path | None = None) -> None:
    """Put what this authority made for the port in these places; without a key only the certificate."""
    made = authority.server_files(["127.0.0.1"], system_clock())
    if key is not None:
        key.write_bytes(made[1].read_bytes())
    certificate.write_bytes(made[0].read_bytes())


async def shown(port: int, authority: Authority) -> bool:
    """Whether a station that trusts this authority gets through its handshake."""
    trusting = station_tls(authority.trusted(system_clock()))
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    except ssl.SSLCertVerificationError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def until(holds: Callable[[], bool]) -> None:
    """Nobody is told when the files are read again."""
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came true")


@pytest.mark.parametrize(
    "unfit", [{"ocpp_security_profile": 2}, {"ocpp_tls_port": 0, "ocpp_tls_certificate": Path("chain.pem")}]
)
def test_settings_that_cannot_work_are_refused_at_the_start(unfit: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(unfit)
