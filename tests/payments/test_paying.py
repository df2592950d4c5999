"""Who pays for charging: fleets, limited credit, cards; and how the money set aside keeps ahead of the cost."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text

from tests.charging.world import HOUR, KWH, US, funds, posted
from tests.payments.world import NEIGHBOURS, NOW, SENDER, SESSION, build, document, prove, won
from wattbook.charging.events import Subscriber
from wattbook.charging.meter_values import record_samples
from wattbook.charging.policy import Policy
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.db.engine import Database
from wattbook.kernel.errors import Refused
from wattbook.ocpp.commands.submission import commands_of_station
from wattbook.ocpp.transactions.prepaid import prepaid_subscriber
from wattbook.payments.intake import take_in
from wattbook.payments.wallets import Warned, change_terms, top_up, warnings_of
from wattbook.registry.customers import Token, TokenType, add_tokens
from wattbook.registry.terms import AccountTerms, WhenUsedUp

MINUTE = timedelta(minutes=1)
POLICY = Policy(hold_max={"KRW": Decimal(5_000)}, change_interval=timedelta(seconds=10))


class Charge:
    """A session at CP1 that is read every few minutes."""

    def __init__(self, database: Database, token: str = "T-kim") -> None:
        self.database, self.token, self.now = database, token, NOW
        self.transaction = ""
        self.subscribers: Sequence[Subscriber] = [prepaid_subscriber(lambda: self.now, POLICY)]

    async def begin(self) -> Started | Refused:
        async with self.database.transaction() as connection:
            said = SessionStart(
                station_id="CP1", connector_no=1, token_uid=self.token, meter_start_mwh=0, started_at=self.now
            )
            (outcome,) = await start(connection, [said], now=self.now, policy=POLICY, subscribers=self.subscribers)
        assert isinstance(outcome, Started | Refused), outcome
        if isinstance(outcome, Started):
            self.transaction = outcome.transaction_id
        return outcome

    async def read(self, kwh: int) -> None:
        self.now += 5 * MINUTE
        samples = Samples("CP1", 1, self.transaction, (Reading(self.now, kwh * KWH),))
        async with self.database.transaction() as connection:
            await record_samples(connection, [samples], now=self.now, policy=POLICY, subscribers=self.subscribers)

    async def end(self, kwh: int) -> Stopped:
        self.now += MINUTE
        said = SessionStop(
            station_id="CP1", transaction_id=self.transaction, meter_stop_mwh=kwh * KWH, stopped_at=self.now
        )
        async with self.database.transaction() as connection:
            (outcome,) = await stop(connection, [said], now=self.now, policy=POLICY, subscribers=self.subscribers)
        assert isinstance(outcome, Stopped), outcome
        return outcome


async def money(database: Database, owner: str, purpose: str = "wallet") -> tuple[int, int]:
    """Posted and available."""
    async with database.snapshot() as connection:
        return await funds(connection, owner, purpose)


async def put(database: Database, customer: str, amount: int) -> None:
    async with database.transaction() as connection:
        await top_up(connection, customer, won(amount), "first", now=NOW)


async def said(database: Database, owner: str) -> list[Warned]:
    async with database.snapshot() as connection:
        return await warnings_of(connection, owner)


async def orders(database: Database) -> list[str]:
    async with database.snapshot() as connection:
        return [command.action for command in await commands_of_station(connection, "CP1")]


async def connect(database: Database) -> None:
    """The station speaks OCPP 1.6, as a gateway noted."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO ocpp.connections (station_id, version, node, epoch, connected_at)"
                " VALUES ('CP1', '1.6', 1, 1, :now)"
            ),
            {"now": NOW},
        )


async def test_a_hold_grows_with_the_cost_while_the_wallet_reaches(database: Database) -> None:
    await build(database)
    await put(database, "kim", 20_000)
    charge = Charge(database)
    assert isinstance(started := await charge.begin(), Started)
    assert started.held == won(5_000).amount
    await charge.read(10)  # 3,300 of 5,000: still enough
    assert await money(database, "kim") == (won(20_000).amount, won(15_000).amount)
    await charge.read(13)  # 4,290: less than a fifth is left
    assert await money(database, "kim") == (won(20_000).amount, won(10_000).amount)
    await prove(database)
    stopped = await charge.end(25)
    assert stopped.after_tax == won(8_250).amount
    assert await money(database, "kim") == (won(11_750).amount, won(11_750).amount)
    assert await said(database, "kim") == []
    await prove(database)


