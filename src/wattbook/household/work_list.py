"""What a person has to look at: each finding once, open until somebody closes it and says why."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import tables
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound

SHOWN_MAX: Final = 1_000


class Kind(StrEnum):
    """Why an item is on the list."""

    ESTIMATED = "estimated"
    """Readings were missing, and estimates stand in their place."""
    CANNOT_ESTIMATE = "cannot-estimate"
    """Readings are missing, and nothing is known to estimate them from."""
    SPIKE = "spike"
    HIGH = "high"
    LOW = "low"
    ZERO_ON_ACTIVE = "zero-on-active"
    USE_ON_INACTIVE = "use-on-inactive"
    SUM_CHECK = "sum-check"
    """The intervals do not sum to what the register counted."""
    REGISTER_FELL = "register-fell"
    """A counting register shows less than before: a reset, or another meter."""
    EXCEPTION = "exception"
    """More was paid for in an interval than the house's meters measured."""


class Finding(NamedTuple):
    """What was found of a meter, or of a house, in [since, until)."""

    kind: Kind
    meter: str | None
    register: str | None
    since: datetime
    until: datetime
    words: str
    household: str | None = None
    energy_mwh: int | None = None

    @property
    def id(self) -> str:
        """The same for the same finding, however often it is made."""
        subject = (self.kind, self.household, self.meter, self.register, self.since, self.until)
        return hashlib.sha256(repr([str(each) for each in subject]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A finding on the list; `closed_at`, `closed_by` and `resolution` are None while it is open."""

    id: str
    kind: Kind
    household: str | None
    meter: str | None
    register: str | None
    since: datetime
    until: datetime
    words: str
    energy_mwh: int | None
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    resolution: str | None


async def open_items(connection: AsyncConnection, findings: Sequence[Finding], now: datetime) -> int:
    """Put findings on the list; how many are new. One that is there stays as it is, also when it is closed."""
    unlike = {finding.id: finding for finding in findings}
    if not unlike:
        return 0
    names = ("household", "meter", "register", "since", "until", "words", "energy_mwh")
    added = await connection.execute(
        text(f"""
            INSERT INTO household.work_items (id, kind, {", ".join(names)}, opened_at)
            SELECT *, CAST(:now AS timestamptz) FROM unnest(
                CAST(:id AS text[]), CAST(:kind AS text[]), CAST(:household AS text[]), CAST(:meter AS text[]),
                CAST(:register AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]),
                CAST(:words AS text[]), CAST(:energy_mwh AS bigint[]))
            ON CONFLICT (id) DO NOTHING
        """),
        {name: [getattr(finding, name) for finding in unlike.values()] for name in names}
        | {"id": list(unlike), "kind": [str(finding.kind) for finding in unlike.values()], "now": utc(now)},
    )
    return added.rowcount


async def open_work(connection: AsyncConnection, *, kind: Kind | None = None, limit: int = 100) -> list[WorkItem]:
    """What is open, the oldest first.

    Raises:
        InvalidInput: a limit that is none.
    """
    if not 0 < limit <= SHOWN_MAX:
        raise InvalidInput(f"1 to {SHOWN_MAX} items can be asked for, not {limit}")
    items = tables.work_items
    wanted = select(items).where(items.c.closed_at.is_(None)).order_by(items.c.opened_at, items.c.id).limit(limit)
    if kind is not None:
        wanted = wanted.where(items.c.kind == str(kind))
    return [_item(dict(row)) for row in (await connection.execute(wanted)).mappings()]


async def close_item(connection: AsyncConnection, item: str, *, by: str, resolution: str, now: datetime) -> None:
    """Raises:
    InvalidInput: nobody's name, or no reason.
    NotFound: no such item.
    Conflict: it is closed already.
    """
    for name, words in (("by", by), ("resolution", resolution)):
        if not 0 < len(words.strip()) <= 1_000:
            raise InvalidInput(f"to close an item, `{name}` is 1 to 1000 characters")
    found = await connection.execute(
        text("""
            WITH asked AS (SELECT closed_at FROM household.work_items WHERE id = :item FOR UPDATE), closed AS (
                UPDATE household.work_items SET closed_at = :now, closed_by = :by, resolution = :resolution
                WHERE id = :item AND closed_at IS NULL
            ) SELECT closed_at FROM asked
        """),
        {"item": item, "now": utc(now), "by": by.strip(), "resolution": resolution.strip()},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"no item {item[:64]!r} is on the work list")
    if row[0] is not None:
        raise Conflict(f"item {item} was closed at {format_rfc3339(row[0])}")


def _item(row: dict[str, object]) -> WorkItem:
    return WorkItem(**row | {"kind": Kind(str(row["kind"]))})  # type: ignore[arg-type]
