"""What the proof asks of billing: numbers without a gap, documents as they were issued, and their sums in the book."""

from typing import Final

from wattbook.book.audit import Check

_SOLD: Final = "kind IN ('invoice', 'receipt')"

CHECKS: Final = (
    Check(
        "document-numbers",
        "the numbers of each issuer, kind and year run from 1 without a gap to the newest one given",
        """
        SELECT issuer, kind, year, series.last, count(serial) AS found, max(serial) AS highest
        FROM billing.series FULL JOIN billing.documents USING (issuer, kind, year)
        GROUP BY issuer, kind, year, series.last
        HAVING count(serial) IS DISTINCT FROM series.last OR coalesce(max(serial), 0) IS DISTINCT FROM series.last
        """,
    ),
    Check(
        "documents-unchanged",
        "every document is what it was when it was issued, and its lines sum to it",
        """
        SELECT number FROM billing.documents
        WHERE digest <> encode(sha256(convert_to(content, 'UTF8')), 'hex') OR content::jsonb ->> 'number' <> number
           OR (content::jsonb ->> 'total')::bigint <> total
        UNION ALL
        SELECT number FROM billing.documents AS document
        LEFT JOIN (SELECT document, sum(net) AS net FROM billing.lines GROUP BY document) AS line
             ON line.document = document.id
        WHERE document.kind <> 'statement' AND coalesce(line.net, 0) <> document.net
        """,
    ),
    Check(
        "sold-once",
        "what was sold stands on exactly one invoice or receipt",
        f"""
        SELECT line.source, document.number FROM billing.lines AS line
        JOIN billing.documents AS document ON document.id = line.document AND {_SOLD}
        LEFT JOIN billing.sources AS source ON source.source = line.source
        WHERE source.document IS DISTINCT FROM document.id
        """,
    ),
    Check(
        "documents-equal-postings",
        "what a document says was sold, owed and taxed is what its sources and its rounding posted",
        f"""
        WITH source AS (
            SELECT document.id, line.source, sum(exact_net + exact_tax) AS gross, sum(exact_tax) AS tax
            FROM billing.documents AS document JOIN billing.lines AS line ON line.document = document.id
            WHERE {_SOLD} GROUP BY document.id, line.source
        ), posted AS (
            SELECT source.id, source.source, gross, tax,
                   sum(amount) AS paid, coalesce(sum(amount) FILTER (WHERE owed), 0) AS owed
            FROM source
            CROSS JOIN (VALUES ('money:hold', false), ('money:wallet', false), ('money:debt', true), ('total', true))
                 AS part(step, owed)
            LEFT JOIN book.transfers AS transfer
                 ON fact = source.source || ':' || step AND transfer.kind IN (0, 2)
            GROUP BY source.id, source.source, gross, tax
        ), rounded AS (
            SELECT transfer.group_id, split_part(fact, ':', -1) AS step,
                   sum(CASE WHEN credit.purpose = 'sale' AND debit.purpose = 'receivable' THEN amount
                            WHEN credit.purpose = 'tax' THEN amount ELSE -amount END) AS amount
            FROM book.transfers AS transfer JOIN book.accounts AS credit ON credit.id = credit_account
            JOIN book.accounts AS debit ON debit.id = debit_account
            WHERE transfer.group_id IN (SELECT posting FROM billing.documents WHERE {_SOLD})
              AND split_part(fact, ':', -1) IN ('debt', 'tax') AND fact NOT LIKE 'cdr:%' GROUP BY 1, 2
        )
        SELECT source AS document, 'sold ' || gross || ', posted ' || coalesce(paid, 0) AS found
        FROM posted WHERE gross IS DISTINCT FROM paid
        UNION ALL
        SELECT number, 'owed ' || total - paid || ', taxed ' || document.tax FROM billing.documents AS document
        JOIN (SELECT id, sum(owed) AS owed, sum(tax) AS tax FROM posted GROUP BY id) AS own USING (id)
        LEFT JOIN rounded AS debt ON debt.group_id = document.posting AND debt.step = 'debt'
        LEFT JOIN rounded AS taxed ON taxed.group_id = document.posting AND taxed.step = 'tax'
        WHERE total - paid <> own.owed + coalesce(debt.amount, 0) OR document.tax <> own.tax + coalesce(taxed.amount, 0)
        """,
    ),
    Check(
        "credit-notes-equal-postings",
        "a credit note gives back what it says, never more than the lines and taxes of its document",
        f"""
        SELECT number FROM billing.documents AS note LEFT JOIN (
            SELECT group_id, sum(amount) AS amount FROM book.transfers
            WHERE split_part(fact, ':', -1) IN ('total', 'interest') AND fact LIKE 'credit:%' GROUP BY group_id
        ) AS posted ON posted.group_id = note.posting
        WHERE note.kind = 'credit note' AND coalesce(posted.amount, 0) <> -note.total
        UNION ALL
        SELECT document.number FROM billing.documents AS document JOIN (
            SELECT reference, sum(net) AS net, sum(tax) AS tax FROM billing.documents
            WHERE kind = 'credit note' GROUP BY reference
        ) AS given ON given.reference = document.number
        WHERE {_SOLD} AND (-given.net > document.net OR -given.tax > document.tax)
          AND NOT EXISTS (
              SELECT FROM billing.sources AS sold WHERE sold.document = document.id AND source LIKE 'bill:%')
        """,
    ),
)