async def test_a_driver_is_warned_once_and_the_station_is_told_to_stop_once(database: Database) -> None:
    await build(database)
    await connect(database)
    await put(database, "kim", 6_000)
    charge = Charge(database)
    await charge.begin()
    await charge.read(13)  # 4,290: the last 1,000 are set aside too
    assert await money(database, "kim") == (won(6_000).amount, 0)
    await charge.read(15)  # 4,950 of 6,000: little is left
    await charge.read(15)
    assert [(warning.kind, warning.cause) for warning in await said(database, "kim")] == [
        ("low", await session_of(database))
    ]
    assert await orders(database) == []
    await charge.read(18)  # 5,940: nothing will be left at the next look
    await charge.read(19)
    assert [warning.kind for warning in await said(database, "kim")] == ["used-up", "low"]
    assert "charging ends" in (await said(database, "kim"))[0].message
    assert await orders(database) == ["RemoteStopTransaction"]
    await charge.end(19)  # 6,270: it stopped late, and the rest is owed
    assert await money(database, "kim") == (0, 0)
    assert (await money(database, "kim", "receivable"))[0] == won(270).amount
    await prove(database)


async def session_of(database: Database) -> str:
    async with database.snapshot() as connection:
        found = await connection.execute(text("SELECT id::text FROM charging.sessions"))
        session: str = found.scalar_one()
    return session


async def test_terms_may_let_a_session_go_on_and_warn_early(database: Database) -> None:
    await build(database)
    await connect(database)
    await put(database, "kim", 6_000)
    async with database.transaction() as connection:
        terms = AccountTerms("kim", "KRW", low_balance=won(3_000).amount, when_used_up=WhenUsedUp.WARN)
        await change_terms(connection, terms)
    charge = Charge(database)
    await charge.begin()
    await charge.read(13)
    assert [warning.kind for warning in await said(database, "kim")] == ["low"]
    await charge.read(19)
    assert [warning.kind for warning in await said(database, "kim")] == ["used-up", "low"]
    assert await orders(database) == []
    await prove(database)


async def test_a_postpaid_account_with_a_limit_charges_below_zero_and_no_further(database: Database) -> None:
    await build(database)
    async with database.transaction() as connection:
        await add_tokens(connection, [Token(US, TokenType.RFID, "T-lee", "C-lee", "lee", "car-kim")])
        await change_terms(connection, AccountTerms("lee", "KRW", credit_limit=won(4_000).amount))
    charge = Charge(database, "T-lee")
    assert isinstance(started := await charge.begin(), Started)
    assert started.held == won(4_000).amount
    await charge.end(10)
    assert await money(database, "lee") == (-won(3_300).amount, -won(3_300).amount)
    second = Charge(database, "T-lee")
    second.now += HOUR
    assert isinstance(await second.begin(), Started)
    third = Charge(database, "T-lee")
    third.now += 2 * HOUR
    refused = await third.begin()
    assert isinstance(refused, Refused)
    assert refused.details["reason"] == "no-credit"
    await prove(database)


async def test_a_fleet_pays_for_its_drivers_and_the_energy_stays_theirs(database: Database) -> None:
    await build(database)
    await put(database, "kim", 1_000)
    async with database.transaction() as connection:
        await change_terms(connection, AccountTerms("haul", "KRW", credit_limit=won(50_000).amount))
        await change_terms(connection, AccountTerms("kim", "KRW", payer="haul"))
        await change_terms(connection, AccountTerms("park", "KRW", payer="haul"))
    for number, token in enumerate(("T-kim", "T-park")):
        charge = Charge(database, token)
        charge.now += number * HOUR
        assert isinstance(await charge.begin(), Started)
        await charge.end(10)
    assert await money(database, "haul") == (-won(6_600).amount, -won(6_600).amount)
    assert await money(database, "kim") == (won(1_000).amount, won(1_000).amount)
    async with database.snapshot() as connection:
        assert [await posted(connection, name, "consumption", "energy") for name in ("kim", "park")] == [10 * KWH] * 2
    await prove(database)


async def test_a_card_that_paid_at_the_till_charges_without_a_customer_and_what_is_left_is_told(
    database: Database,
) -> None:
    await build(database)
    async with database.transaction() as connection:
        (receipt,) = await take_in(connection, SENDER, [document(SESSION)], NEIGHBOURS, now=NOW)
    assert receipt.owner is not None
    charge = Charge(database, "CARD-77")
    assert isinstance(await charge.begin(), Started)
    await charge.read(13)
    await charge.end(20)
    assert (await money(database, receipt.owner))[0] == won(20_000 - 6_600).amount
    late = Charge(database, "CARD-77")
    late.now += 2 * HOUR
    refused = await late.begin()
    assert isinstance(refused, Refused)
    assert refused.details["reason"] == "token-expired"
    await prove(database)
