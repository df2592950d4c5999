"""A gateway with two ports on a real database, and an authority in a folder."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ocpp.security.scene import Pool, Scene
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.desk import CertificateDesk
from wattbook.ocpp.security.ocsp import Responders
from wattbook.ocpp.security.tls import ListeningTls
from wattbook.simulate.estate import furnish


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority", "Test Operator", system_clock() - timedelta(days=30))


@pytest.fixture
async def scene(database: Database, authority: Authority, tmp_path: Path) -> AsyncIterator[Scene]:
    async with database.transaction() as connection:
        estate = await furnish(connection, 3)
    contracts = Authority.open(tmp_path / "contracts", "Mobility Operator", system_clock())
    pool = Pool()
    async with Responders(system_clock, allow_private=True) as responders:
        roots = [contracts.newest.certificate]
        desk = CertificateDesk(authority, responders, system_clock, provider=pool, contract_roots=roots)
        gateway = Gateway(database, system_clock, heartbeat_interval_s=300, certificates=desk)
        await gateway.open("127.0.0.1", 0)
        files = authority.server_files(["127.0.0.1"], system_clock())
        await gateway.open_tls("127.0.0.1", 0, ListeningTls(*files, authority.trusted(system_clock())))
        yield Scene(database, gateway, estate, authority, contracts, pool, tmp_path)
        await gateway.close()
