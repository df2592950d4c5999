"""How many durable transfers a second does the book post, in batches of 1, 100, 1000 and 8000?

The peer does the same work on the same tables in the usual way: one statement (a function in the database that locks
both accounts, checks the floor, keeps versions, balances and chains) and one commit a transfer, prepared, in
autocommit, with nothing between it and the driver: the least that a transfer at a time can cost. A second row shows the
same statement through the toolkit that our side uses too. Everybody commits with fsync. Transfers go from 500 wallets
to one account, the worst case for a lock: every transfer touches the same row.

A machine is not equally fast all the time, its disk least of all, so both sides are measured in turns, several times
over, and the peer again before each size of batch. A ratio is the median of the ratios of the turns.
"""

import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from psycopg import AsyncConnection
from sqlalchemy import text

from benchmarks._report import report
from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Transfer, fact_id
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.db.migrate import upgrade
from wattbook.kernel.telemetry import tune_garbage_collection

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TURNS = 7
WARM_UP = 50
BATCHES = {1: 500, 100: 10_000, 1000: 40_000, 8000: 64_000}
PEER_TRANSFERS = 500
"""In one of its measurements, of which there are as many in a turn as sizes of batches."""
WALLETS = 500
AGAINST = "one statement and one commit a transfer"

BANK = Account("bank", "cash", "EUR")
PEER_FUNCTION = """
    CREATE FUNCTION transfer_one(own_id uuid, fact text, debit_owner text, credit_owner text, moved bigint,
                                 at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE debit record; credit record;
    BEGIN
        PERFORM closed_through FROM book.closing FOR SHARE;
        PERFORM id FROM book.accounts WHERE commodity = 'EUR' AND (owner, purpose) IN
            ((debit_owner, 'wallet'), (credit_owner, 'cash')) ORDER BY id FOR UPDATE;
        UPDATE book.accounts SET debits_posted = debits_posted + moved, version = version + 1, last_transfer = own_id
            WHERE (owner, purpose, commodity) = (debit_owner, 'wallet', 'EUR')
            RETURNING *, old.last_transfer AS before INTO debit;
        IF debit.credits_posted - debit.debits_posted - debit.debits_pending < debit.floor THEN
            RAISE EXCEPTION 'floor';
        END IF;
        UPDATE book.accounts SET credits_posted = credits_posted + moved, version = version + 1, last_transfer = own_id
            WHERE (owner, purpose, commodity) = (credit_owner, 'cash', 'EUR')
            RETURNING *, old.last_transfer AS before INTO credit;
        INSERT INTO book.transfers VALUES (own_id, fact, 0, own_id, 1, debit.id, credit.id, moved, NULL, at, at,
            date_trunc('month', at)::date, NULL, NULL, NULL, debit.version, debit.debits_posted - debit.credits_posted,
            credit.version, credit.debits_posted - credit.credits_posted, '', debit.before, credit.before);
    END $$
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        upgrade(server.url)
        turns = uvloop.run(measure(server.url))
    figures = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    ratios = {name: sorted(turn[name] / turn["peer"] for turn in turns) for name in figures}
    report(
        "book",
        ratio=statistics.median(ratios["batch_1000"]),
        against=AGAINST,
        figures={name: round(value) for name, value in figures.items()},
        columns=["transfers", "a second", "ratio", "lowest", "highest"],
        rows=[
            [
                name.replace("_", " "),
                f"{figures[name]:,.0f}",
                f"{statistics.median(found):.1f} ×",
                f"{found[0]:.1f} ×",
                f"{found[-1]:.1f} ×",
            ]
            for name, found in ratios.items()
        ],
    )


async def measure(url: str) -> list[dict[str, float]]:
    """Transfers a second of both sides, one dictionary a turn."""
    tune_garbage_collection()
    database = Database(url)
    wallets = [Account(f"customer-{n}", "wallet", "EUR") for n in range(WALLETS)]
    async with database.transaction() as connection:
        start = [[_top_up(f"start:{wallet.owner}", wallet)] for wallet in wallets]
        assert await post(connection, start, booked_at=NOW) == [Posted.NEW] * WALLETS
    async with database.transaction() as connection:
        await connection.execute(text(PEER_FUNCTION))
    choose = random.Random(1)
    turns = []
    for turn in range(TURNS):
        figures = {"toolkit_peer": await _toolkit_peer(database, turn)}
        peers = []
        for size, total in BATCHES.items():
            peers.append(await _peer(url, f"{turn}:{size}"))
            batches = [
                [[_pay(f"pay:{turn}:{size}:{n + k}", choose.choice(wallets))] for k in range(size)]
                for n in range(0, total, size)
            ]
            figures[f"batch_{size}"] = await _ours(database, batches)
        turns.append({"peer": statistics.harmonic_mean(peers)} | figures)
    async with database.snapshot() as connection:
        assert (await audit(connection)).holds
    await database.close()
    return turns


async def _ours(database: Database, batches: list[list[list[Transfer]]]) -> float:
    started = time.perf_counter()
    for batch in batches:
        async with database.transaction() as connection:
            outcomes = await post(connection, batch, booked_at=NOW)
        assert outcomes == [Posted.NEW] * len(batch)
    return sum(map(len, batches)) / (time.perf_counter() - started)


def _pay(fact: str, wallet: Account) -> Transfer:
    return Transfer(fact=fact, debit=wallet, credit=BANK, amount=3, event_at=NOW)


def _top_up(fact: str, wallet: Account) -> Transfer:
    return Transfer(fact=fact, debit=BANK, credit=wallet, amount=10**12, event_at=NOW)


async def _toolkit_peer(database: Database, turn: int) -> float:
    """One statement in one transaction a transfer, as an application does it."""
    statement = text("SELECT transfer_one(CAST(:id AS uuid), :fact, :debit, :credit, :amount, :at)")
    started = time.perf_counter()
    for n in range(PEER_TRANSFERS):
        fact = f"toolkit:{turn}:{n}"
        payer = f"customer-{n % WALLETS}"
        arguments = {"id": fact_id(fact), "fact": fact, "debit": payer, "credit": "bank", "amount": 3, "at": NOW}
        async with database.transaction() as connection:
            await connection.execute(statement, arguments)
    return PEER_TRANSFERS / (time.perf_counter() - started)


async def _peer(url: str, turn: str) -> float:
    """The same statement in autocommit, prepared, with nothing between it and the driver."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        for n in range(-WARM_UP, PEER_TRANSFERS):
            if n == 0:
                started = time.perf_counter()
            fact = f"peer:{turn}:{n}"
            await connection.execute(
                "SELECT transfer_one(%s, %s, %s, %s, %s, %s)",
                (fact_id(fact), fact, f"customer-{n % WALLETS}", "bank", 3, NOW),
            )
        return PEER_TRANSFERS / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
