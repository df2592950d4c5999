"""Houses billed for the energy that nobody else has paid for.

Owns the `readings` of meters (intervals in Parquet files and the list of the files that count, registers), with their
checks and estimates; the work list of people; what payment devices and servers say was charged at a house and `paid`
elsewhere; the `bills` and credit notes of houses, one by one or in `runs`; and their `accounts`. It does not decide
what a kilowatt-hour costs (tariffs), which meter measures a house or in whose network it hangs (registry), who pays at
a charging station (charging), or how a document looks and is numbered for the tax office.

Invariants:
- a reader of intervals sees a batch of readings whole or not at all; a newer version of an interval counts, the older
  one is kept;
- a bill names what of it is an estimate; a true value that comes later corrects it;
- a payment is known by its server and its id: the same again changes nothing, the same with another content is a
  conflict that is kept for inspection, and what came first stands until it is withdrawn;
- for each house and billing period: what the house answers for + what was paid elsewhere + what no meter of the house
  has seen (the exception, at most zero) = what its meters measured;
- and bill − credit notes = the bill of what the house answers for, whatever the order in which payments arrived,
  were repeated or withdrawn: one joint re-rating of the whole period decides, never one payment by itself;
- a bill is of one customer and one tariff: a period in which people move, or the tariff changes, has a bill for each
  part (`bills.dues`), and a day of a house is in one bill at most;
- bills and credit notes never change; each is one group of postings in the book, or of none where a note only makes a
  bill final.
"""
