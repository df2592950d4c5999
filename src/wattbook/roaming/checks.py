"""What the proof asks of roaming: records, settlements and clearing say what was posted, and nothing else was."""

from typing import Final

from wattbook.book.audit import Check

_POSTED: Final = "kind IN (0, 2)"

CHECKS: Final = (
    Check(
        "roaming-record-posted",
        "a partner's record posted its energy, what the customer pays, and what the partner is owed; no more, no less",
        f"""
        WITH expected AS (
            SELECT 'cdr:' || issuer || '*' || id || ':' || part AS fact, units FROM roaming.cdrs
            CROSS JOIN LATERAL (VALUES
                ('energy', energy_mwh), ('payment', after_tax),
                ('revenue', before_tax), ('tax', after_tax - before_tax),
                ('cost', before_tax), ('input-tax', after_tax - before_tax)
            ) AS part(part, units) WHERE side = 'received' AND units > 0
        ), posted AS (
            SELECT regexp_replace(fact, '(hold|wallet|receivable)$', 'payment') AS fact, sum(amount) AS amount
            FROM book.transfers
            WHERE {_POSTED} AND fact LIKE ANY
                (SELECT DISTINCT 'cdr:' || issuer || '*%' FROM roaming.cdrs WHERE side = 'received')
            GROUP BY 1
        )
        SELECT fact, units AS recorded, amount AS posted FROM expected FULL JOIN posted USING (fact)
        WHERE units IS DISTINCT FROM amount
        """,
    ),
    Check(
        "settlement-is-its-records",
        "a settlement counts and sums exactly the records that it settled",
        """
        SELECT settlement.payer, settlement.id FROM roaming.settlements AS settlement
        LEFT JOIN (
            SELECT payer, settlement AS id, count(*) AS cdr_count, sum(energy_mwh) AS energy_mwh,
                   sum(before_tax) AS before_tax, sum(after_tax) AS after_tax,
                   count(DISTINCT (issuer, currency)) AS kinds
            FROM roaming.cdrs WHERE settlement IS NOT NULL GROUP BY payer, settlement
        ) AS records USING (payer, id)
        WHERE kinds IS DISTINCT FROM 1
           OR (settlement.cdr_count, settlement.energy_mwh, settlement.before_tax, settlement.after_tax)
              IS DISTINCT FROM (records.cdr_count, records.energy_mwh, records.before_tax, records.after_tax)
        UNION ALL
        SELECT payer, settlement FROM roaming.cdrs
        WHERE settlement IS NOT NULL AND NOT EXISTS (
            SELECT FROM roaming.settlements AS known WHERE (known.payer, known.id) = (cdrs.payer, settlement))
        """,
    ),
    Check(
        "settlement-posted",
        "a settlement is booked once: as paid by the payer, as received by the operator, as set off by the hub",
        f"""
        WITH expected AS (
            SELECT CASE side WHEN 'passed' THEN 'set-off:' || payer || '*' || id
                   ELSE 'settlement:' || payer || '*' || id || ':' || side END AS fact, after_tax
            FROM roaming.settlements WHERE after_tax > 0 AND (side <> 'passed' OR accepted_at IS NOT NULL)
        ), posted AS (
            SELECT fact, amount FROM book.transfers
            WHERE {_POSTED} AND (fact LIKE 'settlement:%' OR fact LIKE 'set-off:%')
        )
        SELECT fact, after_tax AS recorded, amount AS posted FROM expected FULL JOIN posted USING (fact)
        WHERE after_tax IS DISTINCT FROM amount
        """,
    ),
    Check(
        "hub-clears-to-nothing",
        "what a hub still has to clear for a party is what its records not settled come to, and nothing once they are",
        """
        WITH open AS (
            SELECT cdr.payer, cdr.issuer, cdr.currency, cdr.after_tax FROM roaming.cdrs AS cdr
            LEFT JOIN roaming.settlements AS settlement
                ON (settlement.payer, settlement.id) = (cdr.payer, cdr.settlement)
            WHERE cdr.side = 'passed' AND cdr.accepted_at IS NOT NULL AND settlement.accepted_at IS NULL
        ), expected AS (
            SELECT payer AS owner, 'receivable' AS purpose, currency AS commodity, sum(after_tax) AS units
            FROM open GROUP BY payer, currency
            UNION ALL
            SELECT issuer, 'payable', currency, sum(after_tax) FROM open GROUP BY issuer, currency
        ), booked AS (
            SELECT owner, purpose, commodity, abs(debits_posted - credits_posted) AS units FROM book.accounts
            WHERE purpose IN ('receivable', 'payable')
                AND owner IN (SELECT payer FROM roaming.cdrs WHERE side = 'passed'
                              UNION SELECT issuer FROM roaming.cdrs WHERE side = 'passed')
        )
        SELECT owner, purpose, commodity, expected.units AS open, booked.units AS booked
        FROM expected FULL JOIN booked USING (owner, purpose, commodity)
        WHERE coalesce(expected.units, 0) <> coalesce(booked.units, 0)
        """,
    ),
)
