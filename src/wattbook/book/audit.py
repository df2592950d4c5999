"""The proof: every kilowatt-hour measured once and billed once, every currency summing to zero.

Each check is one query that returns what is wrong; a proof that holds returns nothing. It reads one consistent
snapshot, so it can run at any moment beside live traffic. Rooms above add checks of their own in the same form (their
documents against these postings).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import ENERGY, PURPOSES
from wattbook.book.routes import ROUTES

VIOLATIONS_SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Check:
    """A rule and the query that finds what breaks it: no row, no violation."""

    name: str
    rule: str
    query: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `violations` holds at most the first 20, `count` all of them."""

    name: str
    rule: str
    count: int
    violations: tuple[dict[str, Any], ...]

    @property
    def holds(self) -> bool:
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Proof:
    """All findings, and the totals a person wants to see."""

    findings: tuple[Finding, ...]
    totals: dict[str, int]

    @property
    def holds(self) -> bool:
        return all(finding.holds for finding in self.findings)


_POSTED: Final = "kind IN (0, 2)"
_RESOLVES: Final = "kind IN (2, 3, 4)"
_ENTRIES: Final = f"""
    SELECT id AS transfer, debit_before AS before, debit_account AS account, debit_version AS version,
           debit_balance AS balance, CASE WHEN {_POSTED} THEN amount ELSE 0 END AS change FROM book.transfers
    UNION ALL
    SELECT id, credit_before, credit_account, credit_version, credit_balance,
           CASE WHEN {_POSTED} THEN -amount ELSE 0 END FROM book.transfers
"""
_NAMED: Final = "owner || ' ' || purpose || ' ' || commodity AS account"

_TRANSIT: Final = f"""
    SELECT {_NAMED}, period, sum(change) AS remaining FROM (
        SELECT debit_account AS id, period, amount AS change FROM book.transfers WHERE {_POSTED}
        UNION ALL SELECT credit_account, period, -amount FROM book.transfers WHERE {_POSTED}
    ) AS part JOIN book.accounts USING (id) WHERE purpose = ANY(:transit)
    GROUP BY owner, purpose, commodity, period HAVING sum(change) <> 0
"""


def _transit(kind: str) -> dict[str, Any]:
    return {"transit": [purpose.name for purpose in PURPOSES.values() if purpose.transit and purpose.kind == kind]}


