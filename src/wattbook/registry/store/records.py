"""Records of any table: added or replaced, found by their keys, counted."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import Table, UniqueConstraint, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, NotFound
from wattbook.registry.store.parts import Row, encoded, given_rows, storable

Record = TypeVar("Record")


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Add the rows, or replace those of the same primary key; of two in one batch the later one stays.

    Raises:
        NotFound: a row refers to a record that does not exist.
        Conflict: a row has what only one record may have and another one has.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    latest = list({tuple(row[key] for key in keys): row for row in rows}.values())
    given = encoded(latest)
    await require_references(connection, table, given)
    await _require_unique(connection, table, keys, given)
    names = list(latest[0])
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    # In the order of the keys, so that two batches lock in the same order.
    await connection.execute(
        text(f"""
            INSERT INTO {table.fullname} ({", ".join(names)})
            SELECT {", ".join(names)} FROM {given_rows(table)} ORDER BY {", ".join(keys)}
            ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {changes}
        """),
        {"given": given},
    )


async def find(
    connection: AsyncConnection, table: Table, record: type[Record], keys: Sequence[str]
) -> list[Record | None]:
    """The record of each key, in order, by the table's one-column primary key."""
    (key,) = table.primary_key
    found = await connection.execute(
        text(f"""
            SELECT to_jsonb(found.*)::text
            FROM unnest(CAST(:keys AS text[])) WITH ORDINALITY AS asked(key, nth)
            LEFT JOIN {table.fullname} AS found ON found.{key.name} = asked.key
            ORDER BY nth
        """),
        {"keys": [storable(key) for key in keys]},
    )
    return [None if row is None else msgspec.json.decode(row, type=record) for row in found.scalars()]


async def following(
    connection: AsyncConnection, table: Table, record: type[Record], after: str, limit: int
) -> list[Record]:
    """The records whose keys come after this one, in their order, by the table's one-column primary key."""
    (key,) = table.primary_key
    found = await connection.execute(
        text(f"""
            SELECT to_jsonb(found.*)::text FROM {table.fullname} AS found
            WHERE found.{key.name} > :after ORDER BY found.{key.name} LIMIT :limit
        """),
        {"after": storable(after), "limit": limit},
    )
    return [msgspec.json.decode(row, type=record) for row in found.scalars()]


async def counts(connection: AsyncConnection, counted: Sequence[Table]) -> dict[str, int]:
    """How many records each table has, by its name."""
    columns = ", ".join(f"(SELECT count(*) FROM {table.fullname}) AS {table.name}" for table in counted)
    return dict((await connection.execute(text(f"SELECT {columns}"))).mappings().one())


async def require_references(connection: AsyncConnection, table: Table, given: str) -> None:
    """Asked before the insert, because an error of the server would say it in the words of the schema."""
    names = [key.parent.name for key in table.foreign_keys]
    if not names:
        return
    dangling = " UNION ALL ".join(
        f"""
        SELECT '{name}', given.{name} FROM {given_rows(table)} AS given
        WHERE given.{name} IS NOT NULL AND NOT EXISTS (
            SELECT FROM {referred_table(table, name)} AS known WHERE known.{referred_key(table, name)} = given.{name})
        """
        for name in sorted(names)
    )
    missing = (await connection.execute(text(f"{dangling} LIMIT 1"), {"given": given})).first()
    if missing is not None:
        noun, name = missing[0].replace("_", " "), missing[1]
        raise NotFound(f"{noun} {name!r} is not registered", **{missing[0]: name})


async def _require_unique(connection: AsyncConnection, table: Table, keys: Sequence[str], given: str) -> None:
    for constraint in table.constraints:
        if not isinstance(constraint, UniqueConstraint):
            continue
        names = [column.name for column in constraint.columns]
        same = " AND ".join(f"other.{name} = given.{name}" for name in names)
        another = " OR ".join(f"other.{key} <> given.{key}" for key in keys)
        fields = ", ".join(f"given.{name}" for name in [*keys, *names])
        taken = (
            await connection.execute(
                text(f"""
                    SELECT {fields} FROM {given_rows(table)} AS given, {table.fullname} AS other
                    WHERE {same} AND ({another})
                    UNION ALL
                    SELECT {fields} FROM {given_rows(table)} AS given, {given_rows(table)} AS other
                    WHERE {same} AND ({another})
                    LIMIT 1
                """),
                {"given": given},
            )
        ).first()
        if taken is not None:
            values = ", ".join(f"{name} {value!r}" for name, value in zip(names, taken[len(keys) :], strict=True))
            raise Conflict(f"{taken[0]!r} cannot have {values}: another one has it")


def referred_table(table: Table, name: str) -> str:
    (key,) = table.c[name].foreign_keys
    return key.column.table.fullname


def referred_key(table: Table, name: str) -> str:
    (key,) = table.c[name].foreign_keys
    return key.column.name
