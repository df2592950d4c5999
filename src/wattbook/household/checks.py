"""What the audit asks of this room: its documents are its postings, and no kilowatt-hour is lost or counted twice."""

from typing import Final

from wattbook.book.audit import Check
from wattbook.household.bills.closing import OF_CLOSED

_DOCUMENTS: Final = """
    SELECT id AS document, id AS bill, posting, 1 AS sign, total, base + energy + climate + fuel AS subtotal,
           vat, fund, rounding, 0 AS interest FROM household.bills
    UNION ALL
    SELECT id, bill, posting, -1, total, base + energy + climate + fuel, vat, fund, rounding, interest
    FROM household.credit_notes
"""

# What each account of a purpose took (debits less credits), by the document that posted it.
_TAKEN: Final = f"""
    SELECT document, bill, sign, account.owner, account.purpose, account.commodity, counter.purpose AS counterpart,
           part.change
    FROM ({_DOCUMENTS}) AS document
    JOIN book.transfers AS transfer ON transfer.group_id = document.posting
    CROSS JOIN LATERAL (VALUES (transfer.debit_account, transfer.credit_account, transfer.amount),
                               (transfer.credit_account, transfer.debit_account, -transfer.amount))
        AS part(account, counter, change)
    JOIN book.accounts AS account ON account.id = part.account
    JOIN book.accounts AS counter ON counter.id = part.counter
"""