CHECKS: Final = (
    Check(
        "trial-balance",
        "in every commodity debits equal credits, posted and pending",
        """
        SELECT commodity, sum(debits_posted) - sum(credits_posted) AS posted,
               sum(debits_pending) - sum(credits_pending) AS pending
        FROM book.accounts GROUP BY commodity
        HAVING sum(debits_posted) <> sum(credits_posted) OR sum(debits_pending) <> sum(credits_pending)
        """,
    ),
    Check(
        "accounts-equal-transfers",
        "the four numbers of an account are the sums of its transfers and open holds",
        f"""
        WITH posted AS (
            SELECT account, sum(debit) AS debits, sum(credit) AS credits FROM (
                SELECT debit_account AS account, amount AS debit, 0 AS credit FROM book.transfers WHERE {_POSTED}
                UNION ALL SELECT credit_account, 0, amount FROM book.transfers WHERE {_POSTED}) AS part GROUP BY account
        ), pending AS (
            SELECT account, sum(debit) AS debits, sum(credit) AS credits FROM (
                SELECT debit_account AS account, amount AS debit, 0 AS credit FROM book.holds WHERE state = 'open'
                UNION ALL SELECT credit_account, 0, amount FROM book.holds WHERE state = 'open') AS part
            GROUP BY account
        )
        SELECT {_NAMED} FROM book.accounts
        LEFT JOIN posted ON posted.account = id LEFT JOIN pending ON pending.account = id
        WHERE (debits_posted, credits_posted, debits_pending, credits_pending)
           IS DISTINCT FROM (coalesce(posted.debits, 0), coalesce(posted.credits, 0),
                             coalesce(pending.debits, 0), coalesce(pending.credits, 0))
        """,
    ),
    Check(
        "no-lost-update",
        "the versions of an account run without a gap, each transfer names and continues the one before",
        f"""
        SELECT {_NAMED}, found.version FROM (
            SELECT account AS id, version,
                   version <> row_number() OVER chain OR balance <> sum(change) OVER chain
                   OR before IS DISTINCT FROM lag(transfer) OVER chain AS broken
            FROM ({_ENTRIES}) AS entry WINDOW chain AS (PARTITION BY account ORDER BY version)
        ) AS found JOIN book.accounts USING (id) WHERE broken
        UNION ALL
        SELECT {_NAMED}, version FROM book.accounts
        LEFT JOIN (SELECT DISTINCT ON (account) account AS id, version AS entries, transfer AS newest
                   FROM ({_ENTRIES}) AS entry ORDER BY account, version DESC) AS chain
        USING (id)
        WHERE version <> coalesce(entries, 0) OR last_transfer IS DISTINCT FROM newest
        """,
    ),
    Check(
        "floors",
        "no account is below its floor, holds counted as gone",
        f"""
        SELECT {_NAMED} FROM book.accounts JOIN unnest(CAST(:purposes AS text[]), CAST(:signs AS int[]))
               AS side(purpose, sign) USING (purpose)
        WHERE floor IS NOT NULL AND floor > sign * (debits_posted - credits_posted)
              - CASE WHEN sign = 1 THEN credits_pending ELSE debits_pending END
        """,
        {
            "purposes": [purpose.name for purpose in PURPOSES.values()],
            "signs": [1 if purpose.side == "debit" else -1 for purpose in PURPOSES.values()],
        },
    ),
    Check(
        "holds-once",
        "a hold is resolved exactly when one transfer resolved it, never by more than it held",
        f"""
        SELECT hold.id, hold.state FROM book.holds AS hold
        LEFT JOIN book.transfers AS resolution ON resolution.hold_id = hold.id
        WHERE (hold.state = 'open') <> (resolution.id IS NULL) OR resolution.amount > hold.amount
        UNION ALL
        SELECT hold_id, 'no such hold' FROM book.transfers
        WHERE {_RESOLVES} AND NOT EXISTS (SELECT FROM book.holds WHERE id = hold_id)
        """,
    ),
    Check(
        "routes",
        "every transfer follows a route, within one commodity",
        """
        SELECT transfer.fact, credit.purpose AS credit, debit.purpose AS debit FROM book.transfers AS transfer
        JOIN book.accounts AS debit ON debit.id = debit_account
        JOIN book.accounts AS credit ON credit.id = credit_account
        WHERE debit.commodity <> credit.commodity OR NOT EXISTS (
            SELECT FROM unnest(CAST(:credits AS text[]), CAST(:debits AS text[])) AS route(credit, debit)
            WHERE (route.credit, route.debit) = (credit.purpose, debit.purpose))
        """,
        {"credits": [route.credit for route in ROUTES], "debits": [route.debit for route in ROUTES]},
    ),
    Check(
        "groups-whole",
        "a group is there with all its transfers or not at all",
        """
        SELECT min(fact) AS fact, count(*) AS found, max(group_size) AS size FROM book.transfers
        GROUP BY group_id HAVING count(*) <> max(group_size) OR min(group_size) <> max(group_size)
        """,
    ),
    Check(
        "closed-periods",
        "a closed month still has the transfers and the total it was closed with",
        """
        SELECT closed.period FROM book.closed_periods AS closed LEFT JOIN (
            SELECT period, count(*) AS transfers,
                   sum(amount % 4611686018427387904) % 4611686018427387904 AS amount
            FROM book.transfers GROUP BY period) AS now USING (period)
        WHERE (closed.transfers, closed.amount) IS DISTINCT FROM (now.transfers, now.amount)
        """,
    ),
    Check(
        "metered-equals-billed",
        "in every period each meter and grid gave on exactly what it took: metered = billed + exceptions",
        _TRANSIT,
        _transit("energy"),
    ),
    Check(
        "sales-divided",
        "in every period each sale went on whole to revenue, tax, levies and rounding",
        _TRANSIT,
        _transit("money"),
    ),
    Check(
        "measured-once",
        "no stretch of a meter's time is posted twice in one direction",
        """
        SELECT owner AS meter, fact, span_start, previous_end FROM (
            SELECT fact, span_start, account, direction,
                   max(span_end) OVER (PARTITION BY account, direction ORDER BY span_start, span_end
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_end
            FROM (
                SELECT fact, span_start, span_end, debit_account AS account, 'import' AS direction FROM book.transfers
                JOIN book.accounts AS grid ON grid.id = credit_account
                WHERE span_start IS NOT NULL AND grid.purpose = 'grid'
                UNION ALL
                SELECT fact, span_start, span_end, debit_account, 'export' FROM book.transfers
                JOIN book.accounts AS source ON source.id = credit_account
                WHERE span_start IS NOT NULL AND source.purpose = 'feed_in'
            ) AS measured
        ) AS ordered JOIN book.accounts ON id = account
        WHERE purpose = 'meter' AND span_start < previous_end
        """,
    ),
)


async def audit(connection: AsyncConnection, further: Sequence[Check] = ()) -> Proof:
    """Run every check on one snapshot (`Database.snapshot`); O(transfers)."""
    findings = [await _run(connection, check) for check in (*CHECKS, *further)]
    return Proof(tuple(findings), await _totals(connection))


async def _run(connection: AsyncConnection, check: Check) -> Finding:
    found = await connection.execute(text(check.query), check.arguments)
    rows = [dict(row) for row in found.mappings()]
    return Finding(check.name, check.rule, len(rows), tuple(rows[:VIOLATIONS_SHOWN_MAX]))


async def _totals(connection: AsyncConnection) -> dict[str, int]:
    """mWh metered, billed, paid elsewhere, fed in, given to partners and kept as exceptions; transfers in all."""
    found = await connection.execute(
        text("""
            SELECT purpose, sum(debits_posted - credits_posted) FROM book.accounts
            WHERE commodity = :energy GROUP BY purpose
        """),
        {"energy": ENERGY},
    )
    totals = {f"{purpose}_mwh": int(amount) for purpose, amount in found}
    transfers = (await connection.execute(text("SELECT count(*) FROM book.transfers"))).scalar_one()
    return {"transfers": transfers} | totals
