"""What energy costs: household tariffs and station tariffs, as data, and pure functions that price with them.

Owns the tariff structs, the dated data files under `data/`, the parse and print of OCPI tariffs, and the arithmetic
from a quantity to a price with every rounding step named. It does not decide who pays, which tariff holds for whom,
what happens to a payment that came late, or what a document looks like; it knows no database and no clock.

Invariants: a price is a function of its arguments and nothing else; arithmetic is exact (integers and fractions) and
rounds only in a step that has a name; every price comes with the lines that explain it, and the lines sum to it; a
tariff that uses what is not built is refused, never priced approximately; every version of a number in a data file
says since when it holds, from which source, and when that was checked.
"""
