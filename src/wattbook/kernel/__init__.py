"""The words every room speaks: energy and money, identifiers, time, errors, logs.

Owns value types and the rules that hold for them anywhere. Decides nothing about business, knows no database and no
network, and imports nothing of wattbook.

Invariants: an amount of energy or money is an integer; a division of amounts says how it rounds; a time is aware and
in UTC; an identifier is kept in its canonical form.
"""
