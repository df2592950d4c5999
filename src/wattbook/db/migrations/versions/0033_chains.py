"""Each transfer names the one before it on both of its accounts: a posting has one index to enter and not three.

A statement walks from the newest transfer of an account back to where it starts. The chains of what was posted before
are made here; the indexes by account served nothing else.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.add_column(
        "accounts",
        sa.Column("last_transfer", sa.Uuid(), comment="the newest that touched it; each names the one before"),
        schema="book",
    )
    for side in ("debit", "credit"):
        words = f"the transfer before this one on the {side} account; null for its first"
        op.add_column("transfers", sa.Column(f"{side}_before", sa.Uuid(), comment=words), schema="book")
    op.execute("ALTER TABLE book.transfers DISABLE TRIGGER transfers_never_change")
    op.execute("""
        CREATE TEMPORARY TABLE chain ON COMMIT DROP AS
        SELECT id, account, version, lag(id) OVER (PARTITION BY account ORDER BY version) AS before FROM (
            SELECT id, debit_account AS account, debit_version AS version FROM book.transfers
            UNION ALL SELECT id, credit_account, credit_version FROM book.transfers
        ) AS entry
    """)
    op.execute("""
        UPDATE book.transfers AS transfer SET debit_before = debit.before, credit_before = credit.before
        FROM chain AS debit, chain AS credit
        WHERE (debit.id, debit.account) = (transfer.id, debit_account)
          AND (credit.id, credit.account) = (transfer.id, credit_account)
    """)
    op.execute("ALTER TABLE book.transfers ENABLE TRIGGER transfers_never_change")
    op.execute("""
        UPDATE book.accounts AS account SET last_transfer = chain.id
        FROM chain WHERE (chain.account, chain.version) = (account.id, account.version)
    """)
    op.drop_index("transfers_debit_idx", "transfers", schema="book")
    op.drop_index("transfers_credit_idx", "transfers", schema="book")
