"""What the proof asks of charging: documents, sessions and postings say the same."""

from typing import Final

from wattbook.book.audit import Check

_FACTS: Final = "'cdr:' || operator || '*' || cdr.id"
_OURS: Final = "fact LIKE ANY (SELECT DISTINCT 'cdr:' || operator || '*%' FROM charging.sessions) AND kind IN (0, 2)"

CHECKS: Final = (
    Check(
        "session-has-one-cdr",
        "every session that ended has exactly one charge detail record, with its totals, and no other session has one",
        """
        SELECT session.id AS session, cdr.id AS cdr FROM charging.sessions AS session
        FULL JOIN charging.cdrs AS cdr ON cdr.session_id = session.id
        WHERE (session.ended_at IS NULL) <> (cdr.id IS NULL)
           OR cdr.before_tax <> coalesce(session.bought_before_tax - session.fed_in_before_tax, 0)
           OR cdr.after_tax <> coalesce(session.bought_after_tax - session.fed_in_after_tax, 0)
        """,
    ),
    Check(
        "session-energy-posted",
        "the energy of every session that ended is what its charge detail record posted, on every step of its way",
        f"""
        WITH expected AS (
            SELECT {_FACTS} || ':energy:' || step AS fact, mwh FROM charging.sessions
            JOIN charging.cdrs AS cdr ON cdr.session_id = sessions.id
            CROSS JOIN LATERAL (VALUES
                ('import:supply', import_mwh), ('import:meter', import_mwh), ('import:bill', import_mwh),
                ('export:supply', export_mwh), ('export:meter', export_mwh), ('export:bill', export_mwh)
            ) AS way(step, mwh) WHERE mwh > 0
        ), posted AS (SELECT fact, amount FROM book.transfers WHERE {_OURS} AND fact LIKE '%:energy:%')
        SELECT fact, mwh AS measured, amount AS posted FROM expected FULL JOIN posted USING (fact)
        WHERE mwh IS DISTINCT FROM amount
        """,
    ),
    Check(
        "cdr-money-posted",
        "what a charge detail record says is paid, earned, taxed and paid out is what it posted",
        f"""
        WITH expected AS (
            SELECT {_FACTS} || ':money:' || part AS fact, units FROM charging.sessions
            JOIN charging.cdrs AS cdr ON cdr.session_id = sessions.id
            CROSS JOIN LATERAL (VALUES
                ('payment', bought_after_tax), ('revenue', bought_before_tax),
                ('tax', abs(bought_after_tax - bought_before_tax)),
                ('feed-in', fed_in_before_tax), ('feed-in-tax', fed_in_after_tax - fed_in_before_tax)
            ) AS part(part, units) WHERE units > 0
        ), posted AS (
            SELECT regexp_replace(fact, '(hold|wallet|debt)$', 'payment') AS fact, sum(amount) AS amount
            FROM book.transfers WHERE {_OURS} AND fact LIKE '%:money:%' GROUP BY 1
        )
        SELECT fact, units AS documented, amount AS posted FROM expected FULL JOIN posted USING (fact)
        WHERE units IS DISTINCT FROM amount
        """,
    ),
)
