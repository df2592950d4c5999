"""The proof finds what is wrong with payments."""

from sqlalchemy import text

from tests.payments.world import NEIGHBOURS, NOW, SENDER, SESSION, TOP_UP, build, document, prove
from wattbook.book.audit import audit
from wattbook.db.engine import Database
from wattbook.payments.checks import CHECKS
from wattbook.payments.intake import take_in

BROKEN = [
    ("payment-posted-once", "UPDATE payments.payments SET amount = amount + 1 WHERE id = 'P-1'"),
    ("payment-posted-once", "DELETE FROM payments.payments WHERE id = 'P-1'"),
    ("payment-posted-once", "UPDATE payments.payments SET state = 'withdrawn' WHERE id = 'P-1'"),
    ("payment-posted-once", "UPDATE payments.payments SET state = 'paid' WHERE id = 'P-0'"),
    ("refund-posted-once", "UPDATE payments.refunds SET amount = amount + 1"),
    ("refund-posted-once", "DELETE FROM payments.refunds"),
    (
        "clearing-equals-open-payments",
        "INSERT INTO payments.payouts (channel, id, currency, amount, paid, failed, updated_at)"
        " VALUES ('till.example', 'po', 'KRW', 1, true, false, now())",
    ),
    ("wallet-floors-are-terms", "UPDATE book.accounts SET floor = -1 WHERE (owner, purpose) = ('kim', 'wallet')"),
    (
        "operation-recorded",
        "INSERT INTO payments.operations (id, channel, kind, payment, arguments, state, tries, asked_at)"
        " VALUES ('x', 'stripe', 'capture', 'nothing', '{}', 'asked', 0, now())",
    ),
]


async def test_each_check_finds_what_it_is_for(database: Database) -> None:
    await build(database)
    said = [
        document(TOP_UP, payment_id="P-0", status="withdrawn"),
        document(TOP_UP),
        document(SESSION),
        document(SESSION, status="returned", returned="500"),
    ]
    async with database.transaction() as connection:
        await take_in(connection, SENDER, said, NEIGHBOURS, now=NOW)
    await prove(database)
    for name, tampering in BROKEN:
        found = await _findings_after(database, tampering)
        assert name in found, (name, tampering)
    await prove(database)


async def _findings_after(database: Database, tampering: str) -> list[str]:
    """What the proof finds after it; then it is undone."""
    async with database.transaction() as connection:
        tampered = await connection.begin_nested()
        await connection.execute(text(tampering))
        proof = await audit(connection, CHECKS)
        await tampered.rollback()
    return [finding.name for finding in proof.findings if not finding.holds]
