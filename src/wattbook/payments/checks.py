"""What the proof asks of payments: what they say and what is posted are the same, and channels have what is open."""

from typing import Final

from wattbook.book.audit import Check

_MOVED: Final = "kind IN (0, 2)"

CHECKS: Final = (
    Check(
        "payment-posted-once",
        "each payment that was paid is posted once with its amount, one that was withdrawn is taken back, no other is",
        f"""
        WITH expected AS (
            SELECT 'payment:' || channel || ':' || id AS fact, amount FROM payments.payments
            WHERE owner IS NOT NULL AND state = 'paid'
        ), posted AS (
            SELECT fact, amount FROM book.transfers WHERE {_MOVED} AND fact LIKE 'payment:%'
              AND NOT EXISTS (SELECT FROM payments.payments WHERE state = 'withdrawn'
                              AND fact IN ('payment:' || channel || ':' || id,
                                           'payment:' || channel || ':' || id || ':' || 'withdrawn'))
              AND NOT EXISTS (SELECT FROM payments.payments WHERE purpose = 'session'
                              AND fact = 'payment:' || channel || ':' || id || ':' || 'rounding')
        )
        SELECT fact, expected.amount AS documented, posted.amount AS posted
        FROM expected FULL JOIN posted USING (fact) WHERE expected.amount IS DISTINCT FROM posted.amount
        UNION ALL
        SELECT 'payment:' || channel || ':' || id, sum(moved.amount), NULL FROM payments.payments AS payment
        JOIN LATERAL (
            SELECT CASE WHEN fact LIKE '%withdrawn' THEN -amount ELSE amount END AS amount FROM book.transfers
            WHERE {_MOVED} AND fact IN ('payment:' || channel || ':' || payment.id,
                                        'payment:' || channel || ':' || payment.id || ':' || 'withdrawn')
        ) AS moved ON true
        WHERE state = 'withdrawn' GROUP BY channel, payment.id HAVING sum(moved.amount) <> 0
        """,
    ),
    Check(
        "refund-posted-once",
        "each refund that was done is posted once with its amount, and no other is",
        f"""
        WITH expected AS (
            SELECT 'refund:' || channel || ':' || id AS fact, amount FROM payments.refunds WHERE state = 'done'
        ), posted AS (
            SELECT fact, amount FROM book.transfers WHERE {_MOVED} AND fact LIKE 'refund:%'
              AND NOT EXISTS (SELECT FROM payments.refunds WHERE state = 'failed'
                              AND fact IN ('refund:' || channel || ':' || id,
                                           'refund:' || channel || ':' || id || ':' || 'failed'))
              AND NOT EXISTS (SELECT FROM payments.refunds WHERE payment IS NOT NULL
                              AND fact = 'refund:' || channel || ':' || id || ':' || 'rounding')
        )
        SELECT fact, expected.amount AS documented, posted.amount AS posted
        FROM expected FULL JOIN posted USING (fact) WHERE expected.amount IS DISTINCT FROM posted.amount
        """,
    ),
    Check(
        "clearing-equals-open-payments",
        "what a channel took and has not paid out: payments less refunds, disputes, payouts and fees",
        """
        WITH moved AS (
            SELECT channel, currency, amount FROM payments.payments
            WHERE state = 'paid' AND owner IS NOT NULL AND channel NOT IN ('desk', 'wallet')
            UNION ALL SELECT channel, currency, -amount FROM payments.refunds WHERE state = 'done' AND channel <> 'desk'
            UNION ALL SELECT channel, currency, -amount FROM payments.disputes WHERE withdrawn AND NOT reinstated
            UNION ALL SELECT channel, currency, amount FROM payments.disputes WHERE reinstated AND NOT withdrawn
            UNION ALL SELECT channel, currency, -amount FROM payments.payouts WHERE paid AND NOT failed
            UNION ALL SELECT channel, currency, -fee FROM payments.report_rows
        ), open AS (SELECT channel, currency, sum(amount) AS amount FROM moved GROUP BY channel, currency),
        clearing AS (
            SELECT owner AS channel, commodity AS currency, debits_posted - credits_posted AS amount
            FROM book.accounts WHERE purpose = 'clearing'
        )
        SELECT channel, currency, open.amount AS open, clearing.amount AS clearing
        FROM open FULL JOIN clearing USING (channel, currency)
        WHERE coalesce(open.amount, 0) <> coalesce(clearing.amount, 0)
        """,
    ),
    Check(
        "wallet-floors-are-terms",
        "a wallet may go below zero by the credit of its terms and no further",
        """
        SELECT account.owner, commodity, floor, credit_limit FROM book.accounts AS account
        LEFT JOIN registry.account_terms AS terms
               ON (terms.owner, terms.currency) = (account.owner, account.commodity)
        WHERE purpose = 'wallet' AND floor IS DISTINCT FROM -coalesce(credit_limit, 0)
        """,
    ),
    Check(
        "operation-recorded",
        "what a provider has done for us stands in the payment or refund it was done for",
        """
        SELECT operation.id, operation.kind, payment.state FROM payments.operations AS operation
        LEFT JOIN payments.payments AS payment
               ON (payment.channel, payment.id) = (operation.channel, operation.payment)
        WHERE payment.id IS NULL
           OR (operation.kind = 'capture' AND operation.state = 'done' AND payment.state <> 'paid')
        """,
    ),
)
