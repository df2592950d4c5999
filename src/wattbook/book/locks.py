"""Accounts under lock: found or made, then locked in the order of their ids, with their numbers.

Nobody waits in a circle: an account is made before its maker has locked any, in the order of names, and what is locked
exists. Of ids and not of names, because a name can come to stand between two others that somebody has locked already.

To find an account by its name costs the database more than to lock it. So each connection remembers the ids of the
accounts it has found. It never trusts them: a row says whose it is, and what does not come under its id is asked for by
name again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from struct import Struct as Layout
from typing import Any, Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import PURPOSES, Account
from wattbook.db.arrays import Bigints, bigints
from wattbook.db.engine import fetch

IDS_MAX: Final = 10_000
"""Ids that a connection remembers, about 3 MB; when there are more, it starts anew."""

_GROWS_BY_DEBIT: Final = {purpose.name: purpose.side == "debit" for purpose in PURPOSES.values()}
_FIELD: Final = Layout(">iq")
ID_LENGTH: Final = Layout(">i").pack(16)
"""What stands before an id that is a field of a line of the journal."""

_NULL: Final = Layout(">i").pack(-1)


class AccountRow(Struct, gc=False):
    """An account that this transaction has locked. `stored_version` is what the table says until the batch is written.

    `grows_by_debit` is the side of its purpose.
    """

    key: Account
    grows_by_debit: bool
    id: int
    floor: int | None
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    version: int
    stored_version: int
    field: bytes
    """The id as a field of a line of the journal."""
    before: bytes
    """The id of its newest transfer as such a field; null when there is none."""

    @property
    def available(self) -> int:
        """On the account's own side, everything pending against it counted as gone."""
        if self.grows_by_debit:
            return self.debits_posted - self.credits_posted - self.credits_pending
        return self.credits_posted - self.debits_posted - self.debits_pending


async def find_accounts(connection: AsyncConnection, keys: Collection[Account]) -> dict[Account, int]:
    """The ids of those that exist."""
    remembered = _remembered(connection)
    ids = {key: own_id for key in keys if (own_id := remembered.get(key)) is not None}
    if len(ids) < len(keys):
        found = await fetch(
            connection,
            """
            SELECT owner, purpose, commodity, found.id
            FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31)), string_to_array(%s, chr(31)))
                 AS wanted(owner, purpose, commodity)
            CROSS JOIN LATERAL (
                SELECT id FROM book.accounts AS account
                WHERE (account.owner, account.purpose, account.commodity)
                    = (wanted.owner, wanted.purpose, wanted.commodity) OFFSET 0
            ) AS found
            """,
            columns([key for key in keys if key not in ids]),
        )
        new = {Account(*name): own_id for *name, own_id in found}
        if len(remembered) + len(new) > IDS_MAX:
            remembered.clear()
        remembered.update(islice(new.items(), IDS_MAX))
        ids |= new
    return ids


async def make_accounts(connection: AsyncConnection, keys: Iterable[Account]) -> dict[Account, int]:
    """The ids of accounts that were missing; perhaps somebody else has made them since."""
    missing = sorted(keys)
    await fetch(
        connection,
        """
        INSERT INTO book.accounts (owner, purpose, commodity, floor)
        SELECT owner, purpose, commodity, nullif(floor, '')::bigint
        FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31)), string_to_array(%s, chr(31)),
                    string_to_array(%s, chr(31))) AS wanted(owner, purpose, commodity, floor)
        ON CONFLICT (owner, purpose, commodity) DO NOTHING RETURNING id
        """,
        (
            *columns(missing),
            _joined("" if (floor := PURPOSES[key.purpose].floor) is None else str(floor) for key in missing),
        ),
    )
    made = await find_accounts(connection, missing)
    assert len(made) == len(missing), "each account exists once it was asked for"
    return made


LOCK: Final = """
    SELECT owner, purpose, commodity, id, floor, debits_posted, credits_posted, debits_pending, credits_pending,
           version, uuid_send(last_transfer), closed_through
    FROM (SELECT closed_through FROM book.closing LIMIT 1 FOR SHARE) AS closing
    CROSS JOIN unnest(%s::bigint[]) AS wanted(own_id)
    CROSS JOIN LATERAL (SELECT * FROM book.accounts WHERE id = own_id FOR UPDATE) AS account
"""
"""Locks the accounts of `in_order` one after the other; gives `locked_rows`.

With each the last closed month, which cannot move before this transaction ends.
"""


def in_order(ids: Mapping[Account, int]) -> Bigints:
    return bigints(sorted(ids.values()))


def locked_rows(
    connection: AsyncConnection, ids: Mapping[Account, int], found: Sequence[tuple[Any, ...]]
) -> dict[Account, AccountRow]:
    """What `LOCK` found. An account that did not come was taken back by the transaction that made it: forget its id."""
    keys = {own_id: key for key, own_id in ids.items()}
    locked = {}
    for row in found:
        owner, purpose, commodity, own_id, floor, debits, credits_, debits_held, credits_held, version, last, _ = row
        key = keys[own_id]
        if key[:] == (owner, purpose, commodity):
            locked[key] = AccountRow(
                key, _GROWS_BY_DEBIT[purpose], own_id, floor, debits, credits_, debits_held, credits_held,
                version, version, _FIELD.pack(8, own_id), _NULL if last is None else ID_LENGTH + last,
            )  # fmt: skip
    for key in ids.keys() - locked.keys():
        _remembered(connection).pop(key, None)
    return locked


async def lock_accounts(connection: AsyncConnection, keys: Collection[Account]) -> dict[Account, AccountRow]:
    """Every account, made when it is missing, locked in the order of ids."""
    ids = await find_accounts(connection, keys)
    if missing := set(keys) - ids.keys():
        ids |= await make_accounts(connection, missing)
    locked = locked_rows(connection, ids, await fetch(connection, LOCK, (in_order(ids),)))
    forgotten = ids.keys() - locked.keys()
    return locked | await lock_accounts(connection, forgotten) if forgotten else locked


def _remembered(connection: AsyncConnection) -> dict[Account, int]:
    ids: dict[Account, int] = connection.info.setdefault("ids of accounts", {})
    return ids


def columns(keys: Sequence[Account]) -> tuple[str, ...]:
    """Owners, purposes, commodities."""
    return tuple(map(_joined, zip(*keys, strict=True))) if keys else ("", "", "")


def _joined(values: Iterable[str]) -> str:
    """A column of a batch as one text, cut again by `string_to_array(…, chr(31))`.

    The driver dumps an array element by element; a joined text costs it nothing, and no value can hold a unit separator
    because owners and facts are printable.
    """
    return "\x1f".join(values)
