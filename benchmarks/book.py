"""How many durable transfers a second does the book post, in batches of 1, 100, 1000 and 8000?

The peer does what most ledgers on PostgreSQL do: one statement and one commit a transfer (insert it, add to both
accounts, check the floor), on the same server in the same run. Both sides commit with fsync. Transfers go from 500
wallets to one revenue account, the worst case for a lock: every transfer touches the same row.
"""

import asyncio
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from psycopg import AsyncConnection

from benchmarks._report import report
from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Transfer
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.db.migrate import upgrade

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BATCHES = {1: 1_500, 100: 30_000, 1000: 100_000, 8000: 160_000}
PEER_TRANSFERS = 2_000
WALLETS = 500
AGAINST = "one statement and one commit a transfer"

BANK = Account("bank", "cash", "EUR")
PEER_SCHEMA = """
    CREATE TABLE peer_accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (id = 0 OR balance >= 0));
    CREATE TABLE peer_transfers (id uuid PRIMARY KEY, debit int NOT NULL, credit int NOT NULL, amount bigint NOT NULL,
                                 at timestamptz NOT NULL);
    INSERT INTO peer_accounts SELECT n, 1000000000 FROM generate_series(0, 500) AS n;
"""
PEER_TRANSFER = """
    WITH made AS (INSERT INTO peer_transfers VALUES (%(id)s, %(debit)s, %(credit)s, %(amount)s, %(at)s)
                  RETURNING amount)
    UPDATE peer_accounts SET balance = balance + CASE WHEN id = %(credit)s THEN amount ELSE -amount END
    FROM made WHERE id IN (%(debit)s, %(credit)s)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        upgrade(server.url)
        figures = asyncio.run(measure(server.url))
    peer = figures["peer"]
    rows = [
        [str(size), f"{figures[f'batch_{size}']:,.0f}", f"{figures[f'batch_{size}'] / peer:.1f} ×"] for size in BATCHES
    ]
    report(
        "book",
        ratio=figures["batch_1000"] / peer,
        against=AGAINST,
        figures={name: round(value) for name, value in figures.items()},
        columns=["batch", "transfers/s", "ratio"],
        rows=[*rows, ["peer", f"{peer:,.0f}", "1.0 ×"]],
    )


async def measure(url: str) -> dict[str, float]:
    database = Database(url)
    wallets = [Account(f"customer-{n}", "wallet", "EUR") for n in range(WALLETS)]
    async with database.transaction() as connection:
        start = [[_top_up(f"start:{wallet.owner}", wallet)] for wallet in wallets]
        assert await post(connection, start, booked_at=NOW) == [Posted.NEW] * WALLETS
    figures = {"peer": await _peer(url)}
    choose = random.Random(1)
    for size, total in BATCHES.items():
        batches = [
            [
                [
                    Transfer(
                        fact=f"pay:{size}:{n + k}", debit=choose.choice(wallets), credit=BANK, amount=3, event_at=NOW
                    )
                ]
                for k in range(size)
            ]
            for n in range(0, total, size)
        ]
        started = time.perf_counter()
        for batch in batches:
            async with database.transaction() as connection:
                outcomes = await post(connection, batch, booked_at=NOW)
            assert outcomes == [Posted.NEW] * size
        figures[f"batch_{size}"] = total / (time.perf_counter() - started)
    async with database.snapshot() as connection:
        assert (await audit(connection)).holds
    await database.close()
    return figures


def _top_up(fact: str, wallet: Account) -> Transfer:
    return Transfer(fact=fact, debit=BANK, credit=wallet, amount=10**12, event_at=NOW)


async def _peer(url: str) -> float:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(PEER_SCHEMA)
        started = time.perf_counter()
        for n in range(PEER_TRANSFERS):
            await connection.execute(
                PEER_TRANSFER, {"id": uuid4(), "debit": n % WALLETS + 1, "credit": 0, "amount": 3, "at": NOW}
            )
        return PEER_TRANSFERS / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
