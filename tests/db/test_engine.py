"""Statements straight through the driver."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from wattbook.db.engine import Database, fetch


async def test_a_statement_through_the_driver_shares_the_transaction_and_fails_as_the_toolkit_does(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE kept (n integer PRIMARY KEY)"))
        assert await fetch(connection, "INSERT INTO kept SELECT unnest(%s::integer[])", ([1, 2],)) == []
    async with database.transaction() as connection:
        with pytest.raises(IntegrityError, match="kept_pkey"):
            await fetch(connection, "INSERT INTO kept VALUES (3), (%s)", (2,))
        await connection.rollback()
    async with database.snapshot() as connection:
        assert await fetch(connection, "SELECT n, n * 2 FROM kept ORDER BY n", ()) == [(1, 2), (2, 4)]
