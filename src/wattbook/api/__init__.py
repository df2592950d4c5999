"""The programs' door: JSON over HTTP under `/api/v1`, what an operator's monitoring reads, and the login of people.

Owns the shapes of documents that go out and of those that come in, who may call, and the HTTP status of each error.
Decides nothing: every route is one call of a room below. Protocols of partners (OCPI, OCPP) have doors of their own.

Invariants: energy and money are decimal strings, exact; a time carries its offset; every list has a limit; an answer to
what changes something is sent after the commit; bad input is answered with `{"code", "message", "details"}` and, where
it is about energy or money, kept for inspection.
"""
