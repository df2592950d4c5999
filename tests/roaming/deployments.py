"""An operator, a provider and a hub as three deployments: own databases, real HTTP on loopback, in one process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import aiohttp
import uvicorn
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.conftest import fresh_database
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.statements import balances
from wattbook.book.transfers import Transfer
from wattbook.charging.cases import ClearanceRequest
from wattbook.charging.checks import CHECKS as CHARGING_CHECKS
from wattbook.charging.clearance import AskPartner, clear
from wattbook.charging.consents import record_consents
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.config import Settings
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.db.jobs import job_app
from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Refused, WattbookError
from wattbook.kernel.units import Money
from wattbook.registry.customers import AccountKind, Customer, Token, TokenType, add_customers, add_tokens
from wattbook.registry.meters import (
    Measures,
    Meter,
    MeterNetwork,
    MeterPlace,
    add_meters,
    assign_meter_networks,
    assign_meter_places,
)
from wattbook.registry.parties import (
    BalanceGroup,
    NetworkOperator,
    Party,
    Role,
    Supplier,
    add_balance_groups,
    add_network_operators,
    add_parties,
    add_suppliers,
)
from wattbook.registry.protection import Placement
from wattbook.registry.sites import Site, SiteKind, add_sites
from wattbook.registry.stations import (
    Connector,
    Evse,
    PowerType,
    Station,
    StationTariff,
    add_connectors,
    add_evses,
    add_station_tariffs,
    add_stations,
)
from wattbook.registry.units import Unit, UnitSupply, add_units, assign_unit_supplies
from wattbook.roaming.checks import CHECKS
from wattbook.roaming.consent import OcpiConsent
from wattbook.roaming.deployment import PREFIX, Roaming
from wattbook.roaming.edge import router, subscriber, tasks
from wattbook.roaming.ocpi.credentials import register_with
from wattbook.roaming.ocpi.wire import encode
from wattbook.roaming.partners import invite, partner_for

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, tzinfo=UTC)
KWH = 1_000_000
A, B, HUB = "KR*OPA", "KR*PRB", "KR*HUB"
SUPPLIER, BALANCE_GROUP, GRID = "9900000000003", "12X-SAK-N------6", "9900000000010"
STATION, EVSE, METER = "OPA-1", "KR*OPA*E1", "M1"
FROM_A = {"OCPI-from-country-code": "KR", "OCPI-from-party-id": "OPA"}
PRICE = 300
"""Won a kWh, before 10 % tax."""

Json = dict[str, Any]


def won(amount: int) -> int:
    """In stored units."""
    return Money.of(amount, "KRW").amount


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Deployment:
    """One platform; its HTTP server can be stopped and started again at the same port."""

    database: Database
    settings: Settings
    roaming: Roaming
    clock: ManualClock
    port: int
    _server: _Server | None = None
    _serving: asyncio.Task[None] | None = None

    @property
    def party(self) -> str:
        return self.settings.party

    async def start(self) -> None:
        app = FastAPI()
        app.include_router(router(self.roaming), prefix=PREFIX)
        self._server = _Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        listener = socket.create_server(("127.0.0.1", self.port))
        listening = asyncio.Event()
        startup = self._server.startup

        async def announced(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            listening.set()

        self._server.startup = announced  # type: ignore[method-assign]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await listening.wait()

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None

    async def work(self) -> None:
        """Run every job that is due."""
        jobs = job_app(self.database)
        tasks(jobs, self.roaming)
        async with jobs.open_async():
            await jobs.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)

    async def posted(self, owner: str, purpose: str, commodity: str = "KRW") -> int:
        account = Account(owner, purpose, commodity)
        async with self.database.transaction() as connection:
            return (await balances(connection, [account]))[account].posted

    async def available(self, customer: str) -> int:
        wallet = Account(customer, "wallet", "KRW")
        async with self.database.transaction() as connection:
            return (await balances(connection, [wallet]))[wallet].available

    async def prove(self) -> None:
        async with self.database.snapshot() as connection:
            proof = await audit(connection, (*CHECKS, *CHARGING_CHECKS))
        assert proof.holds, [finding for finding in proof.findings if not finding.holds]


@dataclass(frozen=True)
class Answer:
    """Status of HTTP, envelope, headers."""

    http: int
    envelope: Json
    headers: Mapping[str, str]

    @property
    def status(self) -> int:
        code: int = self.envelope["status_code"]
        return code


@dataclass
class Country:
    """Operator A, provider B, the hub, and a clock that they share."""

    a: Deployment
    b: Deployment
    hub: Deployment
    clock: ManualClock
    http: aiohttp.ClientSession

    @property
    def all(self) -> tuple[Deployment, Deployment, Deployment]:
        return self.a, self.b, self.hub

    async def register(self) -> None:
        """A and B with the hub."""
        for each in (self.a, self.b):
            token_a = f"first-token-of-{each.settings.party_id}"
            async with self.hub.database.transaction() as connection:
                await invite(connection, each.party, token_a)
            await register_with(each.roaming, self.hub.roaming.versions_url, token_a)

    async def prove(self) -> None:
        for each in self.all:
            await each.prove()

    # A's station

    async def begin(self, token: str, transaction: str, *, register_mwh: int = 0) -> Started | WattbookError:
        """Present a token and plug in: clearance, with the partner's consent where it is asked, and the start."""
        request = ClearanceRequest(STATION, 1, token)
        async with self.a.database.transaction() as connection:
            (decision,) = await clear(connection, [request], now=self.clock())
        if isinstance(decision, AskPartner):
            answer = await OcpiConsent(self.a.roaming).ask(decision.request)
            async with self.a.database.transaction() as connection:
                await record_consents(connection, [(decision.request, answer)], now=self.clock())
                (decision,) = await clear(connection, [request], now=self.clock())
        if isinstance(decision, Refused):
            return decision
        begin = SessionStart(
            station_id=STATION,
            connector_no=1,
            token_uid=token,
            meter_start_mwh=register_mwh,
            started_at=self.clock(),
            transaction_id=transaction,
        )
        async with self.a.database.transaction() as connection:
            (started,) = await start(connection, [begin], now=self.clock(), subscribers=[subscriber(self.a.roaming)])
        assert not isinstance(started, AskPartner)
        return started

    async def sample(self, transaction: str, register_mwh: int, power_w: int) -> None:
        self.clock.advance(timedelta(minutes=15))
        reading = Reading(self.clock(), import_register_mwh=register_mwh, power_w=power_w)
        samples = Samples(STATION, 1, transaction, (reading,))
        async with self.a.database.transaction() as connection:
            await record_samples(connection, [samples], now=self.clock(), subscribers=[subscriber(self.a.roaming)])

    async def end(self, transaction: str, register_mwh: int) -> Stopped:
        self.clock.advance(timedelta(minutes=15))
        ending = SessionStop(
            station_id=STATION, transaction_id=transaction, meter_stop_mwh=register_mwh, stopped_at=self.clock()
        )
        async with self.a.database.transaction() as connection:
            (stopped,) = await stop(connection, [ending], now=self.clock(), subscribers=[subscriber(self.a.roaming)])
        assert isinstance(stopped, Stopped)
        return stopped

    # HTTP by hand

    async def shown_by(self, shower: Deployment, party: str) -> str:
        """The token that a deployment shows to the partner that reaches a party."""
        async with shower.database.transaction() as connection:
            partner = await partner_for(connection, party)
        assert partner is not None
        assert partner.their_token is not None
        return partner.their_token

    async def call(
        self,
        method: str,
        url: str,
        token: str | None,
        body: Json | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A message of a partner that is not wattbook; the token is sent as it is."""
        shown = {} if token is None else {"Authorization": f"Token {token}"}
        content = encode(body) if isinstance(body, dict) else body
        async with self.http.request(method, url, data=content, headers=shown | dict(headers or {})) as response:
            return Answer(response.status, await response.json(), response.headers)


@asynccontextmanager
async def country(server: EmbeddedServer) -> AsyncIterator[Country]:
    """Three deployments that serve and know nothing of each other yet."""
    clock = ManualClock(NOW)
    async with AsyncExitStack() as stack:
        a = await _deployment(stack, server, clock, A, "CPO")
        b = await _deployment(stack, server, clock, B, "EMSP")
        hub = await _deployment(stack, server, clock, HUB, "HUB")
        async with a.database.transaction() as connection:
            await _furnish_operator(connection)
        async with b.database.transaction() as connection:
            await _furnish_provider(connection)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Country(a, b, hub, clock, http)


async def _deployment(
    stack: AsyncExitStack,
    server: EmbeddedServer,
    clock: ManualClock,
    party: str,
    role: Literal["CPO", "EMSP", "HUB"],
) -> Deployment:
    database = Database(stack.enter_context(fresh_database(server)))
    stack.push_async_callback(database.close)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    country_code, party_id = party.split("*")
    settings = Settings(
        country_code=country_code,
        party_id=party_id,
        role=role,
        name=f"Platform {party_id}",
        public_url=f"http://127.0.0.1:{port}",
        allow_private_partners=True,
    )
    roaming = await stack.enter_async_context(Roaming.open(database, settings, clock=clock))
    deployment = Deployment(database, settings, roaming, clock, port)
    await deployment.start()
    stack.push_async_callback(deployment.stop)
    return deployment


async def _furnish_operator(connection: AsyncConnection) -> None:
    """A station with one EVSE on a meter, and the supplier that B's customers buy from."""
    await add_parties(connection, [Party(A, "Operator A", (Role.CPO,))])
    await _furnish_market(connection)
    await add_network_operators(connection, [NetworkOperator(GRID, "City grid")])
    await add_sites(connection, [Site("park", A, "Car park", SiteKind.CAR_PARK, "Street 1", "KR", "Asia/Seoul")])
    tariff = {
        "country_code": "KR",
        "party_id": "OPA",
        "id": "plain",
        "currency": "KRW",
        "elements": [{"price_components": [{"type": "ENERGY", "price": PRICE, "vat": 10, "step_size": 1}]}],
    }
    await add_station_tariffs(connection, [StationTariff(A, "plain", YEAR, "KRW", tariff)])
    await add_stations(connection, [Station(STATION, "park", Placement.OUTDOOR, "IP54")])
    await add_evses(connection, [Evse(EVSE, STATION, 1, "plain")])
    await add_connectors(connection, [Connector(EVSE, 1, "IEC_62196_T2", PowerType.AC_3_PHASE, 230, 32, 22_000)])
    await add_meters(connection, [Meter(METER, Measures.EVSE, obis_import="1-0:1.8.0")])
    await assign_meter_networks(connection, [MeterNetwork(METER, GRID, YEAR)])
    await assign_meter_places(connection, [MeterPlace(METER, EVSE, None, YEAR)])


async def _furnish_market(connection: AsyncConnection) -> None:
    await add_suppliers(connection, [Supplier(SUPPLIER, "Sun")])
    await add_balance_groups(connection, [BalanceGroup(BALANCE_GROUP, SUPPLIER)])


async def _furnish_provider(connection: AsyncConnection) -> None:
    """Bora has 20,000 won, Poor has none, Post pays later; Blocked and Old have cards that are no good."""
    await add_parties(connection, [Party(B, "Provider B", (Role.EMSP,))])
    await _furnish_market(connection)
    people = ("bora", "poor", "post", "blocked", "old", "lone")
    await add_units(connection, [Unit(f"car-{name}", "car") for name in people])
    await assign_unit_supplies(
        connection, [UnitSupply(f"car-{name}", SUPPLIER, BALANCE_GROUP, YEAR) for name in people if name != "lone"]
    )
    kinds = dict.fromkeys(people, AccountKind.PREPAID) | {"post": AccountKind.POSTPAID}
    await add_customers(connection, [Customer(name, B, name, "ko", kinds[name], "KRW") for name in people])
    await add_tokens(
        connection,
        [
            Token(
                B,
                TokenType.RFID,
                f"T-{name}",
                f"C-{name}",
                name,
                f"car-{name}",
                valid=name != "blocked",
                valid_until=NOW - timedelta(days=1) if name == "old" else None,
            )
            for name in people
        ],
    )
    top_up = Transfer(
        fact="top-up:bora",
        debit=Account("bank", "cash", "KRW"),
        credit=Account("bora", "wallet", "KRW"),
        amount=won(20_000),
        event_at=NOW,
    )
    assert await post(connection, [[top_up]], booked_at=NOW) == [Posted.NEW]


def energy(owner: str, purpose: str) -> tuple[str, str, str]:
    """The key of an account of energy."""
    return owner, purpose, ENERGY
