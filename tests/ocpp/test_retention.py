"""What is old is forgotten, slice by slice; what runs, what is young, and what is kept for ever stays."""

from datetime import timedelta

from sqlalchemy import text

from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.retention import Keep, forget

FILL = """
    INSERT INTO ocpp.notices (station_id, version, action, block, payload, received_at)
    SELECT 'CP1', '2.0.1', 'NotifyEvent', 'N', '{}', now() - make_interval(days => 20 - n)
    FROM generate_series(1, 19) n;
    INSERT INTO ocpp.quarantine (station_id, version, raw, error_code, reason, received_at)
    SELECT 'CP1', '1.6', '', '', '', now() - make_interval(days => 20 - n) FROM generate_series(1, 19) n;
    INSERT INTO ocpp.security_events (station_id, kind, detail, times, first_at, last_at)
    SELECT 'CP1', 'tls-required', '', 1, now(), now() - make_interval(days => 20 - n) FROM generate_series(1, 19) n;
    INSERT INTO ocpp.signatures (station_id, purpose, action, message_id, verdict, detail, received_at)
    SELECT 'CP1', 'messages', 'Heartbeat', '1', 'no-key', '', now() - make_interval(days => 20 - n)
    FROM generate_series(1, 19) n;
    INSERT INTO ocpp.commands (id, station_id, action, payload, state, requested_by, repeatable, answer_within_s,
                               sendings, created_at, expires_at, late)
    SELECT gen_random_uuid(), 'CP1', 'Reset', '{}', CASE n WHEN 1 THEN 'accepted' ELSE 'answered' END, 'me', false, 30,
           1, now() - make_interval(days => 20 - n), now(), false
    FROM generate_series(1, 19) n;
    INSERT INTO ocpp.transactions (station_id, transaction_id, seen, fresh, newest_at, begun, settled, cost_told_at,
                                   heard_at)
    SELECT 'CP1', n::text, '{}', true, now(), true, n <> 2, now(), now() - make_interval(days => 20 - n)
    FROM generate_series(1, 19) n;
    INSERT INTO ocpp.stuck_transactions (session_id, station_id, transaction_id, noticed_at, sign_at, verdict, ended_at)
    SELECT gen_random_uuid(), 'CP1', n::text, now() - make_interval(days => 20 - n), now(), 'asked',
           CASE WHEN n <> 2 THEN now() END
    FROM generate_series(1, 19) n;
    INSERT INTO ocpp.reservations (station_id, reservation_id, evse_no, token_uid, expires_at, state, changed_at)
    SELECT 'CP1', n, 1, 'T', now() - make_interval(days => 20 - n), 'Accepted', now() FROM generate_series(1, 19) n;
    INSERT INTO ocpp.settlements (station_id, psp_ref, status, amount, settled_at, details, received_at)
    SELECT 'CP1', n::text, 'Settled', 1, now(), '{}', now() - make_interval(days => 20 - n)
    FROM generate_series(1, 19) n;
"""
TABLES = (
    "notices",
    "quarantine",
    "security_events",
    "signatures",
    "commands",
    "transactions",
    "stuck_transactions",
    "reservations",
    "settlements",
)


async def sizes(database: Database) -> dict[str, int]:
    async with database.snapshot() as connection:
        return {
            table: int((await connection.execute(text(f"SELECT count(*) FROM ocpp.{table}"))).scalar_one())
            for table in TABLES
        }


async def fill(database: Database) -> None:
    async with database.transaction() as connection:
        for statement in FILL.split(";")[:-1]:
            await connection.execute(text(statement))


async def test_what_is_older_than_it_is_kept_goes_and_what_runs_stays(database: Database) -> None:
    await fill(database)
    ten = timedelta(days=10)
    keep = Keep(ten, ten, ten, ten, ten, None, ten, ten, ten)
    gone = await forget(database, system_clock, keep, slice_max=4)
    assert gone == {
        "notices": 10,
        "rejected": 10,
        "security_events": 10,
        "commands": 9,
        "transactions": 9,
        "stuck_transactions": 9,  # one of a transaction that runs
        "reservations": 10,
        "settlements": 10,
    }
    assert await sizes(database) == {
        "notices": 9,
        "quarantine": 9,
        "security_events": 9,
        "signatures": 19,
        "commands": 10,
        "transactions": 10,
        "stuck_transactions": 10,
        "reservations": 9,
        "settlements": 9,
    }
    assert await forget(database, system_clock, keep, slice_max=4) == {}


async def test_what_never_began_goes_when_nothing_was_heard_of_it_for_as_long(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                INSERT INTO ocpp.transactions (station_id, transaction_id, seen, fresh, newest_at, begun, settled,
                                               cost_told_at, heard_at)
                SELECT 'CP1', name, '{}', true, newest_at, false, false, now(), now() - make_interval(days => 20)
                FROM (VALUES ('old', now() - make_interval(days => 19)), ('heard', now() - make_interval(days => 1)),
                             ('ahead', now() + make_interval(days => 9))) AS told(name, newest_at)
            """)
        )
    assert await forget(database, system_clock, Keep(transactions=timedelta(days=10))) == {"transactions": 2}
    async with database.snapshot() as connection:
        kept = await connection.execute(text("SELECT transaction_id FROM ocpp.transactions"))
        assert list(kept.scalars()) == ["heard"]


async def test_nothing_goes_that_is_kept_for_ever(database: Database) -> None:
    await fill(database)
    assert await forget(database, system_clock, Keep(*[None] * 9)) == {}
    assert set((await sizes(database)).values()) == {19}


async def test_looking_for_what_is_old_reads_an_index_from_its_oldest_end(database: Database) -> None:
    await fill(database)
    async with database.transaction() as connection:
        for other_way in ("enable_seqscan", "enable_bitmapscan"):  # of reading a table of few rows
            await connection.execute(text(f"SET LOCAL {other_way} = off"))
        for query in (
            "SELECT id, received_at FROM ocpp.notices ORDER BY id LIMIT 5",
            "SELECT id FROM ocpp.commands WHERE created_at < now() ORDER BY created_at LIMIT 5",
            "SELECT FROM ocpp.transactions WHERE begun AND settled AND heard_at < now() ORDER BY heard_at LIMIT 5",
            "SELECT FROM ocpp.transactions WHERE begun AND NOT settled AND heard_at < now() ORDER BY heard_at LIMIT 5",
            "SELECT FROM ocpp.transactions WHERE NOT begun AND heard_at < now() ORDER BY heard_at LIMIT 5",
            "SELECT session_id FROM ocpp.stuck_transactions WHERE noticed_at < now() ORDER BY noticed_at LIMIT 5",
            "SELECT station_id FROM ocpp.reservations WHERE expires_at < now() ORDER BY expires_at LIMIT 5",
            "SELECT id, received_at FROM ocpp.settlements ORDER BY id LIMIT 5",
        ):
            plan = "".join((await connection.execute(text(f"EXPLAIN {query}"))).scalars())
            assert "Index" in plan, plan
            assert "Sort" not in plan, plan
