"""Documents for people and tax offices: invoices, receipts, credit notes, settlement statements.

Owns the documents with their numbers, how they look (PDF) and how machines read them (e-invoice), what is still owed by
whom and since when, and the reminders for it. Does not decide what energy costs (tariffs), who bought it (charging,
household) or what was paid (payments, book): a document says what was posted already, in whole coins, and posts nothing
but what its own rounding changes.

Invariants:
- numbers have no gap within an issuer, kind and year; a document never changes once it has one, and its digest is kept;
- what was sold stands on one invoice or receipt, never on two; every line names the postings that it comes from;
- `net + tax = total = paid + due`, and the postings of a document's sources and of its rounding sum to it;
- credit notes of a document never exceed it, in no line and no rate of tax.
"""
