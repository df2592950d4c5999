"""Readings as meters, head-end systems and market partners send them: one module a format, one form behind all.

A format module turns bytes into `Item`s: a reading of an interval, a reading of a register, or a complaint about one
line; it stops for nothing that is wrong with a single line. It knows neither the database nor the registry. What is
then taken in, and what of it is new, `admission` decides for all formats alike; nothing that came is lost: what cannot
be taken in is kept in quarantine with its line and the reason.
"""
