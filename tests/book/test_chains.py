"""Each transfer names the one before it on both accounts, and statements walk from one to the next."""

from datetime import UTC, datetime, timedelta

import psycopg
from alembic import command
from sqlalchemy import make_url, text

from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.statements import statement
from wattbook.book.transfers import Entry, Hold, Transfer, Void
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.db.migrate import _config, upgrade

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BANK, ANNA, BEN = Account("bank", "cash", "KRW"), Account("anna", "wallet", "KRW"), Account("ben", "wallet", "KRW")


def top_up(fact: str, amount: int, wallet: Account = ANNA) -> Transfer:
    return Transfer(fact=fact, debit=BANK, credit=wallet, amount=amount, event_at=NOW)


async def test_statements_lose_nothing_between_posters_who_booked_a_moment_apart(database: Database) -> None:
    for fact, amount, seconds in (("a", 1, 0), ("b", 2, 5), ("c", 4, 3), ("d", 8, 6)):
        async with database.transaction() as connection:
            await post(connection, [[top_up(fact, amount)]], booked_at=NOW + seconds * SECOND)
    async with database.snapshot() as connection:
        for cut in range(8):
            early = await statement(connection, ANNA, NOW, NOW + cut * SECOND)
            late = await statement(connection, ANNA, NOW + cut * SECOND, NOW + 8 * SECOND)
            facts = [line.fact for line in (*early.lines, *late.lines)]
            assert (early.opening, facts, late.closing) == (0, ["a", "b", "c", "d"], 15)
            assert early.closing == late.opening == sum(line.amount for line in early.lines)


async def test_a_statement_walks_past_holds_and_refused_groups_on_either_side(database: Database) -> None:
    batch: list[list[Entry]] = [
        [top_up("in", 50)],
        [Hold(fact="held", debit=ANNA, credit=BANK, amount=20, event_at=NOW, expires_at=NOW)],
        [
            Transfer(fact="part", debit=ANNA, credit=BANK, amount=5, event_at=NOW),
            Transfer(fact="too much", debit=ANNA, credit=BANK, amount=90, event_at=NOW),
        ],
        [top_up("other", 7, BEN)],
        [Void(fact="free", hold="held", event_at=NOW)],
        [Transfer(fact="out", debit=ANNA, credit=BANK, amount=30, event_at=NOW)],
    ]
    async with database.transaction() as connection:
        outcomes = await post(connection, batch, booked_at=NOW)
        assert [outcome is Posted.NEW for outcome in outcomes] == [True, True, False, True, True, True]
        wallet = await statement(connection, ANNA, NOW, NOW + SECOND)
        bank = await statement(connection, BANK, NOW, NOW + SECOND)
        later = await statement(connection, ANNA, NOW + SECOND, NOW + 2 * SECOND)
        assert (await audit(connection)).holds
    assert [(line.fact, line.amount, line.balance) for line in wallet.lines] == [("in", 50, 50), ("out", -30, 20)]
    assert [(line.fact, line.counterpart) for line in bank.lines] == [("in", ANNA), ("other", BEN), ("out", ANNA)]
    assert (later.opening, later.lines, later.closing) == (20, (), 20)


async def test_the_proof_sees_a_chain_that_was_broken(database: Database) -> None:
    async with database.transaction() as connection:
        await post(connection, [[top_up("t1", 1)], [top_up("t2", 2)]], booked_at=NOW)
        await connection.execute(text("ALTER TABLE book.transfers DISABLE TRIGGER transfers_never_change"))
        await connection.execute(text("UPDATE book.transfers SET credit_before = id WHERE fact = 't2'"))
        broken = [finding for finding in (await audit(connection)).findings if not finding.holds]
        assert [(finding.name, finding.count) for finding in broken] == [("no-lost-update", 1)]


async def test_what_was_posted_before_there_were_chains_is_chained(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE unchained")
    url = make_url(server.url).set(database="unchained").render_as_string(hide_password=False)
    command.upgrade(_config(url), "0032")
    with psycopg.connect(url) as connection:
        connection.execute("""
            INSERT INTO book.accounts (owner, purpose, commodity, debits_posted, credits_posted, version)
            VALUES ('bank', 'cash', 'KRW', 6, 0, 3), ('anna', 'wallet', 'KRW', 0, 5, 2),
                   ('ben', 'wallet', 'KRW', 0, 1, 1), ('nobody', 'wallet', 'KRW', 0, 0, 0)
        """)
        connection.execute("""
            INSERT INTO book.transfers (id, fact, kind, group_id, group_size, debit_account, credit_account, amount,
                event_at, booked_at, period, debit_version, debit_balance, credit_version, credit_balance, memo)
            SELECT md5(fact)::uuid, fact, 0, md5(fact)::uuid, 1, bank.id, wallet.id, amount,
                   now, now, '2026-11-01', debit_version, debit_balance, credit_version, credit_balance, ''
            FROM (VALUES ('t1', 'anna', 2, 1, 2, 1, -2), ('t2', 'ben', 1, 2, 3, 1, -1), ('t3', 'anna', 3, 3, 6, 2, -5))
                 AS entry(fact, owner, amount, debit_version, debit_balance, credit_version, credit_balance)
            JOIN book.accounts AS wallet USING (owner) JOIN book.accounts AS bank ON bank.owner = 'bank'
            CROSS JOIN (SELECT timestamptz '2026-11-21 12:00Z' AS now) AS moment
        """)
    upgrade(url)
    database = Database(url)
    async with database.transaction() as connection:
        assert await post(connection, [[top_up("t4", 10)]], booked_at=NOW) == [Posted.NEW]
        assert (await audit(connection)).holds
        assert [line.fact for line in (await statement(connection, ANNA, NOW, NOW + SECOND)).lines] == [
            "t1",
            "t3",
            "t4",
        ]
    await database.close()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE unchained WITH (FORCE)")
