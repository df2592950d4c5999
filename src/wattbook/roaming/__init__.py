"""Charging across operators: our drivers at partners' stations, partners' drivers at ours, and the hub between them.

Owns partners and their tokens, consents given to partners, what is to be delivered to them, sessions and records that
cross an operator's border, settlements between operators, and notices to drivers about them. Speaks OCPI 2.2.1. Does
not decide who may charge at our own stations or what it costs (charging), who our customers are (registry), or what a
posting may be (book).

Invariants:
- a partner speaks only for the parties it registered, a hub only for others;
- what a partner sent is answered after it is stored, and what we owe a partner is stored with its cause: it is sent
  until the partner answered;
- a consent sets money aside and is billed at most once; a record posts once, and another content under its identity is
  refused;
- a settlement covers records that both sides have, each once, and its totals are their sums;
- what a hub clears nets to zero once it is settled.
"""