CHECKS: Final = (
    Check(
        "household-documents-equal-postings",
        "every bill and credit note of a house is posted line by line, and its interest",
        f"""
        WITH taken AS ({_TAKEN}), posted AS (
            SELECT document,
                   sum(change) FILTER (WHERE purpose = 'receivable' AND counterpart <> 'interest') AS total,
                   sum(change) FILTER (WHERE purpose = 'interest') AS interest,
                   -sum(change) FILTER (WHERE purpose = 'receivable' AND counterpart = 'interest') AS given,
                   -sum(change) FILTER (WHERE purpose = 'revenue') AS subtotal,
                   -sum(change) FILTER (WHERE purpose = 'tax') AS vat,
                   -sum(change) FILTER (WHERE purpose = 'levy') AS fund,
                   -sum(change) FILTER (WHERE purpose = 'rounding') AS rounding
            FROM taken GROUP BY document
        )
        SELECT document, document.total * sign AS total, posted.total AS posted
        FROM ({_DOCUMENTS}) AS document LEFT JOIN posted USING (document)
        WHERE (document.total * sign, document.subtotal * sign, document.vat * sign, document.fund * sign,
               document.rounding * sign, document.interest, document.interest)
           IS DISTINCT FROM (coalesce(posted.total, 0), coalesce(posted.subtotal, 0), coalesce(posted.vat, 0),
                             coalesce(posted.fund, 0), coalesce(posted.rounding, 0), coalesce(posted.interest, 0),
                             coalesce(posted.given, 0))
        """,
    ),
    Check(
        "household-energy",
        "for each house and period: household + paid elsewhere + exception = metered, in the book as in the documents",
        f"""
        WITH taken AS ({_TAKEN}), book AS (
            SELECT bill,
                   coalesce(sum(change) FILTER (WHERE purpose = 'consumption' AND counterpart = 'meter'), 0) AS metered,
                   coalesce(sum(change) FILTER (WHERE purpose = 'consumption'), 0) AS household,
                   coalesce(sum(change) FILTER (WHERE purpose = 'paid_elsewhere'), 0) AS paid,
                   coalesce(sum(change) FILTER (WHERE purpose = 'energy_exception'), 0) AS exception
            FROM taken GROUP BY bill
        ), stands AS (
            SELECT DISTINCT ON (id) id, metered_mwh, household_mwh, paid_mwh, exception_mwh FROM (
                SELECT id, 0 AS revision, metered_mwh, household_mwh, paid_mwh, exception_mwh FROM household.bills
                UNION ALL
                SELECT bill.id, note.revision, coalesce(note.metered_mwh, bill.metered_mwh), note.household_mwh,
                       note.paid_mwh, note.exception_mwh
                FROM household.credit_notes AS note JOIN household.bills AS bill ON bill.id = note.bill
            ) AS document ORDER BY id, revision DESC
        )
        SELECT id AS bill, metered_mwh, household_mwh, paid_mwh, exception_mwh, book.household, book.paid
        FROM stands LEFT JOIN book ON book.bill = id
        WHERE (metered_mwh, household_mwh, paid_mwh, exception_mwh) IS DISTINCT FROM
              (book.metered, book.household, book.paid, book.exception)
           OR household_mwh + paid_mwh + exception_mwh <> metered_mwh
           OR household_mwh < 0 OR exception_mwh > 0
        """,
    ),
    Check(
        "household-payments-once",
        "what is out of a house's bill for a payment server is what it was paid for and not withdrawn, each part once",
        f"""
        WITH taken AS ({_TAKEN}), moved AS (
            SELECT bill, owner AS server, sum(change) AS mwh FROM taken WHERE purpose = 'paid_elsewhere'
            GROUP BY bill, owner
        ), paid AS (
            SELECT bill.id AS bill, part.server, sum(part.energy_mwh) AS mwh
            FROM household.bills AS bill
            JOIN household.payment_parts AS part ON part.household = bill.household
                AND part.ended_at > bill.starts_at AND part.ended_at <= bill.ends_at
            JOIN household.payments AS payment ON (payment.server, payment.id) = (part.server, part.payment)
            WHERE payment.state = 'paid' GROUP BY bill.id, part.server
        )
        SELECT bill, server, coalesce(moved.mwh, 0) AS moved_mwh, coalesce(paid.mwh, 0) AS paid_mwh
        FROM moved FULL JOIN paid USING (bill, server) WHERE coalesce(moved.mwh, 0) <> coalesce(paid.mwh, 0)
        UNION ALL
        SELECT 'payment ' || payment.id, payment.server, coalesce(sum(part.energy_mwh), 0), payment.energy_mwh
        FROM household.payments AS payment
        LEFT JOIN household.payment_parts AS part ON (part.server, part.payment) = (payment.server, payment.id)
        GROUP BY payment.server, payment.id HAVING coalesce(sum(part.energy_mwh), 0) <> payment.energy_mwh
        UNION ALL
        SELECT 'no document: ' || transfer.fact, account.owner, transfer.amount, 0
        FROM book.transfers AS transfer
        JOIN book.accounts AS account ON account.id IN (transfer.debit_account, transfer.credit_account)
        WHERE account.purpose = 'paid_elsewhere'
          AND NOT EXISTS (SELECT FROM ({_DOCUMENTS}) AS document WHERE document.posting = transfer.group_id)
        """,
    ),
    Check(
        "household-closed-billing",
        "a closed billing period still has the bills and the totals it was closed with",
        f"""
        SELECT closed.utility, closed.first_day, closed.last_day FROM household.closed_billing AS closed
        CROSS JOIN LATERAL (
            SELECT count(*) AS bills, sum(metered_mwh) AS metered_mwh, sum(household_mwh) AS household_mwh,
                   sum(paid_mwh) AS paid_mwh, sum(exception_mwh) AS exception_mwh, sum(total) AS total
            FROM household.bills AS bill WHERE bill.utility = closed.utility AND {OF_CLOSED}
        ) AS issued
        WHERE (closed.bills, closed.metered_mwh, closed.household_mwh, closed.paid_mwh, closed.exception_mwh,
               (SELECT sum(amount::numeric) FROM jsonb_each_text(closed.totals) AS each(currency, amount)))
            IS DISTINCT FROM (issued.bills, issued.metered_mwh, issued.household_mwh, issued.paid_mwh,
                              issued.exception_mwh, issued.total)
        """,
    ),
    Check(
        "household-periods",
        "no moment of a house is billed twice",
        """
        SELECT household, first_day, last_day FROM (
            SELECT household, first_day, last_day, starts_at,
                   max(ends_at) OVER (PARTITION BY household ORDER BY starts_at
                                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_end
            FROM household.bills
        ) AS bill WHERE starts_at < previous_end
        """,
    ),
    Check(
        "household-bill-runs",
        "the control totals of every bill run are the sums of its bills",
        """
        WITH chunks AS (
            SELECT run, tariff, sum(billed) AS billed, sum(metered_mwh) AS metered, sum(household_mwh) AS household,
                   sum(total) AS total
            FROM household.bill_run_chunks GROUP BY run, tariff HAVING sum(billed) > 0
        ), issued AS (
            SELECT run, tariff, count(*) AS billed, sum(metered_mwh) AS metered, sum(household_mwh) AS household,
                   sum(total) AS total
            FROM household.bills WHERE run IS NOT NULL GROUP BY run, tariff
        )
        SELECT run, tariff, chunks.billed, issued.billed, chunks.total, issued.total
        FROM chunks FULL JOIN issued USING (run, tariff)
        WHERE (chunks.billed, chunks.metered, chunks.household, chunks.total)
           IS DISTINCT FROM (issued.billed, issued.metered, issued.household, issued.total)
        """,
    ),
)
"""For `wattbook.book.audit.audit(connection, CHECKS)`."""
